package import CoreMetrics
import Synchronization

/// Keeps the process's metrics, in bounded number, and writes them as Prometheus text.
///
/// It is a backend of swift-metrics: pass it to `MetricsSystem.bootstrap(_:)`, or make handlers directly. Making a
/// handler takes a lock and allocates; using one is a few relaxed atomic operations, without a lock or an allocation.
/// The same label with the same dimensions always gives the same handler, whatever the order of the dimensions.
///
/// **Names.** A label becomes a Prometheus name: `.` and anything else that is not allowed become `_`. Counters get
/// `_total` and timers `_seconds` when they lack it, so `mcp.server.operation.duration` and
/// `mcp_server_operation_duration_seconds` are one timer. A name belongs to the kind of metric that used it first.
///
/// **Bound.** At most ``MetricsConfiguration/seriesMax`` series are kept. A series beyond it, or one whose name belongs
/// to another kind, is refused: its handler does nothing, and `torpor_metrics_dropped_series_total` grows by one for
/// each refusal (a refused series is not remembered, so asking twice counts twice).
package final class MetricsRegistry: Sendable {
    private struct State: Sendable {
        var table: SeriesTable
        var help: [String: String] = [:]
        var collectors: [@Sendable (inout MetricsScrape) -> Void] = []
    }

    private static let droppedSeriesName = "torpor_metrics_dropped_series_total"

    private let configuration: MetricsConfiguration
    private let droppedSeries: CounterSeries
    private let state: Mutex<State>

    package init(configuration: MetricsConfiguration = MetricsConfiguration()) {
        self.configuration = configuration
        let droppedSeries = CounterSeries(SeriesKey(name: Self.droppedSeriesName, labels: ""))
        // One place more than the configuration says: the count of what was refused is never refused.
        var state = State(table: SeriesTable(seriesMax: configuration.seriesMax + 1))
        _ = state.table.cell(for: droppedSeries.key, .counter) { .counter(droppedSeries) }
        state.help[Self.droppedSeriesName] = "Series refused: over the limit, or a name of another kind."
        self.droppedSeries = droppedSeries
        self.state = Mutex(state)
    }

    /// Says what the metric `name` means, for its `# HELP` line.
    ///
    /// - Parameter name: The label as given to swift-metrics, or the name as it is exposed.
    package func help(_ name: String, _ text: String) {
        let name = MetricName.metric(name)
        self.state.withLock { $0.help[name] = text }
    }

    /// Calls `body` at each scrape, to read many values at once.
    ///
    /// Callbacks run one after another in the order of registration, on the thread that asked for the text and outside
    /// the registry's lock. They stay for the life of the registry.
    package func collect(_ body: @escaping @Sendable (inout MetricsScrape) -> Void) {
        self.state.withLock { $0.collectors.append(body) }
    }

    /// Exposes a gauge whose value is read at each scrape.
    ///
    /// - Parameter read: Gives the value, or `nil` when there is none now; then the gauge is left out.
    package func gauge(
        _ name: String,
        help: String,
        labels: [(String, String)] = [],
        _ read: @escaping @Sendable () -> Double?
    ) {
        self.help(name, help)
        let key = SeriesKey(name: MetricName.metric(name), labels: MetricName.labels(labels))
        self.collect { scrape in
            if let value = read() {
                scrape.add(key, .gauge, value)
            }
        }
    }

    /// Everything as Prometheus text, format 0.0.4, sorted by name and then by labels.
    ///
    /// Series in use meanwhile are read one by one: the text is no snapshot of one moment, but within a histogram
    /// `_count` always equals the last bucket.
    /// - Complexity: O(series). The lock is held only to copy references.
    package func text() -> String {
        let scrape = self.scrape()
        return PrometheusText.render(scrape.table, help: scrape.help)
    }

    /// Everything as values that can be asked for by name, with what callbacks read now.
    ///
    /// - Complexity: As ``text()``, without the text.
    package func reading() -> MetricsReading { MetricsReading(self.scrape().table) }

    private func scrape() -> MetricsScrape {
        let (table, help, collectors) = self.state.withLock { ($0.table, $0.help, $0.collectors) }
        var scrape = MetricsScrape(table: table, help: help)
        for collector in collectors {
            collector(&scrape)
        }
        if scrape.refused > 0 {
            self.droppedSeries.increment(by: scrape.refused)
        }
        return scrape
    }

    /// The cell of a series, made when it is new, or `nil` when it is refused.
    private func cell(
        _ name: String,
        _ dimensions: [(String, String)],
        _ kind: MetricKind,
        make: (SeriesKey) -> SeriesCell
    ) -> SeriesCell? {
        let key = SeriesKey(
            name: name,
            labels: MetricName.labels(dimensions, reserved: kind == .histogram ? "le" : nil)
        )
        return self.state.withLock { $0.table.cell(for: key, kind) { make(key) } }
    }

    private func refuse() -> NOOPMetricsHandler {
        self.droppedSeries.increment(by: 1 as Int64)
        return NOOPMetricsHandler.instance
    }

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> CounterSeries? {
        let name = MetricName.metric(label, suffix: "_total")
        guard case .counter(let series) = self.cell(name, dimensions, .counter, make: { .counter(CounterSeries($0)) })
        else { return nil }
        return series
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeSeries? {
        let name = MetricName.metric(label)
        guard case .gauge(let series) = self.cell(name, dimensions, .gauge, make: { .gauge(GaugeSeries($0)) })
        else { return nil }
        return series
    }

    private func destroy(_ handler: AnyObject) {
        guard let series = handler as? any Series else { return }
        self.state.withLock { $0.table.remove(series) }
    }
}

extension MetricsRegistry: MetricsFactory {
    /// A counter; amounts that are not positive are ignored.
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.counter(label, dimensions) ?? self.refuse()
    }

    /// A counter of fractions. It is the same series as the counter of that label.
    package func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        self.counter(label, dimensions) ?? self.refuse()
    }

    /// A gauge.
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.gauge(label, dimensions) ?? self.refuse()
    }

    /// A histogram of the recorder's own unit, or with `aggregate: false` a gauge.
    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return self.gauge(label, dimensions) ?? self.refuse() }
        let name = MetricName.metric(label)
        let cell = self.cell(name, dimensions, .histogram) { key in
            .recorder(RecorderSeries(key, bounds: self.configuration.recorderBuckets(for: name)))
        }
        guard case .recorder(let series) = cell else { return self.refuse() }
        return series
    }

    /// A histogram in seconds.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let name = MetricName.metric(label, suffix: "_seconds")
        let cell = self.cell(name, dimensions, .histogram) { key in
            .timer(TimerSeries(key, bounds: self.configuration.timerBuckets(for: name)))
        }
        guard case .timer(let series) = cell else { return self.refuse() }
        return series
    }

    /// Forgets the series and frees its place. Others who hold the same handler keep counting, unseen.
    package func destroyCounter(_ handler: any CounterHandler) {
        self.destroy(handler)
    }

    /// Forgets the series and frees its place. Others who hold the same handler keep counting, unseen.
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        self.destroy(handler)
    }

    /// Forgets the series and frees its place. Others who hold the same handler keep setting it, unseen.
    package func destroyMeter(_ handler: any MeterHandler) {
        self.destroy(handler)
    }

    /// Forgets the series and frees its place. Others who hold the same handler keep recording, unseen.
    package func destroyRecorder(_ handler: any RecorderHandler) {
        self.destroy(handler)
    }

    /// Forgets the series and frees its place. Others who hold the same handler keep recording, unseen.
    package func destroyTimer(_ handler: any TimerHandler) {
        self.destroy(handler)
    }
}
