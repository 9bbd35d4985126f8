import Synchronization
package import TorporCore
import TorporStore

/// When the store is left alone for a while, and for how long.
enum StoreBreakers {
    /// Commits are never given up because of it: what was changed waits, and is sent again when it is time. So one failure
    /// is enough, and the time short: 10 ms, doubling up to a second.
    static let commits = CircuitBreakerLimits(
        failuresMax: 1, openMin: .milliseconds(10), openMax: .seconds(1))

    /// A call that needs something read fails at once while it is open, and may be made again. It takes more than a few
    /// failures: what can be read for none of the callers is the store's doing, what cannot for one of them may be that
    /// one's.
    static let reads = CircuitBreakerLimits(
        failuresMax: 10, failureShareMax: 0.75, windowCallsMin: 40, openMin: .milliseconds(100), openMax: .seconds(2))

    /// Nobody else asks the same store at the same moment: no spread is needed, and a simulation is the same each time.
    static let jitter = 1.0
}

/// How the breakers of the store stand.
package struct StoreStandings: Sendable, Equatable {
    package let commits: CircuitBreaker.Standing
    package let reads: CircuitBreaker.Standing

    package init(commits: CircuitBreaker.Standing, reads: CircuitBreaker.Standing) {
        self.commits = commits
        self.reads = reads
    }
}

extension StateEngine {
    /// How the breakers of the store stand.
    package var storeStandings: StoreStandings {
        let now = self.environment.now()
        return self.state.withLock { state in
            StoreStandings(
                commits: state.commitBreaker.standing(now: now), reads: state.readBreaker.standing(now: now))
        }
    }

    /// Reads something of the store for a call, unless it is left alone: then the call fails at once.
    func reading<Result>(
        _ body: () async throws(StoreError) -> Result
    ) async throws(StoreError) -> Result {
        let now = self.environment.now()
        let pass: CircuitBreaker.Pass
        switch self.state.withLock({ $0.readBreaker.admit(now: now) }) {
        case .admitted(let admitted): pass = admitted
        case .refused: throw StoreError(.unavailable, "Reads of the store keep failing, so none is tried for a moment.")
        }
        do throws(StoreError) {
            let result = try await body()
            self.ended(pass, .success)
            return result
        } catch {
            // Who was cancelled may have been told so by the store.
            self.ended(pass, Task.isCancelled ? .unknown : error.code == .unavailable ? .failure : .success)
            throw error
        }
    }

    private func ended(_ pass: CircuitBreaker.Pass, _ outcome: CircuitBreaker.Outcome) {
        let now = self.environment.now()
        self.state.withLock { state in
            _ = state.readBreaker.ended(pass, outcome, now: now, jitter: StoreBreakers.jitter)
        }
    }
}
