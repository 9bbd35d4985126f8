import Testing
import TorporSimulation

extension SimulationTests {
    @Test func aFailingScenarioIsShrunkToOneThatFailsInTheSameWay() throws {
        let scenario = Scenario(seed: 6, defect: .opensTheGate)
        let violation = try #require(try Self.run(scenario).violation)
        let shrunk = try scenario.shrunk()
        #expect(shrunk.violation?.promise == violation.promise)
        // A write and its answer are enough.
        #expect(try #require(shrunk.scenario.keeping).count <= 3)
        #expect(shrunk.scenario.faults.elements.count <= 1)
        let again = try Self.run(shrunk.scenario)
        #expect(again.violation?.description == shrunk.violation?.description)
        #expect(again.fingerprint == shrunk.fingerprint)
    }

    @Test func aScenarioThatKeepsAllPromisesIsNotShrunk() throws {
        let report = try Scenario(seed: 1).shrunk()
        #expect(report.violation == nil)
        #expect(report.scenario == Scenario(seed: 1))
    }

    @Test func shrinkingEndsWhenAllItsRunsAreUsed() throws {
        let scenario = Scenario(seed: 6, defect: .opensTheGate)
        let report = try scenario.shrunk(runsMax: 0)
        #expect(report.scenario == scenario && report.violation != nil)
    }

    @Test func aScenarioIsWrittenAsItIsReplayed() throws {
        let scenario = Scenario(
            seed: 7, steps: 20, faults: [.delays, .crashes], keeping: [3, 17], defect: .ignoresFences)
        #expect(
            "\(scenario)"
                == "Scenario(seed: 7, steps: 20, faults: [.delays, .crashes], keeping: [3, 17], defect: .ignoresFences)"
        )
        #expect(
            scenario.arguments.joined(separator: " ")
                == "--seed 7 --steps 20 --faults delays,crashes --keeping 3,17 --defect ignoresFences")
        #expect(Faults(names: ["delays", "crashes"]) == scenario.faults)
        #expect(Faults(names: ["delays", "no fault"]) == nil)
        #expect(Scenario(seed: 7, faults: []).arguments == ["--seed", "7", "--steps", "60", "--faults", "none"])
        #expect("\(Scenario(seed: 7))" == "Scenario(seed: 7, steps: 60, faults: .all)")
    }

    @Test func aReportSaysHowToRunItsScenarioAgain() throws {
        let report = try Self.run(Scenario(seed: 6, defect: .opensTheGate))
        let violation = try #require(report.violation)
        #expect(
            "\(report)" == """
                \(violation)
                    Scenario(seed: 6, steps: 60, faults: .all, defect: .opensTheGate)
                    scripts/simulate.sh replay --seed 6 --steps 60 --defect opensTheGate
                """)
    }
}
