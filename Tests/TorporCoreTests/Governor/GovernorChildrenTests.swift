import Testing

@testable import TorporCore

/// What the governor does about children of hosted servers, reading by reading, in a process with 1,000 MiB.
@Suite struct GovernorChildrenTests {
    private typealias Governed = GovernorStateMachineTests.Governed

    private static func children(_ used: Int, leaving: Int = 0, idle: Int = 0) -> ChildReadings {
        ChildReadings(used: .mebibytes(used), leaving: .mebibytes(leaving), idleCount: idle)
    }

    private static func endings(_ decision: GovernorDecision) -> (bytes: Int, countMax: Int)? {
        for action in decision.actions {
            if case .endChildren(let bytes, let countMax) = action { return (bytes, countMax) }
        }
        return nil
    }

    @Test func idleChildrenEndFromTheSecondRungOnAndNotBefore() {
        var governed = Governed()
        for _ in 0..<20 {
            #expect(Self.endings(governed.read(memory: 699, children: Self.children(500, idle: 9))) == nil)
        }
        // Shorter idle timeouts first.
        let first = governed.read(memory: 790, children: Self.children(500, idle: 9))
        #expect(first.rung == .shortenIdle && Self.endings(first) == nil)
        let second = governed.read(memory: 790, children: Self.children(500, idle: 9))
        #expect(second.rung == .evictColdest && second.admission == .everything)
        // Down to the exit, 68 %, and a few in one pass.
        #expect(Self.endings(second)! == (110 << 20, 4))
    }

    @Test func noMoreAreEndedThanAreThereOrThanItTakes() {
        var governed = Governed()
        _ = governed.read(memory: 790)
        #expect(Self.endings(governed.read(memory: 790, children: Self.children(500, idle: 2)))! == (110 << 20, 2))
        // What is on its way out counts as gone.
        let leaving = governed.read(memory: 790, children: Self.children(500, leaving: 70, idle: 2))
        #expect(Self.endings(leaving)! == (40 << 20, 2))
        #expect(Self.endings(governed.read(memory: 790, children: Self.children(500, leaving: 110, idle: 2))) == nil)
        #expect(Self.endings(governed.read(memory: 790, children: Self.children(500))) == nil, "all are busy")
        // At the exit nothing more is done, though the rung is still left for a while.
        let calm = governed.read(memory: 680, children: Self.children(400, idle: 2))
        #expect(calm.rung == .evictColdest && Self.endings(calm) == nil)
    }

    @Test func cleanStateGoesBeforeChildren() {
        var governed = Governed()
        _ = governed.read(memory: 720)
        let enough = governed.read(memory: 780, idle: 700, children: Self.children(200, idle: 5))
        // A pass evicts at most a sixteenth of the limit; children make up for the rest.
        #expect(enough.actions.first == .evict(bytes: 1_000 << 16))
        #expect(Self.endings(enough)! == (100 << 20 - 1_000 << 16, 4))
        governed.governor.freed(1_000 << 16, by: .evictColdest)
        let less = governed.read(memory: 720, idle: 600, children: Self.children(200, idle: 5))
        #expect(less.actions == [.evict(bytes: 40 << 20)])
    }

    @Test func whatEndedIsToldWithItsRung() {
        var governed = Governed()
        governed.governor.endedChildren(3, freeing: 90 << 20)
        governed.governor.endedChildren(1, freeing: 0)
        let report = governed.governor.report
        #expect(report.endedChildren == 4 && report.freedBytes[.evictColdest] == 90 << 20)
        _ = governed.read(memory: 700, children: Self.children(300))
        #expect(governed.governor.report.childBytes == 300 << 20)
        #expect(governed.governor.report.reason.contains("700 MiB of 1000 MiB, children 300 MiB"))
    }

    @Test func noChildIsStartedWhereNewWorkIsRefused() {
        var governed = Governed()
        #expect(governed.passes(to: .trim, memory: 890) != nil)
        #expect(governed.governor.admission.admitsChildren)
        #expect(governed.passes(to: .refuseNewState, memory: 900) != nil)
        #expect(!governed.governor.admission.admitsChildren)
        #expect(!GovernorAdmission.noLoads.admitsChildren)
    }

    @Test func whatBusyChildrenTakeNeitherCancelsCallsNorDrains() {
        var governed = Governed()
        for _ in 0..<200 {
            let decision = governed.readInVain(memory: 1_000, children: Self.children(500))
            #expect(decision.rung <= .refuseLoads)
        }
        #expect(governed.governor.rung == .refuseLoads)
        // What the process itself takes does, whatever children there are.
        #expect(governed.passes(to: .drain, memory: 1_200, children: Self.children(210)) != nil)
    }

    @Test func aStallThatChildrenCauseNeitherCancelsNorDrains() {
        var governed = Governed()
        for _ in 0..<200 {
            _ = governed.readInVain(memory: 990, stall: 0.9, children: Self.children(300))
        }
        #expect(governed.governor.rung == .refuseLoads)
        #expect(governed.passes(to: .drain, memory: 990, stall: 0.9, children: Self.children(230)) != nil)
    }

    @Test func noCallIsCancelledWhileChildrenAreLeftToEnd() {
        var governed = Governed()
        for _ in 0..<9 { _ = governed.readInVain(memory: 969, children: Self.children(0, idle: 1)) }
        #expect(governed.governor.rung == .refuseLoads)
        // Only when that has been tried for a while, too.
        for _ in 0..<2 {
            #expect(governed.readInVain(memory: 975, children: Self.children(0, idle: 1)).rung == .refuseLoads)
        }
        #expect(governed.readInVain(memory: 975, children: Self.children(0, idle: 1)).rung == .cancelLargest)
    }
}
