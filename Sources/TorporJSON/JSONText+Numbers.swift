extension JSONText {
    /// The number in `range` as an integer, if it is one and fits: `12`, but also `12.0` and `1.2e1`.
    ///
    /// - Parameter range: A number the scanner has validated.
    /// - Returns: The exact value, or `nil` if the number has a fraction or `type` cannot hold it.
    package static func integer<Integer: FixedWidthInteger>(
        in bytes: Span<UInt8>, _ range: Range<Int>, as type: Integer.Type = Integer.self
    ) -> Integer? {
        let text = bytes.extracting(range)
        var index = 0
        let isNegative = text.count > 0 && text[unchecked: 0] == UInt8(ascii: "-")
        if isNegative { index = 1 }
        var value: Integer = 0
        while index < text.count {
            let digit = text[unchecked: index] &- UInt8(ascii: "0")
            guard digit < 10 else { return self.integer(DecimalParts(text), as: type) }
            guard value.append(digit, isNegative: isNegative) else {
                // `10000000000000000000.0e-5` may still fit; digits alone do not.
                return text.hasOnlyDigits(from: index) ? nil : self.integer(DecimalParts(text), as: type)
            }
            index &+= 1
        }
        return value
    }

    private static func integer<Integer: FixedWidthInteger>(_ parts: DecimalParts, as type: Integer.Type) -> Integer? {
        if parts.significantCount == 0 { return 0 }
        // No fraction, and no more digits than the widest integer has, so the loops below are short.
        guard parts.exponent >= 0, parts.significantCount + parts.exponent <= 39 else { return nil }
        var value: Integer = 0
        for position in 0..<parts.significantCount {
            guard value.append(parts.digit(position), isNegative: parts.isNegative) else { return nil }
        }
        for _ in 0..<parts.exponent {
            guard value.append(0, isNegative: parts.isNegative) else { return nil }
        }
        return value
    }

    /// The number in `range` as the nearest `Double`, or `nil` if it lies beyond the greatest finite one.
    ///
    /// - Parameter range: A number the scanner has validated.
    package static func double(in bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        let text = bytes.extracting(range)
        if let exact = self.exactDouble(text) { return exact }
        guard let value = Double(self.string(in: bytes, range, hasEscapes: false)), value.isFinite else { return nil }
        return value
    }

    /// The number in `range` as the nearest `Float`, or `nil` if it lies beyond the greatest finite one.
    ///
    /// - Parameter range: A number the scanner has validated.
    package static func float(in bytes: Span<UInt8>, _ range: Range<Int>) -> Float? {
        guard let value = Float(self.string(in: bytes, range, hasEscapes: false)), value.isFinite else { return nil }
        return value
    }

    /// The number as a `Double` if digits and power of ten are exact in one, so that a single rounding gives the
    /// nearest.
    private static func exactDouble(_ text: Span<UInt8>) -> Double? {
        guard text.count <= 19 else { return nil }
        var digits: UInt64 = 0
        var fractionCount = 0
        var isFraction = false
        var isNegative = false
        for index in text.indices {
            switch text[unchecked: index] {
            case let byte where byte &- UInt8(ascii: "0") < 10:
                digits = digits &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))  // at most 19 digits fit
                if isFraction { fractionCount &+= 1 }
            case UInt8(ascii: "-") where index == 0: isNegative = true
            case UInt8(ascii: ".") where !isFraction: isFraction = true
            default: return nil
            }
        }
        guard digits <= 1 << 53 else { return nil }
        let value = Double(digits) / self.powersOfTen[fractionCount]
        return isNegative ? -value : value
    }

    /// The powers of ten that a `Double` holds exactly, as far as 18 digits behind the point need them.
    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
    ]
}

extension FixedWidthInteger {
    /// Appends a decimal digit, downwards for a negative number; `false` if the value would not fit.
    @inline(__always)
    fileprivate mutating func append(_ digit: UInt8, isNegative: Bool) -> Bool {
        let (shifted, overflow) = self.multipliedReportingOverflow(by: 10)
        let digit = Self(truncatingIfNeeded: digit)
        let (sum, carry) =
            isNegative ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
        self = sum
        return !overflow && !carry
    }
}

extension Span<UInt8> {
    fileprivate func hasOnlyDigits(from start: Int) -> Bool {
        for index in start..<self.count where self[index] &- UInt8(ascii: "0") >= 10 { return false }
        return true
    }
}

/// A number taken apart: its digits from the first to the last that is not zero, times a power of ten.
private struct DecimalParts: ~Escapable {
    private let text: Span<UInt8>
    /// Where the first significant digit stands.
    private var start = 0
    /// Where the point stands, or the number of bytes if there is none.
    private var point: Int
    private(set) var significantCount = 0
    /// The power of ten of the last significant digit.
    private(set) var exponent = 0
    let isNegative: Bool

    @_lifetime(copy text)
    init(_ text: Span<UInt8>) {
        self.text = text
        self.isNegative = text.count > 0 && text[0] == UInt8(ascii: "-")
        self.point = text.count
        var written = 0
        var isExponentNegative = false
        var digitsEnd = text.count
        for index in text.indices {
            switch text[index] {
            case UInt8(ascii: "."): self.point = index
            case UInt8(ascii: "e"), UInt8(ascii: "E"): digitsEnd = index
            case UInt8(ascii: "-"): isExponentNegative = index > digitsEnd
            case UInt8(ascii: "+"): break
            case let byte where index > digitsEnd:
                // Held down to what is far beyond any number of digits.
                written = min(written * 10 + Int(byte &- UInt8(ascii: "0")), 1 << 40)
            default: break
            }
        }
        self.point = min(self.point, digitsEnd)
        var last: Int?
        for index in 0..<digitsEnd where UInt8(ascii: "1")...UInt8(ascii: "9") ~= text[index] {
            if last == nil { self.start = index }
            last = index
        }
        guard let last else { return }
        let isPointInside = self.start < self.point && self.point < last
        self.significantCount = last - self.start + 1 - (isPointInside ? 1 : 0)
        self.exponent = isExponentNegative ? -written : written
        self.exponent += last < self.point ? self.point - last - 1 : self.point - last
    }

    func digit(_ position: Int) -> UInt8 {
        var index = self.start + position
        if self.start < self.point, index >= self.point { index += 1 }
        return self.text[index] &- UInt8(ascii: "0")
    }
}
