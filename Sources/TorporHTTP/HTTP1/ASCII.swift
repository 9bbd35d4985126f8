/// The bytes that HTTP's grammar names.
enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let asterisk: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let slash: UInt8 = 0x2F
    static let zero: UInt8 = 0x30
    static let nine: UInt8 = 0x39
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D
    static let question: UInt8 = 0x3F
    static let backslash: UInt8 = 0x5C
    static let delete: UInt8 = 0x7F

    /// Whether `byte` may stand in a field value: visible characters, space, tab, and bytes above ASCII.
    @inline(__always)
    static func isFieldText(_ byte: UInt8) -> Bool { (byte >= Self.space && byte != Self.delete) || byte == Self.tab }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always)
    static func hexadecimalValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte - 0x30)
        case 0x41...0x46: Int(byte - 0x41 + 10)
        case 0x61...0x66: Int(byte - 0x61 + 10)
        default: nil
        }
    }
}

/// A set of ASCII bytes, one bit each.
struct ASCIISet: Sendable {
    /// Bytes 0 to 63.
    let low: UInt64
    /// Bytes 64 to 127.
    let high: UInt64

    /// `tchar` of RFC 9110, 5.6.2: letters, digits and ``!#$%&'*+-.^_`|~``.
    static let token = ASCIISet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    /// What RFC 3986 allows in path and query: letters, digits, `-._~`, `%`, `!$&'()*+,;=` and `:@/?`.
    static let target = ASCIISet(low: 0xAFFF_FFF2_0000_0000, high: 0x47FF_FFFE_87FF_FFFF)
    /// Host names, addresses and ports: letters, digits and `-._:[]`.
    static let authority = ASCIISet(low: 0x07FF_6000_0000_0000, high: 0x07FF_FFFE_AFFF_FFFE)

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        let word = byte & 0x40 == 0 ? self.low : self.high
        return byte < 0x80 && (word &>> UInt64(byte & 0x3F)) & 1 == 1
    }
}

extension Span<UInt8> {
    /// The first index from `start` on whose byte is not in `set`; `end` if all are.
    @inline(__always)
    func end(of set: ASCIISet, from start: Int, to end: Int) -> Int {
        var index = start
        while index < end, set.contains(self[index]) { index += 1 }
        return index
    }

    /// Whether all bytes of `range` are in `set`.
    @inline(__always)
    func consists(of set: ASCIISet, _ range: Range<Int>) -> Bool {
        self.end(of: set, from: range.lowerBound, to: range.upperBound) == range.upperBound
    }

    /// The first place of `byte` in `start..<end`.
    @inline(__always)
    func firstIndex(of byte: UInt8, from start: Int, to end: Int) -> Int? {
        let eight = UInt64(byte) &* 0x0101_0101_0101_0101
        var index = start
        while index + 8 <= end {
            let hits = Self.zeroBytes(self.word(at: index) ^ eight)
            if hits != 0 { return index + hits.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < end {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }

    /// The first index from `start` on whose byte may not stand in a field value; `end` if all may.
    func endOfFieldText(from start: Int, to end: Int) -> Int {
        var index = start
        while index < end {
            if index + 8 <= end {
                let word = self.word(at: index)
                // Below 0x20: subtracting borrows into the high bit. As with `zeroBytes`, the lowest hit is a true one.
                let controls = (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080
                let hits = controls | Self.zeroBytes(word ^ 0x7F7F_7F7F_7F7F_7F7F)
                guard hits != 0 else {
                    index += 8
                    continue
                }
                index += hits.trailingZeroBitCount / 8
            }
            guard ASCII.isFieldText(self[index]) else { return index }
            index += 1
        }
        return end
    }

    /// `range` without the spaces and tabs at both its ends.
    @inline(__always)
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, self.isBlank(lower) { lower += 1 }
        while upper > lower, self.isBlank(upper - 1) { upper -= 1 }
        return lower..<upper
    }

    /// Whether `range` holds exactly `text`.
    @inline(__always)
    func equals(_ text: StaticString, _ range: Range<Int>) -> Bool {
        range.count == text.utf8CodeUnitCount && self.holds(text, at: range.lowerBound, settingBits: 0)
    }

    /// Whether `range` holds `lowercased`, whatever the case of its letters.
    ///
    /// `lowercased` consists of lower-case letters, digits and `-/*`; the bytes in `range` are free of control bytes.
    /// Then setting bit 5 makes a letter lower-case and maps nothing else onto them.
    @inline(__always)
    func equals(ignoringCase lowercased: StaticString, _ range: Range<Int>) -> Bool {
        range.count == lowercased.utf8CodeUnitCount && self.starts(ignoringCase: lowercased, at: range.lowerBound)
    }

    /// As ``equals(ignoringCase:_:)``, for a prefix that is known to fit.
    @inline(__always)
    func starts(ignoringCase lowercased: StaticString, at start: Int) -> Bool {
        self.holds(lowercased, at: start, settingBits: 0x20)
    }

    /// Whether `text` is found at `start` after these bits of each byte there have been set. It has to fit.
    @inline(__always)
    private func holds(_ text: StaticString, at start: Int, settingBits bits: UInt8) -> Bool {
        let count = text.utf8CodeUnitCount
        var offset = 0
        while offset + 8 <= count {
            // Within `text`, by the condition.
            let expected = UnsafeRawPointer(text.utf8Start).loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let found = self.word(at: start + offset) | UInt64(bits) &* 0x0101_0101_0101_0101
            guard found == UInt64(littleEndian: expected) else { return false }
            offset += 8
        }
        while offset < count {
            guard self[start + offset] | bits == text.utf8Start[offset] else { return false }
            offset += 1
        }
        return true
    }

    @inline(__always)
    private func isBlank(_ index: Int) -> Bool { self[index] == ASCII.space || self[index] == ASCII.tab }

    /// Eight bytes, the first one lowest. Checks its bounds.
    @inline(__always)
    private func word(at index: Int) -> UInt64 {
        UInt64(littleEndian: self.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    /// The high bit of each byte that is zero; bits above the lowest one set may be wrong.
    @inline(__always)
    private static func zeroBytes(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }
}
