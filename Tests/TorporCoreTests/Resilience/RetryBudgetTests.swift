import Testing
import TorporTestSupport

@testable import TorporCore

/// How many retries there are.
@Suite struct RetryBudgetTests {
    private static func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: Int64(milliseconds) * 1_000_000) }

    private static func spend(_ budget: inout RetryBudget, at milliseconds: Int) -> Int {
        var count = 0
        while budget.retry(now: self.at(milliseconds)) { count += 1 }
        return count
    }

    @Test func fiveSuccessesAreWorthOneRetry() {
        var budget = RetryBudget(
            limits: RetryBudgetLimits(successShare: 0.2, perSecond: 0, savedMax: 3), now: Self.at(0))
        #expect(Self.spend(&budget, at: 0) == 3)
        for _ in 0..<4 { budget.succeeded(now: Self.at(9_000)) }
        #expect(budget.remaining(now: Self.at(9_000)) == 0)
        budget.succeeded(now: Self.at(9_000))
        #expect(Self.spend(&budget, at: 9_000) == 1)
        for _ in 0..<1_000 { budget.succeeded(now: Self.at(9_000)) }
        #expect(Self.spend(&budget, at: 9_000) == 3, "no more are saved up")
    }

    @Test func aPlaceWithoutSuccessesGetsSomeEachSecond() {
        var budget = RetryBudget(limits: RetryBudgetLimits(successShare: 0, perSecond: 2, savedMax: 3), now: Self.at(0))
        #expect(Self.spend(&budget, at: 0) == 3)
        #expect(Self.spend(&budget, at: 499) == 0)
        #expect(Self.spend(&budget, at: 500) == 1)
        #expect(Self.spend(&budget, at: 1_500) == 2)
        #expect(Self.spend(&budget, at: 9_000_000) == 3)
    }

    @Test func whereNothingIsEarnedNothingComesBack() {
        var budget = RetryBudget(limits: RetryBudgetLimits(successShare: 0, perSecond: 0, savedMax: 1), now: Self.at(0))
        #expect(Self.spend(&budget, at: 0) == 1 && Self.spend(&budget, at: 1_000_000_000) == 0)
    }

    @Test func inAnyStretchOfTimeThereAreNoMoreThanPromised() {
        for seed in 0..<100 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let limits = RetryBudgetLimits(
                successShare: Double.random(in: 0...1, using: &random),
                perSecond: Double.random(in: 0...10, using: &random),
                savedMax: Int.random(in: 1...30, using: &random))
            var budget = RetryBudget(limits: limits, now: Self.at(0))
            var now = 0
            var events: [(at: Int, isRetry: Bool)] = []
            for _ in 0..<600 {
                now += Int.random(in: 0...100, using: &random)
                if Bool.random(using: &random) {
                    budget.succeeded(now: Self.at(now))
                    events.append((now, false))
                } else if budget.retry(now: Self.at(now)) {
                    events.append((now, true))
                } else {
                    #expect(budget.remaining(now: Self.at(now)) == 0, "seed \(seed)")
                }
            }
            for _ in 0..<50 {
                let start = Int.random(in: 0..<now, using: &random)
                let end = Int.random(in: start...now, using: &random)
                let stretch = events.filter { $0.at >= start && $0.at <= end }
                let (retries, successes) = (stretch.count { $0.isRetry }, stretch.count { !$0.isRetry })
                let earned = limits.successShare * Double(successes) + limits.perSecond * Double(end - start) / 1_000
                #expect(Double(retries) <= Double(limits.savedMax) + earned + 0.000_1, "seed \(seed)")
            }
        }
    }

    @Test func limitsThatMakeNoSenseAreImpossible() async {
        await #expect(processExitsWith: .failure) { _ = RetryBudgetLimits(successShare: 1.1) }
        await #expect(processExitsWith: .failure) { _ = RetryBudgetLimits(perSecond: -1) }
        await #expect(processExitsWith: .failure) { _ = RetryBudgetLimits(savedMax: 0) }
    }
}
