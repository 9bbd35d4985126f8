// Values at a range below a decoder. `key` is where the range stands, for errors and for decoders further down; it is
// an autoclosure because making it can allocate.

extension JSONDecoderNode {
    func kind(of range: Range<Int>) -> JSONScanner.Kind {
        switch self.bytes[range.lowerBound] {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"): .true
        case UInt8(ascii: "f"): .false
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    func isNull(_ range: Range<Int>) -> Bool {
        self.bytes[range.lowerBound] == UInt8(ascii: "n")
    }

    /// The value in `range`: scalars at once, anything else by its own `init(from:)`.
    func value<T: Decodable>(
        _ type: T.Type, in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?
    ) throws -> T {
        // Each cast is from a type to itself, as the condition in front of it says.
        if T.self == String.self { return unsafeBitCast(try self.string(in: range, at: key()), to: T.self) }
        if T.self == Int.self { return unsafeBitCast(try self.integer(in: range, at: key()) as Int, to: T.self) }
        if T.self == Bool.self { return unsafeBitCast(try self.bool(in: range, at: key()), to: T.self) }
        if T.self == Double.self { return unsafeBitCast(try self.double(in: range, at: key()), to: T.self) }
        if T.self == JSONValue.self { return self.anyValue(in: range) as! T }
        if T.self == Int64.self { return unsafeBitCast(try self.integer(in: range, at: key()) as Int64, to: T.self) }
        if T.self == UInt64.self { return unsafeBitCast(try self.integer(in: range, at: key()) as UInt64, to: T.self) }
        if T.self == Int32.self { return unsafeBitCast(try self.integer(in: range, at: key()) as Int32, to: T.self) }
        if T.self == UInt32.self { return unsafeBitCast(try self.integer(in: range, at: key()) as UInt32, to: T.self) }
        if T.self == UInt.self { return unsafeBitCast(try self.integer(in: range, at: key()) as UInt, to: T.self) }
        if T.self == UInt8.self { return unsafeBitCast(try self.integer(in: range, at: key()) as UInt8, to: T.self) }
        if T.self == Int8.self { return unsafeBitCast(try self.integer(in: range, at: key()) as Int8, to: T.self) }
        if T.self == Int16.self { return unsafeBitCast(try self.integer(in: range, at: key()) as Int16, to: T.self) }
        if T.self == UInt16.self { return unsafeBitCast(try self.integer(in: range, at: key()) as UInt16, to: T.self) }
        if T.self == Float.self { return unsafeBitCast(try self.float(in: range, at: key()), to: T.self) }
        return try T(from: self.child(range, at: key()))
    }

    func string(in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?) throws -> String {
        guard self.kind(of: range) == .string else { throw self.mismatch(String.self, "a string", range, key()) }
        let contents = (range.lowerBound + 1)..<(range.upperBound - 1)
        let bytes = self.bytes
        let hasEscapes = bytes.span.extracting(contents).contains(UInt8(ascii: "\\"))
        return JSONText.string(in: bytes.span, contents, hasEscapes: hasEscapes)
    }

    func bool(in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?) throws -> Bool {
        switch self.kind(of: range) {
        case .true: return true
        case .false: return false
        default: throw self.mismatch(Bool.self, "true or false", range, key())
        }
    }

    func integer<Integer: FixedWidthInteger>(
        in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?
    ) throws -> Integer {
        guard self.kind(of: range) == .number else { throw self.mismatch(Integer.self, "an integer", range, key()) }
        let bytes = self.bytes
        guard let value = JSONText.integer(in: bytes.span, range, as: Integer.self) else {
            let expected = "an integer from \(Integer.min) to \(Integer.max)"
            throw self.corrupted("expected \(expected), found a number with a fraction or out of range", key())
        }
        return value
    }

    func double(in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?) throws -> Double {
        guard self.kind(of: range) == .number else { throw self.mismatch(Double.self, "a number", range, key()) }
        let bytes = self.bytes
        guard let value = JSONText.double(in: bytes.span, range) else {
            throw self.corrupted("expected a number that fits a 64-bit float, found one out of range", key())
        }
        return value
    }

    func float(in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?) throws -> Float {
        guard self.kind(of: range) == .number else { throw self.mismatch(Float.self, "a number", range, key()) }
        let bytes = self.bytes
        guard let value = JSONText.float(in: bytes.span, range) else {
            throw self.corrupted("expected a number that fits a 32-bit float, found one out of range", key())
        }
        return value
    }

    func number(in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?) throws -> JSONNumber {
        guard self.kind(of: range) == .number else { throw self.mismatch(JSONNumber.self, "a number", range, key()) }
        let bytes = self.bytes
        return JSONNumber(validatedText: JSONText.string(in: bytes.span, range, hasEscapes: false))
    }

    func anyValue(in range: Range<Int>) -> JSONValue {
        let bytes = self.bytes
        return JSONValue(in: bytes.span, range)
    }

    func object(in range: Range<Int>, at key: @autoclosure () -> (any CodingKey)?) throws -> JSONObject {
        guard case .object(let object) = self.anyValue(in: range) else {
            throw self.mismatch(JSONObject.self, "an object", range, key())
        }
        return object
    }

    // MARK: Errors

    func path(to key: (any CodingKey)?) -> [any CodingKey] {
        key.map { self.codingPath + [$0] } ?? self.codingPath
    }

    /// The value in `range` is of another kind than asked for.
    func mismatch(_ type: any Any.Type, _ expected: String, _ range: Range<Int>, _ key: (any CodingKey)?)
        -> DecodingError
    {
        let found = self.kind(of: range)
        let context = DecodingError.Context(
            codingPath: self.path(to: key), debugDescription: "expected \(expected), found \(found.noun)")
        return found == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    func corrupted(_ description: String, _ key: (any CodingKey)?) -> DecodingError {
        .dataCorrupted(DecodingError.Context(codingPath: self.path(to: key), debugDescription: description))
    }
}

extension JSONScanner.Kind {
    /// The kind with its article, for sentences.
    fileprivate var noun: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .true: "true"
        case .false: "false"
        case .null: "null"
        }
    }
}

extension Span<UInt8> {
    fileprivate func contains(_ byte: UInt8) -> Bool {
        for index in self.indices where self[unchecked: index] == byte { return true }
        return false
    }
}
