import TorporJSON

/// Adds members to one keyed container.
struct StateKeyedEncodingContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: StateEncoderNode

    var codingPath: [any CodingKey] { self.node.codingPath }

    @inline(__always)
    private func begin(_ key: Key) throws -> ByteSink {
        try self.node.beginMember(key.stringValue)
        return self.node.sink
    }

    func encodeNil(forKey key: Key) throws { try self.begin(key).null() }
    func encode(_ value: Bool, forKey key: Key) throws { try self.begin(key).bool(value) }
    func encode(_ value: String, forKey key: Key) throws { try self.begin(key).string(value) }
    func encode(_ value: Double, forKey key: Key) throws { try self.begin(key).double(value) }
    func encode(_ value: Float, forKey key: Key) throws { try self.begin(key).float(value) }
    func encode(_ value: Int, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: Int8, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: Int16, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: Int32, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: Int64, forKey key: Key) throws { try self.begin(key).integer(value) }
    func encode(_ value: Int128, forKey key: Key) throws { try self.begin(key).integer(value) }
    func encode(_ value: UInt, forKey key: Key) throws { try self.begin(key).integer(UInt64(value)) }
    func encode(_ value: UInt8, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: UInt16, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: UInt32, forKey key: Key) throws { try self.begin(key).integer(Int64(value)) }
    func encode(_ value: UInt64, forKey key: Key) throws { try self.begin(key).integer(value) }
    func encode(_ value: UInt128, forKey key: Key) throws { try self.begin(key).integer(value) }

    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        try self.node.undoingOnError {
            let name = try self.node.beginMember(key.stringValue)
            try self.node.write(value, at: .name(name))
        }
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        self.node.deferredMember(key.stringValue).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        self.node.deferredMember(key.stringValue).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { self.node.deferredMember(AnyCodingKey.super.stringValue) }
    func superEncoder(forKey key: Key) -> any Encoder { self.node.deferredMember(key.stringValue) }
}

/// Adds elements to one unkeyed container.
struct StateUnkeyedEncodingContainer: UnkeyedEncodingContainer {
    let node: StateEncoderNode

    var codingPath: [any CodingKey] { self.node.codingPath }
    var count: Int { self.node.count }

    @inline(__always)
    private func begin() throws -> ByteSink {
        try self.node.beginElement()
        return self.node.sink
    }

    func encodeNil() throws { try self.begin().null() }
    func encode(_ value: Bool) throws { try self.begin().bool(value) }
    func encode(_ value: String) throws { try self.begin().string(value) }
    func encode(_ value: Double) throws { try self.begin().double(value) }
    func encode(_ value: Float) throws { try self.begin().float(value) }
    func encode(_ value: Int) throws { try self.begin().integer(Int64(value)) }
    func encode(_ value: Int8) throws { try self.begin().integer(Int64(value)) }
    func encode(_ value: Int16) throws { try self.begin().integer(Int64(value)) }
    func encode(_ value: Int32) throws { try self.begin().integer(Int64(value)) }
    func encode(_ value: Int64) throws { try self.begin().integer(value) }
    func encode(_ value: Int128) throws { try self.begin().integer(value) }
    func encode(_ value: UInt) throws { try self.begin().integer(UInt64(value)) }
    func encode(_ value: UInt8) throws { try self.node.appendByte(value) }
    func encode(_ value: UInt16) throws { try self.begin().integer(Int64(value)) }
    func encode(_ value: UInt32) throws { try self.begin().integer(Int64(value)) }
    func encode(_ value: UInt64) throws { try self.begin().integer(value) }
    func encode(_ value: UInt128) throws { try self.begin().integer(value) }

    func encode<T: Encodable>(_ value: T) throws {
        // The cast is from a type to itself, as the condition in front of it says.
        if T.self == UInt8.self { return try self.node.appendByte(unsafeBitCast(value, to: UInt8.self)) }
        self.node.spreadBytes()
        try self.node.undoingOnError {
            try self.node.beginElement()
            try self.node.write(value, at: .index(self.node.count - 1))
        }
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        self.node.deferredElement().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        self.node.deferredElement().unkeyedContainer()
    }

    func superEncoder() -> any Encoder { self.node.deferredElement() }
}
