import Glibc

/// A picture of points and lines, as SVG. Colours come from the page's styles.
struct Plot {
    private static let width = 920.0
    private static let margin = (left: 76.0, right: 14.0, top: 20.0, bottom: 28.0)

    private let height: Double
    private let x: ClosedRange<Double>
    private let y: ClosedRange<Double>
    private var axis: [String] = []
    private var parts: [String] = []

    init(height: Double, x: ClosedRange<Double>, y: ClosedRange<Double>) {
        self.height = height
        self.x = x
        self.y = y
    }

    /// A range that shows all values with some room, and no less than `leastSpan`: noise is not to look like growth.
    static func range(of values: [Double], leastSpan: Double) -> ClosedRange<Double> {
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        let span = max(high - low, leastSpan)
        let middle = (low + high) / 2
        let bottom = max(0, middle - span * 0.58)
        return bottom...(bottom + span * 1.16)
    }

    mutating func axes(x format: (Double) -> String, y valueFormat: (Double) -> String) {
        for value in Self.ticks(self.y, count: 5, steps: [1, 2, 4, 8], base: 2) {
            let place = self.placeY(value)
            self.axis.append(
                "<line class=\"grid\" x1=\"\(Self.margin.left)\" x2=\"\(Self.width - Self.margin.right)\" y1=\"\(Self.text(place))\" y2=\"\(Self.text(place))\"/>"
                    + "<text x=\"\(Self.margin.left - 8)\" y=\"\(Self.text(place + 4))\" text-anchor=\"end\">\(valueFormat(value))</text>"
            )
        }
        for value in Self.ticks(self.x, count: 8, steps: [1, 2, 5], base: 10) {
            self.axis.append(
                "<text x=\"\(Self.text(self.placeX(value)))\" y=\"\(self.height - 8)\" text-anchor=\"middle\">\(format(value))</text>"
            )
        }
    }

    mutating func band(_ ranges: [ClosedRange<Double>], style: String) {
        for range in ranges {
            let (left, right) = (self.placeX(range.lowerBound), self.placeX(range.upperBound))
            self.parts.append(
                "<rect class=\"\(style)\" x=\"\(Self.text(left))\" y=\"\(Self.margin.top)\" width=\"\(Self.text(max(right - left, 0.5)))\" height=\"\(self.height - Self.margin.top - Self.margin.bottom)\"/>"
            )
        }
    }

    mutating func divider(at value: Double, label: String) {
        let place = Self.text(self.placeX(value))
        self.parts.append(
            "<line class=\"divider\" x1=\"\(place)\" x2=\"\(place)\" y1=\"4\" y2=\"\(self.height - Self.margin.bottom)\"/>"
                + "<text x=\"\(Self.text(self.placeX(value) + 5))\" y=\"14\">\(label)</text>")
    }

    mutating func line(_ points: [(Double, Double)], style: String) {
        self.parts.append("<polyline class=\"\(style)\" points=\"\(self.list(points))\" clip-path=\"url(#frame)\"/>")
    }

    mutating func area(_ points: [(Double, Double)]) {
        self.parts.append("<polygon class=\"fan\" points=\"\(self.list(points))\" clip-path=\"url(#frame)\"/>")
    }

    mutating func dots(_ points: [(Double, Double)]) {
        for (x, y) in points {
            self.parts.append(
                "<circle class=\"dot\" cx=\"\(Self.text(self.placeX(x)))\" cy=\"\(Self.text(self.placeY(y)))\" r=\"4\"/>"
            )
        }
    }

    func svg(label: String) -> String {
        let frame =
            "<clipPath id=\"frame\"><rect x=\"\(Self.margin.left)\" y=\"\(Self.margin.top)\" width=\"\(Self.width - Self.margin.left - Self.margin.right)\" height=\"\(self.height - Self.margin.top - Self.margin.bottom)\"/></clipPath>"
        return "<svg viewBox=\"0 0 \(Self.width) \(self.height)\" role=\"img\" aria-label=\"\(label)\">" + frame
            + self.axis.joined() + self.parts.joined() + "</svg>"
    }

    /// Round values within a range, about `count` of them: a step is one of `steps` times a power of `base`.
    static func ticks(_ range: ClosedRange<Double>, count: Int, steps: [Double], base: Double) -> [Double] {
        let raw = (range.upperBound - range.lowerBound) / Double(count)
        guard raw > 0, raw.isFinite else { return [] }
        let power = base == 2 ? exp2((log2(raw) / 4).rounded(.down) * 4) : pow(base, log10(raw).rounded(.down))
        let step = (steps.first { $0 * power >= raw } ?? (base == 2 ? 16 : base)) * power
        let first = Int((range.lowerBound / step).rounded(.up))
        let last = Int((range.upperBound / step).rounded(.down))
        return first <= last ? (first...last).map { Double($0) * step } : []
    }

    private func placeX(_ value: Double) -> Double {
        let share = (value - self.x.lowerBound) / (self.x.upperBound - self.x.lowerBound)
        return Self.margin.left + share * (Self.width - Self.margin.left - Self.margin.right)
    }

    private func placeY(_ value: Double) -> Double {
        let share = (value - self.y.lowerBound) / (self.y.upperBound - self.y.lowerBound)
        return self.height - Self.margin.bottom - share * (self.height - Self.margin.top - Self.margin.bottom)
    }

    private func list(_ points: [(Double, Double)]) -> String {
        points.map { "\(Self.text(self.placeX($0.0))),\(Self.text(self.placeY($0.1)))" }.joined(separator: " ")
    }

    /// A coordinate with one digit behind the point.
    private static func text(_ value: Double) -> String {
        let tenths = Int((min(max(value, -1e6), 1e6) * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }
}
