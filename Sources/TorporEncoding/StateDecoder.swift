import TorporJSON

/// Decodes a `Decodable` from what ``StateEncoder`` wrote, by this version of the program or an older one.
///
/// - Fields that the type does not have are passed over.
/// - A field that the bytes lack, or that is `nil` in them, is `nil` if it is decoded by `decodeIfPresent`, as
///   synthesized conformances do with optionals. Otherwise, if they lack it, it is taken from the declared defaults,
///   and if these lack it as well, from `init()` of its type if that is ``StateDefaults``.
/// - Types are strict: a string is never taken for a number, nor a number for a Boolean. An integer must fit its type.
///   A `Double` or `Float` may be stored as another number, if it can hold just that.
/// - A run of bytes and a list of integers are the same to a type that reads elements.
///
/// What concerns meaning is a `DecodingError` with the path; its description holds nothing of the value. What concerns
/// the bytes is a ``StateEncodingError``. What is not asked for is not looked into: damage there goes unnoticed.
package enum StateDecoder {
    /// - Parameter defaults: The encoding of a value of which absent fields are taken: those with the same path of
    ///   names, down to the first list.
    package static func decode<T: Decodable>(
        _ type: T.Type, from bytes: [UInt8], defaults: [UInt8]? = nil
    ) throws -> T {
        try Self.decode(type, from: bytes, in: 0..<bytes.count, defaults: defaults)
    }

    /// - Parameter range: Where in `bytes` the encoding lies.
    package static func decode<T: Decodable>(
        _ type: T.Type, from bytes: [UInt8], in range: Range<Int>, defaults: [UInt8]? = nil
    ) throws -> T {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the encoding lies inside the bytes")
        return try bytes.withUnsafeBufferPointer { bytes in
            let encoded = UnsafeBufferPointer(rebasing: bytes[range])
            guard let defaults else { return try Self.decode(type, from: encoded, defaults: nil) }
            return try defaults.withUnsafeBufferPointer { try Self.decode(type, from: encoded, defaults: $0) }
        }
    }

    /// - Parameter encoded: Memory that nobody changes during the call. No byte is copied but into the result.
    package static func decode<T: Decodable>(
        _ type: T.Type, from encoded: UnsafeBufferPointer<UInt8>, defaults: UnsafeBufferPointer<UInt8>?
    ) throws -> T {
        let defaultsSource = try defaults.map { try StateSource(StateBytes($0)) }
        // A decoder that somebody keeps must not read memory that is gone.
        defer { defaultsSource?.close() }
        let source = try StateSource(StateBytes(encoded))
        defer { source.close() }
        source.defaults = defaultsSource
        let root = StateValue(
            source: source, offset: source.root, fallback: defaultsSource?.root ?? 0, depth: 0)
        return try root.decode(type)
    }
}

/// The decoder of one value: where it lies, and what stands in for the fields it lacks.
///
/// It fits into an `any Decoder` without an allocation, so it knows neither its path nor its type:
/// ``StateSource/Level`` does.
struct StateValue: Decoder {
    let source: StateSource
    private let storedOffset: UInt32
    private let storedFallback: UInt32
    private let storedDepth: UInt8

    /// - Parameters:
    ///   - fallback: Where the same value lies in the source's defaults; 0 if nowhere.
    ///   - depth: How many containers are around the value.
    init(source: StateSource, offset: Int, fallback: Int, depth: Int) {
        self.source = source
        self.storedOffset = UInt32(truncatingIfNeeded: offset)
        self.storedFallback = UInt32(truncatingIfNeeded: fallback)
        self.storedDepth = UInt8(truncatingIfNeeded: depth)
    }

    var offset: Int { Int(self.storedOffset) }
    var fallback: Int { Int(self.storedFallback) }
    var depth: Int { Int(self.storedDepth) }

    var codingPath: [any CodingKey] { self.source.path(to: self.offset, depth: self.depth) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(StateKeyedDecodingContainer(members: try StateMembers(self)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try StateUnkeyedDecodingContainer(self)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }
}

extension StateValue: SingleValueDecodingContainer {
    // Nothing begins at the end of what `StateSource` has found sound at the top, so an error here is a damaged byte:
    // the next reading reports it.
    func decodeNil() -> Bool { (try? self.source.isNull(at: self.offset)) ?? false }
    func decode(_ type: Bool.Type) throws -> Bool { try self.bool() }
    func decode(_ type: String.Type) throws -> String { try self.string() }
    func decode(_ type: Double.Type) throws -> Double { try self.double() }
    func decode(_ type: Float.Type) throws -> Float { try self.float() }
    func decode(_ type: Int.Type) throws -> Int { try self.integer() }
    func decode(_ type: Int8.Type) throws -> Int8 { try self.integer() }
    func decode(_ type: Int16.Type) throws -> Int16 { try self.integer() }
    func decode(_ type: Int32.Type) throws -> Int32 { try self.integer() }
    func decode(_ type: Int64.Type) throws -> Int64 { try self.integer() }
    func decode(_ type: Int128.Type) throws -> Int128 { try self.integer() }
    func decode(_ type: UInt.Type) throws -> UInt { try self.integer() }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try self.integer() }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try self.integer() }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try self.integer() }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try self.integer() }
    func decode(_ type: UInt128.Type) throws -> UInt128 { try self.integer() }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try self.decodeAny(type) }
}
