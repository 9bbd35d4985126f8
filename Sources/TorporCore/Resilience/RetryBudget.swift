/// How many retries a place may get.
package struct RetryBudgetLimits: Hashable, Sendable {
    /// For each call that succeeds, so much of a retry. Default 0.2: one for five.
    package let successShare: Double
    /// So many retries a second besides, so that a place with few calls gets any. Default 1.
    package let perSecond: Double
    /// How many are saved up at most. Default 20.
    package let savedMax: Int
    /// What one success is worth, in billionths of a retry.
    let successValue: Int64

    /// - Precondition: `successShare` lies between 0 and 1, `perSecond` between 0 and 1,000, `savedMax` between 1 and
    ///   1,000,000.
    package init(successShare: Double = 0.2, perSecond: Double = 1, savedMax: Int = 20) {
        precondition(successShare >= 0 && successShare <= 1, "a success is worth one retry at most")
        precondition(perSecond >= 0 && perSecond <= 1_000, "a thousand retries a second are more than enough")
        precondition(savedMax >= 1 && savedMax <= 1_000_000, "one to a million retries are saved up")
        self.successShare = successShare
        self.perSecond = perSecond
        self.savedMax = savedMax
        self.successValue = Int64((successShare * 1_000_000_000).rounded())
    }
}

/// Lets retries be a share of what succeeds, so that they do not keep a place down that fails. Holds no clock.
///
/// In any stretch of time there are no more retries than ``RetryBudgetLimits/savedMax``, plus the share of the successes
/// in it, plus those for its seconds.
package struct RetryBudget: Sendable {
    private static var retryValue: Int64 { 1_000_000_000 }

    package let limits: RetryBudgetLimits
    /// In billionths of a retry.
    private var saved: Int64
    private var lastLook: Instant

    /// A full budget.
    package init(limits: RetryBudgetLimits = RetryBudgetLimits(), now: Instant) {
        self.limits = limits
        self.saved = Int64(limits.savedMax) * Self.retryValue
        self.lastLook = now
    }

    /// Whole retries that there are now.
    package func remaining(now: Instant) -> Int { Int(self.value(now: now) / Self.retryValue) }

    /// A call has succeeded, at the first try or a later one.
    package mutating func succeeded(now: Instant) {
        self.look(now)
        self.saved = min(self.saved + self.limits.successValue, self.savedMax)
    }

    /// Somebody wants to try again.
    /// - Returns: `false` when it is not to be tried again.
    package mutating func retry(now: Instant) -> Bool {
        self.look(now)
        guard self.saved >= Self.retryValue else { return false }
        self.saved -= Self.retryValue
        return true
    }

    private var savedMax: Int64 { Int64(self.limits.savedMax) * Self.retryValue }

    private mutating func look(_ now: Instant) {
        self.saved = self.value(now: now)
        self.lastLook = max(self.lastLook, now)
    }

    /// What is saved by now.
    private func value(now: Instant) -> Int64 {
        let earned = Double(max(0, now.since(self.lastLook).wholeNanoseconds)) * self.limits.perSecond
        // What does not fit is more than can be saved.
        return min(self.saved + Int64(min(earned, Double(self.savedMax))), self.savedMax)
    }
}
