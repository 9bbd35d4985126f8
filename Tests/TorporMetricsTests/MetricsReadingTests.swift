import CoreMetrics
import Metrics
import Testing

@testable import TorporMetrics

@Suite struct MetricsReadingTests {
    @Test func countersAddUpByTheValuesOfALabel() {
        let registry = MetricsRegistry()
        for (tool, reason, amount) in [("a", "idle", 1), ("b", "idle", 2), ("a", "room", 4)] {
            Counter(label: "gone", dimensions: [("tool", tool), ("reason", reason)], factory: registry)
                .increment(by: amount)
        }
        Counter(label: "gone", dimensions: [("tool", "a")], factory: registry).increment(by: 100)
        let totals = registry.reading().totals(of: "gone_total", by: "reason")
        #expect(totals.map(\.value) == ["idle", "room"] && totals.map(\.total) == [3, 4])
        #expect(registry.reading().totals(of: "never_total", by: "reason").isEmpty)
    }

    @Test func whatCallbacksReadIsThere() {
        let registry = MetricsRegistry()
        registry.collect { scrape in
            scrape.gauge("depth", help: "", 5)
            scrape.counter("shed", help: "", labels: [("reason", "rate")], 7)
        }
        let reading = registry.reading()
        #expect(reading.value(of: "depth") == 5)
        #expect(reading.value(of: "shed_total") == nil, "it has labels")
        #expect(reading.totals(of: "shed_total", by: "reason").map(\.total) == [7])
    }

    @Test func aHistogramAddsUpItsSeriesCumulated() throws {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(buckets: ["took_seconds": [0.001, 0.01]]))
        Timer(label: "took", dimensions: [("tool", "a")], factory: registry).recordMicroseconds(500)
        Timer(label: "took", dimensions: [("tool", "b")], factory: registry).recordMilliseconds(5)
        Timer(label: "took", dimensions: [("error", "x")], factory: registry).recordMilliseconds(500)
        let all = try #require(registry.reading().histogram("took_seconds"))
        #expect(all.bounds == [0.001, 0.01] && all.counts == [1, 2, 3])
        #expect(abs(all.sum - 0.5055) < 1e-9)
        #expect(registry.reading().histogram("took_seconds", having: "error")?.counts == [0, 0, 1])
        #expect(registry.reading().histogram("took_seconds", having: "nothing") == nil)
        #expect(registry.reading().value(of: "took_seconds") == nil)
    }

    @Test(arguments: ["plain", "with \"quotes\"", "back\\slash\\", "a\nline, b=\"c\"", ""])
    func aLabelIsReadAsItWasGiven(value: String) {
        let labels = MetricName.labels([("before", "x\\\"=\","), ("name", value), ("zz", "after")])
        #expect(MetricName.value(of: "name", in: labels) == value)
        #expect(MetricName.value(of: "zz", in: labels) == "after")
        #expect(MetricName.value(of: "nam", in: labels) == nil)
    }
}
