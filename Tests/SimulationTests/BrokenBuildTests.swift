import Testing
import TorporSimulation

/// What is broken on purpose is caught: each promise is broken by a defect of its own.
extension SimulationTests {
    static let breakages: [(defect: Defect, promise: Violation.Promise)] = [
        (.opensTheGate, .nothingLeavesBeforeItIsDurable),
        (.skipsReservation, .theCapHolds),
        (.ignoresFences, .acknowledgedMeansDurable),
        (.liftsQuotas, .theQuotasHold),
        (.tearsCommits, .changesAreAtomic),
        (.losesObjects, .sleepIsInvisible),
        (.servesStale, .changesHaveOneOrder),
        (.expiresEarly, .nothingInFlightIsCut),
        (.sharesRefusals, .oneOffenderOneVictim),
        (.miscounts, .theEndIsClean),
        (.confusesCallers, .onlyOnesOwnObjects),
        (.forgetsTombstones, .whatIsGoneStaysGone),
        (.staysSilent, .noCallGetsSilence),
        (.neverSleeps, .workEnds),
    ]

    @Test func eachPromiseAndEachDefectIsTried() {
        #expect(Set(Self.breakages.map(\.promise)) == Set(Violation.Promise.allCases))
        #expect(Set(Self.breakages.map(\.defect)) == Set(Defect.allCases))
    }

    @Test(arguments: breakages)
    func aBrokenBuildIsCaughtWithinTwoHundredSeeds(_ defect: Defect, breaks promise: Violation.Promise) throws {
        let seed = try Self.firstSeed(breaking: promise, by: defect)
        #expect(seed != nil, "no seed up to 200 breaks \(promise)")
    }

    static func firstSeed(breaking promise: Violation.Promise, by defect: Defect) throws -> UInt64? {
        try (1...200 as ClosedRange<UInt64>).first { seed in
            try Self.run(Scenario(seed: seed, defect: defect)).violation?.promise == promise
        }
    }
}
