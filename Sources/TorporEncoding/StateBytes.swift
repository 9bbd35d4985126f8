/// Encoded bytes, read at offsets. Whatever the bytes are, nothing behind their end is read.
struct StateBytes {
    let base: UnsafePointer<UInt8>
    let count: Int

    /// - Parameter bytes: They must stay where they are for as long as this is used.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        // An empty buffer may have no address; nothing is read through this one.
        self.base = bytes.baseAddress ?? UnsafePointer(bitPattern: 1)!
        self.count = bytes.count
    }

    @inline(__always)
    func byte(at offset: Int) throws(StateEncodingError) -> UInt8 {
        guard offset < self.count else { throw Self.ended }
        return self.base[offset]
    }

    /// Reads a number, and moves `offset` behind it.
    @inline(__always)
    func varint(at offset: inout Int) throws(StateEncodingError) -> Int {
        guard offset < self.count else { throw Self.ended }
        let byte = self.base[offset]
        offset &+= 1
        if byte < 0x80 { return Int(byte) }
        return try self.longVarint(Int(byte & 0x7F), at: &offset)
    }

    @inline(never)
    private func longVarint(_ first: Int, at offset: inout Int) throws(StateEncodingError) -> Int {
        var value = first
        var shift = 7
        while shift < 35 {
            let byte = try self.byte(at: offset)
            offset &+= 1
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift &+= 7
        }
        throw .malformed("a length takes more than five bytes")
    }

    /// Reads the length of a run that lies behind it, and moves `offset` to where the run begins.
    @inline(__always)
    func run(at offset: inout Int) throws(StateEncodingError) -> Int {
        let length = try self.varint(at: &offset)
        guard length <= self.count &- offset else { throw Self.ended }
        return length
    }

    /// Where the value that begins at `offset` ends. Looks at its length only, not at what is inside.
    @inline(__always)
    func end(ofValueAt offset: Int) throws(StateEncodingError) -> Int {
        let tag = try self.byte(at: offset)
        if tag < StateFormat.Tag.shortString { return offset &+ 1 }
        guard tag < StateFormat.Tag.shortStringEnd else { return try self.end(ofValueAt: offset, tag) }
        let end = offset &+ 1 &+ Int(tag &- StateFormat.Tag.shortString)
        guard end <= self.count else { throw Self.ended }
        return end
    }

    private func end(ofValueAt offset: Int, _ tag: UInt8) throws(StateEncodingError) -> Int {
        var next = offset &+ 1
        switch tag {
        case StateFormat.Tag.null, StateFormat.Tag.false, StateFormat.Tag.true:
            break
        case StateFormat.Tag.keyed, StateFormat.Tag.unkeyed, StateFormat.Tag.string, StateFormat.Tag.bytes,
            StateFormat.Tag.decimal:
            next &+= try self.run(at: &next)
        case StateFormat.Tag.integer:
            while try self.byte(at: next) >= 0x80 { next &+= 1 }
            next &+= 1
        case StateFormat.Tag.float:
            next &+= 4
        case StateFormat.Tag.double:
            next &+= 8
        default:
            throw .malformed("no value begins with this byte")
        }
        guard next <= self.count else { throw Self.ended }
        return next
    }

    /// Whether the `length` bytes at `offset` are `other`.
    @inline(__always)
    func equal(_ other: UnsafeBufferPointer<UInt8>, at offset: Int, count length: Int) -> Bool {
        guard length == other.count, let theirs = UnsafeRawPointer(other.baseAddress) else {
            return length == 0 && other.isEmpty
        }
        let ours = UnsafeRawPointer(self.base + offset)
        var index = 0
        while index &+ 8 <= length {
            let left = ours.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if left != theirs.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
            index &+= 8
        }
        while index < length {
            if ours.load(fromByteOffset: index, as: UInt8.self) != theirs.load(fromByteOffset: index, as: UInt8.self) {
                return false
            }
            index &+= 1
        }
        return true
    }

    static var ended: StateEncodingError { .malformed("the bytes end inside a value") }
}

// MARK: Values

/// A value as it is stored. What a tag promises is there; what is inside containers is not yet known to be sound.
enum StateScalar {
    case null
    case bool(Bool)
    case integer(StateInteger)
    case float(Float)
    case double(Double)
    case string(Range<Int>)
    case bytes(Range<Int>)
    case decimal(Range<Int>)
    /// Where the members are.
    case keyed(Range<Int>)
    /// Where the number of elements, and then the elements, are.
    case unkeyed(Range<Int>)

    /// With its article, for sentences.
    var noun: String {
        switch self {
        case .null: "nil"
        case .bool: "a Boolean"
        case .integer: "an integer"
        case .float, .double, .decimal: "a number"
        case .string: "a string"
        case .bytes: "bytes"
        case .keyed: "a keyed container"
        case .unkeyed: "an unkeyed container"
        }
    }
}

/// An integer from the least `Int128` to the greatest `UInt128`.
struct StateInteger {
    /// Of a negative one: one less than its absolute value, an `Int128`.
    let magnitude: UInt128
    let isNegative: Bool

    /// The integer as a `Type`, if it fits.
    @inline(__always)
    func value<Type: FixedWidthInteger>(_ type: Type.Type) -> Type? {
        if !self.isNegative { return Type(exactly: self.magnitude) }
        return Type(exactly: ~Int128(truncatingIfNeeded: self.magnitude))
    }

    /// In decimal digits.
    var text: String { self.value(Int128.self).map { String($0) } ?? String(self.magnitude) }
}

extension StateBytes {
    /// The value at `offset`.
    func scalar(at offset: Int) throws(StateEncodingError) -> StateScalar {
        let tag = try self.byte(at: offset)
        let next = offset + 1
        if tag < StateFormat.Tag.shortString {
            return .integer(StateInteger(magnitude: UInt128(tag >> 1), isNegative: tag & 1 != 0))
        }
        if tag < StateFormat.Tag.shortStringEnd { return .string(next..<(try self.end(ofValueAt: offset))) }
        switch tag {
        case StateFormat.Tag.null: return .null
        case StateFormat.Tag.false: return .bool(false)
        case StateFormat.Tag.true: return .bool(true)
        case StateFormat.Tag.integer: return .integer(try self.wideInteger(at: next))
        case StateFormat.Tag.float: return .float(Float(bitPattern: try self.load(at: next)))
        case StateFormat.Tag.double: return .double(Double(bitPattern: try self.load(at: next)))
        default:
            var start = next
            let length = try self.run(at: &start)
            let range = start..<(start + length)
            switch tag {
            case StateFormat.Tag.string: return .string(range)
            case StateFormat.Tag.bytes: return .bytes(range)
            case StateFormat.Tag.decimal: return .decimal(range)
            case StateFormat.Tag.keyed: return .keyed(range)
            case StateFormat.Tag.unkeyed: return .unkeyed(range)
            default: throw .malformed("no value begins with this byte")
            }
        }
    }

    @inline(__always)
    func load<Integer: FixedWidthInteger>(at offset: Int) throws(StateEncodingError) -> Integer {
        guard MemoryLayout<Integer>.size <= self.count &- offset else { throw Self.ended }
        return Integer(
            littleEndian: UnsafeRawPointer(self.base).loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }

    /// The integer at `offset`, if it fits 64 bits with its sign and a value begins there that is one.
    @inline(__always)
    func integer(at offset: Int) throws(StateEncodingError) -> Int64? {
        let tag = try self.byte(at: offset)
        if tag < StateFormat.Tag.shortString { return Int64(tag &>> 1) ^ -Int64(tag & 1) }
        guard tag == StateFormat.Tag.integer else { return nil }
        return try self.longInteger(at: offset &+ 1)
    }

    private func longInteger(at offset: Int) throws(StateEncodingError) -> Int64? {
        var zigzag: UInt64 = 0
        var next = offset
        var shift: UInt64 = 0
        while shift < 63 {
            let byte = try self.byte(at: next)
            zigzag |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return Int64(bitPattern: zigzag &>> 1) ^ -Int64(bitPattern: zigzag & 1) }
            next &+= 1
            shift &+= 7
        }
        return try self.wideInteger(at: offset).value(Int64.self)
    }

    func wideInteger(at offset: Int) throws(StateEncodingError) -> StateInteger {
        var next = offset
        var byte = try self.byte(at: next)
        let isNegative = byte & 1 != 0
        var magnitude = UInt128((byte & 0x7F) >> 1)
        var shift: UInt128 = 6
        while byte >= 0x80 {
            next += 1
            byte = try self.byte(at: next)
            let part = UInt128(byte & 0x7F)
            // The first byte holds 6 bits, 17 more 119; of the last, three are left.
            guard shift < 125 || (shift == 125 && part < 8) else { throw Self.wide }
            magnitude |= part << shift
            shift += 7
        }
        guard !isNegative || magnitude >> 127 == 0 else { throw Self.wide }
        return StateInteger(magnitude: magnitude, isNegative: isNegative)
    }

    private static var wide: StateEncodingError { .malformed("an integer takes more than 128 bits") }

    /// - Parameter range: Inside the bytes.
    @inline(__always)
    func string(in range: Range<Int>) throws(StateEncodingError) -> String {
        let text = UnsafeBufferPointer(start: self.base + range.lowerBound, count: range.count)
        var string = String(decoding: text, as: UTF8.self)
        // What is no UTF-8 has been repaired, and so has changed. To validate first would be twice the work.
        guard string.withUTF8({ self.equal($0, at: range.lowerBound, count: range.count) }) else {
            throw .malformed("a string is no UTF-8")
        }
        return string
    }
}
