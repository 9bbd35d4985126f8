import Testing
import TorporTestSupport

@testable import TorporSoak

@Suite struct PlanTests {
    @Test(arguments: [3.0, 6, 12, 30, 600])
    func thePartsOfAPlanFillItsTime(seconds: Double) {
        let plan = SoakPlan(seconds: seconds)
        let sum = plan.warmupSeconds + Double(plan.phases) * (plan.workSeconds + plan.settleSeconds)
        #expect(abs(sum - seconds) < 1e-9)
        #expect(plan.workSeconds > 0 && plan.settleSeconds > 0 && plan.settleSeconds <= 2)
        #expect(plan.phases + 1 >= LinearFit.pointsMin)
    }

    @Test func aRunIsNoShorterThanItsLeast() {
        #expect(SoakPlan(seconds: 0) == SoakPlan(seconds: SoakPlan.secondsMin))
    }

    private func units(
        _ warmup: Int, in seconds: Double = 10, agents: Int = 10, most: Int = 10_000, asked: Int? = nil
    ) -> Int {
        SoakPlan(seconds: 60).unitsPerPhase(
            warmupUnits: warmup, warmupSeconds: seconds, agents: agents, unitsPerAgentMax: most, units: asked)
    }

    @Test func aPhaseDoesWhatFitsAtThePaceOfTheWarmUp() {
        let plan = SoakPlan(seconds: 60)
        #expect(units(10_000) == Int(1_000 * plan.workSeconds))
        #expect(units(0) == 10)  // Every agent does one unit at least.
    }

    @Test func unitsAreBounded() {
        #expect(units(1_000_000_000, agents: 200) == SoakPlan.unitsMax)
        #expect(units(1_000_000, most: 5) == 50)
        #expect(units(1_000, asked: 1 << 60) == SoakPlan.unitsMax)
    }

    @Test func unitsThatWereAskedForAreShared() {
        #expect(units(1_000, asked: 1_200) == 1_200 / SoakPlan(seconds: 60).phases)
        #expect(units(1_000, asked: 1) == 1)
    }

    @Test func everyNameHasItsScenario() {
        #expect(Scenario.all.map(\.name) == Scenario.Name.allCases)
        #expect(Set(Scenario.all.map(\.summary)).count == Scenario.all.count)
        for scenario in Scenario.all where !Scenario.ordinary.contains(scenario) && scenario.name != .stateless {
            #expect(!scenario.pitfall.isEmpty, "\(scenario.name)")
        }
    }

    @Test func behavioursAreDrawnByTheirWeights() {
        #expect(Behaviour.allCases.reduce(0) { $0 + $1.weight } == 100)
        var generator = SeededGenerator(seed: 5)
        var counts: [Behaviour: Int] = [:]
        for _ in 0..<10_000 { counts[.draw(using: &generator), default: 0] += 1 }
        for behaviour in Behaviour.allCases {
            let share = Double(counts[behaviour] ?? 0) / 100
            #expect(abs(share - Double(behaviour.weight)) < 2, "\(behaviour): \(share) %")
        }
    }

    @Test func theSameSeedMakesTheSamePlanOfBehaviours() {
        func draws(_ seed: UInt64) -> [Behaviour] {
            var generator = SeededGenerator(seed: seed)
            return (0..<50).map { _ in .draw(using: &generator) }
        }
        #expect(draws(9) == draws(9))
        #expect(draws(9) != draws(10))
    }
}
