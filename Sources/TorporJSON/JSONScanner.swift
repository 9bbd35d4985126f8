/// One key of an object: the range of its text between the quotes, and whether it has escapes.
package struct JSONKey: Equatable, Sendable {
    package let range: Range<Int>
    package let hasEscapes: Bool

    @inlinable
    package init(range: Range<Int>, hasEscapes: Bool) {
        self.range = range
        self.hasEscapes = hasEscapes
    }
}

/// Reads JSON text in one pass, validating UTF-8, grammar and depth as it goes.
///
/// It builds no tree and allocates nothing: it hands out ranges of the bytes, which ``JSONText``, ``JSONValue`` and
/// ``JSONBytesDecoder`` turn into values. What it has passed over is valid JSON (RFC 8259).
///
/// ```swift
/// try scanner.beginObject()
/// var isFirst = true
/// while let key = try scanner.nextKey(&isFirst) {
///     if scanner.key(key, equals: "id") { id = try scanner.skipValue() } else { _ = try scanner.skipValue() }
/// }
/// try scanner.finish()
/// ```
///
/// After a throw the scanner's position and depth mean nothing; throw it away. A copy taken earlier is a way back.
///
/// The caller keeps the order of calls: after `nextKey` returned a key, or `nextElement` returned `true`, exactly one
/// value is read before the next call of the same kind. Reading out of order throws or misreads, but never traps.
package struct JSONScanner: ~Escapable {
    /// Arrays and objects that may be open at once unless the caller says otherwise.
    package static var depthMaxDefault: Int { 64 }

    /// The greatest depth a caller can ask for; what recurses over scanned text is sized for it.
    package static var depthMaxLimit: Int { 512 }

    @usableFromInline let bytes: Span<UInt8>
    @usableFromInline let depthMax: Int
    @usableFromInline var depth = 0

    /// The offset of the next byte to read, at most the number of bytes.
    package internal(set) var position: Int

    /// What a value is, told by its first byte.
    package enum Kind: Equatable, Sendable {
        case object, array, string, number, `true`, `false`, null
    }

    /// - Parameters:
    ///   - position: Where to start, from 0 to the number of bytes.
    ///   - depthMax: How many arrays and objects may be open at once, from 0 to ``depthMaxLimit``.
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>, at position: Int = 0, depthMax: Int = 64) {
        precondition(position >= 0 && position <= bytes.count, "the scanner starts inside its bytes")
        precondition(depthMax >= 0 && depthMax <= Self.depthMaxLimit, "the depth limit is at most depthMaxLimit")
        self.bytes = bytes
        self.position = position
        self.depthMax = depthMax
    }

    /// Skips whitespace and tells what the next value is, without reading it.
    package mutating func peek() throws(JSONError) -> Kind {
        switch try self.nextByte() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"): return .true
        case UInt8(ascii: "f"): return .false
        case UInt8(ascii: "n"): return .null
        default: throw JSONError(.unexpectedByte, at: self.position)
        }
    }

    /// Reads the `{` of an object.
    package mutating func beginObject() throws(JSONError) {
        try self.expect(UInt8(ascii: "{"))
        try self.enter()
    }

    /// Reads the next key of an object and the colon behind it, or the object's `}`.
    ///
    /// - Parameter isFirst: `true` for the first call after `beginObject()`, and set to `false` by it.
    /// - Returns: The key, or `nil` at the end of the object.
    package mutating func nextKey(_ isFirst: inout Bool) throws(JSONError) -> JSONKey? {
        var byte = try self.nextByte()
        if byte == UInt8(ascii: "}") {
            self.leave()
            return nil
        }
        if !isFirst {
            guard byte == UInt8(ascii: ",") else { throw JSONError(.unexpectedByte, at: self.position) }
            self.position &+= 1
            byte = try self.nextByte()
        }
        isFirst = false
        guard byte == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: self.position) }
        let start = self.position &+ 1
        let hasEscapes = try self.skipString()
        let end = self.position &- 1
        try self.expect(UInt8(ascii: ":"))
        return JSONKey(range: Range(uncheckedBounds: (start, end)), hasEscapes: hasEscapes)
    }

    /// Reads the `[` of an array.
    package mutating func beginArray() throws(JSONError) {
        try self.expect(UInt8(ascii: "["))
        try self.enter()
    }

    /// Reads what stands before an array's next element, or the array's `]`.
    ///
    /// - Parameter isFirst: `true` for the first call after `beginArray()`, and set to `false` by it.
    /// - Returns: `true` if an element follows, `false` at the end of the array.
    package mutating func nextElement(_ isFirst: inout Bool) throws(JSONError) -> Bool {
        let byte = try self.nextByte()
        if byte == UInt8(ascii: "]") {
            self.leave()
            return false
        }
        if !isFirst {
            guard byte == UInt8(ascii: ",") else { throw JSONError(.unexpectedByte, at: self.position) }
            self.position &+= 1
        }
        isFirst = false
        return true
    }

    /// Reads a string; any other value is refused.
    ///
    /// - Returns: The range of its text between the quotes, and whether it has escapes.
    package mutating func string() throws(JSONError) -> (range: Range<Int>, hasEscapes: Bool) {
        guard try self.nextByte() == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: self.position) }
        let start = self.position &+ 1
        let hasEscapes = try self.skipString()
        return (Range(uncheckedBounds: (start, self.position &- 1)), hasEscapes)
    }

    /// Reads to the end of the bytes and refuses anything but whitespace.
    package mutating func finish() throws(JSONError) {
        self.skipWhitespace()
        guard self.position == self.bytes.count else { throw JSONError(.trailingBytes, at: self.position) }
    }

    /// Whether the key's decoded text equals `name`: escapes in the key are decoded first, so `"na\u006de"` equals
    /// `name`.
    @inlinable
    package func key(_ key: JSONKey, equals name: StaticString) -> Bool {
        JSONText.equals(in: self.bytes, key.range, hasEscapes: key.hasEscapes, to: name)
    }

    // MARK: Steps

    /// Skips whitespace and returns the byte behind it, which stays unread.
    @inline(__always)
    mutating func nextByte() throws(JSONError) -> UInt8 {
        var index = self.position
        while index < self.bytes.count {
            let byte = self.bytes[unchecked: index]
            if byte > 0x20 || !Self.isWhitespace(byte) {
                self.position = index
                return byte
            }
            index &+= 1
        }
        self.position = index
        throw JSONError(.unexpectedEnd, at: index)
    }

    @inline(__always)
    mutating func skipWhitespace() {
        while self.position < self.bytes.count, Self.isWhitespace(self.bytes[unchecked: self.position]) {
            self.position &+= 1
        }
    }

    @inline(__always)
    private static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    @inline(__always)
    mutating func expect(_ expected: UInt8) throws(JSONError) {
        guard try self.nextByte() == expected else { throw JSONError(.unexpectedByte, at: self.position) }
        self.position &+= 1
    }

    /// Counts an array or object whose opening bracket was just read.
    @inline(__always)
    mutating func enter() throws(JSONError) {
        guard self.depth < self.depthMax else { throw JSONError(.tooDeep, at: self.position &- 1) }
        self.depth &+= 1
    }

    /// Reads a closing bracket and gives its depth back.
    @inline(__always)
    mutating func leave() {
        self.position &+= 1
        self.depth &-= 1
    }
}
