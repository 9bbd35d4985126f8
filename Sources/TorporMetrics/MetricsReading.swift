/// What a registry held when it was read, asked for by name: for pages that show some of it in another form than Prometheus's.
///
/// Like the text it is no snapshot of one moment.
package struct MetricsReading: Sendable {
    private let table: SeriesTable

    init(_ table: SeriesTable) { self.table = table }

    /// The value of a counter or gauge without labels; `nil` when there is none.
    ///
    /// - Parameter name: As it is exposed.
    package func value(of name: String) -> Double? {
        self.table.families[name]?.series.first { $0.labels.isEmpty }.flatMap { Self.value(of: $0.cell) }
    }

    /// The sums of a counter or gauge by the values of one label, sorted by those. Series without it are left out.
    package func totals(of name: String, by label: String) -> [(value: String, total: Double)] {
        var totals: [String: Double] = [:]
        for (labels, cell) in self.table.families[name]?.series ?? [] {
            guard let number = Self.value(of: cell), let value = MetricName.value(of: label, in: labels) else {
                continue
            }
            totals[value, default: 0] += number
        }
        return totals.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// All series of a histogram as one; `nil` when there are none.
    ///
    /// - Parameter label: When it is given, only those that have this label.
    package func histogram(_ name: String, having label: String? = nil) -> HistogramReading? {
        var sum: HistogramReading?
        for (labels, cell) in self.table.families[name]?.series ?? [] {
            guard label.map({ MetricName.value(of: $0, in: labels) != nil }) ?? true, let part = HistogramReading(cell)
            else { continue }
            // All series of one name have the bounds of that name.
            if sum == nil { sum = part } else { sum?.add(part) }
        }
        return sum
    }

    private static func value(of cell: SeriesCell) -> Double? {
        switch cell {
        case .counter(let series): Double(series.value.whole) + series.value.fraction
        case .gauge(let series): series.value
        case .value(let value): value
        case .timer, .recorder: nil
        }
    }
}

/// A histogram: how many values were at most as large as each bound.
package struct HistogramReading: Sendable, Equatable {
    /// Upper bounds, ascending, in seconds or the recorder's own unit.
    package let bounds: [Double]
    /// Cumulated, one for each bound, and one for all values.
    package private(set) var counts: [UInt64]
    package private(set) var sum: Double

    init?(_ cell: SeriesCell) {
        let counts: [UInt64]
        switch cell {
        case .timer(let series):
            (self.bounds, counts, self.sum) = (series.bounds, series.counts, Double(series.sumNanoseconds) / 1e9)
        case .recorder(let series): (self.bounds, counts, self.sum) = (series.bounds, series.counts, series.sum)
        case .counter, .gauge, .value: return nil
        }
        var total: UInt64 = 0
        self.counts = counts.map { count in
            total &+= count
            return total
        }
    }

    fileprivate mutating func add(_ other: HistogramReading) {
        for index in self.counts.indices { self.counts[index] &+= other.counts[index] }
        self.sum += other.sum
    }
}
