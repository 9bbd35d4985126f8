import Synchronization
import TorporTestSupport

/// Runs tasks on the caller's thread, one job at a time, and picks the next of those that are ready by chance: every
/// order that real threads could bring about between two suspensions can come up, and comes up again with its seed.
///
/// Whoever owns it calls ``runNext()`` until nothing is ready. Tasks are put on it by `Task(executorPreference:)`; what
/// they start inherits it.
package final class SeededExecutor: TaskExecutor {
    private struct State {
        var ready: [UnownedJob] = []
        var random: SeededGenerator
        var fingerprint: UInt64 = 0
    }

    private let state: Mutex<State>

    package init(seed: UInt64) {
        self.state = Mutex(State(random: SeededGenerator(seed: seed, stream: .executor)))
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.state.withLock { $0.ready.append(job) }
    }

    /// Runs one of the jobs that are ready, to its next suspension.
    /// - Returns: `false` when none is.
    package func runNext() -> Bool {
        let job = self.state.withLock { state -> UnownedJob? in
            guard !state.ready.isEmpty else { return nil }
            let count = state.ready.count
            let choice = count == 1 ? 0 : Int.random(in: 0..<count, using: &state.random)
            state.fingerprint = (state.fingerprint ^ UInt64(count << 20 | choice)) &* 0x0000_0100_0000_01B3
            state.ready.swapAt(choice, count - 1)
            return state.ready.removeLast()
        }
        guard let job else { return false }
        job.runSynchronously(on: self.asUnownedTaskExecutor())
        return true
    }

    /// Tells apart what was run in another order.
    package var fingerprint: UInt64 { self.state.withLock { $0.fingerprint } }
}
