/// The limits and bucket lists of a ``MetricsRegistry``.
package struct MetricsConfiguration: Sendable {
    /// Bucket bounds in seconds of the MCP durations, as OpenTelemetry's conventions for MCP give them.
    package static let mcpDurationBuckets: [Double] = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300,
    ]

    /// Series kept at most, those of ``MetricsRegistry/collect(_:)`` included. Default 10,000.
    package var seriesMax: Int

    /// Upper bounds by metric: seconds for timers, the recorder's own unit for recorders. Keys are exposed names.
    private let buckets: [String: [Double]]

    /// - Parameters:
    ///   - seriesMax: Series kept at most.
    ///   - buckets: Upper bounds by label, inclusive, finite and ascending; the last bucket, `+Inf`, is added. Labels
    ///     are turned into names first, so dotted and underscored spellings are one; for a timer the label ends in
    ///     `seconds`. The MCP durations are there unless named.
    package init(seriesMax: Int = 10_000, buckets: [String: [Double]] = [:]) {
        precondition(seriesMax >= 0, "a limit of series is not negative")
        self.seriesMax = seriesMax
        var byName = [
            "mcp_server_operation_duration_seconds": Self.mcpDurationBuckets,
            "mcp_server_session_duration_seconds": Self.mcpDurationBuckets,
        ]
        for (label, bounds) in buckets {
            precondition(bounds.allSatisfy(\.isFinite), "bucket bounds are finite: \(label)")
            precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bucket bounds ascend: \(label)")
            byName[MetricName.metric(label)] = bounds
        }
        self.buckets = byName
    }

    /// Bounds in seconds: from 100 µs, where waking an object lies, to 10 s.
    func timerBuckets(for name: String) -> [Double] {
        self.buckets[name] ?? [
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
        ]
    }

    /// Bounds for counts and bytes alike: powers of four up to 16 Mi.
    func recorderBuckets(for name: String) -> [Double] {
        self.buckets[name] ?? (0...12).map { Double(1 << (2 * $0)) }
    }
}
