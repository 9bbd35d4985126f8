import Glibc
import Testing

@testable import TorporSoak

@Suite struct GrowthJudgementTests {
    private func judge(limit: Double = 1_024, _ memory: (Int) -> Double) -> GrowthJudgement? {
        GrowthJudgement((0...10).map { LinearFit.Point(x: Double($0) * 200, y: memory($0)) }, limit: limit)
    }

    @Test func aLeakIsFound() throws {
        var noise = Noise(seed: 1)
        let judgement = try #require(judge { 70e6 + 36_000 * 200 * Double($0) + 300_000 * noise.next() })
        #expect(judgement.outcome == .grows)
        #expect(judgement.fit.interval.contains(36_000))
    }

    @Test func aFlatServerWithNoiseIsFlatWhateverTheSeed() throws {
        for seed in 1...500 {
            var noise = Noise(seed: UInt64(seed))
            let judgement = try #require(judge { _ in 70e6 + 500_000 * noise.next() })
            #expect(judgement.outcome != .grows, "seed \(seed)")
        }
    }

    @Test func growthBelowTheLimitIsFlat() throws {
        let below = try #require(judge { 1e6 + 1_000 * 200 * Double($0) })
        #expect(below.outcome == .flat)
        let above = try #require(judge { 1e6 + 1_050 * 200 * Double($0) })
        #expect(above.outcome == .grows)
    }

    @Test func aCacheThatFillsIsNoLeak() throws {
        let judgement = try #require(judge { 50e6 + 20e6 * (1 - exp(-Double($0))) })
        #expect(judgement.outcome != .grows)
        let ramp = try #require(judge { 50e6 + 1e6 * min(Double($0), 5) })
        #expect(ramp.outcome == .rose)
    }

    @Test func oneJumpIsNoLeak() throws {
        for place in 1...10 {
            let judgement = try #require(judge { $0 < place ? 50e6 : 54e6 })
            #expect(judgement.outcome != .grows, "a jump before reading \(place)")
        }
    }

    @Test func anIntervalThatReachesBeyondTheLimitIsUncertain() throws {
        var noise = Noise(seed: 3)
        #expect(try #require(judge { _ in 70e6 + 5e6 * noise.next() }).isUncertain)
        #expect(try #require(judge { _ in 70e6 }).isUncertain == false)
    }

    @Test func aRiseThatTheKernelsOwnCountingMakesIsNone() throws {
        let units = 2_000.0
        func outcome(_ rise: Double) throws -> GrowthJudgement.Outcome {
            try #require(judge(limit: 16) { 1e8 + rise / units * 200 * Double($0) }).outcome
        }
        #expect(try outcome(GrowthJudgement.riseMin * 0.99) == .flat)
        #expect(try outcome(GrowthJudgement.riseMin * 1.01) == .grows)
    }

    @Test func memoryThatFallsIsFlat() throws {
        #expect(try #require(judge { 90e6 - 1e6 * Double($0) }).outcome == .flat)
    }

    @Test func twoReadingsSayNothing() {
        #expect(GrowthJudgement([.init(x: 0, y: 0), .init(x: 1, y: 1e9)], limit: 0) == nil)
    }
}
