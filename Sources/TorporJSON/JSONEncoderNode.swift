/// The encoder of one value, and a link of the path that leads to it.
final class JSONEncoderNode: Encoder {
    private enum State {
        /// Nothing is encoded yet. Next: any other.
        case empty
        /// The value's bracket is open, and members or elements are added. Next: `closed`.
        case object, array
        /// The whole value was written. Next: `closed`.
        case scalar
        /// The value's `encode(to:)` has returned; nothing may be added.
        case closed
    }

    let fragment: JSONFragment
    let userInfo: [CodingUserInfoKey: Any]
    private let parent: JSONEncoderNode?
    private let key: (any CodingKey)?
    private var state = State.empty
    /// How many elements an array has.
    private(set) var count = 0

    init(fragment: JSONFragment, userInfo: [CodingUserInfoKey: Any], parent: JSONEncoderNode?, key: (any CodingKey)?) {
        self.fragment = fragment
        self.userInfo = userInfo
        self.parent = parent
        self.key = key
    }

    var codingPath: [any CodingKey] {
        var path: [any CodingKey] = []
        var node: JSONEncoderNode? = self
        while let current = node {
            if let key = current.key { path.append(key) }
            node = current.parent
        }
        path.reverse()
        return path
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        self.beginObject()
        return KeyedEncodingContainer(JSONKeyedEncodingContainer(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        self.beginArray()
        return JSONUnkeyedEncodingContainer(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer {
        self
    }

    // MARK: Writing

    func beginObject() {
        if self.state == .object { return }
        precondition(self.state == .empty, "a value is encoded as one kind of container, while it is being encoded")
        self.state = .object
        self.fragment.writer.beginObject()
    }

    func beginArray() {
        if self.state == .array { return }
        precondition(self.state == .empty, "a value is encoded as one kind of container, while it is being encoded")
        self.state = .array
        self.fragment.writer.beginArray()
    }

    /// Writes a member's key; its value comes next.
    func beginMember(_ key: some CodingKey) {
        precondition(self.state == .object, "a container is used only while its value is being encoded")
        self.fragment.writer.key(key.stringValue)
    }

    /// Counts an element, whose value comes next.
    func beginElement() {
        precondition(self.state == .array, "a container is used only while its value is being encoded")
        self.count += 1
    }

    /// Runs `body`, which writes one member or element, and takes everything back if it throws.
    func undoingOnError(_ body: () throws -> Void) throws {
        let mark = self.fragment.mark
        let count = self.count
        do {
            try body()
        } catch {
            self.fragment.rewind(to: mark)
            self.count = count
            throw error
        }
    }

    /// Closes the bracket of this node's value; a value that wrote nothing becomes `{}`.
    func close() {
        switch self.state {
        case .empty: self.fragment.writer.rawValue("{}")
        case .object: self.fragment.writer.endObject()
        case .array: self.fragment.writer.endArray()
        case .scalar, .closed: break
        }
        self.state = .closed
    }

    /// A node whose text is put in here later, because it may grow until then.
    func deferred(at key: any CodingKey) -> JSONEncoderNode {
        let node = JSONEncoderNode(fragment: JSONFragment(), userInfo: self.userInfo, parent: self, key: key)
        self.fragment.insert(node)
        return node
    }

    /// Writes a value that stands at `key` below this one, or in its place if `key` is `nil`.
    func write<T: Encodable>(_ value: T, at key: @autoclosure () -> (any CodingKey)?) throws {
        // Each cast is from a type to itself, as the condition in front of it says.
        if T.self == String.self { return self.fragment.writer.string(unsafeBitCast(value, to: String.self)) }
        if T.self == Int.self { return self.fragment.writer.integer(unsafeBitCast(value, to: Int.self)) }
        if T.self == Bool.self { return self.fragment.writer.bool(unsafeBitCast(value, to: Bool.self)) }
        if T.self == Double.self { return try self.write(unsafeBitCast(value, to: Double.self), at: key()) }
        if T.self == Int64.self { return self.fragment.writer.integer(unsafeBitCast(value, to: Int64.self)) }
        if T.self == UInt64.self { return self.fragment.writer.integer(unsafeBitCast(value, to: UInt64.self)) }
        if T.self == Int32.self { return self.fragment.writer.integer(unsafeBitCast(value, to: Int32.self)) }
        if T.self == UInt32.self { return self.fragment.writer.integer(unsafeBitCast(value, to: UInt32.self)) }
        if T.self == UInt.self { return self.fragment.writer.integer(unsafeBitCast(value, to: UInt.self)) }
        if T.self == UInt8.self { return self.fragment.writer.integer(unsafeBitCast(value, to: UInt8.self)) }
        if T.self == Int8.self { return self.fragment.writer.integer(unsafeBitCast(value, to: Int8.self)) }
        if T.self == Int16.self { return self.fragment.writer.integer(unsafeBitCast(value, to: Int16.self)) }
        if T.self == UInt16.self { return self.fragment.writer.integer(unsafeBitCast(value, to: UInt16.self)) }
        if T.self == Float.self { return try self.write(unsafeBitCast(value, to: Float.self), at: key()) }
        if T.self == JSONValue.self { return self.fragment.writer.value(value as! JSONValue) }
        if T.self == JSONObject.self { return self.fragment.writer.value(.object(value as! JSONObject)) }
        if T.self == JSONNumber.self { return self.fragment.writer.value(.number(value as! JSONNumber)) }

        let node = JSONEncoderNode(fragment: self.fragment, userInfo: self.userInfo, parent: self, key: key())
        try value.encode(to: node)
        node.close()
    }

    private func write(_ value: Double, at key: @autoclosure () -> (any CodingKey)?) throws {
        guard value.isFinite else { throw self.notFinite(value, key()) }
        self.fragment.writer.number(value)
    }

    private func write(_ value: Float, at key: @autoclosure () -> (any CodingKey)?) throws {
        guard value.isFinite else { throw self.notFinite(value, key()) }
        self.fragment.writer.number(value)
    }

    private func notFinite(_ value: Any, _ key: (any CodingKey)?) -> EncodingError {
        let path = key.map { self.codingPath + [$0] } ?? self.codingPath
        let description = "JSON has no infinity and no NaN"
        return .invalidValue(value, EncodingError.Context(codingPath: path, debugDescription: description))
    }

    private func beginScalar() {
        precondition(self.state == .empty, "a single value is encoded once, while it is being encoded")
        self.state = .scalar
    }
}

extension JSONEncoderNode: SingleValueEncodingContainer {
    func encodeNil() {
        self.beginScalar()
        self.fragment.writer.null()
    }

    func encode(_ value: Int128) {
        self.beginScalar()
        self.fragment.writer.integer(value)
    }

    func encode(_ value: UInt128) {
        self.beginScalar()
        self.fragment.writer.integer(value)
    }

    // Stands for the overloads of all scalar types too.
    func encode<T: Encodable>(_ value: T) throws {
        self.beginScalar()
        do {
            try self.undoingOnError { try self.write(value, at: nil) }
        } catch {
            self.state = .empty
            throw error
        }
    }
}
