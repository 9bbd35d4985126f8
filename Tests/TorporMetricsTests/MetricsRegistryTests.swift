import CoreMetrics
import Metrics
import Synchronization
import Testing

@testable import TorporMetrics

@Suite struct MetricsRegistryTests {
    @Test func aLabelWithTheSameDimensionsInAnyOrderIsTheSameHandler() {
        let registry = MetricsRegistry()
        let first = registry.makeCounter(label: "a.b", dimensions: [("x", "1"), ("y", "2")])
        #expect(registry.makeCounter(label: "a_b_total", dimensions: [("y", "2"), ("x", "1")]) === first)
        #expect(registry.makeCounter(label: "a.b", dimensions: [("x", "1")]) !== first)
    }

    @Test func theCounterAndTheFloatingPointCounterOfALabelAddUp() {
        let registry = MetricsRegistry()
        registry.makeCounter(label: "a", dimensions: []).increment(by: 2)
        registry.makeFloatingPointCounter(label: "a", dimensions: []).increment(by: 0.5)
        #expect(registry.value(of: "a_total") == "2.5")
    }

    @Test func aCounterNeverFalls() {
        let registry = MetricsRegistry()
        let counter = registry.makeCounter(label: "a", dimensions: [])
        let fractions = registry.makeFloatingPointCounter(label: "b", dimensions: [])
        counter.increment(by: 5)
        counter.increment(by: -2)
        for amount in [1.5, -1, .nan, .infinity] {
            fractions.increment(by: amount)
        }
        #expect(registry.value(of: "a_total") == "5")
        #expect(registry.value(of: "b_total") == "1.5")
        counter.reset()
        fractions.reset()
        #expect(registry.value(of: "a_total") == "0")
        #expect(registry.value(of: "b_total") == "0")
    }

    @Test func aMeterGoesUpAndDown() {
        let registry = MetricsRegistry()
        let meter = registry.makeMeter(label: "a", dimensions: [])
        meter.set(10 as Int64)
        meter.increment(by: 2.5)
        meter.decrement(by: 4)
        #expect(registry.value(of: "a") == "8.5")
    }

    @Test func theAPIOfSwiftMetricsReachesTheRegistry() {
        let registry = MetricsRegistry()
        Counter(label: "calls", dimensions: [("tool", "echo")], factory: registry).increment(by: 7)
        Timer(label: "took", dimensions: [], factory: registry).recordMilliseconds(250)
        Gauge(label: "depth", dimensions: [], factory: registry).record(4)
        #expect(registry.value(of: #"calls_total{tool="echo"}"#) == "7")
        #expect(registry.value(of: "took_seconds_sum") == "0.25")
        #expect(registry.value(of: "depth") == "4")
    }

    // MARK: Buckets

    @Test func aDurationAtABoundBelongsToItsBucketAndOneAboveToTheNext() {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(buckets: ["a_seconds": [0.01, 0.3]]))
        let timer = registry.makeTimer(label: "a", dimensions: [])
        for nanoseconds: Int64 in [0, 10_000_000, 10_000_001, 300_000_000, 300_000_001, .max, -5] {
            timer.recordNanoseconds(nanoseconds)
        }
        #expect(registry.value(of: #"a_seconds_bucket{le="0.01"}"#) == "3")
        #expect(registry.value(of: #"a_seconds_bucket{le="0.3"}"#) == "5")
        #expect(registry.value(of: #"a_seconds_bucket{le="+Inf"}"#) == "7")
        #expect(registry.value(of: "a_seconds_count") == "7")
    }

    @Test func aSumOfDurationsDoesNotWrapAtOneWord() {
        let registry = MetricsRegistry()
        let timer = registry.makeTimer(label: "a", dimensions: [])
        for _ in 0..<3 {
            timer.recordNanoseconds(.max)
        }
        // 3 × (2^63 − 1) ns, which is above 2^64.
        #expect(registry.value(of: "a_seconds_sum") == "27670116110.564327421")
    }

    @Test func aValueAtABoundBelongsToItsBucketAndOneThatIsNotFiniteToNone() {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(buckets: ["a": [-1, 2]]))
        let recorder = registry.makeRecorder(label: "a", dimensions: [], aggregate: true)
        for value in [-1, 2, 2.0.nextUp, .nan, .infinity, -.infinity] {
            recorder.record(value)
        }
        recorder.record(-7 as Int64)
        #expect(registry.value(of: #"a_bucket{le="-1"}"#) == "2")
        #expect(registry.value(of: #"a_bucket{le="2"}"#) == "3")
        #expect(registry.value(of: #"a_bucket{le="+Inf"}"#) == "4")
        #expect(registry.value(of: "a_sum").flatMap(Double.init) == -1 + 2 + 2.0.nextUp - 7)
    }

    @Test(arguments: [
        "mcp.server.operation.duration", "mcp_server_operation_duration_seconds", "mcp.server.session.duration.seconds",
    ])
    func theDurationsOfMCPHaveTheBucketsOfOpenTelemetry(label: String) {
        let registry = MetricsRegistry()
        _ = registry.makeTimer(label: label, dimensions: [("mcp.method.name", "tools/call")])
        let bounds = registry.text().split(separator: "\n").filter { $0.contains("_bucket{") }.map { line in
            line.split(separator: "\"").last { !$0.contains("}") }
        }
        #expect(
            bounds == [
                "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "30", "60", "120", "300", "+Inf",
            ]
        )
    }

    @Test func aDimensionCalledLeDoesNotHideTheBuckets() {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(buckets: ["a_seconds": [1]]))
        registry.makeTimer(label: "a", dimensions: [("le", "x")]).recordNanoseconds(1)
        #expect(registry.value(of: #"a_seconds_bucket{key_le="x",le="1"}"#) == "1")
    }

    // MARK: Bound

    @Test func seriesUpToTheLimitAreKeptAndOneMoreIsRefusedAndCounted() {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(seriesMax: 3))
        for tool in ["a", "b", "c"] {
            registry.makeCounter(label: "calls", dimensions: [("tool", tool)]).increment(by: 1)
        }
        #expect(registry.droppedSeries == "0")

        let refused = registry.makeCounter(label: "calls", dimensions: [("tool", "d")])
        refused.increment(by: 1)
        #expect(registry.droppedSeries == "1")
        #expect(registry.value(of: #"calls_total{tool="d"}"#) == nil)
        #expect(registry.makeTimer(label: "t", dimensions: []) === refused)
        #expect(registry.makeFloatingPointCounter(label: "f", dimensions: []) === refused)
        #expect(registry.makeMeter(label: "m", dimensions: []) === refused)
        #expect(registry.makeRecorder(label: "r", dimensions: [], aggregate: true) === refused)
        #expect(registry.makeRecorder(label: "r", dimensions: [], aggregate: false) === refused)
        #expect(registry.droppedSeries == "6")

        // A series that is there already is found as before.
        registry.makeCounter(label: "calls", dimensions: [("tool", "c")]).increment(by: 1)
        #expect(registry.value(of: #"calls_total{tool="c"}"#) == "2")
        #expect(registry.droppedSeries == "6")
    }

    @Test func valuesOfCallbacksCountAgainstTheLimit() {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(seriesMax: 2))
        _ = registry.makeMeter(label: "a", dimensions: [])
        registry.gauge("b", help: "") { 1 }
        #expect(registry.droppedSeries == "0")
        registry.gauge("c", help: "") { 1 }
        #expect(registry.droppedSeries == "1")
        #expect(registry.value(of: "b") == "1")
        #expect(registry.value(of: "c") == nil)
    }

    @Test func aDestroyedSeriesIsForgottenAndFreesItsPlace() {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(seriesMax: 5))
        let counter = registry.makeCounter(label: "a", dimensions: [])
        let fractions = registry.makeFloatingPointCounter(label: "b", dimensions: [])
        let meter = registry.makeMeter(label: "c", dimensions: [])
        let recorder = registry.makeRecorder(label: "d", dimensions: [], aggregate: true)
        let timer = registry.makeTimer(label: "e", dimensions: [("x", "1")])
        registry.destroyCounter(counter)
        registry.destroyFloatingPointCounter(fractions)
        registry.destroyMeter(meter)
        registry.destroyRecorder(recorder)
        registry.destroyTimer(timer)
        #expect(registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }.count == 1)

        for number in 0..<5 {
            _ = registry.makeCounter(label: "a", dimensions: [("n", "\(number)")])
        }
        #expect(registry.droppedSeries == "0")
        _ = registry.makeCounter(label: "a", dimensions: [("n", "5")])
        #expect(registry.droppedSeries == "1")
    }

    @Test func destroyingAHandlerTwiceSparesTheSeriesThatTookItsPlace() {
        let registry = MetricsRegistry()
        let old = registry.makeCounter(label: "a", dimensions: [])
        registry.destroyCounter(old)
        registry.makeCounter(label: "a", dimensions: []).increment(by: 4)
        registry.destroyCounter(old)
        #expect(registry.value(of: "a_total") == "4")
    }

    @Test func aNameBelongsToTheKindThatUsedItFirst() {
        let registry = MetricsRegistry()
        registry.makeMeter(label: "a_total", dimensions: []).set(1 as Int64)
        registry.makeCounter(label: "a", dimensions: []).increment(by: 9)
        #expect(registry.droppedSeries == "1")
        _ = registry.makeTimer(label: "b", dimensions: [])
        _ = registry.makeRecorder(label: "b_seconds", dimensions: [], aggregate: true)
        #expect(registry.droppedSeries == "2")
        // The histogram b_seconds writes lines of this name.
        let meter = registry.makeMeter(label: "b_seconds_count", dimensions: [])
        #expect(registry.droppedSeries == "3")
        #expect(registry.value(of: "a_total") == "1")
        // Destroying a refused handler changes nothing.
        registry.destroyMeter(meter)
        #expect(registry.value(of: "b_seconds_count") == "0")
    }

    // MARK: Callbacks

    @Test func aGaugeIsReadAtEachScrapeAndLeftOutWhenItHasNoValue() {
        let value = Mutex<Double?>(1)
        let registry = MetricsRegistry()
        registry.gauge("a", help: "Text.", labels: [("x", "1")]) { value.withLock { $0 } }
        #expect(registry.value(of: #"a{x="1"}"#) == "1")
        value.withLock { $0 = 2 }
        #expect(registry.value(of: #"a{x="1"}"#) == "2")
        value.withLock { $0 = nil }
        #expect(!registry.text().contains("a{"))
        #expect(!registry.text().contains("TYPE a "))
        #expect(registry.droppedSeries == "0")
    }

    @Test func aCallbackMayAddManyValuesAndUseTheRegistry() {
        let registry = MetricsRegistry()
        registry.collect { scrape in
            registry.makeCounter(label: "scrapes", dimensions: []).increment(by: 1)
            scrape.gauge("objects", help: "By state.", labels: [("state", "resident")], 3)
            scrape.gauge("objects", help: "By state.", labels: [("state", "asleep")], 9)
            scrape.counter("commits", help: "All.", 12)
        }
        let text = registry.text()
        #expect(
            text.hasPrefix(
                """
                # HELP commits_total All.
                # TYPE commits_total counter
                commits_total 12
                # HELP objects By state.
                # TYPE objects gauge
                objects{state="asleep"} 9
                objects{state="resident"} 3

                """
            )
        )
        // Made during the first scrape, shown from the second, which counted itself.
        #expect(registry.value(of: "scrapes_total") == "2")
    }

    @Test func aSecondValueOfASeriesIsLeftOutAndCounted() {
        let registry = MetricsRegistry()
        registry.gauge("a", help: "") { 1 }
        registry.gauge("a", help: "") { 2 }
        #expect(registry.value(of: "a") == "1")
        // That scrape counted one, this one another.
        #expect(registry.droppedSeries == "2")
    }

    // MARK: Concurrency

    @Test func concurrentWritersLoseNothing() async {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(buckets: ["t_seconds": [1], "r": [1]]))
        let counter = registry.makeCounter(label: "c", dimensions: [])
        let fractions = registry.makeFloatingPointCounter(label: "f", dimensions: [])
        let meter = registry.makeMeter(label: "m", dimensions: [])
        let timer = registry.makeTimer(label: "t", dimensions: [])
        let recorder = registry.makeRecorder(label: "r", dimensions: [], aggregate: true)
        // One handler at a time, so that the writers do nothing but get in each other's way.
        await self.writeConcurrently { _ in counter.increment(by: 1) }
        await self.writeConcurrently { _ in fractions.increment(by: 0.5) }
        await self.writeConcurrently { $0 == 0 ? meter.increment(by: 3) : meter.decrement(by: 1) }
        await self.writeConcurrently { timer.recordNanoseconds($0 == 0 ? 500_000_000 : 1_500_000_000) }
        await self.writeConcurrently { recorder.record($0 == 0 ? 0.5 : 1.5) }
        #expect(registry.value(of: "c_total") == "400000")
        #expect(registry.value(of: "f_total") == "200000")
        #expect(registry.value(of: "m") == "0")
        #expect(registry.value(of: #"t_seconds_bucket{le="1"}"#) == "100000")
        #expect(registry.value(of: "t_seconds_count") == "400000")
        #expect(registry.value(of: "t_seconds_sum") == "500000")
        #expect(registry.value(of: #"r_bucket{le="1"}"#) == "100000")
        #expect(registry.value(of: "r_count") == "400000")
        #expect(registry.value(of: "r_sum") == "500000")
    }

    /// Calls `write` 100,000 times from each of four tasks, with the number of the task.
    private func writeConcurrently(_ write: @escaping @Sendable (_ writer: Int) -> Void) async {
        await withDiscardingTaskGroup { group in
            for writer in 0..<4 {
                group.addTask {
                    for _ in 0..<100_000 {
                        write(writer)
                    }
                }
            }
        }
    }

    @Test func scrapesAmidWritersAndNewSeriesAreWhole() async {
        let registry = MetricsRegistry(configuration: MetricsConfiguration(buckets: ["t_seconds": [1]]))
        await withDiscardingTaskGroup { group in
            for writer in 0..<2 {
                group.addTask {
                    for number in 0..<500 {
                        let dimensions = [("n", "\(writer)-\(number)")]
                        registry.makeTimer(label: "t", dimensions: dimensions).recordNanoseconds(1)
                        registry.makeTimer(label: "t", dimensions: []).recordNanoseconds(1)
                    }
                }
            }
            group.addTask {
                for _ in 0..<50 {
                    let values = registry.values()
                    #expect(values[#"t_seconds_bucket{le="+Inf"}"#] == values["t_seconds_count"])
                }
            }
        }
        #expect(registry.value(of: "t_seconds_count") == "1000")
        #expect(registry.values().keys.filter { $0.hasPrefix("t_seconds_count{") }.count == 1_000)
    }
}

extension MetricsRegistry {
    /// The samples of the text by name and labels.
    func values() -> [String: String] {
        var values: [String: String] = [:]
        for line in self.text().split(separator: "\n") where !line.hasPrefix("#") {
            let end = line.lastIndex(of: " ") ?? line.endIndex
            values[String(line[..<end])] = String(line[end...].dropFirst())
        }
        return values
    }

    func value(of sample: String) -> String? {
        self.values()[sample]
    }

    var droppedSeries: String? {
        self.value(of: "torpor_metrics_dropped_series_total")
    }
}
