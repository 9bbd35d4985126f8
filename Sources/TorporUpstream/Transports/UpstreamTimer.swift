package import NIOCore
package import TorporCore

/// Tells the time and wakes at it.
package protocol UpstreamTimer: Sendable {
    var now: Instant { get }
    /// Calls `body` once, at `instant` or soon after.
    func wake(at instant: Instant, _ body: @escaping @Sendable () -> Void)
}

/// The clock of the system, with wake-ups on an event loop.
package struct EventLoopTimer: UpstreamTimer {
    private let eventLoop: any EventLoop

    package init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    package var now: Instant { Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds)) }

    package func wake(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        self.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, instant.nanoseconds))), body)
    }
}
