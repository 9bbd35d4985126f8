/// Dates and times of RFC 3339.
enum DateFormats {
    static func isDateTime(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 11, bytes[10] | 0x20 == UInt8(ascii: "t") else { return false }
        return self.isDate(Array(bytes[..<10])) && self.isTime(Array(bytes[11...]))
    }

    static func isDate(_ bytes: [UInt8]) -> Bool {
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            let year = self.number(bytes[..<4]), let month = self.number(bytes[5..<7]),
            let day = self.number(bytes[8...])
        else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return (1...12).contains(month) && day >= 1 && day <= days[month - 1]
    }

    /// `12:00:00.5+02:00`; second 60 only where the minute before midnight ends in UTC.
    static func isTime(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 9, bytes[2] == UInt8(ascii: ":"), bytes[5] == UInt8(ascii: ":"),
            let hour = self.number(bytes[..<2]), let minute = self.number(bytes[3..<5]),
            let second = self.number(bytes[6..<8]), hour < 24, minute < 60, second <= 60
        else { return false }
        var rest = bytes[8...]
        if rest.first == UInt8(ascii: ".") {
            let fraction = rest.dropFirst().prefix(while: \.isASCIIDigit)
            guard !fraction.isEmpty else { return false }
            rest = rest[fraction.endIndex...]
        }
        guard let offset = self.offset(rest) else { return false }
        let minutes = (hour * 60 + minute - offset + 2 * 1_440) % 1_440
        return second < 60 || minutes == 1_439
    }

    /// The minutes of `Z` or `+02:00`.
    private static func offset(_ bytes: ArraySlice<UInt8>) -> Int? {
        let bytes = Array(bytes)
        if bytes.count == 1 { return bytes[0] | 0x20 == UInt8(ascii: "z") ? 0 : nil }
        guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"), let hour = self.number(bytes[1..<3]),
            let minute = self.number(bytes[4...]), hour < 24, minute < 60
        else { return nil }
        switch bytes[0] {
        case UInt8(ascii: "+"): return hour * 60 + minute
        case UInt8(ascii: "-"): return -(hour * 60 + minute)
        default: return nil
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.allSatisfy(\.isASCIIDigit) else { return nil }
        return bytes.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    /// The durations of RFC 3339, appendix A: `P1Y2M3DT4H5M6S` in order and without gaps, or `P2W`.
    static func isDuration(_ bytes: [UInt8]) -> Bool {
        guard bytes.first == UInt8(ascii: "P") else { return false }
        let parts = bytes.dropFirst().split(separator: UInt8(ascii: "T"), omittingEmptySubsequences: false)
        guard parts.count <= 2, let date = self.units(parts[0]) else { return false }
        if parts.count == 1 { return date == "W" || (!date.isEmpty && "YMD".contains(date)) }
        guard let time = self.units(parts[1]), !time.isEmpty, "HMS".contains(time) else { return false }
        return date.isEmpty || "YMD".contains(date)
    }

    /// The letters behind the numbers.
    private static func units(_ bytes: ArraySlice<UInt8>) -> String? {
        var units = ""
        var rest = bytes
        while !rest.isEmpty {
            let digits = rest.prefix(while: \.isASCIIDigit)
            guard !digits.isEmpty, digits.endIndex < rest.endIndex else { return nil }
            units.unicodeScalars.append(Unicode.Scalar(rest[digits.endIndex]))
            rest = rest[(digits.endIndex + 1)...]
        }
        return units
    }
}
