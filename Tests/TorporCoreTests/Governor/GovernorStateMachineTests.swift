import Testing

@testable import TorporCore

/// The ladder, reading by reading.
@Suite struct GovernorStateMachineTests {
    /// A governor whose passes are a second apart, of a process with 1,000 MiB.
    struct Governed {
        var governor: GovernorStateMachine
        var seconds = 0

        init(limits: GovernorLimits = GovernorLimits()) {
            self.governor = GovernorStateMachine(limits: limits, now: Instant(nanoseconds: 0))
        }

        /// A pass, with pressures in thousandths.
        mutating func read(
            memory: Int = 0, state: Int = 0, stall: Double? = nil, idle: Int = 0,
            children: ChildReadings = ChildReadings()
        ) -> GovernorDecision {
            self.seconds += 1
            let readings = PressureReadings(
                stateBusy: .mebibytes(state), stateIdle: .mebibytes(idle), stateMax: .mebibytes(1_000),
                memoryUsed: .mebibytes(memory), memoryMax: .mebibytes(1_000), stall: stall, children: children)
            return self.governor.read(readings, now: Instant(nanoseconds: Int64(self.seconds) * 1_000_000_000))
        }

        /// A pass after which all that was asked for has freed nothing.
        mutating func readInVain(
            memory: Int = 0, state: Int = 0, stall: Double? = nil, idle: Int = 0,
            children: ChildReadings = ChildReadings()
        ) -> GovernorDecision {
            let decision = self.read(memory: memory, state: state, stall: stall, idle: idle, children: children)
            for action in decision.actions {
                switch action {
                case .evict: self.governor.freed(0, by: .evictColdest)
                case .trim: self.governor.freed(0, by: .trim)
                case .cancelLargest: self.governor.freed(1, by: .cancelLargest)
                case .shortenIdle, .endChildren, .drain: break
                }
            }
            return decision
        }

        /// Passes until a rung is reached; `nil` when it is not within a hundred.
        mutating func passes(
            to rung: GovernorRung, memory: Int = 0, state: Int = 0, stall: Double? = nil, idle: Int = 0,
            children: ChildReadings = ChildReadings()
        ) -> Int? {
            (1...100).first { _ in
                self.readInVain(memory: memory, state: state, stall: stall, idle: idle, children: children).rung == rung
            }
        }
    }

    // MARK: Pressure

    private static func pressure(
        busy: Int = 0, idle: Int = 0, used: Int = 0, of limit: Int? = 256, stall: Double? = nil
    ) -> Pressure {
        let readings = PressureReadings(
            stateBusy: .mebibytes(busy), stateIdle: .mebibytes(idle), stateMax: .mebibytes(128),
            memoryUsed: .mebibytes(used), memoryMax: limit.map { ByteCount.mebibytes($0) }, stall: stall)
        return Pressure(readings, limits: GovernorLimits())
    }

    @Test func pressureIsTheWorstOfItsSourcesAndSaysWhich() {
        let memory = Self.pressure(busy: 32, used: 231, stall: 0.1)
        #expect(memory.worst == .memory && memory.value == 231.0 / 256)
        #expect(memory.reason == "memory: 231 MiB of 256 MiB")
        let state = Self.pressure(busy: 96, used: 128, stall: 0.1)
        #expect(state.worst == .state && state.value == 0.75)
        #expect(state.reason == "state: 96 MiB of 128 MiB dirty or in use")
        let stall = Self.pressure(busy: 32, used: 64, stall: 0.125)
        #expect(stall.worst == .stall && stall.value == 0.625)
        #expect(stall.reason == "stall: some tasks waited for memory 12% of the time")
        #expect(Pressure.Source.allCases.map { stall[$0] } == [0.25, 0.25, 0.625])
    }

    @Test func cleanIdleStateIsNoPressure() {
        #expect(Self.pressure(idle: 128).value == 0)
    }

    @Test func whatIsNotKnownIsNoPressure() {
        let pressure = Self.pressure(used: 4_000, of: nil, stall: nil)
        #expect(pressure.value == 0 && pressure.reason == "memory: 3.9 GiB, no limit")
        #expect(Self.pressure(stall: .nan).value == 0)
    }

    @Test func pressureIsNeverAboveOne() {
        #expect(Self.pressure(busy: 500, used: 900, stall: 0.2).value == 1)
        #expect(Self.pressure(used: 1, of: 0).memory == 1)
        #expect(Self.pressure(stall: 1).stall == 1)
    }

    // MARK: Up and down

    @Test(
        arguments: [
            (GovernorRung.shortenIdle, 700), (.evictColdest, 780), (.trim, 840), (.refuseNewState, 900),
            (.refuseLoads, 940),
        ] as [(GovernorRung, Int)])
    func aRungIsEnteredAtItsPressureAndNotBelow(rung: GovernorRung, memory: Int) {
        var governed = Governed()
        #expect(governed.passes(to: rung, memory: memory - 1) == nil)
        #expect(governed.governor.rung.index == rung.index - 1)
        #expect(governed.readInVain(memory: memory).rung == rung)
    }

    @Test(
        arguments: [
            (GovernorRung.shortenIdle, 700, 600), (.evictColdest, 780, 680), (.trim, 840, 740),
            (.refuseNewState, 900, 800),
            (.refuseLoads, 940, 840),
        ] as [(GovernorRung, Int, Int)])
    func aRungIsLeftAfterFivePassesAtItsExit(rung: GovernorRung, entry: Int, exit: Int) {
        var governed = Governed()
        #expect(governed.passes(to: rung, memory: entry) == rung.index)
        for _ in 0..<20 { #expect(governed.readInVain(memory: exit + 1).rung == rung) }
        for _ in 0..<4 { #expect(governed.readInVain(memory: exit).rung == rung) }
        // One pass above starts the count again.
        #expect(governed.readInVain(memory: exit + 1).rung == rung)
        for _ in 0..<4 { #expect(governed.readInVain(memory: exit).rung == rung) }
        let decision = governed.readInVain(memory: exit)
        #expect(decision.rung.index == rung.index - 1)
        #expect(
            decision.change?.reason == "pressure at most \(exit / 10)% for 5 passes (memory: \(exit) MiB of 1000 MiB)")
    }

    @Test func noRungIsSkipped() {
        var governed = Governed()
        let rungs = (0..<6).map { _ in governed.readInVain(memory: 1_000).rung }
        #expect(rungs == Array(GovernorRung.allCases[1...6]))
        var down = (0..<30).map { _ in governed.readInVain().rung }
        #expect(down.removeLast() == .calm)
        for rung in GovernorRung.allCases[1..<6] { #expect(down.count { $0 == rung } == 5) }
        #expect(governed.governor.report.changes.total == 12)
    }

    @Test func aChangeSaysWhy() {
        var governed = Governed()
        let decision = governed.read(memory: 715)
        #expect(decision.change?.from == .calm && decision.change?.to == .shortenIdle)
        #expect(decision.change?.reason == "pressure 71% reached 70% (memory: 715 MiB of 1000 MiB)")
        #expect(governed.read(memory: 715).change == nil)
        let report = governed.governor.report
        #expect(report.reason == decision.change?.reason && report.since == Instant(nanoseconds: 1_000_000_000))
        #expect(report.usedBytes == 715 << 20 && report.limitBytes == 1_000 << 20 && report.rung == .shortenIdle)
        #expect(report.changes[.shortenIdle] == 1 && report.changes.total == 1)
    }

    // MARK: Actions

    @Test func idleTimeoutsAreShortenedOnceAndRestoredOnce() {
        var governed = Governed()
        #expect(governed.read(memory: 700).actions == [.shortenIdle(to: 0.25)])
        #expect(governed.read(memory: 700).actions.isEmpty)
        let after = (0..<9).map { _ in governed.read(memory: 100).actions }
        #expect(after.flatMap { $0 } == [.shortenIdle(to: 1)])
    }

    @Test func evictionAimsAtItsExitInBoundedSteps() {
        var governed = Governed()
        _ = governed.read(memory: 800, idle: 500)
        // A sixteenth of the limit at most.
        #expect(governed.read(memory: 800, idle: 500).actions == [.evict(bytes: 1_000 << 16)])
        governed.governor.freed(1_000 << 16, by: .evictColdest)
        #expect(governed.read(memory: 690, idle: 400).actions == [.evict(bytes: 10 << 20)])
        governed.governor.freed(10 << 20, by: .evictColdest)
        #expect(governed.read(memory: 680, idle: 390).actions.isEmpty)
        #expect(governed.governor.report.freedBytes[.evictColdest] == 1_000 << 16 + 10 << 20)
    }

    @Test func noMoreIsEvictedThanRests() {
        var governed = Governed()
        _ = governed.read(memory: 800, idle: 5)
        #expect(governed.read(memory: 800, idle: 5).actions == [.evict(bytes: 5 << 20)])
        governed.governor.freed(5 << 20, by: .evictColdest)
        #expect(governed.read(memory: 800, idle: 0).actions.isEmpty)
    }

    @Test func nothingIsAskedForAgainBeforeItsOutcomeIsKnown() {
        var governed = Governed()
        _ = governed.read(memory: 800, idle: 500)
        #expect(!governed.read(memory: 800, idle: 500).actions.isEmpty)
        for _ in 0..<5 { #expect(governed.read(memory: 800, idle: 500).actions.isEmpty) }
        governed.governor.freed(1 << 20, by: .evictColdest)
        #expect(!governed.read(memory: 800, idle: 500).actions.isEmpty)
    }

    @Test func whatFreedNothingTwiceIsNotRepeatedUntilPressureHasFallen() {
        var governed = Governed()
        _ = governed.readInVain(memory: 800, idle: 500)
        for _ in 0..<2 { #expect(governed.readInVain(memory: 800, idle: 500).actions.count == 1) }
        for _ in 0..<50 { #expect(governed.readInVain(memory: 800, idle: 500).actions.isEmpty) }
        _ = governed.readInVain(memory: 680, idle: 500)
        #expect(governed.readInVain(memory: 800, idle: 500).actions.count == 1)
    }

    @Test func whatFreedNothingTwiceIsTriedAgainWhenMoreRests() {
        var governed = Governed()
        for _ in 0..<9 { _ = governed.readInVain(memory: 800, idle: 500) }
        #expect(governed.readInVain(memory: 800, idle: 503).actions.isEmpty)
        #expect(governed.readInVain(memory: 800, idle: 504).actions.count == 1)
        #expect(governed.readInVain(memory: 800, idle: 504).actions.isEmpty)
        // What was used meanwhile and rests again is new too.
        #expect(governed.readInVain(memory: 800, idle: 400).actions.isEmpty)
        #expect(governed.readInVain(memory: 800, idle: 404).actions.count == 1)
    }

    @Test func trimmingKeepsItsDistanceAndStopsWhenInVain() {
        var governed = Governed()
        #expect(governed.passes(to: .trim, memory: 850) == 3)
        let trims = (0..<20).map { _ in governed.readInVain(memory: 850).actions.contains(.trim) }
        // The first came with the rung.
        #expect(trims.count { $0 } == 1 && trims[1])
        // Once more when memory has changed by a sixteenth of the limit.
        #expect(governed.readInVain(memory: 788).actions.isEmpty)
        #expect(governed.readInVain(memory: 787).actions == [.trim])
        #expect(governed.readInVain(memory: 787).actions.isEmpty)
        #expect(governed.readInVain(memory: 787).actions.isEmpty)
    }

    // MARK: Admission

    @Test func refusalsBeginAndEndWithTheirRungs() {
        var governed = Governed()
        var standings: [GovernorAdmission] = []
        for _ in 0..<6 {
            let decision = governed.readInVain(memory: 980)
            standings.append(decision.admission)
            #expect(decision.retryAfter == (decision.admission == .everything ? nil : .seconds(5)))
            #expect(governed.governor.admission == decision.admission)
        }
        #expect(standings == [.everything, .everything, .everything, .noNewState, .noLoads, .noLoads])
        #expect(GovernorAdmission.allCases.map(\.admitsNewState) == [true, false, false])
        #expect(GovernorAdmission.allCases.map(\.admitsLoads) == [true, true, false])
    }

    // MARK: Sources

    @Test func statePressureAloneEndsAtRefusedLoadsAndEvictsNothing() {
        var governed = Governed()
        var actions: [GovernorAction] = []
        for _ in 0..<200 { actions += governed.readInVain(memory: 300, state: 1_000, idle: 100).actions }
        #expect(governed.governor.rung == .refuseLoads)
        #expect(actions == [.shortenIdle(to: 0.25)])
    }

    @Test func aStallWithLittleMemoryInUseEndsAtRefusedLoads() {
        var governed = Governed()
        for _ in 0..<200 { _ = governed.readInVain(memory: 749, stall: 1) }
        #expect(governed.governor.rung == .refuseLoads)
        #expect(governed.passes(to: .drain, memory: 750, stall: 1) != nil)
        #expect(governed.governor.report.reason.contains("stall: some tasks waited for memory 100% of the time"))
    }

    @Test func aStallEvictsWhatRests() {
        var governed = Governed()
        _ = governed.read(memory: 500, stall: 0.18, idle: 400)
        #expect(governed.read(memory: 500, stall: 0.18, idle: 400).actions == [.evict(bytes: 1_000 << 16)])
    }

    // MARK: The end

    @Test func memoryThatNothingRelievesEndsInADrainThatSaysWhy() {
        var governed = Governed()
        var decisions: [GovernorDecision] = []
        while decisions.last?.rung != .drain, decisions.count < 100 {
            decisions.append(governed.readInVain(memory: 975, idle: 300))
        }
        // Ten passes at 97 % at least.
        #expect((10...15).contains(decisions.count))
        #expect(decisions.count { $0.actions.contains(.cancelLargest) } == 3)
        #expect(
            decisions.last?.actions == [
                .drain(
                    reason: """
                        pressure stays at 97% (memory: 975 MiB of 1000 MiB), and evicting, trimming and \
                        cancelling 3 calls did not relieve it: ending in good order before the kernel does otherwise
                        """)
            ])
        // There is no way back, and no second drain.
        for _ in 0..<20 {
            let decision = governed.readInVain()
            #expect(decision.rung == .drain && decision.actions.isEmpty && decision.admission == .noLoads)
        }
    }

    @Test func justBelowTheLastPressureNothingIsCancelled() {
        var governed = Governed()
        #expect(governed.passes(to: .cancelLargest, memory: 969) == nil)
        #expect(governed.governor.rung == .refuseLoads)
    }

    @Test func whatGoesOnFreeingPutsTheEndOff() {
        var governed = Governed()
        var passes = 0
        while governed.governor.rung != .drain, passes < 100 {
            passes += 1
            for action in governed.read(memory: 975, idle: 300).actions {
                if case .evict(let bytes) = action { governed.governor.freed(bytes, by: .evictColdest) }
                if action == .trim { governed.governor.freed(10 << 20, by: .trim) }
                if action == .cancelLargest { governed.governor.freed(1 << 20, by: .cancelLargest) }
            }
        }
        #expect(passes == 20)
    }

    @Test func nothingIsCancelledWhileEvictionIsAtWork() {
        // From 99 % down by a sixteenth a pass.
        var governed = Governed()
        var (memory, idle) = (990, 500)
        for _ in 0..<30 {
            for action in governed.read(memory: memory, idle: idle).actions {
                #expect(action != .cancelLargest)
                if case .evict(let bytes) = action {
                    (memory, idle) = (memory - bytes >> 20, idle - bytes >> 20)
                    governed.governor.freed(bytes, by: .evictColdest)
                }
                if action == .trim { governed.governor.freed(0, by: .trim) }
            }
        }
        #expect(memory <= 681 && governed.governor.rung <= .evictColdest)
    }

    @Test func cancellationsThatHelpStartAfresh() {
        var governed = Governed()
        for round in 1...3 {
            var cancelled = 0
            for _ in 0..<9 {
                for action in governed.readInVain(memory: 980).actions where action == .cancelLargest { cancelled += 1 }
            }
            #expect(cancelled > 0, "round \(round)")
            for _ in 0..<5 { _ = governed.readInVain(memory: 890) }
            #expect(governed.governor.rung == .refuseLoads)
        }
    }

    @Test func whenThereIsNothingToCancelTheEndDoesNotWaitForIt() {
        var governed = Governed()
        var cancelled = 0
        for _ in 0..<15 {
            for action in governed.read(memory: 1_000).actions {
                if action == .trim { governed.governor.freed(0, by: .trim) }
                if action == .cancelLargest {
                    cancelled += 1
                    governed.governor.freed(0, by: .cancelLargest)
                }
            }
        }
        #expect(cancelled == 2 && governed.governor.rung == .drain)
    }

    // MARK: Impossible calls

    @Test func whatFreesNothingIsNotToldOf() async {
        await #expect(processExitsWith: .failure) {
            var governor = GovernorStateMachine(now: Instant(nanoseconds: 0))
            governor.freed(1, by: .refuseLoads)
        }
        await #expect(processExitsWith: .failure) {
            var governor = GovernorStateMachine(now: Instant(nanoseconds: 0))
            governor.freed(1, by: .trim)
        }
        await #expect(processExitsWith: .failure) {
            var governor = GovernorStateMachine(now: Instant(nanoseconds: 0))
            governor.freed(-1, by: .shortenIdle)
        }
    }

    @Test func limitsThatContradictEachOtherAreImpossible() async {
        await #expect(processExitsWith: .failure) { _ = GovernorLimits.Step(entry: 0.5, exit: 0.5) }
        await #expect(processExitsWith: .failure) { _ = GovernorLimits.Step(entry: 1.1, exit: 0.5) }
        await #expect(processExitsWith: .failure) { _ = GovernorLimits(trim: .init(entry: 0.77, exit: 0.70)) }
        await #expect(processExitsWith: .failure) { _ = GovernorLimits(trim: .init(entry: 0.84, exit: 0.67)) }
        await #expect(processExitsWith: .failure) { _ = GovernorLimits(drainEntry: 0.96) }
        await #expect(processExitsWith: .failure) { _ = GovernorLimits(idleFactor: 0) }
        await #expect(processExitsWith: .failure) { _ = GovernorLimits(calmPassesMin: 0) }
    }
}
