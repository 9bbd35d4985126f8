import Synchronization
import TorporCore
import TorporUpstream

/// Time that passes only when a test says so.
final class ManualTimer: UpstreamTimer {
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        var wakes: [(at: Instant, body: @Sendable () -> Void)] = []
    }

    private let state = Mutex(State())

    var now: Instant { self.state.withLock { $0.now } }

    func wake(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.wakes.append((instant, body)) }
    }

    /// Lets time pass; whatever is due on the way is called at its time, in order.
    func advance(by duration: Duration) {
        let end = self.now + duration
        while true {
            let next = self.state.withLock { state -> (@Sendable () -> Void)? in
                let due = state.wakes.indices.filter { state.wakes[$0].at <= end }
                guard let index = due.min(by: { state.wakes[$0].at < state.wakes[$1].at }) else { return nil }
                let wake = state.wakes.remove(at: index)
                state.now = max(state.now, wake.at)
                return wake.body
            }
            guard let next else { break }
            next()
        }
        self.state.withLock { $0.now = end }
    }
}
