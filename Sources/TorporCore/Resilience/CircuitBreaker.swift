/// Keeps calls from a place that fails, and tries now and then whether it has recovered. Holds no clock.
///
/// **Closed**: all calls go through. It opens after ``CircuitBreakerLimits/failuresMax`` failures in a row, or when the
/// share of failures in a sliding window is too large. **Open**: none does, for a time that doubles from one trial to the
/// next. **Half-open**: a few calls go through on trial. One that fails opens it again; enough that succeed close it.
///
/// What counts as a failure is the caller's to say: a refusal that the client caused is none. The outcome of a call that
/// began before the last change says nothing any more, and is not counted.
///
/// Every method is O(1) and allocates nothing, but for the window, once.
package struct CircuitBreaker: Sendable {
    private enum State: Sendable {
        /// Next: `open`.
        case closed(failuresInRow: Int)
        /// Next: `halfOpen`, with the first call once it is time.
        case open(until: Instant)
        /// Next: `closed`, `open`.
        case halfOpen(trials: Int, successes: Int)
    }

    /// How it stands. The raw names stand in metrics.
    package enum Standing: String, CaseIterable, Sendable {
        case closed, open
        case halfOpen = "half_open"
    }

    /// Goes with a call that was let through, to its end.
    package struct Pass: Hashable, Sendable {
        fileprivate let generation: UInt64
    }

    package enum Admission: Hashable, Sendable {
        /// The call is made; ``ended(_:_:now:jitter:)`` has to be told of its end, once.
        case admitted(Pass)
        /// The call is not made. One made after so long has a chance.
        case refused(retryAfter: Duration)
    }

    /// How a call ended.
    package enum Outcome: Hashable, CaseIterable, Sendable {
        case success
        case failure
        /// Nobody can tell: the caller went away, or could not even try.
        case unknown
    }

    package let limits: CircuitBreakerLimits
    private var state = State.closed(failuresInRow: 0)
    /// Counts the changes of state.
    private var generation: UInt64 = 0
    private var window: OutcomeWindow
    /// How often it has opened since it was closed.
    private var openingsInRow = 0
    /// How often it has opened.
    package private(set) var openings = 0
    /// When it opened first since it was closed; `nil` while it is closed.
    package private(set) var failingSince: Instant?

    package init(limits: CircuitBreakerLimits = CircuitBreakerLimits()) {
        self.limits = limits
        self.window = OutcomeWindow(limits.window)
    }

    /// How it stands. One whose time is over is half-open, though nobody has been let through yet.
    package func standing(now: Instant) -> Standing {
        switch self.state {
        case .closed: .closed
        case .open(let until): now < until ? .open : .halfOpen
        case .halfOpen: .halfOpen
        }
    }

    /// For how long a call that is made now would not be let through; `nil` when it would.
    package func refusal(now: Instant) -> Duration? {
        switch self.state {
        case .closed: nil
        case .open(let until): now < until ? until.since(now) : nil
        case .halfOpen(let trials, _): trials < self.limits.trialsMax ? nil : self.limits.openMin
        }
    }

    /// Somebody wants to make a call.
    package mutating func admit(now: Instant) -> Admission {
        if let retryAfter = self.refusal(now: now) { return .refused(retryAfter: retryAfter) }
        switch self.state {
        case .closed: break
        case .open: self.change(to: .halfOpen(trials: 1, successes: 0))
        case .halfOpen(let trials, let successes):
            self.state = .halfOpen(trials: trials + 1, successes: successes)
        }
        return .admitted(Pass(generation: self.generation))
    }

    /// A call that was let through has ended.
    /// - Parameter jitter: Random, between 0 and 1: it opens for half the time that is due, or up to all.
    /// - Returns: Whether it opened because of it, so that nothing that waits needs to wait any longer.
    @discardableResult
    package mutating func ended(_ pass: Pass, _ outcome: Outcome, now: Instant, jitter: Double) -> Bool {
        precondition((0...1).contains(jitter), "jitter lies between 0 and 1")
        guard pass.generation == self.generation else { return false }
        switch self.state {
        case .closed(let failures):
            guard outcome != .unknown else { return false }
            self.window.count(isFailure: outcome == .failure, now: now)
            let failuresInRow = outcome == .failure ? failures + 1 : 0
            self.state = .closed(failuresInRow: failuresInRow)
            guard outcome == .failure, failuresInRow >= self.limits.failuresMax || self.sharesTooMany(now: now) else {
                return false
            }
        case .halfOpen(let trials, let successes):
            precondition(trials > 0, "a call on trial ends once")
            guard outcome != .failure else { break }
            let successes = successes + (outcome == .success ? 1 : 0)
            self.state = .halfOpen(trials: trials - 1, successes: successes)
            if successes >= self.limits.trialSuccessesMin { self.close() }
            return false
        case .open: preconditionFailure("no call begins while it is open")
        }
        self.open(now: now, jitter: jitter)
        return true
    }

    private func sharesTooMany(now: Instant) -> Bool {
        let (calls, failures) = self.window.totals(now: now)
        return calls >= self.limits.windowCallsMin && Double(failures) >= Double(calls) * self.limits.failureShareMax
    }

    private mutating func open(now: Instant, jitter: Double) {
        let least = Double(self.limits.openMin.wholeNanoseconds)
        let most = Double(self.limits.openMax.wholeNanoseconds)
        let doubled = least * Double(UInt64(1) << UInt64(min(self.openingsInRow, 40)))
        self.openingsInRow += 1
        self.openings += 1
        self.failingSince = self.failingSince ?? now
        self.change(to: .open(until: now + .nanoseconds(Int64(min(doubled, most) * (1 + jitter) / 2))))
    }

    private mutating func close() {
        self.openingsInRow = 0
        self.failingSince = nil
        self.window.removeAll()
        self.change(to: .closed(failuresInRow: 0))
    }

    private mutating func change(to state: State) {
        self.state = state
        self.generation += 1
    }
}
