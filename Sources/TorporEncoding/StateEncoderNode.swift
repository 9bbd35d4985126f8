import TorporJSON

/// The encoder of one value, and a link of the path that leads to it.
final class StateEncoderNode: Encoder {
    /// Where a value stands in the one around it.
    enum Place {
        case root
        /// The number of its name.
        case name(Int)
        case index(Int)
        /// In place of the value that is being encoded.
        case same
    }

    private enum State {
        /// Nothing is encoded yet. Next: any other.
        case empty
        /// Members are added. Next: `closed`.
        case keyed
        /// Elements are added. Next: `closed`.
        case unkeyed
        /// Elements are added, and all so far are bytes. Next: `unkeyed`, `closed`.
        case bytes
        /// The whole value was written. Next: `closed`.
        case scalar
        /// The value's `encode(to:)` has returned; nothing may be added.
        case closed
    }

    let encoding: StateEncoding
    @exclusivity(unchecked) private(set) var sink: ByteSink
    private var parent: StateEncoderNode?
    private var place: Place
    @exclusivity(unchecked) private var state = State.empty
    /// Where the value begins in `sink`.
    private var start: Int
    /// How many insertions `sink` had then.
    private var insertionStart: Int
    /// Containers around the value.
    private var depth: Int
    /// How many elements an unkeyed container has.
    @exclusivity(unchecked) private(set) var count = 0
    @exclusivity(unchecked) private var lastName = -1
    /// Whether each name so far has a greater number than the one before it, so that none stands twice.
    @exclusivity(unchecked) private var isRising = true

    init(encoding: StateEncoding, sink: ByteSink, parent: StateEncoderNode?, place: Place) {
        self.encoding = encoding
        self.sink = sink
        self.parent = parent
        self.place = place
        self.start = sink.count
        self.insertionStart = sink.insertions.count
        self.depth = Self.depth(below: parent, place)
    }

    /// Lets go of the path, so that a node kept for use again holds no other.
    func end() {
        self.parent = nil
    }

    /// Makes a node that was used before as if it were new.
    func begin(sink: ByteSink, parent: StateEncoderNode?, place: Place) {
        self.sink = sink
        self.parent = parent
        self.place = place
        self.start = sink.count
        self.insertionStart = sink.insertions.count
        self.depth = Self.depth(below: parent, place)
        self.state = .empty
        self.count = 0
        self.lastName = -1
        self.isRising = true
    }

    private static func depth(below parent: StateEncoderNode?, _ place: Place) -> Int {
        guard let parent else { return 0 }
        return switch place {
        case .root, .same: parent.depth
        case .name, .index: parent.depth + 1
        }
    }

    var userInfo: [CodingUserInfoKey: Any] { [:] }

    var codingPath: [any CodingKey] {
        var path: [any CodingKey] = []
        var node: StateEncoderNode? = self
        while let current = node {
            switch current.place {
            case .root, .same: break
            case .name(let index): path.append(AnyCodingKey.name(self.encoding.names[index]))
            case .index(let index): path.append(AnyCodingKey.index(index))
            }
            node = current.parent
        }
        path.reverse()
        return path
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        self.beginKeyed()
        return KeyedEncodingContainer(StateKeyedEncodingContainer(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        self.beginUnkeyed()
        return StateUnkeyedEncodingContainer(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    // MARK: Containers

    func beginKeyed() {
        if self.state == .keyed { return }
        self.beginContainer()
        self.state = .keyed
        self.sink.beginKeyed()
    }

    func beginUnkeyed() {
        if self.state == .unkeyed || self.state == .bytes { return }
        self.beginContainer()
        self.state = .unkeyed
        self.sink.beginUnkeyed()
    }

    private func beginContainer() {
        precondition(self.state == .empty, "a value is encoded as one kind of container, while it is being encoded")
        if self.depth >= StateFormat.depthMax { self.encoding.fail(.tooDeep) }
    }

    /// Writes the number of a member's name, and returns it; the member's value comes next.
    @discardableResult
    func beginMember(_ key: String) throws -> Int {
        try self.encoding.check(self.sink)
        return self.beginMemberUnchecked(key)
    }

    private func beginMemberUnchecked(_ key: String) -> Int {
        precondition(self.state == .keyed, "a container is used only while its value is being encoded")
        let name = self.encoding.names.index(of: key)
        if name <= self.lastName { self.isRising = false }
        self.lastName = name
        self.sink.varint(UInt64(name))
        return name
    }

    /// Counts an element, whose value comes next and is no byte.
    func beginElement() throws {
        try self.encoding.check(self.sink)
        self.beginElementUnchecked()
    }

    private func beginElementUnchecked() {
        self.spreadBytes()
        precondition(self.state == .unkeyed, "a container is used only while its value is being encoded")
        self.count += 1
    }

    /// Adds an element of type `UInt8`.
    func appendByte(_ byte: UInt8) throws {
        if self.state != .bytes {
            guard self.state == .unkeyed, self.count == 0 else {
                try self.beginElement()
                return self.sink.integer(Int64(byte))
            }
            self.sink.truncate(to: self.start)
            self.sink.append(StateFormat.Tag.bytes)
            self.sink.append(0)
            self.state = .bytes
        }
        try self.encoding.check(self.sink)
        self.count += 1
        self.sink.append(byte)
    }

    /// Turns a run of bytes, if this is one, into elements, because one of another type follows.
    func spreadBytes() {
        guard self.state == .bytes else { return }
        let bytes = Array(self.sink.bytes[(self.start + 2)...])
        self.sink.truncate(to: self.start)
        self.sink.beginUnkeyed()
        for byte in bytes { self.sink.integer(Int64(byte)) }
        self.state = .unkeyed
    }

    /// Runs `body`, which writes one member or element, and takes everything back if it throws.
    @inline(__always)
    func undoingOnError(_ body: () throws -> Void) throws {
        let mark = (self.sink.count, self.sink.insertions.count, self.count)
        do {
            try body()
        } catch {
            self.sink.truncate(to: mark.0)
            self.sink.insertions.removeLast(self.sink.insertions.count - mark.1)
            self.count = mark.2
            throw error
        }
    }

    /// A node for a value that may grow until this one's is encoded; it stands where the next byte would.
    func deferredMember(_ key: String) -> StateEncoderNode {
        let name = self.beginMemberUnchecked(key)
        return self.deferred(.name(name))
    }

    func deferredElement() -> StateEncoderNode {
        self.beginElementUnchecked()
        return self.deferred(.index(self.count - 1))
    }

    private func deferred(_ place: Place) -> StateEncoderNode {
        let node = self.encoding.takeNode(sink: self.encoding.takeSink(), parent: self, place: place)
        self.sink.insertions.append((self.sink.count, node))
        return node
    }

    // MARK: The end of a value

    /// Completes this node's value: containers that stood apart are put in their places, and lengths are filled in.
    func close() {
        if self.sink.insertions.count > self.insertionStart { self.insert() }
        switch self.state {
        case .empty:
            self.sink.beginKeyed()
        case .keyed:
            if !self.isRising { self.dropRepeatedNames(inContainerAt: self.start) }
            self.sink.endKeyed(at: self.start)
        case .unkeyed:
            self.sink.endUnkeyed(at: self.start, count: self.count)
        case .bytes:
            self.sink.replace(byteAt: self.start + 1, withVarint: self.sink.count - self.start - 2)
        case .scalar, .closed:
            break
        }
        self.state = .closed
    }

    private func insert() {
        let insertions = self.sink.insertions[self.insertionStart...]
        let first = insertions[self.insertionStart].offset
        // Most often there is one, and nothing behind it.
        let tail = Array(self.sink.bytes[first...])
        self.sink.truncate(to: first)
        var copied = first
        for (offset, node) in insertions {
            tail[(copied - first)..<(offset - first)].withUnsafeBufferPointer(self.sink.append)
            copied = offset
            node.close()
            self.sink.append(node.sink.bytes)
            self.encoding.giveBack(node.sink)
        }
        tail[(copied - first)...].withUnsafeBufferPointer(self.sink.append)
        self.sink.insertions.removeLast(insertions.count)
    }

    /// Removes members whose name stands again further on, from the container that is written last and not yet ended.
    private func dropRepeatedNames(inContainerAt start: Int) {
        let body = start + 2
        var members: [(name: Int, range: Range<Int>)] = []
        var lastByName: [Int: Int] = [:]
        let written = StateBytes(self.sink.bytes)
        var offset = body
        while offset < self.sink.count {
            let start = offset
            do {
                let name = try written.varint(at: &offset)
                offset = try written.end(ofValueAt: offset)
                lastByName[name] = members.count
                members.append((name, start..<offset))
            } catch {
                preconditionFailure("what was written here is sound")
            }
        }
        guard lastByName.count < members.count else { return }
        let bytes = Array(self.sink.bytes[body...])
        self.sink.truncate(to: body)
        for (position, member) in members.enumerated() where lastByName[member.name] == position {
            bytes[(member.range.lowerBound - body)..<(member.range.upperBound - body)]
                .withUnsafeBufferPointer(self.sink.append)
        }
    }

    // MARK: Values

    /// Writes a value that stands at `place` below this one, or instead of it.
    func write<T: Encodable>(_ value: T, at place: Place) throws {
        // Each cast is from a type to itself, as the condition in front of it says.
        if T.self == String.self { return self.sink.string(unsafeBitCast(value, to: String.self)) }
        if T.self == Int.self { return self.sink.integer(Int64(unsafeBitCast(value, to: Int.self))) }
        if T.self == Double.self { return self.sink.double(unsafeBitCast(value, to: Double.self)) }
        if T.self == Bool.self { return self.sink.bool(unsafeBitCast(value, to: Bool.self)) }
        if T.self == [UInt8].self { return self.write(unsafeBitCast(value, to: [UInt8].self)) }
        if T.self == [String].self { return try self.write(unsafeBitCast(value, to: [String].self), at: place) }
        if T.self == [Int].self { return try self.write(unsafeBitCast(value, to: [Int].self), at: place) }
        if T.self == [Double].self { return try self.write(unsafeBitCast(value, to: [Double].self), at: place) }
        if T.self == [Float].self { return try self.write(unsafeBitCast(value, to: [Float].self), at: place) }
        if T.self == Float.self { return self.sink.float(unsafeBitCast(value, to: Float.self)) }
        if T.self == Int64.self { return self.sink.integer(unsafeBitCast(value, to: Int64.self)) }
        if T.self == UInt64.self { return self.sink.integer(unsafeBitCast(value, to: UInt64.self)) }
        if T.self == Int32.self { return self.sink.integer(Int64(unsafeBitCast(value, to: Int32.self))) }
        if T.self == UInt32.self { return self.sink.integer(Int64(unsafeBitCast(value, to: UInt32.self))) }
        if T.self == UInt.self { return self.sink.integer(UInt64(unsafeBitCast(value, to: UInt.self))) }
        if T.self == UInt8.self { return self.sink.integer(Int64(unsafeBitCast(value, to: UInt8.self))) }
        if T.self == Int8.self { return self.sink.integer(Int64(unsafeBitCast(value, to: Int8.self))) }
        if T.self == Int16.self { return self.sink.integer(Int64(unsafeBitCast(value, to: Int16.self))) }
        if T.self == UInt16.self { return self.sink.integer(Int64(unsafeBitCast(value, to: UInt16.self))) }
        // The casts cannot fail: each stands behind a comparison of the type.
        if T.self == JSONNumber.self { return self.write(value as! JSONNumber) }
        if T.self == JSONValue.self {
            return try self.write(value as! JSONValue, depth: Self.depth(below: self, place))
        }
        if T.self == JSONObject.self {
            return try self.write(.object(value as! JSONObject), depth: Self.depth(below: self, place))
        }

        var node = self.encoding.takeNode(sink: self.sink, parent: self, place: place)
        defer { self.encoding.giveBack(&node) }
        try self.encoding.check(self.sink)
        try value.encode(to: node)
        node.close()
    }

    private func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { self.sink.run(StateFormat.Tag.bytes, $0) }
    }

    private func write(_ strings: [String], at place: Place) throws {
        try self.elements(strings.count, at: place) { self.sink.string(strings[$0]) }
    }

    private func write(_ integers: [Int], at place: Place) throws {
        try self.elements(integers.count, at: place) { self.sink.integer(Int64(integers[$0])) }
    }

    private func write(_ doubles: [Double], at place: Place) throws {
        try self.elements(doubles.count, at: place) { self.sink.double(doubles[$0]) }
    }

    private func write(_ floats: [Float], at place: Place) throws {
        try self.elements(floats.count, at: place) { self.sink.float(floats[$0]) }
    }

    @inline(__always)
    private func elements(_ count: Int, at place: Place, _ body: (Int) -> Void) throws {
        if Self.depth(below: self, place) >= StateFormat.depthMax { self.encoding.fail(.tooDeep) }
        let start = self.sink.count
        self.sink.beginUnkeyed()
        for index in 0..<count {
            try self.encoding.check(self.sink)
            body(index)
        }
        self.sink.endUnkeyed(at: start, count: count)
    }

    /// - Parameter depth: How many containers are around the value.
    private func write(_ value: JSONValue, depth: Int) throws {
        try self.encoding.check(self.sink)
        switch value {
        case .null: self.sink.null()
        case .bool(let value): self.sink.bool(value)
        case .number(let value): self.write(value)
        case .string(let value): self.sink.string(value)
        case .array(let elements):
            guard depth < StateFormat.depthMax else { throw StateEncodingError.tooDeep }
            let start = self.sink.count
            self.sink.beginUnkeyed()
            for element in elements { try self.write(element, depth: depth + 1) }
            self.sink.endUnkeyed(at: start, count: elements.count)
        case .object(let object):
            guard depth < StateFormat.depthMax else { throw StateEncodingError.tooDeep }
            let start = self.sink.count
            var last = -1
            var isRising = true
            self.sink.beginKeyed()
            for member in object.members {
                let name = self.encoding.names.index(of: member.name)
                isRising = isRising && name > last
                last = name
                self.sink.varint(UInt64(name))
                try self.write(member.value, depth: depth + 1)
            }
            if !isRising { self.dropRepeatedNames(inContainerAt: start) }
            self.sink.endKeyed(at: start)
        }
    }

    /// Integers and doubles that spell the number just so, and its text otherwise.
    private func write(_ number: JSONNumber) {
        if let value = number.integer(as: Int64.self), String(value) == number.text { return self.sink.integer(value) }
        if let value = number.double, JSONNumber(value)?.text == number.text { return self.sink.double(value) }
        var text = number.text
        text.withUTF8 { self.sink.run(StateFormat.Tag.decimal, $0) }
    }

    // MARK: Single values

    private func beginScalar() throws {
        precondition(self.state == .empty, "a single value is encoded once, while it is being encoded")
        try self.encoding.check(self.sink)
        self.state = .scalar
    }
}

extension StateEncoderNode: SingleValueEncodingContainer {
    func encodeNil() throws {
        try self.beginScalar()
        self.sink.null()
    }

    func encode(_ value: Bool) throws {
        try self.beginScalar()
        self.sink.bool(value)
    }

    func encode(_ value: String) throws {
        try self.beginScalar()
        self.sink.string(value)
    }

    func encode(_ value: Double) throws {
        try self.beginScalar()
        self.sink.double(value)
    }

    func encode(_ value: Int) throws {
        try self.beginScalar()
        self.sink.integer(Int64(value))
    }

    func encode(_ value: Int128) throws {
        try self.beginScalar()
        self.sink.integer(value)
    }

    func encode(_ value: UInt128) throws {
        try self.beginScalar()
        self.sink.integer(value)
    }

    // Stands for the overloads of all other scalar types too.
    func encode<T: Encodable>(_ value: T) throws {
        try self.beginScalar()
        do {
            try self.undoingOnError { try self.write(value, at: .same) }
        } catch {
            self.state = .empty
            throw error
        }
    }
}
