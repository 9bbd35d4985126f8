import Synchronization

/// A wait that ends once, in one of the ways of `End`.
package final class Turn<End: Sendable>: Sendable {
    private enum State {
        case early
        case waiting(UnsafeContinuation<End, Never>)
        case ended(End)
    }

    private let state = Mutex(State.early)

    package init() {}

    /// Waits for the end; at once when it has come already. Being cancelled does not end it: ``end(_:)`` does.
    /// - Precondition: One task waits.
    @inline(never)
    package func wait() async -> End {
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

    /// Ends the wait, also one that has not begun.
    /// - Precondition: It has not ended.
    package func end(_ end: End) {
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
