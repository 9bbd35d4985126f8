import TorporJSON

extension StateValue {
    @inline(__always)
    func integer<Integer: FixedWidthInteger>() throws -> Integer {
        if let value = try self.source.bytes.integer(at: self.offset), let integer = Integer(exactly: value) {
            return integer
        }
        return try self.otherInteger()
    }

    /// An integer of more than 64 bits, or of another form; or the error.
    private func otherInteger<Integer: FixedWidthInteger>() throws -> Integer {
        let found: Integer?
        switch try self.source.bytes.scalar(at: self.offset) {
        case .integer(let integer): found = integer.value(Integer.self)
        case .decimal(let range): found = try self.source.number(in: range).integer()
        case let other: throw self.mismatch(Integer.self, "an integer", other)
        }
        guard let found else { throw self.corrupted("expected an integer from \(Integer.min) to \(Integer.max)") }
        return found
    }

    @inline(__always)
    func double() throws -> Double {
        let bytes = self.source.bytes
        if try bytes.byte(at: self.offset) == StateFormat.Tag.double {
            return Double(bitPattern: try bytes.load(at: self.offset + 1))
        }
        return try self.otherNumber()
    }

    func float() throws -> Float {
        let bytes = self.source.bytes
        if try bytes.byte(at: self.offset) == StateFormat.Tag.float {
            return Float(bitPattern: try bytes.load(at: self.offset + 1))
        }
        return try self.otherNumber()
    }

    /// A number that was stored as one of another type; or the error.
    private func otherNumber<Number: BinaryFloatingPoint>() throws -> Number {
        let found: Number?
        switch try self.source.bytes.scalar(at: self.offset) {
        case .integer(let integer):
            if let value = integer.value(Int128.self) {
                found = Number(exactly: value)
            } else {
                found = Number(exactly: integer.magnitude)
            }
        case .float(let value): found = value.isNaN ? .nan : Number(exactly: value)
        case .double(let value): found = value.isNaN ? .nan : Number(exactly: value)
        case .decimal(let range): found = try self.source.number(in: range).double.flatMap { Number(exactly: $0) }
        case let other: throw self.mismatch(Number.self, "a number", other)
        }
        guard let found else { throw self.corrupted("expected a number that \(Number.self) holds exactly") }
        return found
    }

    @inline(__always)
    func bool() throws -> Bool {
        switch try self.source.bytes.byte(at: self.offset) {
        case StateFormat.Tag.false: return false
        case StateFormat.Tag.true: return true
        default: throw self.mismatch(Bool.self, "a Boolean")
        }
    }

    @inline(__always)
    func string() throws -> String {
        let bytes = self.source.bytes
        let tag = try bytes.byte(at: self.offset)
        var start = self.offset + 1
        if tag >= StateFormat.Tag.shortString, tag < StateFormat.Tag.shortStringEnd {
            let end = start + Int(tag - StateFormat.Tag.shortString)
            guard end <= bytes.count else { throw StateBytes.ended }
            return try bytes.string(in: start..<end)
        }
        guard tag == StateFormat.Tag.string else { throw self.mismatch(String.self, "a string") }
        let count = try bytes.run(at: &start)
        return try bytes.string(in: start..<(start + count))
    }

    /// The value as anything: scalars and lists of them at once, anything else by its own `init(from:)`.
    func decodeAny<T: Decodable>(_ type: T.Type) throws -> T {
        // Each cast is from a type to itself, as the condition in front of it says.
        let tag = try self.source.bytes.byte(at: self.offset)
        if tag == StateFormat.Tag.keyed {
            // No scalar: most often a structure.
        } else if tag < StateFormat.Tag.shortString || tag == StateFormat.Tag.integer {
            if T.self == Int.self { return unsafeBitCast(try self.integer() as Int, to: T.self) }
            if T.self == Double.self { return unsafeBitCast(try self.double(), to: T.self) }
            if T.self == Int64.self { return unsafeBitCast(try self.integer() as Int64, to: T.self) }
            if T.self == UInt64.self { return unsafeBitCast(try self.integer() as UInt64, to: T.self) }
            if T.self == Int32.self { return unsafeBitCast(try self.integer() as Int32, to: T.self) }
            if T.self == UInt32.self { return unsafeBitCast(try self.integer() as UInt32, to: T.self) }
            if T.self == UInt8.self { return unsafeBitCast(try self.integer() as UInt8, to: T.self) }
        } else if tag < StateFormat.Tag.shortStringEnd || tag == StateFormat.Tag.string {
            if T.self == String.self { return unsafeBitCast(try self.string(), to: T.self) }
        } else if tag == StateFormat.Tag.double {
            if T.self == Double.self { return unsafeBitCast(try self.double(), to: T.self) }
        } else if tag == StateFormat.Tag.float {
            if T.self == Float.self { return unsafeBitCast(try self.float(), to: T.self) }
        } else if tag == StateFormat.Tag.unkeyed {
            if T.self == [String].self { return unsafeBitCast(try self.list { try $0.string() }, to: T.self) }
            if T.self == [Int].self { return unsafeBitCast(try self.list { try $0.integer() as Int }, to: T.self) }
            if T.self == [Double].self { return unsafeBitCast(try self.list { try $0.double() }, to: T.self) }
            if T.self == [Float].self { return unsafeBitCast(try self.list { try $0.float() }, to: T.self) }
        } else if tag == StateFormat.Tag.bytes {
            if T.self == [UInt8].self { return unsafeBitCast(try self.bytes(), to: T.self) }
        }
        // The casts cannot fail: each stands behind a comparison of the type.
        if T.self == JSONValue.self { return try self.json() as! T }
        if T.self == JSONObject.self {
            guard case .object(let object) = try self.json() else { throw self.mismatch(type, "a keyed container") }
            return object as! T
        }
        if T.self == JSONNumber.self {
            guard case .number(let number) = try self.json() else { throw self.mismatch(type, "a number") }
            return number as! T
        }
        return try self.decode(initializing: type)
    }

    /// Lets the type read itself, and remembers which it is, for fields that it lacks.
    private func decode<T: Decodable>(initializing type: T.Type) throws -> T {
        let level = self.source.levels + self.depth
        let offset = UInt32(truncatingIfNeeded: self.offset)
        guard level.pointee.value == offset else {
            level.pointee.value = offset
            level.pointee.cursor = 0
            level.pointee.passed = 0
            level.pointee.type = type
            return try T(from: self)
        }
        // Another type's single value, or a value that is being read once more.
        let outer = level.pointee.type
        level.pointee.type = type
        defer { if level.pointee.value == offset { level.pointee.type = outer } }
        return try T(from: self)
    }

    private func list<Element>(_ body: (StateValue) throws -> Element) throws -> [Element] {
        var elements = try StateElements(self)
        var list: [Element] = []
        list.reserveCapacity(elements.count)
        while !elements.isAtEnd { list.append(try elements.read(body)) }
        return list
    }

    private func bytes() throws -> [UInt8] {
        var start = self.offset + 1
        let count = try self.source.bytes.run(at: &start)
        return Array(UnsafeBufferPointer(start: self.source.bytes.base + start, count: count))
    }

    private func json() throws -> JSONValue {
        try StateExport(source: self.source, writesBytesAsText: false).value(at: self.offset, depth: self.depth)
    }

    // MARK: Errors

    /// The value is of another kind than asked for.
    func mismatch(_ type: any Any.Type, _ expected: String) -> any Error {
        do {
            return self.mismatch(type, expected, try self.source.bytes.scalar(at: self.offset))
        } catch {
            return error
        }
    }

    func mismatch(_ type: any Any.Type, _ expected: String, _ found: StateScalar) -> DecodingError {
        let context = DecodingError.Context(
            codingPath: self.codingPath, debugDescription: "expected \(expected), found \(found.noun)")
        if case .null = found { return .valueNotFound(type, context) }
        return .typeMismatch(type, context)
    }

    private func corrupted(_ description: String) -> DecodingError {
        .dataCorrupted(DecodingError.Context(codingPath: self.codingPath, debugDescription: description))
    }
}

extension StateSource {
    func number(in range: Range<Int>) throws(StateEncodingError) -> JSONNumber {
        guard let number = JSONNumber(text: try self.bytes.string(in: range)) else {
            throw .malformed("a decimal is no number of JSON")
        }
        return number
    }
}
