import TorporJSON

/// A decimal number of any size, exact: its digits from the first to the last that is not zero, times a power of ten.
///
/// Equal values are equal however they were written: `1`, `1.0` and `10e-1` are the same. Exponents beyond ±2^40 are
/// held there.
struct ExactNumber: Sendable, Hashable {
    let isNegative: Bool
    /// Without zeros at either end; empty for zero.
    let digits: [UInt8]
    /// The power of ten of the last digit.
    let exponent: Int

    /// - Parameter range: A number the scanner has validated.
    /// - Complexity: O(`range.count`).
    init(in bytes: Span<UInt8>, _ range: Range<Int>) {
        var digits: [UInt8] = []
        var fractionCount = 0
        var written = 0
        var isFraction = false
        var isExponent = false
        var isNegative = false
        var isExponentNegative = false
        for index in range {
            switch bytes[index] {
            case UInt8(ascii: "-"): if isExponent { isExponentNegative = true } else { isNegative = true }
            case UInt8(ascii: "+"): break
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"): isExponent = true
            case let byte where isExponent: written = min(written * 10 + Int(byte - UInt8(ascii: "0")), 1 << 40)
            case let byte:
                if isFraction { fractionCount += 1 }
                if byte != UInt8(ascii: "0") || !digits.isEmpty { digits.append(byte - UInt8(ascii: "0")) }
            }
        }
        var exponent = (isExponentNegative ? -written : written) - fractionCount
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        self.isNegative = isNegative && !digits.isEmpty
        self.exponent = digits.isEmpty ? 0 : exponent
        self.digits = digits
    }

    init(_ number: JSONNumber) {
        let bytes = number.text.utf8.span
        self.init(in: bytes, 0..<bytes.count)
    }

    /// Whether the number has no fraction.
    var isIntegral: Bool { self.exponent >= 0 }

    /// The value if it is a whole number that is not negative; the greatest `Int` for one beyond it.
    var count: Int? {
        guard !self.isNegative, self.isIntegral else { return nil }
        guard self.digits.count + self.exponent <= 18 else { return .max }
        return (self.digits + Array(repeating: 0, count: self.exponent)).reduce(0) { $0 * 10 + Int($1) }
    }

    /// The digits as an integer if they fit.
    var significand: UInt64? {
        guard self.digits.count <= 19 else { return nil }
        return self.digits.reduce(0) { $0 * 10 + UInt64($1) }
    }

    /// Whether the number is a whole multiple of `divisor` × 10^`divisorExponent`, where `divisor` is not divisible by
    /// ten.
    /// - Complexity: O(digits), whatever the exponents.
    func isMultiple(of divisor: UInt64, exponent divisorExponent: Int) -> Bool {
        guard !self.digits.isEmpty else { return true }
        // The last digit is not zero: what has more places behind the point than the divisor is no multiple of it.
        guard self.exponent >= divisorExponent else { return false }
        var rest: UInt64 = 0
        for digit in self.digits { rest = Self.product(rest, 10, plus: UInt64(digit), modulo: divisor) }
        var power: UInt64 = 10 % divisor
        var zeros = self.exponent - divisorExponent
        while zeros > 0, rest != 0 {
            if zeros & 1 == 1 { rest = Self.product(rest, power, plus: 0, modulo: divisor) }
            power = Self.product(power, power, plus: 0, modulo: divisor)
            zeros >>= 1
        }
        return rest == 0
    }

    /// `left` and `right` are less than 2^64, `left` less than `divisor`.
    private static func product(_ left: UInt64, _ right: UInt64, plus term: UInt64, modulo divisor: UInt64) -> UInt64 {
        let (high, low) = left.multipliedFullWidth(by: right)
        let (sum, carry) = low.addingReportingOverflow(term)
        return divisor.dividingFullWidth(((high + (carry ? 1 : 0)) % divisor, sum)).remainder
    }
}

extension ExactNumber: Comparable {
    static func < (left: Self, right: Self) -> Bool {
        if left.isNegative != right.isNegative { return left.isNegative }
        return left.isNegative ? right.isLessInSize(than: left) : left.isLessInSize(than: right)
    }

    private func isLessInSize(than other: Self) -> Bool {
        if self.digits.isEmpty || other.digits.isEmpty { return self.digits.isEmpty && !other.digits.isEmpty }
        // Where the first digit stands decides, then the digits themselves.
        let places = self.digits.count + self.exponent
        let otherPlaces = other.digits.count + other.exponent
        if places != otherPlaces { return places < otherPlaces }
        return self.digits.lexicographicallyPrecedes(other.digits)
    }
}
