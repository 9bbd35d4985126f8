/// The members of one object.
struct JSONKeyedDecodingContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let node: JSONDecoderNode
    private let members: JSONMembers

    init(_ node: JSONDecoderNode) throws {
        guard node.kind(of: node.range) == .object else {
            throw node.mismatch([String: Any].self, "an object", node.range, nil)
        }
        self.node = node
        do {
            self.members = try JSONMembers(of: node.bytes, in: node.range)
        } catch {
            throw node.corrupted(error.description, nil)
        }
    }

    var codingPath: [any CodingKey] { self.node.codingPath }
    var allKeys: [Key] { self.members.names(in: self.node.bytes).compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool {
        self.members.value(of: key.stringValue, in: self.node.bytes) != nil
    }

    func decodeNil(forKey key: Key) throws -> Bool { self.node.isNull(try self.range(of: key)) }

    func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 {
        try self.node.integer(in: try self.range(of: key), at: key)
    }

    func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 {
        try self.node.integer(in: try self.range(of: key), at: key)
    }

    // Stands for the overloads of all scalar types too.
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        try self.node.value(type, in: try self.range(of: key), at: key)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try self.node.child(try self.range(of: key), at: key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try self.node.child(try self.range(of: key), at: key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        self.node.child(try self.range(of: AnyCodingKey.super), at: AnyCodingKey.super)
    }

    func superDecoder(forKey key: Key) throws -> any Decoder {
        self.node.child(try self.range(of: key), at: key)
    }

    private func range(of key: some CodingKey) throws -> Range<Int> {
        if let range = self.members.value(of: key.stringValue, in: self.node.bytes) { return range }
        let context = DecodingError.Context(
            codingPath: self.codingPath, debugDescription: "the required member \"\(key.stringValue)\" is missing")
        throw DecodingError.keyNotFound(key, context)
    }
}

/// The elements of one array, read in order.
struct JSONUnkeyedDecodingContainer: UnkeyedDecodingContainer {
    private let node: JSONDecoderNode
    private let total: Int
    /// Where the bytes not yet read start: behind `[`, or behind the last element.
    private var position: Int
    private(set) var currentIndex = 0

    init(_ node: JSONDecoderNode) throws {
        guard node.kind(of: node.range) == .array else { throw node.mismatch([Any].self, "an array", node.range, nil) }
        self.node = node
        self.position = node.range.lowerBound + 1
        do {
            self.total = try Self.count(of: node.bytes, from: node.range.lowerBound)
        } catch {
            throw node.corrupted(error.description, nil)
        }
    }

    private static func count(of bytes: [UInt8], from start: Int) throws(JSONError) -> Int {
        var scanner = JSONScanner(bytes.span, at: start, depthMax: JSONScanner.depthMaxLimit)
        try scanner.beginArray()
        var isFirst = true
        var count = 0
        while try scanner.nextElement(&isFirst) {
            _ = try scanner.skipValue()
            count += 1
        }
        return count
    }

    var codingPath: [any CodingKey] { self.node.codingPath }
    var count: Int? { self.total }
    var isAtEnd: Bool { self.currentIndex == self.total }

    mutating func decodeNil() throws -> Bool {
        let range = try self.next(Any?.self)
        guard self.node.isNull(range) else { return false }
        self.advance(behind: range)
        return true
    }

    mutating func decode(_ type: Int128.Type) throws -> Int128 {
        try self.read(type) { try $0.integer(in: $1, at: AnyCodingKey.index($2)) }
    }

    mutating func decode(_ type: UInt128.Type) throws -> UInt128 {
        try self.read(type) { try $0.integer(in: $1, at: AnyCodingKey.index($2)) }
    }

    // Stands for the overloads of all scalar types too.
    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        try self.read(type) { try $0.value(type, in: $1, at: AnyCodingKey.index($2)) }
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try self.read([String: Any].self) { try $0.child($1, at: AnyCodingKey.index($2)).container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try self.read([Any].self) { try $0.child($1, at: AnyCodingKey.index($2)).unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder {
        try self.read((any Decoder).self) { $0.child($1, at: AnyCodingKey.index($2)) }
    }

    /// Reads the next element, and moves on only if that works.
    private mutating func read<Value>(
        _ type: any Any.Type, _ body: (JSONDecoderNode, Range<Int>, _ index: Int) throws -> Value
    ) throws -> Value {
        let range = try self.next(type)
        let value = try body(self.node, range, self.currentIndex)
        self.advance(behind: range)
        return value
    }

    private func next(_ type: any Any.Type) throws -> Range<Int> {
        guard !self.isAtEnd else {
            let description = "expected more than the array's \(self.total) elements"
            let context = DecodingError.Context(
                codingPath: self.node.path(to: AnyCodingKey.index(self.currentIndex)), debugDescription: description)
            throw DecodingError.valueNotFound(type, context)
        }
        do {
            return try Self.element(of: self.node.bytes, from: self.position, isFirst: self.currentIndex == 0)
        } catch {
            throw self.node.corrupted(error.description, AnyCodingKey.index(self.currentIndex))
        }
    }

    private static func element(
        of bytes: [UInt8], from position: Int, isFirst: Bool
    ) throws(JSONError) -> Range<Int> {
        var scanner = JSONScanner(bytes.span, at: position, depthMax: JSONScanner.depthMaxLimit)
        var isFirst = isFirst
        _ = try scanner.nextElement(&isFirst)
        return try scanner.skipValue()
    }

    private mutating func advance(behind range: Range<Int>) {
        self.position = range.upperBound
        self.currentIndex += 1
    }
}
