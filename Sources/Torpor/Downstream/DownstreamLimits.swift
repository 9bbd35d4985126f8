import TorporCore

/// What calls to a ``Downstream`` may take, when it is left alone, and how often it is tried again.
public struct DownstreamLimits: Sendable {
    /// When the breaker of a downstream opens, for how long, and how it closes again.
    ///
    /// **Closed**, it lets all calls through. It opens after `failuresMax` failures in a row, or when so large a share
    /// of the calls of the last `window` failed. **Open**, it lets none through. After a time it lets a few through on
    /// trial: if they succeed it closes, if one fails it opens again, for twice as long. The time is spread at random,
    /// down to half, so that servers do not come back all at once.
    public struct Breaker: Sendable {
        /// So many failures in a row open it. Default 5.
        public let failuresMax: Int
        /// Of the calls that ended within ``window``, so large a share of failures opens it. Default one half.
        public let failureShareMax: Double
        /// With fewer calls than that in the window, the share says nothing. Default 20.
        public let windowCallsMin: Int
        /// How far back the share looks. Default 10 s.
        public let window: Duration
        /// For how long it opens at first. Default 1 s.
        public let openMin: Duration
        /// For how long it opens at most. Default 60 s.
        public let openMax: Duration
        /// How many calls are on trial at once. Default 1.
        public let trialsMax: Int
        /// So many calls on trial have to succeed to close it. Default 1.
        public let trialSuccessesMin: Int
        let limits: CircuitBreakerLimits

        /// - Precondition: Counts are above 0; the share is above 0 and at most 1; times are above 0 and at most a day;
        ///   `openMin` ≤ `openMax`.
        public init(
            failuresMax: Int = 5, failureShareMax: Double = 0.5, windowCallsMin: Int = 20,
            window: Duration = .seconds(10), openMin: Duration = .seconds(1), openMax: Duration = .seconds(60),
            trialsMax: Int = 1, trialSuccessesMin: Int = 1
        ) {
            self.limits = CircuitBreakerLimits(
                failuresMax: failuresMax, failureShareMax: failureShareMax, windowCallsMin: windowCallsMin,
                window: window, openMin: openMin, openMax: openMax, trialsMax: trialsMax,
                trialSuccessesMin: trialSuccessesMin)
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

    /// How often what may be done twice is tried again.
    ///
    /// A downstream that works gets its few retries; one that fails gets no more than the budget, however many calls
    /// there are: `perSecond`, and for each success `successShare` of one.
    public struct Retries: Sendable {
        /// How often one run is tried again. 0: never. Default 2.
        public let perRunMax: Int
        /// How long the first pause is, before the first retry; then twice as long each time, up to ``pauseMax``.
        /// Spread at random, down to half. Default 100 ms.
        public let pauseMin: Duration
        /// How long a pause is at most. A downstream that asks for a longer one is not tried again. Default 2 s.
        public let pauseMax: Duration
        /// For each call that succeeds, so much of a retry. Default 0.2: one for five.
        public let successShare: Double
        /// So many retries a second besides. Default 1.
        public let perSecond: Double
        /// How many are saved up at most, and there at the start. Default 20.
        public let savedMax: Int
        let limits: RetryBudgetLimits

        /// - Precondition: `perRunMax` lies between 0 and 10; 0 < `pauseMin` ≤ `pauseMax` ≤ 1 h; `successShare` lies
        ///   between 0 and 1, `perSecond` between 0 and 1,000, `savedMax` between 1 and 1,000,000.
        public init(
            perRunMax: Int = 2, pauseMin: Duration = .milliseconds(100), pauseMax: Duration = .seconds(2),
            successShare: Double = 0.2, perSecond: Double = 1, savedMax: Int = 20
        ) {
            precondition((0...10).contains(perRunMax), "a run is tried again ten times at most")
            precondition(
                pauseMin > .zero && pauseMin <= pauseMax && pauseMax <= .seconds(3_600),
                "a pause is above 0 and at most an hour, and no pause is shorter than the first")
            self.limits = RetryBudgetLimits(successShare: successShare, perSecond: perSecond, savedMax: savedMax)
            self.perRunMax = perRunMax
            self.pauseMin = pauseMin
            self.pauseMax = pauseMax
            self.successShare = successShare
            self.perSecond = perSecond
            self.savedMax = savedMax
        }
    }

    /// How many calls are made at once. Default 64; further ones wait.
    public let runningMax: Int
    /// How many calls wait for that, in all. 0: none. Default 256; one more fails.
    public let waitingMax: Int
    /// The same for one caller, a principal or an address of anonymous callers. Default a quarter of ``waitingMax``.
    /// Callers that wait take turns.
    public let callerWaitingMax: Int
    /// How long a call waits; then it fails. Default 1 s.
    public let waitMax: Duration
    /// How long a run takes once it has begun, with retries and the pauses before them; then it is cancelled and fails.
    /// Default 10 s.
    public let durationMax: Duration
    public let breaker: Breaker
    public let retries: Retries
    let bulkhead: FairQueueLimits

    /// - Precondition: `runningMax` is above 0; 0 ≤ `callerWaitingMax` ≤ `waitingMax`, both or neither 0; times are
    ///   above 0 and at most a day.
    public init(
        runningMax: Int = 64, waitingMax: Int = 256, callerWaitingMax: Int? = nil, waitMax: Duration = .seconds(1),
        durationMax: Duration = .seconds(10), breaker: Breaker = Breaker(), retries: Retries = Retries()
    ) {
        precondition(durationMax > .zero && durationMax <= .seconds(86_400), "a run takes a while, and a day at most")
        self.bulkhead = FairQueueLimits(
            runningMax: runningMax, waitingMax: waitingMax, callerWaitingMax: callerWaitingMax, waitMax: waitMax)
        self.runningMax = runningMax
        self.waitingMax = waitingMax
        self.callerWaitingMax = self.bulkhead.callerWaitingMax
        self.waitMax = waitMax
        self.durationMax = durationMax
        self.breaker = breaker
        self.retries = retries
    }
}
