import NIOCore

extension HTTPConfiguration {
    /// One event loop a core, and no more than eight: beyond, handlers need the cores more than sockets do.
    static let eventLoopCountDefault = min(8, System.coreCount)
}
