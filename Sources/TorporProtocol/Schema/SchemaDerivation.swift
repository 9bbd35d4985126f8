import TorporJSON

extension JSONSchema {
    /// Derives the schema of a `Decodable` type by watching it decode itself.
    ///
    /// Structs become objects with `additionalProperties: false`, optional properties are not required, `CaseIterable`
    /// enums with raw values become `enum`s, arrays and string-keyed dictionaries are followed into. Descriptions and
    /// bounds come from ``DescribedFields``.
    /// - Throws: ``SchemaDerivationError`` when the type cannot be watched: an enum that is not `CaseIterable`, or an
    ///   `init(from:)` that refuses placeholder values. Such a tool is given its schema by hand.
    package static func derived(from type: (some Decodable).Type) throws(SchemaDerivationError) -> JSONSchema {
        let builder = SchemaBuilder()
        let value = try builder.schema(of: type)
        return JSONSchema(value)
    }
}

/// Why no schema could be derived from a type.
package struct SchemaDerivationError: Error, CustomStringConvertible {
    package let description: String
}

/// What decoding a placeholder yields: a value to hand on, and what was learnt.
private final class SchemaBuilder {
    /// The types on the way to where we are, so that a recursive type ends.
    var path: [ObjectIdentifier] = []

    func schema(of type: any Decodable.Type) throws(SchemaDerivationError) -> JSONValue {
        do {
            return try self.place(type).schema
        } catch let error as SchemaDerivationError {
            throw error
        } catch {
            throw SchemaDerivationError(
                description:
                    "\(type) does not decode from placeholder values; give its tool a schema by hand. (\(error))")
        }
    }

    func place(_ type: any Decodable.Type) throws -> (schema: JSONValue, value: any Decodable) {
        if let known = type as? any SchemaLeaf.Type { return (known.schema, known.placeholder) }
        if let container = type as? any SchemaContainer.Type { return try container.place(with: self) }
        if let cases = type as? any (CaseIterable & RawRepresentable).Type { return try self.placeEnum(cases, type) }
        guard !self.path.contains(ObjectIdentifier(type)) else {
            throw SchemaDerivationError(description: "\(type) contains itself; give its tool a schema by hand.")
        }
        self.path.append(ObjectIdentifier(type))
        defer { self.path.removeLast() }
        let watcher = WatchingDecoder(builder: self, codingPath: [])
        let value = try type.init(from: watcher)
        return (
            watcher.watched.schema(describedBy: (type as? any DescribedFields.Type)?.fields ?? [:], of: type), value
        )
    }

    private func placeEnum(
        _ cases: any (CaseIterable & RawRepresentable).Type, _ type: any Decodable.Type
    ) throws -> (JSONValue, any Decodable) {
        func open<E: CaseIterable & RawRepresentable>(_ type: E.Type) -> (values: [any RawRepresentable], raws: [Any]) {
            (type.allCases.map { $0 }, type.allCases.map(\.rawValue))
        }
        let (values, raws) = open(cases)
        guard let first = values.first as? any Decodable else {
            throw SchemaDerivationError(description: "The enum \(type) has no case.")
        }
        if let texts = raws as? [String] {
            return (["type": "string", "enum": .array(texts.map(JSONValue.string))], first)
        }
        if let numbers = raws as? [Int] {
            return (["type": "integer", "enum": .array(numbers.map(JSONValue.integer))], first)
        }
        throw SchemaDerivationError(description: "The enum \(type) has raw values that are neither String nor Int.")
    }
}

// MARK: - What types stand for

/// A type whose schema needs no watching.
private protocol SchemaLeaf: Decodable {
    static var schema: JSONValue { get }
    static var placeholder: Self { get }
}

extension String: SchemaLeaf {
    static var schema: JSONValue { ["type": "string"] }
    static var placeholder: String { "" }
}

extension Bool: SchemaLeaf {
    static var schema: JSONValue { ["type": "boolean"] }
    static var placeholder: Bool { false }
}

extension JSONValue: SchemaLeaf {
    static var schema: JSONValue { [:] }
    static var placeholder: JSONValue { .null }
}

extension JSONObject: SchemaLeaf {
    static var schema: JSONValue { ["type": "object"] }
    static var placeholder: JSONObject { [:] }
}

extension SchemaLeaf where Self: BinaryFloatingPoint {
    static var schema: JSONValue { ["type": "number"] }
    static var placeholder: Self { 0 }
}

extension Double: SchemaLeaf {}
extension Float: SchemaLeaf {}

extension SchemaLeaf where Self: FixedWidthInteger {
    static var schema: JSONValue { Self.isSigned ? ["type": "integer"] : ["type": "integer", "minimum": 0] }
    static var placeholder: Self { 0 }
}

extension Int: SchemaLeaf {}
extension Int8: SchemaLeaf {}
extension Int16: SchemaLeaf {}
extension Int32: SchemaLeaf {}
extension Int64: SchemaLeaf {}
extension UInt: SchemaLeaf {}
extension UInt8: SchemaLeaf {}
extension UInt16: SchemaLeaf {}
extension UInt32: SchemaLeaf {}
extension UInt64: SchemaLeaf {}

/// A type whose schema is made from the schema of what it holds.
private protocol SchemaContainer: Decodable {
    static func place(with builder: SchemaBuilder) throws -> (schema: JSONValue, value: any Decodable)
}

extension Array: SchemaContainer where Element: Decodable {
    fileprivate static func place(with builder: SchemaBuilder) throws -> (schema: JSONValue, value: any Decodable) {
        (["type": "array", "items": try builder.place(Element.self).schema], Self())
    }
}

extension Set: SchemaContainer where Element: Decodable {
    fileprivate static func place(with builder: SchemaBuilder) throws -> (schema: JSONValue, value: any Decodable) {
        (["type": "array", "items": try builder.place(Element.self).schema, "uniqueItems": true], Self())
    }
}

extension Dictionary: SchemaContainer where Key: Decodable, Value: Decodable {
    fileprivate static func place(with builder: SchemaBuilder) throws -> (schema: JSONValue, value: any Decodable) {
        guard Key.self == String.self else {
            throw SchemaDerivationError(description: "A dictionary in a tool's input has String keys, not \(Key.self).")
        }
        return (["type": "object", "additionalProperties": try builder.place(Value.self).schema], Self())
    }
}

extension Optional: SchemaContainer where Wrapped: Decodable {
    fileprivate static func place(with builder: SchemaBuilder) throws -> (schema: JSONValue, value: any Decodable) {
        (try builder.place(Wrapped.self).schema, Self.none)
    }
}

// MARK: - Watching a type decode itself

/// What a type asked its decoder for.
private final class Watched {
    struct Property { var name: String; var schema: JSONValue; var isRequired: Bool }

    var properties: [Property] = []
    /// Set when the type decodes as a single value: then that value's schema is its own.
    var single: JSONValue?

    func add(_ name: String, _ schema: JSONValue, isRequired: Bool) {
        if !self.properties.contains(where: { $0.name == name }) {
            self.properties.append(Property(name: name, schema: schema, isRequired: isRequired))
        }
    }

    func schema(describedBy fields: [String: Field], of type: any Decodable.Type) -> JSONValue {
        if let single = self.single { return single }
        for name in fields.keys {
            precondition(
                self.properties.contains { $0.name == name },
                "\(type).fields describes \(name), which it does not decode")
        }
        var members: JSONObject = ["type": "object"]
        var described: JSONObject = [:]
        for property in self.properties {
            described[property.name] = property.schema.described(by: fields[property.name])
        }
        members["properties"] = .object(described)
        let required = self.properties.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { members["required"] = .array(required) }
        members["additionalProperties"] = false
        return .object(members)
    }
}

extension JSONValue {
    /// The schema with a property's description and bounds added.
    fileprivate func described(by field: Field?) -> JSONValue {
        guard let field, case .object(var members) = self else { return self }
        members["description"] = .string(field.description)
        if let range = field.range {
            members["minimum"] = .bound(range.lowerBound)
            members["maximum"] = .bound(range.upperBound)
        }
        if let length = field.length {
            let counts = members["type"] == "array" ? ("minItems", "maxItems") : ("minLength", "maxLength")
            members[counts.0] = .integer(length.lowerBound)
            members[counts.1] = .integer(length.upperBound)
        }
        return .object(members)
    }

    /// A whole number without a fraction.
    private static func bound(_ number: Double) -> JSONValue {
        Int(exactly: number).map(JSONValue.integer) ?? JSONNumber(number).map(JSONValue.number) ?? .null
    }
}

private struct WatchingDecoder: Decoder {
    let builder: SchemaBuilder
    let codingPath: [any CodingKey]
    let watched = Watched()
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(WatchingKeyedContainer<Key>(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        throw SchemaDerivationError(description: "A type that decodes from an array by hand needs a schema by hand.")
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { WatchingSingleContainer(decoder: self) }
}

private struct WatchingKeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: WatchingDecoder
    var codingPath: [any CodingKey] { self.decoder.codingPath }
    var allKeys: [Key] { [] }

    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) throws -> Bool { false }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        let (schema, value) = try self.decoder.builder.place(type)
        self.decoder.watched.add(key.stringValue, schema, isRequired: true)
        // Safe: `place` answers with a value of the very type it was asked for.
        return value as! T
    }

    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? { try self.note(type, key) }

    // The standard library has a default for each of these that would ask for the value as if it were required.
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try self.note(type, key) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try self.note(type, key) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try self.note(type, key) }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try self.note(type, key) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try self.note(type, key) }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try self.note(type, key) }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try self.note(type, key) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try self.note(type, key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try self.note(type, key) }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try self.note(type, key) }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try self.note(type, key) }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try self.note(type, key) }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try self.note(type, key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try self.note(type, key) }

    /// Notes a property that may be absent.
    private func note<T: Decodable>(_ type: T.Type, _ key: Key) throws -> T? {
        let (schema, _) = try self.decoder.builder.place(type)
        self.decoder.watched.add(key.stringValue, schema, isRequired: false)
        return nil
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        throw SchemaDerivationError(description: "A type with nested containers needs a schema by hand.")
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        throw SchemaDerivationError(description: "A type with nested containers needs a schema by hand.")
    }

    func superDecoder() throws -> any Decoder {
        throw SchemaDerivationError(description: "A class with a superclass needs a schema by hand.")
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try self.superDecoder() }
}

private struct WatchingSingleContainer: SingleValueDecodingContainer {
    let decoder: WatchingDecoder
    var codingPath: [any CodingKey] { self.decoder.codingPath }

    func decodeNil() -> Bool { false }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let (schema, value) = try self.decoder.builder.place(type)
        self.decoder.watched.single = schema
        // Safe: `place` answers with a value of the very type it was asked for.
        return value as! T
    }
}
