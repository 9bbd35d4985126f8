/// How many calls run and wait at once, and for how long.
package struct FairQueueLimits: Hashable, Sendable {
    /// How many run at once, of all callers. Default 1,024.
    package let runningMax: Int
    /// How many run at once of one caller; `nil` for as many as of all. Default `nil`.
    package let callerRunningMax: Int?
    /// How many wait at once, of all callers; 0 when nobody waits. Default 1,024.
    package let waitingMax: Int
    /// How many wait at once of one caller. Default a quarter of ``waitingMax``, rounded up.
    package let callerWaitingMax: Int
    /// How long anything waits before it is given back. Default 10 s.
    package let waitMax: Duration

    /// - Precondition: 1 ≤ `callerRunningMax` ≤ `runningMax`; 0 ≤ `callerWaitingMax` ≤ `waitingMax`, both or neither 0;
    ///   `waitMax` is above 0 and at most a day.
    package init(
        runningMax: Int = 1_024, callerRunningMax: Int? = nil, waitingMax: Int = 1_024, callerWaitingMax: Int? = nil,
        waitMax: Duration = .seconds(10)
    ) {
        self.runningMax = runningMax
        self.callerRunningMax = callerRunningMax
        self.waitingMax = waitingMax
        self.callerWaitingMax = callerWaitingMax ?? (waitingMax + 3) / 4
        self.waitMax = waitMax
        precondition(runningMax > 0, "something may run")
        precondition(callerRunningMax ?? 1 > 0, "something of each caller may run")
        precondition(callerRunningMax ?? 1 <= runningMax, "one caller runs no more than all")
        precondition(waitingMax >= 0 && self.callerWaitingMax >= 0, "a number of waiting calls is not negative")
        precondition(self.callerWaitingMax <= waitingMax, "one caller has no more waiting than all")
        precondition((waitingMax == 0) == (self.callerWaitingMax == 0), "each caller may wait, or none")
        precondition(
            waitMax > .zero && waitMax <= .seconds(86_400), "who waits, waits for a while and no longer than a day")
    }
}
