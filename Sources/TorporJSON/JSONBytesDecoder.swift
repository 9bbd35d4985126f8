/// Decodes a `Decodable` from bytes the scanner has already validated.
///
/// - Types are strict: a string is never taken for a number, nor a number for a Boolean.
/// - An integer must fit its type and be exact: `12`, `12.0` and `1.2e1` are 12, `1.5` is refused.
/// - A `Double` or `Float` takes any number that is not beyond its greatest finite value.
/// - Of members with the same name the last one counts. Names are compared byte by byte.
/// - Errors are `DecodingError`s. Their descriptions say what was expected and what was found, never what the text
///   holds.
///
/// The bytes are shared, not copied: every decoder and container holds a range of them.
package struct JSONBytesDecoder {
    /// - Parameter range: A value's range, as ``JSONScanner/skipValue()`` returned it.
    /// - Complexity: Text at depth *d* is passed over at most *d* times.
    package static func decode<T: Decodable>(
        _ type: T.Type, from bytes: [UInt8], in range: Range<Int>, userInfo: [CodingUserInfoKey: Any] = [:]
    ) throws -> T {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count && !range.isEmpty, "a value lies inside the bytes")
        let root = JSONDecoderNode(bytes: bytes, range: range, userInfo: userInfo, parent: nil, key: nil)
        return try root.value(type, in: range, at: nil)
    }

    /// Validates `bytes`, which hold one value, and decodes it.
    ///
    /// - Throws: ``JSONError`` if the bytes are no acceptable JSON text, or what decoding throws.
    package static func decode<T: Decodable>(
        _ type: T.Type, from bytes: [UInt8], userInfo: [CodingUserInfoKey: Any] = [:]
    ) throws -> T {
        let range = try Self.validate(bytes.span)
        return try Self.decode(type, from: bytes, in: range, userInfo: userInfo)
    }

    private static func validate(_ bytes: Span<UInt8>) throws(JSONError) -> Range<Int> {
        var scanner = JSONScanner(bytes)
        let range = try scanner.skipValue()
        try scanner.finish()
        return range
    }
}

/// The decoder of one value, and a link of the path that leads to it.
final class JSONDecoderNode: Decoder {
    let bytes: [UInt8]
    let range: Range<Int>
    let userInfo: [CodingUserInfoKey: Any]
    private let parent: JSONDecoderNode?
    private let key: (any CodingKey)?

    init(
        bytes: [UInt8], range: Range<Int>, userInfo: [CodingUserInfoKey: Any], parent: JSONDecoderNode?,
        key: (any CodingKey)?
    ) {
        self.bytes = bytes
        self.range = range
        self.userInfo = userInfo
        self.parent = parent
        self.key = key
    }

    var codingPath: [any CodingKey] {
        var path: [any CodingKey] = []
        var node: JSONDecoderNode? = self
        while let current = node {
            if let key = current.key { path.append(key) }
            node = current.parent
        }
        path.reverse()
        return path
    }

    /// A decoder of the value in `range`, which stands at `key` below this one, or in its place if `key` is `nil`.
    func child(_ range: Range<Int>, at key: (any CodingKey)?) -> JSONDecoderNode {
        if key == nil, range == self.range { return self }
        return JSONDecoderNode(bytes: self.bytes, range: range, userInfo: self.userInfo, parent: self, key: key)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(try JSONKeyedDecodingContainer(self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try JSONUnkeyedDecodingContainer(self)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        self
    }
}

extension JSONDecoderNode: SingleValueDecodingContainer {
    func decodeNil() -> Bool { self.isNull(self.range) }
    func decode(_ type: Int128.Type) throws -> Int128 { try self.integer(in: self.range, at: nil) }
    func decode(_ type: UInt128.Type) throws -> UInt128 { try self.integer(in: self.range, at: nil) }

    // Stands for the overloads of all scalar types too.
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try self.value(type, in: self.range, at: nil) }
}
