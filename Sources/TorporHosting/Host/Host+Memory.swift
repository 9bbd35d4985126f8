import Synchronization
import TorporCore

// What is done about children while memory is short.
extension Host {
    /// Children end sooner when nobody uses them.
    /// - Parameter factor: What the idle timeout is multiplied by; 1 for the usual.
    func shortenIdle(to factor: Double) { self.state.withLock { $0.machine.shortenIdle(to: factor) } }

    /// Whether children are started from now on; `nil`: they are. Else whoever needs one may try again after so long.
    func refuseStarts(retryAfter: Duration?) {
        let now = self.now()
        self.change { $0.machine.refuseStarts(retryAfter: retryAfter, now: now) }
    }

    /// Who would be ended first of those that nobody uses.
    var nextToRelieve: HostStateMachine.Candidate? { self.state.withLock { $0.machine.nextToRelieve() } }

    /// Ends the first of those that nobody uses.
    /// - Returns: What it takes, in bytes; `nil` when there is none.
    func relieve() -> Int? {
        let now = self.now()
        // Measured before, since afterwards it may have ended.
        let launched = self.state.withLock { state in
            state.machine.nextToRelieve().flatMap { state.slots[$0.child]?.launched }
        }
        let bytes = launched?.memory()?.bytes ?? 0
        var hasEnded = false
        self.change { state in
            let actions = state.machine.relieve(atMost: 1, now: now)
            hasEnded = !actions.isEmpty
            return actions
        }
        return hasEnded ? bytes : nil
    }

    /// What the children take that are being ended, in bytes.
    var memoryLeaving: Int {
        let leaving = self.state.withLock { state in
            state.slots.values.compactMap { $0.isStopping ? $0.launched : nil }
        }
        return leaving.reduce(0) { $0 + ($1.memory()?.bytes ?? 0) }
    }
}
