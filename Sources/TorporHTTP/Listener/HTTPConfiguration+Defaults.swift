import NIOCore
import TorporSystem

extension HTTPConfiguration {
    /// The cores that the process may use, by its affinity and its control group.
    package static let coreCount = min(System.coreCount, Processors.count)
    /// One event loop a core, and no more than eight: beyond, handlers need the cores more than sockets do.
    static let eventLoopCountDefault = min(8, Self.coreCount)
}
