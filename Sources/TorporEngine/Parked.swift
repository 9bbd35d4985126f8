import Synchronization

/// Why somebody who waited goes on.
enum Wake: Sendable {
    /// What was waited for has happened.
    case ready
    /// The object has left memory meanwhile: ask for it again.
    case again
    case failed(EngineError)
    case cancelled
}

/// One who waits: for a load, a turn, a commit. It is woken once; later wakes find it gone.
final class Parked: Sendable {
    private enum State {
        case early
        case waiting(UnsafeContinuation<Wake, Never>)
        case woken(Wake)
    }

    private let state = Mutex(State.early)

    /// Waits until it is woken; at once when it has been already. A cancelled task wakes by itself.
    /// - Returns: Whether what was waited for has happened; `false` means to ask again.
    // Not inlined: the optimizer of Swift 6.3.1 traps when it splits callers that wait in a loop.
    @inline(never)
    func wait() async throws -> Bool {
        let wake = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let early: Wake? = self.state.withLock { state in
                    switch state {
                    case .early:
                        state = .waiting(continuation)
                        return nil
                    case .woken(let wake): return wake
                    case .waiting: preconditionFailure("one task waits")
                    }
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            self.wake(.cancelled)
        }
        switch wake {
        case .ready: return true
        case .again: return false
        case .failed(let error): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// - Returns: `false` when it has been woken before.
    @discardableResult
    func wake(_ wake: Wake) -> Bool {
        let (continuation, isFirst) = self.state.withLock { state -> (UnsafeContinuation<Wake, Never>?, Bool) in
            switch state {
            case .early:
                state = .woken(wake)
                return (nil, true)
            case .waiting(let continuation):
                state = .woken(wake)
                return (continuation, true)
            case .woken: return (nil, false)
            }
        }
        continuation?.resume(returning: wake)
        return isFirst
    }
}
