import Glibc

/// Numbers for people.
enum Format {
    /// A number with so many digits behind the point.
    static func number(_ value: Double, digits: Int) -> String {
        let scale = pow(10, Double(digits))
        let rounded = (abs(value) * scale).rounded()
        guard rounded < 9e15 else { return "\(value)" }
        let whole = Int(rounded)
        let text = Self.grouped(whole / Int(scale))
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard digits > 0 else { return sign + text }
        let rest = "\(whole % Int(scale))"
        return sign + text + "." + String(repeating: "0", count: digits - rest.count) + rest
    }

    /// A whole number, its thousands apart.
    static func grouped(_ value: Int) -> String {
        let digits = Array("\(abs(value))")
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (value < 0 ? "-" : "") + text
    }

    /// Bytes, in the unit that suits them.
    static func bytes(_ bytes: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = bytes
        var unit = 0
        while abs(value) >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        let digits = unit == 0 ? (abs(value) < 10 && value != value.rounded() ? 1 : 0) : abs(value) < 100 ? 1 : 0
        return "\(self.number(value, digits: digits)) \(units[unit])"
    }

    static func bytes(_ bytes: Int) -> String { self.bytes(Double(bytes)) }

    /// Bytes with a sign also when there are more.
    static func signedBytes(_ bytes: Double) -> String { (bytes > 0 ? "+" : "") + self.bytes(bytes) }

    static func seconds(_ seconds: Double) -> String {
        if seconds >= 60 { return "\(Int(seconds) / 60) min \(Int(seconds) % 60) s" }
        if seconds >= 1 { return self.number(seconds, digits: seconds < 10 ? 1 : 0) + " s" }
        return self.number(seconds * 1_000, digits: seconds < 0.01 ? 1 : 0) + " ms"
    }
}

extension Format {
    /// A moment in universal time, such as `2026-11-21 17:05 UTC`.
    static func date(_ seconds: Int) -> String {
        var (moment, parts) = (time_t(seconds), tm())
        guard gmtime_r(&moment, &parts) != nil else { return "\(seconds)" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = "\(parts.tm_year + 1_900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(day) \(two(parts.tm_hour)):\(two(parts.tm_min)) UTC"
    }
}
