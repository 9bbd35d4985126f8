import CoreMetrics
import Testing

@testable import TorporMetrics

@Suite struct PrometheusTextTests {
    /// What a registry that counts nothing of its own still shows.
    private static let dropped = """
        # HELP torpor_metrics_dropped_series_total Series refused: over the limit, or a name of another kind.
        # TYPE torpor_metrics_dropped_series_total counter
        torpor_metrics_dropped_series_total 0

        """

    @Test func aSmallRegistryIsWrittenInOrderWithHelpAndTypes() {
        let registry = MetricsRegistry(
            configuration: MetricsConfiguration(buckets: ["wake.seconds": [0.5, 1], "object_bytes": [1_024]])
        )
        registry.help("torpor.evictions", "State objects evicted, by reason.")
        registry.help("wake_seconds", "How long waking takes.")
        registry.makeCounter(label: "torpor.evictions", dimensions: [("reason", "idle")]).increment(by: 3)
        registry.makeCounter(label: "torpor.evictions", dimensions: [("reason", "cap")]).increment(by: 1)
        registry.makeFloatingPointCounter(label: "cost_total", dimensions: []).increment(by: 0.25)
        registry.makeMeter(label: "pressure", dimensions: []).set(0.5)
        registry.makeRecorder(label: "rung", dimensions: [], aggregate: false).record(2 as Int64)
        registry.makeRecorder(label: "object_bytes", dimensions: [], aggregate: true).record(100.5)
        let timer = registry.makeTimer(label: "wake", dimensions: [("origin", "sqlite")])
        timer.recordNanoseconds(250_000_000)
        timer.recordNanoseconds(700_000_000)
        timer.recordNanoseconds(2_000_000_001)

        let expected = """
            # TYPE cost_total counter
            cost_total 0.25
            # TYPE object_bytes histogram
            object_bytes_bucket{le="1024"} 1
            object_bytes_bucket{le="+Inf"} 1
            object_bytes_sum 100.5
            object_bytes_count 1
            # TYPE pressure gauge
            pressure 0.5
            # TYPE rung gauge
            rung 2
            # HELP torpor_evictions_total State objects evicted, by reason.
            # TYPE torpor_evictions_total counter
            torpor_evictions_total{reason="cap"} 1
            torpor_evictions_total{reason="idle"} 3

            """ + Self.dropped + """
                # HELP wake_seconds How long waking takes.
                # TYPE wake_seconds histogram
                wake_seconds_bucket{origin="sqlite",le="0.5"} 1
                wake_seconds_bucket{origin="sqlite",le="1"} 2
                wake_seconds_bucket{origin="sqlite",le="+Inf"} 3
                wake_seconds_sum{origin="sqlite"} 2.950000001
                wake_seconds_count{origin="sqlite"} 3

                """
        #expect(registry.text() == expected)
    }

    @Test func anEmptyRegistryShowsOnlyWhatItDropped() {
        #expect(MetricsRegistry().text() == Self.dropped)
    }

    @Test(
        arguments: [
            (0, "0"), (17, "17"), (-3, "-3"), (0.1, "0.1"), (1e21, "1e+21"), (1e-9, "1e-09"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (Double(1 << 53), "9007199254740992"),
        ] as [(Double, String)]
    )
    func numbersAreWrittenAsPrometheusReadsThem(value: Double, text: String) {
        #expect(PrometheusText.number(value) == text)
    }

    @Test(
        arguments: [
            (0, "0"), (1, "0.000000001"), (999_999_999, "0.999999999"), (1_000_000_000, "1"), (1_500_000_000, "1.5"),
            (UInt128(UInt64.max) + 1, "18446744073.709551616"),
        ] as [(UInt128, String)]
    )
    func secondsAreExact(nanoseconds: UInt128, text: String) {
        #expect(PrometheusText.seconds(nanoseconds: nanoseconds) == text)
    }

    @Test func labelValuesAndHelpAreEscaped() {
        let registry = MetricsRegistry()
        registry.gauge("g", help: "a\\b\n\"c\"", labels: [("path", "C:\\\"x\"\nend é")]) { 1 }
        let lines = registry.text().split(separator: "\n")
        #expect(lines.contains(#"# HELP g a\\b\n"c""#))
        #expect(lines.contains(#"g{path="C:\\\"x\"\nend é"} 1"#))
    }
}
