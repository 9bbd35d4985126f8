/// Text of JSON strings whose contents the scanner has validated.
///
/// A `range` is always what lies between the quotes. The escape of a lone surrogate, such as `\uD800`, is accepted by
/// the grammar but names no character: it stands for U+FFFD, so two strings that differ only in lone surrogates are
/// equal.
package enum JSONText {
    /// The string whose contents lie in `range`.
    ///
    /// - Complexity: O(`range.count`); allocates once if the text takes more than 15 bytes, not at all otherwise.
    package static func string(in bytes: Span<UInt8>, _ range: Range<Int>, hasEscapes: Bool) -> String {
        let contents = bytes.extracting(range)
        guard hasEscapes else {
            return contents.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
        }
        // Decoding never lengthens: the shortest escapes, of two bytes, stand for one byte, and `\uXXXX` for at most
        // three.
        return String(unsafeUninitializedCapacity: contents.count) { buffer in
            var reader = JSONTextReader(contents)
            var count = 0
            while let byte = reader.next() {
                buffer.initializeElement(at: count, to: byte)
                count += 1
            }
            return count
        }
    }

    /// Whether the decoded contents of `range` are the UTF-8 of `text`, byte for byte; nothing is normalised.
    package static func equals(in bytes: Span<UInt8>, _ range: Range<Int>, hasEscapes: Bool, to text: String) -> Bool {
        self.equals(in: bytes, range, hasEscapes: hasEscapes, to: text.utf8.span)
    }

    /// Whether the decoded contents of `range` are `other`, which holds no escapes.
    package static func equals(
        in bytes: Span<UInt8>, _ range: Range<Int>, hasEscapes: Bool, to other: Span<UInt8>
    ) -> Bool {
        guard hasEscapes else {
            guard range.count == other.count else { return false }
            let contents = bytes.extracting(range)
            for index in other.indices where contents[unchecked: index] != other[unchecked: index] { return false }
            return true
        }
        guard range.count >= other.count else { return false }
        var reader = JSONTextReader(bytes.extracting(range))
        for index in other.indices {
            guard reader.next() == other[unchecked: index] else { return false }
        }
        return reader.next() == nil
    }

    /// Whether the decoded contents of `range` are `name`.
    @inlinable
    package static func equals(in bytes: Span<UInt8>, _ range: Range<Int>, hasEscapes: Bool, to name: StaticString)
        -> Bool
    {
        if hasEscapes || !name.hasPointerRepresentation {
            return Self.equals(in: bytes, range, hasEscapes: hasEscapes, to: name.description)
        }
        let count = name.utf8CodeUnitCount
        guard range.count == count else { return false }
        return bytes.extracting(range).bytes.starts(with: UnsafeRawPointer(name.utf8Start), count: count)
    }

    /// The value of a hexadecimal digit, or `nil` if `byte` is none.
    @inline(__always)
    static func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte &- UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte &- UInt8(ascii: "a") &+ 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte &- UInt8(ascii: "A") &+ 10)
        default: nil
        }
    }
}

/// Reads the decoded UTF-8 of a string's contents, one byte at a time.
///
/// An escape the scanner would have refused stands for the character behind its backslash, so nothing traps or
/// lengthens.
struct JSONTextReader: ~Escapable {
    private let contents: Span<UInt8>
    private var index = 0
    /// Bytes of a decoded character that are still to be returned, the next one lowest.
    private var pending: UInt32 = 0

    @_lifetime(copy contents)
    init(_ contents: Span<UInt8>) {
        self.contents = contents
    }

    mutating func next() -> UInt8? {
        if self.pending != 0 {
            defer { self.pending &>>= 8 }
            return UInt8(truncatingIfNeeded: self.pending)
        }
        guard self.index < self.contents.count else { return nil }
        let byte = self.contents[unchecked: self.index]
        self.index &+= 1
        return byte == UInt8(ascii: "\\") ? self.escape() : byte
    }

    /// Decodes the escape whose backslash was just read, and returns its first byte.
    private mutating func escape() -> UInt8 {
        guard self.index < self.contents.count else { return UInt8(ascii: "\\") }
        let byte = self.contents[unchecked: self.index]
        self.index &+= 1
        switch byte {
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): return self.hexadecimalCharacter().map { self.begin($0) } ?? byte
        default: return byte
        }
    }

    /// Decodes `XXXX`, and the `\uXXXX` behind it if both make a surrogate pair; `nil` if there are no four digits.
    private mutating func hexadecimalCharacter() -> Unicode.Scalar? {
        guard let first = self.hexadecimalUnit(at: self.index) else { return nil }
        self.index &+= 4
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A surrogate: a high one needs a low one behind it.
        guard first < 0xDC00, self.index &+ 6 <= self.contents.count,
            self.contents[unchecked: self.index] == UInt8(ascii: "\\"),
            self.contents[unchecked: self.index &+ 1] == UInt8(ascii: "u"),
            let second = self.hexadecimalUnit(at: self.index &+ 2), 0xDC00...0xDFFF ~= second,
            let scalar = Unicode.Scalar(0x10000 + (first &- 0xD800) << 10 + (second &- 0xDC00))
        else { return "\u{FFFD}" }
        self.index &+= 6
        return scalar
    }

    private func hexadecimalUnit(at start: Int) -> UInt32? {
        guard start &+ 4 <= self.contents.count else { return nil }
        var unit: UInt32 = 0
        for index in start..<(start &+ 4) {
            guard let digit = JSONText.hexadecimalDigit(self.contents[unchecked: index]) else { return nil }
            unit = unit << 4 | digit
        }
        return unit
    }

    /// Returns the first UTF-8 byte of `scalar` and keeps the others, none of which is zero.
    private mutating func begin(_ scalar: Unicode.Scalar) -> UInt8 {
        let units = UTF8.encode(scalar)!  // every scalar has a UTF-8 form
        var pending: UInt32 = 0
        var first: UInt8 = 0
        for (offset, unit) in units.enumerated() {
            if offset == 0 { first = unit } else { pending |= UInt32(unit) << (8 * UInt32(offset - 1)) }
        }
        self.pending = pending
        return first
    }
}

extension RawSpan {
    /// Whether it begins with `count` bytes of `other`. Both hold as many.
    @inlinable
    func starts(with other: UnsafeRawPointer, count: Int) -> Bool {
        var index = 0
        while index &+ 8 <= count {
            // In bounds by the condition above, and every bit pattern is a UInt64.
            let word = unsafe self.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            guard word == other.loadUnaligned(fromByteOffset: index, as: UInt64.self) else { return false }
            index &+= 8
        }
        while index < count {
            let byte = unsafe self.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
            guard byte == other.load(fromByteOffset: index, as: UInt8.self) else { return false }
            index &+= 1
        }
        return true
    }
}
