/// From which pressure on the governor does what, and how much of it in one pass.
///
/// A pass is one reading of the process; the defaults are meant for one each second.
package struct GovernorLimits: Hashable, Sendable {
    /// Where a rung begins and ends.
    package struct Step: Hashable, Sendable {
        /// The rung is entered from this pressure on.
        package let entry: Double
        /// The rung is left at or below this pressure.
        package let exit: Double

        /// - Precondition: 0 < `exit` < `entry` ≤ 1.
        package init(entry: Double, exit: Double) {
            precondition(exit > 0 && exit < entry && entry <= 1, "a rung is left below where it is entered")
            self.entry = entry
            self.exit = exit
        }
    }

    /// Pressure for ``GovernorRung/shortenIdle``. Default 0.70, left at 0.60.
    package let shortenIdle: Step
    /// Pressure for ``GovernorRung/evictColdest``. Default 0.78, left at 0.68, which is also what eviction aims at.
    package let evictColdest: Step
    /// Pressure for ``GovernorRung/trim``. Default 0.84, left at 0.74.
    package let trim: Step
    /// Pressure for ``GovernorRung/refuseNewState``. Default 0.90, left at 0.80.
    package let refuseNewState: Step
    /// Pressure for ``GovernorRung/refuseLoads``. Default 0.94, left at 0.84.
    package let refuseLoads: Step
    /// Pressure for ``GovernorRung/cancelLargest``. Default 0.97, left at 0.90.
    package let cancelLargest: Step
    /// Pressure for ``GovernorRung/drain``, when it lasts. Default 0.97.
    package let drainEntry: Double

    /// How many passes in a row have to be at or below a rung's exit before it is left. Default 5.
    package let calmPassesMin: Int
    /// What idle timeouts are multiplied by on every rung but the first. Default a quarter.
    package let idleFactor: Double
    /// How much one pass evicts at most, as a share of the memory limit, or of the state cap where no limit is known.
    /// Default a sixteenth.
    package let evictShareMax: Double
    /// How much one pass evicts at most. In bytes. Default 1 GiB, some 200 ms of work with small objects.
    package let evictPassMax: ByteCount
    /// How many children one pass ends at most. Default 4.
    package let endChildrenPassMax: Int
    /// What an action has to free to be worth repeating, as a share of the memory limit. Default 1/256.
    package let worthwhileShare: Double
    /// How many passes lie between two trims at least: giving pages back may take 100 ms for each GiB. Default 2.
    package let trimPassesMin: Int
    /// How many passes in a row at the last pressure make the governor cancel calls while milder actions still free
    /// something. Default 3.
    package let cancelHotPassesMin: Int
    /// How many passes lie between two cancellations at least, so that the first can take effect. Default 2.
    package let cancelPassesMin: Int
    /// How many calls are cancelled until pressure has fallen below the exit of that rung. Default 3.
    package let cancelsMax: Int
    /// How many passes at ``drainEntry`` the process gets to recover before it drains. A pass at the limit itself
    /// counts three times, one somewhat below makes up for one above. Default 10; twice that while actions still free
    /// something.
    package let drainPassesMin: Int
    /// Which share of time spent waiting for memory is full pressure. Default 0.2.
    package let stallMax: Double
    /// Below this memory pressure a stall is held to be somebody else's doing. Default 0.75.
    package let stallMemoryMin: Double
    /// When who was refused may try again. Default 5 s, as long as one rung takes to be left.
    package let retryAfter: Duration

    /// - Precondition: A rung is neither entered nor left at a lower pressure than the one before it; shares are above
    ///   0 and at most 1; all counts and bytes are above 0.
    package init(
        shortenIdle: Step = Step(entry: 0.70, exit: 0.60), evictColdest: Step = Step(entry: 0.78, exit: 0.68),
        trim: Step = Step(entry: 0.84, exit: 0.74), refuseNewState: Step = Step(entry: 0.90, exit: 0.80),
        refuseLoads: Step = Step(entry: 0.94, exit: 0.84), cancelLargest: Step = Step(entry: 0.97, exit: 0.90),
        drainEntry: Double = 0.97, calmPassesMin: Int = 5, idleFactor: Double = 0.25,
        evictShareMax: Double = 0.0625, evictPassMax: ByteCount = .gibibytes(1), endChildrenPassMax: Int = 4,
        worthwhileShare: Double = 0.00390625, trimPassesMin: Int = 2, cancelHotPassesMin: Int = 3,
        cancelPassesMin: Int = 2, cancelsMax: Int = 3,
        drainPassesMin: Int = 10, stallMax: Double = 0.2, stallMemoryMin: Double = 0.75,
        retryAfter: Duration = .seconds(5)
    ) {
        let steps = [shortenIdle, evictColdest, trim, refuseNewState, refuseLoads, cancelLargest]
        for (milder, harder) in zip(steps, steps.dropFirst()) {
            precondition(milder.entry <= harder.entry, "a harder rung is not entered at less pressure")
            precondition(milder.exit <= harder.exit, "a harder rung is not left at less pressure")
        }
        precondition(cancelLargest.entry <= drainEntry && drainEntry <= 1, "cancelling comes before draining")
        for share in [idleFactor, evictShareMax, worthwhileShare, stallMax, stallMemoryMin] {
            precondition(share > 0 && share <= 1, "a share lies between nothing and all")
        }
        precondition(worthwhileShare <= evictShareMax, "a pass may evict what is worth it")
        for count in [
            calmPassesMin, endChildrenPassMax, trimPassesMin, cancelHotPassesMin, cancelPassesMin, cancelsMax,
            drainPassesMin,
        ] {
            precondition(count > 0, "every count is above zero")
        }
        precondition(evictPassMax.bytes > 0, "a pass may evict something")
        precondition(retryAfter > .zero, "who is refused tries again later")
        self.shortenIdle = shortenIdle
        self.evictColdest = evictColdest
        self.trim = trim
        self.refuseNewState = refuseNewState
        self.refuseLoads = refuseLoads
        self.cancelLargest = cancelLargest
        self.drainEntry = drainEntry
        self.calmPassesMin = calmPassesMin
        self.idleFactor = idleFactor
        self.evictShareMax = evictShareMax
        self.evictPassMax = evictPassMax
        self.endChildrenPassMax = endChildrenPassMax
        self.worthwhileShare = worthwhileShare
        self.trimPassesMin = trimPassesMin
        self.cancelHotPassesMin = cancelHotPassesMin
        self.cancelPassesMin = cancelPassesMin
        self.cancelsMax = cancelsMax
        self.drainPassesMin = drainPassesMin
        self.stallMax = stallMax
        self.stallMemoryMin = stallMemoryMin
        self.retryAfter = retryAfter
    }

    /// Where a rung begins and ends; `nil` for the first and the last, which are not entered or left by a number alone.
    package func step(_ rung: GovernorRung) -> Step? {
        switch rung {
        case .calm, .drain: nil
        case .shortenIdle: self.shortenIdle
        case .evictColdest: self.evictColdest
        case .trim: self.trim
        case .refuseNewState: self.refuseNewState
        case .refuseLoads: self.refuseLoads
        case .cancelLargest: self.cancelLargest
        }
    }
}
