/// Numbers as people read them, in ASCII.
enum TopText {
    static func bytes(_ value: Double?) -> String {
        guard var value else { return "-" }
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var unit = 0
        while value >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return "\(unit == 0 || value >= 100 ? self.whole(value) : self.decimal(value)) \(units[unit])"
    }

    static func count(_ value: Double?) -> String {
        guard let value else { return "-" }
        var digits = Array(self.whole(value))
        var index = digits.count - 3
        while index > 0 {
            digits.insert(" ", at: index)
            index -= 3
        }
        return String(digits)
    }

    static func rate(_ value: Double?) -> String {
        guard let value else { return "-/s" }
        return (value == 0 ? "0" : value < 100 ? self.decimal(value) : self.count(value)) + "/s"
    }

    static func seconds(_ value: Double) -> String {
        if value < 0.001 { return "\(self.whole(value * 1e6)) us" }
        if value < 1 { return "\(value < 0.01 ? self.decimal(value * 1e3) : self.whole(value * 1e3)) ms" }
        return "\(value < 10 ? self.decimal(value) : self.whole(value)) s"
    }

    static func quantile(_ quantile: Quantile?) -> String {
        guard let quantile else { return "-" }
        let sign =
            switch quantile.place {
            case .atMost: "<= "
            case .about: ""
            case .above: "> "
            }
        return sign + self.seconds(quantile.seconds)
    }

    /// `3 d 4 h`, `4 h 5 min`, `5 min`, `12 s`
    static func period(_ seconds: Double?) -> String {
        guard let seconds else { return "-" }
        let whole = Int(seconds)
        let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days) d \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes) min" }
        return minutes > 0 ? "\(minutes) min" : "\(whole) s"
    }

    static func padded(_ text: String, _ width: Int, right: Bool = false) -> String {
        let padding = String(repeating: " ", count: max(0, width - text.count))
        return right ? padding + text : text + padding
    }

    private static func whole(_ value: Double) -> String { String(Int(min(value, 1e15).rounded())) }

    private static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
