import Logging
import Synchronization
import Torpor
package import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

/// Keeps calls from a hosted server that answers all callers from one place, while that fails.
///
/// What counts are failures of the place: no answer in time, a conversation that ended, a place that cannot be reached. A
/// process that ends takes all calls with it that run in it; that is one failure.
package final class CallBreaker: Sendable {
    private struct State {
        var breaker: CircuitBreaker
        /// The calls that were let through and have no end yet.
        var passes: [HostCallID: CircuitBreaker.Pass] = [:]
        /// Those on trial, and since when.
        var trials: [HostCallID: Instant] = [:]
        /// Children whose end was counted: the last of them.
        var endedChildren: Set<ChildNumber> = []
    }

    /// How many ends are kept in mind, until all calls that a child has taken with it have been heard of.
    private static let endedChildrenMax = 1_024

    /// A call on trial that has no end after so long says nothing any more, and another one is let through: a call may take
    /// minutes.
    static let trialMax = Duration.seconds(10)

    private let server: String
    private let now: @Sendable () -> Instant
    private let jitter: @Sendable () -> Double
    private let logger: Logger
    private let state: Mutex<State>

    init(
        _ server: String, limits: CircuitBreakerLimits = CircuitBreakerLimits(), logger: Logger,
        now: @escaping @Sendable () -> Instant,
        jitter: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        self.server = server
        self.now = now
        self.jitter = jitter
        self.logger = logger
        self.state = Mutex(State(breaker: CircuitBreaker(limits: limits)))
    }

    /// How it stands.
    package var standing: CircuitBreaker.Standing {
        let now = self.now()
        return self.state.withLock { $0.breaker.standing(now: now) }
    }

    /// Whether a call is worth waiting for a child.
    func check() throws(Refusal) {
        let now = self.now()
        let refusal = self.state.withLock { state in
            self.giveUpTrials(&state, now: now)
            return state.breaker.refusal(now: now).map { ($0, state.breaker.failingSince) }
        }
        if let (retryAfter, since) = refusal { throw self.refusal(retryAfter, since, now: now) }
    }

    /// A call has a child and is about to be made. ``ended(_:_:)`` is to follow.
    func admit(_ id: HostCallID) throws(Refusal) {
        let now = self.now()
        let refusal = self.state.withLock { state -> (Duration, Instant?)? in
            self.giveUpTrials(&state, now: now)
            switch state.breaker.admit(now: now) {
            case .admitted(let pass):
                state.passes[id] = pass
                if state.breaker.standing(now: now) == .halfOpen { state.trials[id] = now }
                return nil
            case .refused(let retryAfter): return (retryAfter, state.breaker.failingSince)
            }
        }
        if let (retryAfter, since) = refusal { throw self.refusal(retryAfter, since, now: now) }
    }

    private func giveUpTrials(_ state: inout State, now: Instant) {
        for (id, since) in state.trials where now.since(since) >= Self.trialMax {
            self.end(id, .unknown, &state, now: now)
        }
    }

    /// What a call's end, or a sign of life before that, says of the server. Does nothing when it has said something
    /// before.
    func ended(_ id: HostCallID, _ outcome: CircuitBreaker.Outcome) {
        let now = self.now()
        let (before, after) = self.state.withLock { state in
            let before = state.breaker.failingSince
            self.end(id, outcome, &state, now: now)
            return (before, state.breaker.failingSince)
        }
        if before == nil, after != nil {
            self.logger.warning(
                "calls of a hosted server keep failing, so it is left alone for a while",
                metadata: ["server": "\(self.server)"])
        } else if let before, after == nil {
            self.logger.info(
                "a hosted server answers again",
                metadata: ["server": "\(self.server)", "after": "\(now.since(before).secondsText)"])
        }
    }

    /// What an error of the conversation with a child says of the server.
    func failed(_ id: HostCallID, in child: ChildNumber, _ error: UpstreamError) {
        switch error.code {
        case .timedOut, .unavailable, .sessionLost: self.ended(id, .failure)
        case .ended, .closed:
            let isFirst = self.state.withLock { state in
                guard state.endedChildren.insert(child).inserted else { return false }
                if state.endedChildren.count > Self.endedChildrenMax, let oldest = state.endedChildren.min() {
                    state.endedChildren.remove(oldest)
                }
                return true
            }
            self.ended(id, isFirst ? .failure : .unknown)
        // It has answered, whatever it said.
        case .answered, .tooLarge, .unauthorized, .refused: self.ended(id, .success)
        default: self.ended(id, .unknown)
        }
    }

    private func end(_ id: HostCallID, _ outcome: CircuitBreaker.Outcome, _ state: inout State, now: Instant) {
        state.trials[id] = nil
        guard let pass = state.passes.removeValue(forKey: id) else { return }
        _ = state.breaker.ended(pass, outcome, now: now, jitter: self.jitter())
    }

    private func refusal(_ retryAfter: Duration, _ since: Instant?, now: Instant) -> Refusal {
        let period = since.map { " for \(now.since($0).secondsText)" } ?? ""
        let seconds = max(1, retryAfter.secondsRoundedUp)
        return Refusal(
            503, .internalError,
            "The call was not made: calls of \(self.server) have kept failing\(period), so it is left alone for a while. "
                + "Try again in \(retryAfter.secondsText).",
            data: [
                "server": .string(self.server), "reason": "open", "retryAfterSeconds": .number(JSONNumber(seconds)),
            ], retryAfterSeconds: seconds)
    }
}
