/// Takes the values that callbacks read during one scrape.
///
/// They count against ``MetricsConfiguration/seriesMax``. A value beyond it, one whose name belongs to another kind, or
/// a second value of one series is left out and counted in `torpor_metrics_dropped_series_total`.
package struct MetricsScrape: Sendable {
    private(set) var table: SeriesTable
    private(set) var help: [String: String]
    /// Values left out so far.
    private(set) var refused: Int64 = 0

    init(table: SeriesTable, help: [String: String]) {
        self.table = table
        self.help = help
    }

    /// Adds the value of a gauge.
    package mutating func gauge(_ name: String, help: String, labels: [(String, String)] = [], _ value: Double) {
        self.add(MetricName.metric(name), help: help, labels, .gauge, value)
    }

    /// Adds the value of a counter that somebody else keeps; `_total` is appended when `name` lacks it.
    package mutating func counter(_ name: String, help: String, labels: [(String, String)] = [], _ value: Double) {
        self.add(MetricName.metric(name, suffix: "_total"), help: help, labels, .counter, value)
    }

    mutating func add(_ key: SeriesKey, _ kind: MetricKind, _ value: Double) {
        if !self.table.add(value, for: key, kind) {
            self.refused += 1
        }
    }

    private mutating func add(
        _ name: String,
        help: String,
        _ labels: [(String, String)],
        _ kind: MetricKind,
        _ value: Double
    ) {
        self.help[name] = help
        self.add(SeriesKey(name: name, labels: MetricName.labels(labels)), kind, value)
    }
}
