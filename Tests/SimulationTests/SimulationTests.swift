import Testing
import TorporSimulation

/// One scenario at a time: a process that ends by a failed precondition says which.
@Suite(.serialized) struct SimulationTests {
    /// `make verify` runs ten thousand.
    @Test func theEngineKeepsItsPromises() throws {
        var counts = Report.Counts()
        for seed in 1...300 as ClosedRange<UInt64> {
            let scenario = Scenario(seed: seed)
            let report = try Self.run(scenario)
            counts.add(report.counts)
            if report.violation != nil {
                Issue.record("\(try scenario.shrunk())")
                break
            }
        }
        // What does not happen is not tried.
        #expect(counts.lives > 600 && counts.acknowledged > 2_000 && counts.loads > 1_000)
        #expect(counts.evictions > 500 && counts.expirations > 20 && counts.jumps > 20)
    }

    @Test func aSeedRunsAlikeEachTime() throws {
        for seed in 1...10 as ClosedRange<UInt64> {
            let (first, firstTrace) = try Self.trace(Scenario(seed: seed))
            let (second, secondTrace) = try Self.trace(Scenario(seed: seed))
            #expect(firstTrace == secondTrace && !firstTrace.isEmpty)
            #expect(first.fingerprint == second.fingerprint && first.counts == second.counts)
        }
    }

    @Test func seedsRunInOrdersOfTheirOwn() throws {
        let fingerprints = try (1...50).map { try Self.run(Scenario(seed: $0)).fingerprint }
        #expect(Set(fingerprints).count == fingerprints.count)
    }

    @Test func observationChangesNothing() throws {
        let unobserved = try Self.run(Scenario(seed: 7))
        let (observed, _) = try Self.trace(Scenario(seed: 7))
        #expect(unobserved.fingerprint == observed.fingerprint && unobserved.counts == observed.counts)
    }

    @Test func faultsThatAreLeftOutDoNotHappen() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let report = try Self.run(Scenario(seed: seed, faults: []))
            #expect(report.violation == nil)
            // One life, and one to look back.
            #expect(report.counts.lives == 2 && report.counts.jumps == 0)
        }
    }

    static func run(_ scenario: Scenario) throws -> Report {
        LastWords.set(scenario)
        return try scenario.run()
    }

    private static func trace(_ scenario: Scenario) throws -> (Report, lines: [String]) {
        LastWords.set(scenario)
        var lines: [String] = []
        return (try scenario.run { lines.append($0) }, lines)
    }
}
