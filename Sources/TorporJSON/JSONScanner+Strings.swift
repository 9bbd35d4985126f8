extension JSONScanner {
    /// Passes over a string whose opening quote is the next byte.
    ///
    /// - Returns: Whether the string has escapes.
    mutating func skipString() throws(JSONError) -> Bool {
        let count = self.bytes.count
        let raw = self.bytes.bytes
        var hasEscapes = false
        var index = self.position &+ 1
        while true {
            // Eight bytes at a time as long as none of them needs a look.
            while index &+ 8 <= count {
                // In bounds by the condition above, and every bit pattern is a UInt64.
                let word = UInt64(
                    littleEndian: unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self))
                let special = JSONWord.needsLook(word)
                if special != 0 {
                    index &+= special.trailingZeroBitCount &>> 3
                    break
                }
                index &+= 8
            }
            guard index < count else { throw JSONError(.unexpectedEnd, at: count) }
            let byte = self.bytes[unchecked: index]
            switch byte {
            case UInt8(ascii: "\""):
                self.position = index &+ 1
                return hasEscapes
            case UInt8(ascii: "\\"):
                hasEscapes = true
                index = try self.endOfEscape(from: index)
            case 0x80...:
                index = try self.endOfMultibyteText(from: index)
            case 0x20...:
                index &+= 1  // one of the last seven bytes of the text
            default:
                throw JSONError(.controlCharacterInString, at: index)
            }
        }
    }

    /// The end of the escape whose backslash stands at `start`.
    private func endOfEscape(from start: Int) throws(JSONError) -> Int {
        guard start &+ 1 < self.bytes.count else { throw JSONError(.unexpectedEnd, at: self.bytes.count) }
        switch self.bytes[unchecked: start &+ 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return start &+ 2
        case UInt8(ascii: "u"):
            for index in (start &+ 2)..<(start &+ 6) {
                guard index < self.bytes.count else { throw JSONError(.unexpectedEnd, at: index) }
                guard JSONText.hexadecimalDigit(self.bytes[unchecked: index]) != nil else {
                    throw JSONError(.invalidEscape, at: index)
                }
            }
            return start &+ 6
        default:
            throw JSONError(.invalidEscape, at: start &+ 1)
        }
    }

    /// The end of a run of characters of two to four bytes each, the first of which starts at `start`.
    ///
    /// Well-formed as the Unicode Standard defines it (table 3-7): shortest form, no surrogates, at most U+10FFFF.
    private func endOfMultibyteText(from start: Int) throws(JSONError) -> Int {
        let count = self.bytes.count
        var index = start
        while index < count {
            let lead = self.bytes[unchecked: index]
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch lead {
            case ..<0x80: return index
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: length = 3
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: length = 4
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: throw JSONError(.invalidUTF8, at: index)
            }
            for offset in 1..<length {
                guard index &+ offset < count else { throw JSONError(.unexpectedEnd, at: count) }
                let byte = self.bytes[unchecked: index &+ offset]
                guard offset == 1 ? second.contains(byte) : byte & 0xC0 == 0x80 else {
                    throw JSONError(.invalidUTF8, at: index)
                }
            }
            index &+= length
        }
        return index
    }
}

/// Looks at the eight bytes of a word at once.
///
/// Each test leaves the high bit of a byte set where it holds. A borrow can set it falsely too, but only in bytes above
/// one where the test truly holds, so the lowest bit set is always right.
enum JSONWord {
    private static let lows: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Marks bytes that end a run of plain ASCII in a string: `"`, `\`, below 0x20, from 0x80.
    @inline(__always)
    static func needsLook(_ word: UInt64) -> UInt64 {
        Self.needsEscape(word) | (word & Self.highs)
    }

    /// Marks bytes that must not stand in a string as they are: `"`, `\`, below 0x20.
    @inline(__always)
    static func needsEscape(_ word: UInt64) -> UInt64 {
        let quote = word ^ (Self.lows &* 0x22)
        let backslash = word ^ (Self.lows &* 0x5C)
        let belowSpace = (word &- Self.lows &* 0x20) & ~word
        let isQuote = (quote &- Self.lows) & ~quote
        let isBackslash = (backslash &- Self.lows) & ~backslash
        return (belowSpace | isQuote | isBackslash) & Self.highs
    }
}
