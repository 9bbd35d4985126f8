extension Duration {
    /// Reads `500ms`, `30s`, `10m`, `24h`, `7d`, or `0`; `nil` for anything else, and for more than 100 years.
    ///
    /// A number other than zero needs its unit, so that nobody guesses between seconds and milliseconds.
    package init?(parsing text: String) {
        guard let (number, unit) = text.splitIntoNumberAndUnit() else { return nil }
        let milliseconds: Int
        switch unit {
        case "ms": milliseconds = 1
        case "s": milliseconds = 1_000
        case "m": milliseconds = 60_000
        case "h": milliseconds = 3_600_000
        case "d": milliseconds = 86_400_000
        case "" where number == 0: milliseconds = 1
        default: return nil
        }
        let (product, overflows) = number.multipliedReportingOverflow(by: milliseconds)
        guard !overflows, product <= 36_525 * 86_400_000 else { return nil }
        self = .milliseconds(product)
    }

    /// The duration in the largest unit that divides it: `30s`, `10m`, `24h`, `1500ms`.
    package var text: String {
        let milliseconds = self.wholeMilliseconds
        if milliseconds == 0 { return "0s" }
        for (size, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            // A day reads better as 24h; whole days only from two on.
            if unit == "d", milliseconds < 2 * size { continue }
            if milliseconds % size == 0 { return "\(milliseconds / size)\(unit)" }
        }
        return "\(milliseconds)ms"
    }

    /// Whole milliseconds, rounded down; of durations beyond 292 million years those of the longest that fits.
    package var wholeMilliseconds: Int {
        let secondsMax = Int64.max / 1_000 - 1
        let seconds = min(max(self.components.seconds, -secondsMax), secondsMax)
        return Int(seconds) * 1_000 + Int(self.components.attoseconds / 1_000_000_000_000_000)
    }

    /// Whole seconds, rounded up: what a `Retry-After` or a countdown should show.
    package var secondsRoundedUp: Int {
        Int(self.components.seconds) + (self.components.attoseconds > 0 ? 1 : 0)
    }
}
