import TorporJSON

/// The members of one keyed container.
struct StateMembers {
    let value: StateValue
    /// Where the first member begins, and where the last one ends.
    let start: Int
    let end: Int
    let count: Int

    init(_ value: StateValue) throws {
        let bytes = value.source.bytes
        guard try bytes.byte(at: value.offset) == StateFormat.Tag.keyed else {
            throw value.mismatch([String: Any].self, "a keyed container")
        }
        guard value.depth < StateFormat.depthMax else { throw StateEncodingError.tooDeep }
        self.value = value
        var start = value.offset + 1
        let length = try bytes.run(at: &start)
        self.start = start
        self.end = start + length
        self.count = try value.source.check(membersIn: start..<(start + length))
    }

    /// The value of a member; `nil` if there is none, or it is `nil`.
    @inline(__always)
    func stored(_ name: String) throws -> StateValue? {
        let offset = try self.value.source.find(name, in: self)
        guard offset != 0, try !self.value.source.isNull(at: offset) else { return nil }
        return try self.child(name, at: offset)
    }

    func contains(_ name: String) -> Bool {
        // A container that can no longer be read has no members.
        (try? self.value.source.find(name, in: self) != 0) ?? false
    }

    /// The value of a member, or what stands in for it.
    @inline(__always)
    func required(_ name: String, as key: @autoclosure () -> any CodingKey) throws -> StateValue {
        let offset = try self.value.source.find(name, in: self)
        guard offset != 0 else { return try self.missing(name, as: key()) }
        return try self.child(name, at: offset)
    }

    @inline(__always)
    private func child(_ name: String, at offset: Int) throws -> StateValue {
        let fallback = self.value.fallback == 0 ? 0 : try self.fallback(name)
        return StateValue(source: self.value.source, offset: offset, fallback: fallback, depth: self.value.depth + 1)
    }

    /// Where the declared defaults have the member; 0 if they have none.
    private func fallback(_ name: String) throws -> Int {
        guard let defaults = self.value.source.defaults else { return 0 }
        let same = StateValue(source: defaults, offset: self.value.fallback, fallback: 0, depth: self.value.depth)
        guard try defaults.bytes.byte(at: same.offset) == StateFormat.Tag.keyed else { return 0 }
        return try defaults.find(name, in: StateMembers(same))
    }

    private func missing(_ name: String, as key: any CodingKey) throws -> StateValue {
        let source = self.value.source
        if self.value.fallback != 0, let defaults = source.defaults {
            let offset = try self.fallback(name)
            if offset != 0 {
                return StateValue(source: defaults, offset: offset, fallback: 0, depth: self.value.depth + 1)
            }
        }
        let level = source.levels[self.value.depth]
        if level.value == UInt32(truncatingIfNeeded: self.value.offset), let type = level.type,
            let defaults = try source.defaults(of: type),
            try defaults.bytes.byte(at: defaults.root) == StateFormat.Tag.keyed
        {
            let whole = StateValue(source: defaults, offset: defaults.root, fallback: 0, depth: 0)
            let offset = try defaults.find(name, in: StateMembers(whole))
            if offset != 0 { return StateValue(source: defaults, offset: offset, fallback: 0, depth: 1) }
        }
        let context = DecodingError.Context(
            codingPath: self.value.codingPath, debugDescription: "the required member \"\(name)\" is missing")
        throw DecodingError.keyNotFound(key, context)
    }

    /// Calls `body` with each name, in the order in which they are stored.
    func forEachName(_ body: (String) -> Void) throws {
        let source = self.value.source
        guard self.end <= source.bytes.count else { throw StateBytes.ended }
        var offset = self.start
        while offset < self.end {
            body(try source.nameText(try source.bytes.varint(at: &offset)))
            offset = try source.bytes.end(ofValueAt: offset)
        }
    }
}

/// The elements of one unkeyed container, read in order.
struct StateElements {
    let value: StateValue
    let count: Int
    /// Whether they are a run of bytes, which are no values of their own.
    let isBytes: Bool
    private(set) var index = 0
    /// Where the next element begins.
    private var next: Int
    private let end: Int

    init(_ value: StateValue) throws {
        let bytes = value.source.bytes
        let tag = try bytes.byte(at: value.offset)
        guard tag == StateFormat.Tag.unkeyed || tag == StateFormat.Tag.bytes else {
            throw value.mismatch([Any].self, "an unkeyed container")
        }
        guard value.depth < StateFormat.depthMax else { throw StateEncodingError.tooDeep }
        self.value = value
        self.isBytes = tag == StateFormat.Tag.bytes
        var start = value.offset + 1
        let length = try bytes.run(at: &start)
        self.end = start + length
        self.count = self.isBytes ? length : try bytes.varint(at: &start)
        self.next = start
        // Each takes a byte at least.
        guard start <= self.end, self.count <= self.end - start, self.count > 0 || start == self.end else {
            throw StateEncodingError.malformed("an unkeyed container has more or fewer elements than bytes")
        }
    }

    var isAtEnd: Bool { self.index >= self.count }

    /// Reads the next element, and moves on only if that works.
    @inline(__always)
    mutating func read<Value>(_ body: (StateValue) throws -> Value) throws -> Value {
        guard !self.isAtEnd else { throw self.exhausted(Value.self) }
        if self.isBytes { return try self.readByte(body) }
        let source = self.value.source
        let next = try source.bytes.end(ofValueAt: self.next)
        guard next <= self.end, self.index &+ 1 < self.count || next == self.end else {
            throw StateEncodingError.malformed("an element reaches beyond its container")
        }
        let level = source.levels + self.value.depth
        if level.pointee.value != UInt32(truncatingIfNeeded: self.value.offset) {
            level.pointee.value = UInt32(truncatingIfNeeded: self.value.offset)
            level.pointee.type = nil
        }
        level.pointee.child = UInt32(truncatingIfNeeded: self.next)
        level.pointee.place = UInt32(truncatingIfNeeded: self.index)
        let element = StateValue(source: source, offset: self.next, fallback: 0, depth: self.value.depth + 1)
        let value = try body(element)
        self.next = next
        self.index &+= 1
        return value
    }

    /// A byte is read as the integer it would be if it stood alone.
    private mutating func readByte<Value>(_ body: (StateValue) throws -> Value) throws -> Value {
        let byte = try self.byte()
        let source = try StateSource(copying: try StateEncoder.encode(byte))
        let value = try body(StateValue(source: source, offset: source.root, fallback: 0, depth: 0))
        self.next += 1
        self.index += 1
        return value
    }

    /// The next element if it is one of a run of bytes.
    @inline(__always)
    mutating func nextByte() throws -> UInt8? {
        guard self.isBytes, !self.isAtEnd else { return nil }
        let byte = try self.byte()
        self.next += 1
        self.index += 1
        return byte
    }

    @inline(__always)
    private func byte() throws -> UInt8 { try self.value.source.bytes.byte(at: self.next) }

    private func exhausted(_ type: any Any.Type) -> DecodingError {
        let context = DecodingError.Context(
            codingPath: self.value.codingPath + [AnyCodingKey.index(self.index)],
            debugDescription: "expected more than \(self.count) elements")
        return .valueNotFound(type, context)
    }
}
