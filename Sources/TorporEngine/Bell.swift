import Synchronization

/// Wakes one task that looks for work whenever there may be some. Rings are not counted: one wakes it, and it looks at
/// everything.
final class Bell: Sendable {
    private enum State {
        case silent
        case rung
        case awaited(UnsafeContinuation<Void, Never>)
    }

    private let state = Mutex(State.silent)

    func ring() {
        let continuation = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
            switch state {
            case .silent, .rung:
                state = .rung
                return nil
            case .awaited(let continuation):
                state = .silent
                return continuation
            }
        }
        continuation?.resume()
    }

    /// Waits for a ring; returns at once when it has rung since the last wait. Cancellation does not end it: whoever
    /// cancels rings.
    func wait() async {
        await withUnsafeContinuation { continuation in
            let hasRung = self.state.withLock { state in
                switch state {
                case .silent:
                    state = .awaited(continuation)
                    return false
                case .rung:
                    state = .silent
                    return true
                case .awaited: preconditionFailure("one task waits for a bell")
                }
            }
            if hasRung { continuation.resume() }
        }
    }
}
