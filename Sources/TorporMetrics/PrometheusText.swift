/// Writes series in Prometheus's text format, version 0.0.4.
struct PrometheusText {
    private var bytes: [UInt8] = []

    static func render(_ table: SeriesTable, help: [String: String]) -> String {
        var text = PrometheusText()
        for (name, family) in table.families.sorted(by: { $0.key < $1.key }) {
            if let help = help[name] ?? help[self.withoutSuffix(name)] {
                text.append("# HELP ", name, " ", MetricName.escaped(help, quotes: false), "\n")
            }
            text.append("# TYPE ", name, " ", family.kind.rawValue, "\n")
            for (labels, cell) in family.series {
                text.append(name, labels, cell)
            }
        }
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// A number as Prometheus reads it: `17`, `0.25`, `1e+21`, `+Inf`, `-Inf`, `NaN`.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// Nanoseconds as decimal seconds, exactly.
    static func seconds(nanoseconds: UInt128) -> String {
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        guard rest > 0 else { return String(whole) }
        var digits = String(rest)
        digits = String(repeating: "0", count: 9 - digits.utf8.count) + digits
        while digits.utf8.last == UInt8(ascii: "0") {
            digits.removeLast()
        }
        return "\(whole).\(digits)"
    }

    /// Help may have been given for the label, before its suffix was appended.
    private static func withoutSuffix(_ name: String) -> String {
        for suffix in ["_total", "_seconds"] where name.hasSuffix(suffix) {
            return String(name.dropLast(suffix.utf8.count))
        }
        return name
    }

    private mutating func append(_ name: String, _ labels: String, _ cell: SeriesCell) {
        switch cell {
        case .counter(let series):
            let (whole, fraction) = series.value
            self.appendSample(name, labels, fraction == 0 ? String(whole) : Self.number(Double(whole) + fraction))
        case .gauge(let series):
            self.appendSample(name, labels, Self.number(series.value))
        case .value(let value):
            self.appendSample(name, labels, Self.number(value))
        case .timer(let series):
            // The sum is read first: a sum that lacks the newest durations is better than one that lacks their count.
            let sum = Self.seconds(nanoseconds: series.sumNanoseconds)
            self.appendHistogram(name, labels, bounds: series.bounds, counts: series.counts, sum: sum)
        case .recorder(let series):
            let sum = Self.number(series.sum)
            self.appendHistogram(name, labels, bounds: series.bounds, counts: series.counts, sum: sum)
        }
    }

    private mutating func appendSample(_ name: String, _ labels: String, _ value: String) {
        self.append(name)
        if !labels.isEmpty {
            self.append("{", labels, "}")
        }
        self.append(" ", value, "\n")
    }

    private mutating func appendHistogram(
        _ name: String,
        _ labels: String,
        bounds: [Double],
        counts: [UInt64],
        sum: String
    ) {
        let separator = labels.isEmpty ? "" : ","
        var cumulated: UInt64 = 0
        for (index, count) in counts.enumerated() {
            cumulated &+= count
            let bound = index < bounds.count ? Self.number(bounds[index]) : "+Inf"
            self.append(name, "_bucket{", labels, separator, "le=\"", bound, "\"} ", String(cumulated), "\n")
        }
        self.appendSample(name + "_sum", labels, sum)
        self.appendSample(name + "_count", labels, String(cumulated))
    }

    private mutating func append(_ parts: String...) {
        for part in parts {
            self.bytes.append(contentsOf: part.utf8)
        }
    }
}
