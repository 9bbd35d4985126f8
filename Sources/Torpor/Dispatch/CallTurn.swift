import Synchronization

/// A call's wait for its turn to run. It ends once.
final class CallTurn: Sendable {
    enum End: Sendable {
        /// It runs from now on, and counts as running.
        case begun
        /// It has waited for as long as it may.
        case expired
        /// Nobody wants it any more.
        case cancelled
    }

    private enum State {
        case early
        case waiting(UnsafeContinuation<End, Never>)
        case ended(End)
    }

    private let state = Mutex(State.early)

    /// Waits for the end; at once when it has come already. One task waits.
    @inline(never)
    func wait() async -> End {
        await withUnsafeContinuation { continuation in
            let early: End? = self.state.withLock { state in
                switch state {
                case .early:
                    state = .waiting(continuation)
                    return nil
                case .ended(let end): return end
                case .waiting: preconditionFailure("one task waits for a turn")
                }
            }
            if let early { continuation.resume(returning: early) }
        }
    }

    func end(_ end: End) {
        let continuation = self.state.withLock { state -> UnsafeContinuation<End, Never>? in
            defer { state = .ended(end) }
            switch state {
            case .early: return nil
            case .waiting(let continuation): return continuation
            case .ended: preconditionFailure("a turn ends once")
            }
        }
        continuation?.resume(returning: end)
    }
}
