import TorporJSON

/// The members of one keyed container.
struct StateKeyedDecodingContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let members: StateMembers

    var codingPath: [any CodingKey] { self.members.value.codingPath }

    var allKeys: [Key] {
        var keys: [Key] = []
        // A container that can no longer be read has no keys, and a name that is no UTF-8 ends them.
        try? self.members.forEachName { if let key = Key(stringValue: $0) { keys.append(key) } }
        return keys
    }

    func contains(_ key: Key) -> Bool { self.members.contains(key.stringValue) }

    func decodeNil(forKey key: Key) throws -> Bool {
        let value = try self.required(key)
        return try value.source.isNull(at: value.offset)
    }

    @inline(__always)
    private func required(_ key: Key) throws -> StateValue { try self.members.required(key.stringValue, as: key) }

    @inline(__always)
    private func stored(_ key: Key) throws -> StateValue? { try self.members.stored(key.stringValue) }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try self.required(key).bool() }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try self.required(key).string() }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try self.required(key).double() }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try self.required(key).float() }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try self.required(key).integer() }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try self.required(key).integer() }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try self.required(key).integer() }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try self.required(key).integer() }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try self.required(key).integer() }
    func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try self.required(key).integer() }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try self.required(key).integer() }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try self.required(key).integer() }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try self.required(key).integer() }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try self.required(key).integer() }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try self.required(key).integer() }
    func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try self.required(key).integer() }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try self.required(key).decodeAny(type) }

    // Each has a default, which searches three times, and which a generic one would not replace.

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try self.stored(key)?.bool() }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try self.stored(key)?.string() }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try self.stored(key)?.double() }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try self.stored(key)?.float() }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: Int128.Type, forKey key: Key) throws -> Int128? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try self.stored(key)?.integer() }
    func decodeIfPresent(_ type: UInt128.Type, forKey key: Key) throws -> UInt128? { try self.stored(key)?.integer() }

    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
        try self.stored(key)?.decodeAny(type)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try self.required(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try self.required(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        try self.members.required(AnyCodingKey.super.stringValue, as: AnyCodingKey.super)
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try self.required(key) }
}

/// The elements of one unkeyed container, read in order.
struct StateUnkeyedDecodingContainer: UnkeyedDecodingContainer {
    private var elements: StateElements

    init(_ value: StateValue) throws {
        self.elements = try StateElements(value)
    }

    var codingPath: [any CodingKey] { self.elements.value.codingPath }
    var count: Int? { self.elements.count }
    var isAtEnd: Bool { self.elements.isAtEnd }
    var currentIndex: Int { self.elements.index }

    mutating func decodeNil() throws -> Bool {
        if self.elements.isBytes && !self.isAtEnd { return false }
        var elements = self.elements
        guard try elements.read({ try $0.source.isNull(at: $0.offset) }) else { return false }
        self.elements = elements
        return true
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try self.elements.read { try $0.bool() } }
    mutating func decode(_ type: String.Type) throws -> String { try self.elements.read { try $0.string() } }
    mutating func decode(_ type: Double.Type) throws -> Double { try self.elements.read { try $0.double() } }
    mutating func decode(_ type: Float.Type) throws -> Float { try self.elements.read { try $0.float() } }
    mutating func decode(_ type: Int.Type) throws -> Int { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: Int128.Type) throws -> Int128 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 {
        if let byte = try self.elements.nextByte() { return byte }
        return try self.elements.read { try $0.integer() }
    }

    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try self.elements.read { try $0.integer() } }
    mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try self.elements.read { try $0.integer() } }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        // The cast is from a type to itself, as the condition in front of it says.
        if T.self == UInt8.self { return unsafeBitCast(try self.decode(UInt8.self), to: T.self) }
        return try self.elements.read { try $0.decodeAny(type) }
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try self.elements.read { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try self.elements.read { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try self.elements.read { $0 } }
}
