import Synchronization
import TorporCore

/// A call's wait for its child. It ends once.
final class HostTurn: Sendable {
    enum End: Sendable {
        case child(ChildNumber)
        /// With what the start said that failed for it.
        case refused(HostRefusal, String?)
        /// Nobody wants it any more.
        case cancelled
    }

    private enum State {
        case early
        case waiting(CheckedContinuation<End, Never>)
        case ended(End)
    }

    private let state = Mutex(State.early)

    /// Waits for the end; at once when it has come already. One task waits.
    func wait() async -> End {
        await withCheckedContinuation { continuation in
            let early: End? = self.state.withLock { state in
                guard case .ended(let end) = state else {
                    state = .waiting(continuation)
                    return nil
                }
                return end
            }
            if let early { continuation.resume(returning: early) }
        }
    }

    /// Does nothing when it has ended before.
    func end(_ end: End) {
        let continuation = self.state.withLock { state -> CheckedContinuation<End, Never>? in
            switch state {
            case .early:
                state = .ended(end)
                return nil
            case .waiting(let continuation):
                state = .ended(end)
                return continuation
            case .ended: return nil
            }
        }
        continuation?.resume(returning: end)
    }
}
