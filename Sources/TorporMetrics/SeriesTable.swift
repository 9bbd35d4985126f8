/// What a name stands for; one kind per name.
enum MetricKind: String, Sendable {
    case counter, gauge, histogram

    /// The names under which samples of a metric of this kind appear in the text.
    func sampleNames(of name: String) -> [String] {
        switch self {
        case .counter, .gauge: [name]
        case .histogram: [name, name + "_bucket", name + "_sum", name + "_count"]
        }
    }
}

/// Names one series: an exposed name, and labels as they stand between braces.
struct SeriesKey: Hashable, Sendable {
    let name: String
    let labels: String
}

/// Where the value of one series is read from.
enum SeriesCell: Sendable {
    case counter(CounterSeries)
    case gauge(GaugeSeries)
    case timer(TimerSeries)
    case recorder(RecorderSeries)
    /// Read by a callback of this scrape.
    case value(Double)

    /// The series that others write to, or `nil` for a value.
    var series: (any Series)? {
        switch self {
        case .counter(let series): series
        case .gauge(let series): series
        case .timer(let series): series
        case .recorder(let series): series
        case .value: nil
        }
    }
}

/// Series by name and labels, bounded in number, no two of which share a line of the text.
struct SeriesTable: Sendable {
    /// All series of one name. Never empty.
    struct Family: Sendable {
        let kind: MetricKind
        /// Sorted by labels, which differ.
        var series: [(labels: String, cell: SeriesCell)]
    }

    let seriesMax: Int
    private(set) var families: [String: Family] = [:]
    private var count = 0
    /// Which family writes samples of a name: a histogram `a` also owns `a_bucket`, `a_sum` and `a_count`.
    private var owners: [String: String] = [:]

    init(seriesMax: Int) {
        self.seriesMax = seriesMax
    }

    /// The cell of `key`, made when it is new.
    ///
    /// - Returns: `nil` when the table is full or the name belongs to another kind of metric.
    mutating func cell(for key: SeriesKey, _ kind: MetricKind, orMake make: () -> SeriesCell) -> SeriesCell? {
        if let family = self.families[key.name] {
            guard family.kind == kind else { return nil }
            let index = family.index(of: key.labels)
            if index < family.series.count, family.series[index].labels == key.labels {
                return family.series[index].cell
            }
            guard self.count < self.seriesMax else { return nil }
            let cell = make()
            self.families[key.name]?.series.insert((key.labels, cell), at: index)
            self.count += 1
            return cell
        }
        let sampleNames = kind.sampleNames(of: key.name)
        guard self.count < self.seriesMax, sampleNames.allSatisfy({ self.owners[$0] == nil }) else { return nil }
        let cell = make()
        for sampleName in sampleNames {
            self.owners[sampleName] = key.name
        }
        self.families[key.name] = Family(kind: kind, series: [(key.labels, cell)])
        self.count += 1
        return cell
    }

    /// Adds a value that a callback read.
    ///
    /// - Returns: `false` when the table is full, the name belongs to another kind, or the series is there already.
    mutating func add(_ value: Double, for key: SeriesKey, _ kind: MetricKind) -> Bool {
        var isNew = false
        _ = self.cell(for: key, kind) {
            isNew = true
            return .value(value)
        }
        return isNew
    }

    /// Forgets `series`, unless another one has taken its key since.
    mutating func remove(_ series: any Series) {
        guard let family = self.families[series.key.name] else { return }
        let index = family.index(of: series.key.labels)
        guard index < family.series.count, family.series[index].cell.series === series else { return }
        self.count -= 1
        if family.series.count > 1 {
            self.families[series.key.name]?.series.remove(at: index)
            return
        }
        self.families[series.key.name] = nil
        for sampleName in family.kind.sampleNames(of: series.key.name) {
            self.owners[sampleName] = nil
        }
    }
}

extension SeriesTable.Family {
    /// Where `labels` is, or belongs.
    func index(of labels: String) -> Int {
        var low = 0
        var high = self.series.count
        while low < high {
            let middle = (low + high) / 2
            if self.series[middle].labels < labels {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
