/// When a breaker opens, for how long, and how it closes again.
package struct CircuitBreakerLimits: Hashable, Sendable {
    /// So many failures in a row open it. Default 5.
    package let failuresMax: Int
    /// Of the calls that ended within ``window``, so large a share of failures opens it. Default one half.
    package let failureShareMax: Double
    /// With fewer calls than that in the window, the share says nothing. Default 20.
    package let windowCallsMin: Int
    /// How far back the share looks, to within a tenth. Default 10 s.
    package let window: Duration
    /// For how long it opens at first. Doubles each time that the calls let through on trial fail. Default 1 s.
    package let openMin: Duration
    /// For how long it opens at most. Default 60 s.
    package let openMax: Duration
    /// How many calls on trial are under way at once. Default 1.
    package let trialsMax: Int
    /// So many calls on trial in a row have to succeed to close it. Default 1.
    package let trialSuccessesMin: Int

    /// - Precondition: Counts are above 0; the share is above 0 and at most 1; `window`, `openMin` and `openMax` are
    ///   above 0 and at most a day; `openMin` ≤ `openMax`.
    package init(
        failuresMax: Int = 5, failureShareMax: Double = 0.5, windowCallsMin: Int = 20, window: Duration = .seconds(10),
        openMin: Duration = .seconds(1), openMax: Duration = .seconds(60), trialsMax: Int = 1,
        trialSuccessesMin: Int = 1
    ) {
        for count in [failuresMax, windowCallsMin, trialsMax, trialSuccessesMin] {
            precondition(count > 0, "what a breaker counts is at least one")
        }
        precondition(failureShareMax > 0 && failureShareMax <= 1, "a share lies between nothing and all")
        for duration in [window, openMin, openMax] {
            precondition(
                duration > .zero && duration <= .seconds(86_400), "a breaker's times are above 0 and at most a day")
        }
        precondition(openMin <= openMax, "a breaker opens for longer each time")
        self.failuresMax = failuresMax
        self.failureShareMax = failureShareMax
        self.windowCallsMin = windowCallsMin
        self.window = window
        self.openMin = openMin
        self.openMax = openMax
        self.trialsMax = trialsMax
        self.trialSuccessesMin = trialSuccessesMin
    }
}
