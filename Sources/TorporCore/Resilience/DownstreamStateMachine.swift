/// Decides which calls of one downstream are made: so many at once, callers in turns, none while its breaker is open, and
/// retries within their budget. Holds no clock and no call.
///
/// The bulkhead is a ``FairQueue``; what this adds is that nothing waits behind a breaker. When it opens, all that waits
/// is given back, and when a call ends while others are on trial, too.
package struct DownstreamStateMachine<Caller: Hashable & Sendable, Item: Sendable>: Sendable {
    package typealias Ticket = FairQueue<Caller, Item>.Ticket

    /// Goes with a call that is made, to its end.
    package struct Pass: Sendable {
        fileprivate let caller: Caller
        fileprivate let breaker: CircuitBreaker.Pass
    }

    package enum Refusal: Hashable, Sendable {
        /// The breaker lets no call through.
        case open(retryAfter: Duration)
        /// As many calls wait as may.
        case queueFull
        /// As many calls of this caller wait as may.
        case callerQueueFull
    }

    package enum Entry: Sendable {
        /// It is made. Later ``ended(_:_:now:jitter:)``.
        case start(Pass)
        /// It waits, until an action tells what became of it, or ``cancel(_:)``.
        case queued(Ticket)
        case refused(Refusal)
    }

    /// What became of a call that waited.
    package enum Action: Sendable {
        case start(Item, Pass)
        case refuse(Item, Refusal)
    }

    private var queue: FairQueue<Caller, Item>
    private var breaker: CircuitBreaker
    private var budget: RetryBudget

    package init(
        bulkhead: FairQueueLimits = FairQueueLimits(runningMax: 16, waitingMax: 64),
        breaker: CircuitBreakerLimits = CircuitBreakerLimits(), retries: RetryBudgetLimits = RetryBudgetLimits(),
        now: Instant
    ) {
        self.queue = FairQueue(limits: bulkhead)
        self.breaker = CircuitBreaker(limits: breaker)
        self.budget = RetryBudget(limits: retries, now: now)
    }

    /// Calls that are made now.
    package var running: Int { self.queue.runningTotal }
    /// Calls that wait.
    package var waiting: Int { self.queue.waitingTotal }
    /// How often its breaker has opened.
    package var openings: Int { self.breaker.openings }
    /// When ``expire(now:)`` has something to give back; `nil` when nothing waits.
    package var nextExpiry: Instant? { self.queue.nextExpiry }

    /// How its breaker stands.
    package func standing(now: Instant) -> CircuitBreaker.Standing { self.breaker.standing(now: now) }

    /// A call arrives.
    package mutating func enter(_ item: Item, from caller: Caller, now: Instant) -> Entry {
        if let retryAfter = self.breaker.refusal(now: now) { return .refused(.open(retryAfter: retryAfter)) }
        switch self.queue.enter(item, from: caller, now: now) {
        case .start: return .start(self.admit(caller, now: now))
        case .queued(let ticket): return .queued(ticket)
        case .refused(.queueFull): return .refused(.queueFull)
        case .refused(.callerQueueFull): return .refused(.callerQueueFull)
        }
    }

    /// A call that was made has ended.
    /// - Parameter jitter: Random, between 0 and 1.
    package mutating func ended(_ pass: Pass, _ outcome: CircuitBreaker.Outcome, now: Instant, jitter: Double)
        -> [Action]
    {
        if outcome == .success { self.budget.succeeded(now: now) }
        _ = self.breaker.ended(pass.breaker, outcome, now: now, jitter: jitter)
        var actions: [Action] = []
        var next = self.queue.finished(pass.caller)
        if let started = next, self.breaker.refusal(now: now) == nil {
            actions.append(.start(started.item, self.admit(started.caller, now: now)))
            next = nil
        }
        guard let retryAfter = self.breaker.refusal(now: now) else { return actions }
        let waiting = (next.map { [$0] } ?? []) + self.queue.removeAll()
        // It has a place, which nobody is left to take.
        if let next { _ = self.queue.finished(next.caller) }
        return actions + waiting.map { .refuse($0.item, .open(retryAfter: retryAfter)) }
    }

    /// A waiting call is not wanted any more.
    /// - Returns: `nil` when it does not wait any more.
    package mutating func cancel(_ ticket: Ticket) -> Item? { self.queue.cancel(ticket)?.item }

    /// Gives back the calls that have waited for too long, oldest first.
    package mutating func expire(now: Instant) -> [Item] { self.queue.expire(now: now).map(\.item) }

    /// A call failed that may be made again.
    /// - Returns: `false` when there have been too many of those, so that the failure is the answer.
    package mutating func retry(now: Instant) -> Bool { self.budget.retry(now: now) }

    private mutating func admit(_ caller: Caller, now: Instant) -> Pass {
        guard case .admitted(let pass) = self.breaker.admit(now: now) else {
            preconditionFailure("the breaker was asked before")
        }
        return Pass(caller: caller, breaker: pass)
    }
}
