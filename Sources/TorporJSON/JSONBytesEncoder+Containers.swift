/// Adds members to one object.
struct JSONKeyedEncodingContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: JSONEncoderNode

    var codingPath: [any CodingKey] { self.node.codingPath }

    func encodeNil(forKey key: Key) {
        self.node.beginMember(key)
        self.node.fragment.writer.null()
    }

    func encode(_ value: Int128, forKey key: Key) {
        self.node.beginMember(key)
        self.node.fragment.writer.integer(value)
    }

    func encode(_ value: UInt128, forKey key: Key) {
        self.node.beginMember(key)
        self.node.fragment.writer.integer(value)
    }

    // Stands for the overloads of all scalar types too.
    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        try self.node.undoingOnError {
            self.node.beginMember(key)
            try self.node.write(value, at: key)
        }
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        self.deferred(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        self.deferred(key).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { self.deferred(AnyCodingKey.super) }
    func superEncoder(forKey key: Key) -> any Encoder { self.deferred(key) }

    private func deferred(_ key: some CodingKey) -> JSONEncoderNode {
        self.node.beginMember(key)
        return self.node.deferred(at: key)
    }
}

/// Adds elements to one array.
struct JSONUnkeyedEncodingContainer: UnkeyedEncodingContainer {
    let node: JSONEncoderNode

    var codingPath: [any CodingKey] { self.node.codingPath }
    var count: Int { self.node.count }
    private var key: AnyCodingKey { .index(self.node.count - 1) }

    func encodeNil() {
        self.node.beginElement()
        self.node.fragment.writer.null()
    }

    func encode(_ value: Int128) {
        self.node.beginElement()
        self.node.fragment.writer.integer(value)
    }

    func encode(_ value: UInt128) {
        self.node.beginElement()
        self.node.fragment.writer.integer(value)
    }

    // Stands for the overloads of all scalar types too.
    func encode<T: Encodable>(_ value: T) throws {
        try self.node.undoingOnError {
            self.node.beginElement()
            try self.node.write(value, at: self.key)
        }
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        self.deferred().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        self.deferred().unkeyedContainer()
    }

    func superEncoder() -> any Encoder { self.deferred() }

    private func deferred() -> JSONEncoderNode {
        self.node.beginElement()
        return self.node.deferred(at: self.key)
    }
}
