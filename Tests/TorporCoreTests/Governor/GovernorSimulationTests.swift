import Testing
import TorporCore
import TorporTestSupport

/// The governor against loads of many shapes, by seed.
@Suite struct GovernorSimulationTests {
    private static let seeds = 0..<40 as Range<UInt64>
    private static let limits = GovernorLimits()

    /// No ladder changes more often: a step down takes ``GovernorLimits/calmPassesMin`` passes, and to step up again
    /// one has to have stepped down, beyond the first climb.
    private static func changesMax(passes: Int) -> Int { 2 * (passes / Self.limits.calmPassesMin) + 7 }

    /// Checks that hold for every load, after it has run.
    private static func check(_ process: GovernedProcess, seed: UInt64) {
        let comment: Comment = "\(process.load), seed \(seed)"
        #expect(process.changes <= Self.changesMax(passes: process.rungs.count), comment)
        for (before, after) in zip([.calm] + process.rungs, process.rungs) {
            #expect(abs(after.index - before.index) <= 1, comment)
        }
        for action in process.asked {
            guard case .evict(let bytes) = action else { continue }
            #expect(bytes > 0 && bytes <= GovernedProcess.memoryMax << 6, comment)
        }
    }

    @Test(arguments: [GovernedProcess.Load.steady, .diurnal, .bursts, .spike, .slowStore])
    func ordinaryLoadsNeitherExceedTheLimitNorEndTheProcess(load: GovernedProcess.Load) {
        for seed in Self.seeds {
            var process = GovernedProcess(load: load, seed: seed)
            process.run(steps: GovernedProcess.loadSteps)
            #expect(process.highest < .cancelLargest, "\(load), seed \(seed)")
            #expect(process.mostUsed < GovernedProcess.groupMax, "\(load), seed \(seed)")
            // A change every six passes at most, where the ladder would allow for more.
            #expect(process.changes * 6 <= process.rungs.count, "\(load), seed \(seed)")
            // Nothing is asked any more: all rungs are left, one after another.
            process.run(steps: 60)
            #expect(process.rungs.last == .calm, "\(load), seed \(seed)")
            Self.check(process, seed: seed)
        }
    }

    @Test func idleChildrenMakeRoomBeforeAnybodyIsRefusedOne() {
        var ended = 0
        for seed in Self.seeds {
            var process = GovernedProcess(load: .children, seed: seed)
            process.run(steps: GovernedProcess.loadSteps)
            Self.check(process, seed: seed)
            #expect(process.mostUsed < GovernedProcess.memoryMax, "seed \(seed)")
            #expect(process.highest < .refuseNewState, "seed \(seed)")
            #expect(process.governor.report.endedChildren == process.children.ended, "seed \(seed)")
            ended += process.children.ended
            process.run(steps: 60)
            #expect(process.rungs.last == .calm, "seed \(seed)")
        }
        #expect(ended > 0)
    }

    @Test func aRushOfBusyChildrenIsRefusedMoreOfThemAndCancelsNothing() {
        var refused = 0
        for seed in Self.seeds {
            var process = GovernedProcess(load: .busyChildren, seed: seed)
            process.run(steps: GovernedProcess.loadSteps)
            Self.check(process, seed: seed)
            #expect(process.cancelled == 0 && !process.isDraining, "seed \(seed)")
            refused += process.children.refused
            #expect(process.mostUsed < GovernedProcess.groupMax, "seed \(seed)")
            process.run(steps: 60)
            #expect(process.rungs.last == .calm, "seed \(seed)")
        }
        #expect(refused > 0)
    }

    @Test func childrenThatThereIsRoomForAreLeftAlone() {
        for seed in Self.seeds {
            var process = GovernedProcess(load: .fewChildren, seed: seed)
            process.run(steps: GovernedProcess.loadSteps)
            #expect(process.children.started > 0 && process.children.ended == 0, "seed \(seed)")
            #expect(process.changes == 0 && process.asked.isEmpty, "seed \(seed)")
        }
    }

    @Test func withoutTheGovernorIdleChildrenExceedTheLimit() {
        let exceeding = Self.seeds.count { seed in
            var process = GovernedProcess(load: .children, seed: seed, isGoverned: false)
            process.run(steps: GovernedProcess.loadSteps)
            return process.mostUsed >= GovernedProcess.groupMax
        }
        #expect(exceeding > 0)
    }

    @Test func withoutTheGovernorTheSameLoadsExceedTheLimit() {
        for load in [GovernedProcess.Load.diurnal, .spike] {
            let exceeding = (0..<400 as Range<UInt64>).count { seed in
                var process = GovernedProcess(load: load, seed: seed, isGoverned: false)
                process.run(steps: GovernedProcess.loadSteps)
                return process.mostUsed >= GovernedProcess.groupMax
            }
            #expect(exceeding > 0, "\(load)")
        }
    }

    @Test func aFullCacheOfIdleStateIsLeftAlone() {
        for seed in Self.seeds {
            var process = GovernedProcess(load: .idleCache, seed: seed)
            process.run(steps: GovernedProcess.loadSteps)
            #expect(process.changes == 0 && process.asked.isEmpty, "seed \(seed)")
        }
    }

    @Test func aSlowStoreCancelsNothing() {
        for seed in Self.seeds {
            var process = GovernedProcess(load: .slowStore, seed: seed)
            process.run(steps: GovernedProcess.loadSteps + 60)
            #expect(process.cancelled == 0 && process.highest == .refuseLoads, "seed \(seed)")
            #expect(process.rungs.last == .calm, "seed \(seed)")
        }
    }

    @Test(arguments: [GovernedProcess.Load.leak, .leakInBursts])
    func aLeakEndsInADrainBeforeTheLimit(load: GovernedProcess.Load) {
        for seed in Self.seeds {
            var process = GovernedProcess(load: load, seed: seed)
            process.run(steps: GovernedProcess.loadSteps)
            #expect(process.isDraining, "\(load), seed \(seed)")
            #expect(process.mostUsed < GovernedProcess.groupMax, "\(load), seed \(seed)")
            Self.check(process, seed: seed)
            #expect(process.cancelled >= Self.limits.cancelsMax, "\(load), seed \(seed)")
            // All that could be evicted has been.
            #expect(process.stateIdle < GovernedProcess.memoryMax / 8, "\(load), seed \(seed)")
            guard case .drain(let reason)? = process.asked.last else {
                Issue.record("\(load), seed \(seed): the last action drains")
                continue
            }
            #expect(reason.hasPrefix("pressure stays at "), "\(load), seed \(seed)")
            #expect(reason.contains("(memory: "), "\(load), seed \(seed)")
        }
    }

    @Test func theSameSeedDoesTheSame() {
        for load in GovernedProcess.Load.allCases {
            var (first, second) = (GovernedProcess(load: load, seed: 7), GovernedProcess(load: load, seed: 7))
            first.run(steps: GovernedProcess.loadSteps)
            second.run(steps: GovernedProcess.loadSteps)
            #expect(first.rungs == second.rungs && first.asked == second.asked)
        }
    }

    // MARK: Around a threshold

    /// Counts changes while pressure swings between two values for a thousand passes.
    private static func changes(between low: Double, and high: Double, halfPeriod: Int) -> (
        count: Int, rungs: [GovernorRung]
    ) {
        var governed = GovernorStateMachineTests.Governed()
        var rungs: [GovernorRung] = []
        for pass in 0..<1_000 {
            let isHigh = pass / halfPeriod % 2 == 0
            rungs.append(governed.readInVain(memory: Int((isHigh ? high : low) * 1_000)).rung)
        }
        return (governed.governor.report.changes.total, rungs)
    }

    @Test(arguments: [1, 2, 4, 5, 9, 30])
    func pressureThatSwingsAroundAnEntryChangesNothing(halfPeriod: Int) {
        for rung in GovernorRung.allCases[1...5] {
            guard let step = Self.limits.step(rung) else { continue }
            // Down to just above the exit.
            let (count, rungs) = Self.changes(
                between: step.exit + 0.002, and: step.entry + 0.002, halfPeriod: halfPeriod)
            #expect(count == rung.index, "\(rung)")
            #expect(rungs.last == rung)
        }
    }

    @Test(arguments: [1, 2, 4])
    func pressureThatSwingsFasterThanCalmLastsChangesNothing(halfPeriod: Int) {
        for rung in GovernorRung.allCases[1...5] {
            guard let step = Self.limits.step(rung) else { continue }
            let (count, _) = Self.changes(between: 0, and: step.entry + 0.002, halfPeriod: halfPeriod)
            #expect(count == rung.index, "\(rung)")
        }
    }

    @Test(arguments: [5, 6, 10, 30, 100])
    func pressureThatSwingsSlowlyStaysWithinTheBound(halfPeriod: Int) {
        for rung in GovernorRung.allCases[1...5] {
            guard let step = Self.limits.step(rung) else { continue }
            let (count, _) = Self.changes(between: 0, and: step.entry + 0.002, halfPeriod: halfPeriod)
            #expect(count <= Self.changesMax(passes: 1_000), "\(rung)")
            // No more steps down than whole calm times in the low half periods.
            #expect(count <= 2 * (1_000 / (2 * halfPeriod)) * (halfPeriod / 5) + 2 * rung.index, "\(rung)")
        }
    }
}
