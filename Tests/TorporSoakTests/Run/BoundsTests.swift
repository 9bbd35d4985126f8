import Testing

@testable import TorporSoak

/// Whatever a run brings, the tool's own memory stays bounded.
@Suite struct BoundsTests {
    @Test func aSeriesKeepsItsShapeInBoundedSpace() {
        var series = MemorySeries()
        let count = 20 * MemorySeries.samplesMax
        for number in 0..<count { series.add(.init(seconds: Double(number), bytes: number)) }
        #expect(series.samples.count <= MemorySeries.samplesMax)
        #expect(series.samples.count >= MemorySeries.samplesMax / 2)
        #expect(series.peak == count - 1)
        #expect(series.samples.first?.bytes == 0)
        #expect(series.samples.last?.bytes ?? 0 > count - 100)
        let steps = zip(series.samples, series.samples.dropFirst()).map { $1.bytes - $0.bytes }
        #expect(steps.dropFirst().dropLast().allSatisfy { $0 > 0 && $0 <= 64 })
    }

    @Test func textsBeyondTheMostAreCountedTogether() {
        var counts = TallyCounts()
        for number in 0..<100 { counts.addFailure("failure \(number)") }
        #expect(counts.failures.count == 21)
        #expect(counts.failures["other"] == 80)
        #expect(counts.failureCount == 100)
    }

    @Test func quantilesOfLatenciesAreExactToATenth() throws {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        for number in 1...1_000 { histogram.add(seconds: Double(number) / 1_000) }
        let median = try #require(histogram.quantile(0.5))
        #expect(abs(median / 0.5 - 1) < 0.1)
        let p99 = try #require(histogram.quantile(0.99))
        #expect(abs(p99 / 0.99 - 1) < 0.1)
        histogram.add(seconds: 1e12)
        histogram.add(seconds: 0)
        #expect(histogram.count == 1_002)
    }

    @Test func whatCameLaterIsTheDifference() throws {
        var histogram = LatencyHistogram()
        histogram.add(seconds: 0.001)
        let earlier = histogram
        histogram.add(seconds: 4)
        let later = histogram.since(earlier)
        #expect(later.count == 1)
        #expect(try #require(later.quantile(0.01)) > 3.9)
    }
}
