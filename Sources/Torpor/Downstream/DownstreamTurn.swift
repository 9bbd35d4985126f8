import Synchronization
import TorporCore

/// A call's wait for its turn at a downstream. It ends once.
final class DownstreamTurn: Sendable {
    enum End: Sendable {
        /// It has a place, which is to be given back.
        case started(DownstreamGate.Machine.Pass)
        case refused(DownstreamGate.Machine.Refusal)
        /// It has waited for as long as it may.
        case expired
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
        let continuation = self.state.withLock { state -> CheckedContinuation<End, Never>? in
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

/// Something that happens once, and that others ask whether it has.
final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .acquiring) }

    func set() { self.value.store(true, ordering: .releasing) }
}
