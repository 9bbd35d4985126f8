import Torpor
import TorporHTTP
import TorporMetrics

/// What `/debug/overview` tells beside process and state: who answers, totals since the start, and latencies.
///
/// Totals and histograms are those of `/metrics`, by the same labels; whoever asks twice has rates and quantiles of the
/// time between.
enum OverviewReport {
    static func object(_ reading: MetricsReading, _ readiness: HealthReport, uptime: Duration, hosted: JSONValue)
        -> JSONObject
    {
        let operations = reading.histogram("mcp_server_operation_duration_seconds")
        let failures = reading.histogram("mcp_server_operation_duration_seconds", having: "error_type")
        return [
            "version": .string(torporVersion),
            "uptime_seconds": JSONNumber(Double(uptime.wholeMilliseconds) / 1_000).map { .number($0) } ?? .null,
            "readiness_faults": .array(readiness.reasons.map { .string($0) }),
            "queue": [
                "calls": self.number(reading.value(of: "torpor_queued_calls")),
                "limit": self.number(reading.value(of: "torpor_queued_calls_limit")),
            ],
            "hosted": hosted,
            "totals": [
                "operations": .number(JSONNumber(operations?.counts.last ?? 0)),
                "failed_operations": .number(JSONNumber(failures?.counts.last ?? 0)),
                "loads": self.totals(reading, "torpor_loads_total", by: "result"),
                "loads_by_origin": self.totals(reading, "torpor_loads_total", by: "origin"),
                "evictions": self.totals(reading, "torpor_evictions_total", by: "reason"),
                "deletions": self.totals(reading, "torpor_deletions_total", by: "reason"),
                "commit_outcomes": self.totals(reading, "torpor_commit_outcomes_total", by: "outcome"),
                "commit_bytes": self.totals(reading, "torpor_commit_bytes_total", by: "form"),
                "state_refusals": self.totals(reading, "torpor_state_refusals_total", by: "reason"),
                "store_failures": self.totals(reading, "torpor_store_failures_total", by: "task"),
                "shed_requests": self.totals(reading, "torpor_shed_requests_total", by: "reason"),
            ],
            "latency": [
                "operations": self.histogram(operations),
                "loads": self.histogram(reading.histogram("torpor_load_duration_seconds")),
                "commits": self.histogram(reading.histogram("torpor_commit_duration_seconds")),
                "event_loop_lag": self.histogram(reading.histogram("torpor_event_loop_lag_seconds")),
            ],
        ]
    }

    private static func totals(_ reading: MetricsReading, _ name: String, by label: String) -> JSONValue {
        .object(
            JSONObject(reading.totals(of: name, by: label).map { .init(name: $0.value, value: self.number($0.total)) }))
    }

    private static func histogram(_ histogram: HistogramReading?) -> JSONValue {
        guard let histogram else { return .null }
        return [
            "bounds_seconds": .array(histogram.bounds.map(self.number)),
            "counts": .array(histogram.counts.map { .number(JSONNumber($0)) }),
            "sum_seconds": self.number(histogram.sum),
        ]
    }

    private static func number(_ value: Double?) -> JSONValue {
        value.flatMap { JSONNumber($0) }.map { .number($0) } ?? .null
    }
}
