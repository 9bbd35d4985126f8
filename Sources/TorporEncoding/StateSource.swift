import TorporJSON

/// One encoding that is being decoded: its bytes, its names, and how far each open container has been read.
final class StateSource {
    /// What is being decoded at one depth. A hint, never needed to be right: whoever uses it checks that it speaks of
    /// the value at hand.
    struct Level {
        /// Where the value begins.
        var value: UInt32 = 0
        /// Of a keyed container: the member that was found last.
        var cursor: UInt32 = 0
        /// Where the value within it that is being decoded begins, and its place: the number of its name, or its index.
        var child: UInt32 = 0
        var place: UInt32 = 0
        /// Members passed over in search of others.
        var passed: UInt32 = 0
        /// What the value is decoded as.
        var type: Any.Type?
    }

    private(set) var bytes: StateBytes
    /// Where the name of each number begins: at its length.
    private let nameOffsets: UnsafeMutablePointer<UInt32>
    let nameCount: Int
    /// Where the value begins; never 0.
    let root: Int
    let levels: UnsafeMutablePointer<Level>
    /// The encoding of the declared defaults.
    var defaults: StateSource?
    /// The bytes, if they belong to this.
    private var owned: UnsafeMutablePointer<UInt8>?
    /// The encodings of `init()` of those types of which a field was missing; `nil` for types that have none.
    private var typeDefaults: [ObjectIdentifier: StateSource?] = [:]
    /// Members by name, for large containers that are not read in order; by where they begin.
    private var indices: [Int: [[UInt8]: Member]] = [:]

    private struct Member {
        let place: UInt32
        let value: UInt32
    }

    /// Reads format and names, and checks that one value fills the rest.
    init(_ bytes: StateBytes) throws(StateEncodingError) {
        guard bytes.count <= StateFormat.sizeMax else {
            throw StateEncodingError(.tooLarge, "an encoding of more than \(StateFormat.sizeMax) bytes")
        }
        guard bytes.count > 0 else { throw .malformed("there are no bytes") }
        let version = bytes.base[0]
        guard version <= StateFormat.version else {
            throw StateEncodingError(.newerFormat, "format \(version) is newer than \(StateFormat.version)")
        }
        guard version > 0 else { throw .malformed("there is no format 0") }
        var offset = 1
        let nameCount = try bytes.varint(at: &offset)
        guard nameCount <= bytes.count - offset else { throw .malformed("more names than bytes") }
        let names = UnsafeMutablePointer<UInt32>.allocate(capacity: nameCount)
        do throws(StateEncodingError) {
            for index in 0..<nameCount {
                names[index] = UInt32(truncatingIfNeeded: offset)
                offset += try bytes.run(at: &offset)
            }
            guard try bytes.end(ofValueAt: offset) == bytes.count else {
                throw .malformed("there are bytes behind the value")
            }
        } catch {
            names.deallocate()
            throw error
        }
        self.bytes = bytes
        self.nameOffsets = names
        self.nameCount = nameCount
        self.root = offset
        self.levels = UnsafeMutablePointer<Level>.allocate(capacity: StateFormat.depthMax + 1)
        self.levels.initialize(repeating: Level(), count: StateFormat.depthMax + 1)
    }

    /// Keeps a copy of `bytes`.
    convenience init(copying bytes: [UInt8]) throws(StateEncodingError) {
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { copy[index] = byte }
        do throws(StateEncodingError) {
            try self.init(StateBytes(UnsafeBufferPointer(start: copy, count: bytes.count)))
        } catch {
            copy.deallocate()
            throw error
        }
        self.owned = copy
    }

    deinit {
        self.nameOffsets.deallocate()
        // `Level` holds nothing that would have to be released.
        self.levels.deallocate()
        self.owned?.deallocate()
    }

    /// From now on every reading fails: the memory may be gone.
    func close() {
        self.bytes = StateBytes(UnsafeBufferPointer(start: nil, count: 0))
        self.defaults = nil
    }

    // MARK: Names

    @inline(__always)
    private func name(_ index: Int) throws(StateEncodingError) -> (offset: Int, count: Int) {
        guard index < self.nameCount else { throw .malformed("a name has no entry in the table") }
        var offset = Int(self.nameOffsets[index])
        let count = try self.bytes.varint(at: &offset)
        return (offset, count)
    }

    func nameText(_ index: Int) throws(StateEncodingError) -> String {
        let name = try self.name(index)
        return try self.bytes.string(in: name.offset..<(name.offset + name.count))
    }

    // MARK: Members

    @inline(__always)
    func isNull(at offset: Int) throws(StateEncodingError) -> Bool {
        try self.bytes.byte(at: offset) == StateFormat.Tag.null
    }

    /// The most members of which each name is compared with every other to see that none stands twice.
    private static var pairwiseMax: Int { 16 }

    /// Checks that members fill `range`, and that no name stands twice. Returns their number.
    func check(membersIn range: Range<Int>) throws(StateEncodingError) -> Int {
        var offset = range.lowerBound
        var count = 0
        var last = -1
        var isRising = true
        while offset < range.upperBound {
            let name = try self.bytes.varint(at: &offset)
            guard name < self.nameCount else { throw .malformed("a name has no entry in the table") }
            isRising = isRising && name > last
            last = name
            offset = try self.bytes.end(ofValueAt: offset)
            count &+= 1
        }
        guard offset == range.upperBound else { throw .malformed("a member reaches beyond its container") }
        if !isRising { try self.check(namesIn: range, count: count) }
        return count
    }

    private func check(namesIn range: Range<Int>, count: Int) throws(StateEncodingError) {
        var names: [Int] = []
        names.reserveCapacity(count)
        var offset = range.lowerBound
        while offset < range.upperBound {
            names.append(try self.bytes.varint(at: &offset))
            offset = try self.bytes.end(ofValueAt: offset)
        }
        if count > Self.pairwiseMax { names.sort() }
        for (index, name) in names.enumerated() {
            let others = count > Self.pairwiseMax ? names[..<index].suffix(1) : names[..<index]
            guard !others.contains(name) else { throw .malformed("a name stands twice in a container") }
        }
    }

    /// Where the value of the member with that name begins; 0 if there is none.
    ///
    /// Members are mostly asked for in the order in which they are stored, so the search begins behind the last one.
    /// - Parameter container: Has been checked.
    @inline(__always)
    func find(_ name: String, in container: StateMembers) throws(StateEncodingError) -> Int {
        guard container.end <= self.bytes.count else { throw StateBytes.ended }
        let level = self.levels + container.value.depth
        if level.pointee.value != UInt32(truncatingIfNeeded: container.value.offset) {
            level.pointee.value = UInt32(truncatingIfNeeded: container.value.offset)
            level.pointee.cursor = 0
            level.pointee.passed = 0
            level.pointee.type = nil
        }
        var name = name
        do {
            return try name.withUTF8 { try self.find($0, in: container, level) }
        } catch {
            throw error as? StateEncodingError ?? StateBytes.ended
        }
    }

    private func find(
        _ name: UnsafeBufferPointer<UInt8>, in container: StateMembers, _ level: UnsafeMutablePointer<Level>
    ) throws(StateEncodingError) -> Int {
        if container.count > Self.searchedMax, Int(level.pointee.passed) > Self.searchesMax * container.count {
            return try self.lookUp(name, in: container, level)
        }
        var offset = Int(level.pointee.cursor)
        if offset == 0 { offset = container.start }
        for passed in 0..<container.count {
            if offset >= container.end { offset = container.start }
            let index = try self.bytes.varint(at: &offset)
            let entry = try self.name(index)
            let value = offset
            offset = try self.bytes.end(ofValueAt: offset)
            if self.bytes.equal(name, at: entry.offset, count: entry.count) {
                level.pointee.cursor = UInt32(truncatingIfNeeded: offset)
                level.pointee.child = UInt32(truncatingIfNeeded: value)
                level.pointee.place = UInt32(truncatingIfNeeded: index)
                level.pointee.passed &+= UInt32(truncatingIfNeeded: passed)
                return value
            }
        }
        level.pointee.passed &+= UInt32(truncatingIfNeeded: container.count)
        return 0
    }

    /// Containers of so many members are searched, however they are read.
    private static var searchedMax: Int { 64 }
    /// So often larger ones are searched from end to end before their members are found by name.
    private static var searchesMax: Int { 8 }

    /// Finds a member by its name, so that reading a large container in any order takes no quadratic time.
    private func lookUp(
        _ name: UnsafeBufferPointer<UInt8>, in container: StateMembers, _ level: UnsafeMutablePointer<Level>
    ) throws(StateEncodingError) -> Int {
        if self.indices[container.start] == nil {
            var index: [[UInt8]: Member] = [:]
            index.reserveCapacity(container.count)
            var offset = container.start
            while offset < container.end {
                let place = try self.bytes.varint(at: &offset)
                let entry = try self.name(place)
                let name = UnsafeBufferPointer(start: self.bytes.base + entry.offset, count: entry.count)
                index[Array(name)] = Member(
                    place: UInt32(truncatingIfNeeded: place), value: UInt32(truncatingIfNeeded: offset))
                offset = try self.bytes.end(ofValueAt: offset)
            }
            self.indices[container.start] = index
        }
        guard let member = self.indices[container.start]?[Array(name)] else { return 0 }
        level.pointee.child = member.value
        level.pointee.place = member.place
        return Int(member.value)
    }

    // MARK: Defaults

    /// `init()` of a type that has ``StateDefaults``, encoded.
    func defaults(of type: Any.Type) throws -> StateSource? {
        if let known = self.typeDefaults[ObjectIdentifier(type)] { return known }
        guard let type = type as? any StateDefaults.Type else {
            self.typeDefaults[ObjectIdentifier(type)] = .some(nil)
            return nil
        }
        let source = try StateSource(copying: try StateEncoder.encode(type.init()))
        self.typeDefaults[ObjectIdentifier(type)] = source
        return source
    }

    // MARK: Paths

    /// The names and indices that lead to the value at `offset`.
    func path(to offset: Int, depth: Int) -> [any CodingKey] {
        // Nothing can be read any more; a path without an end is better than none.
        (try? self.currentPath(to: offset, depth: depth) ?? self.searchedPath(to: offset)) ?? []
    }

    /// The path as the levels know it; `nil` if they are at another value by now.
    private func currentPath(to offset: Int, depth: Int) throws(StateEncodingError) -> [any CodingKey]? {
        var path: [any CodingKey] = []
        for index in 0..<depth {
            let level = self.levels[index]
            let next = index + 1 == depth ? UInt32(truncatingIfNeeded: offset) : self.levels[index + 1].value
            guard level.child == next, index > 0 || level.value == UInt32(truncatingIfNeeded: self.root) else {
                return nil
            }
            let isKeyed = try self.bytes.byte(at: Int(level.value)) == StateFormat.Tag.keyed
            path.append(
                isKeyed ? AnyCodingKey.name(try self.nameText(Int(level.place))) : AnyCodingKey.index(Int(level.place)))
        }
        return path
    }

    /// The path, looked for from the root.
    private func searchedPath(to target: Int) throws(StateEncodingError) -> [any CodingKey] {
        var path: [any CodingKey] = []
        var offset = self.root
        while offset < target {
            switch try self.bytes.scalar(at: offset) {
            case .keyed(let range):
                offset = range.lowerBound
                var name = try self.bytes.varint(at: &offset)
                while case let end = try self.bytes.end(ofValueAt: offset), end <= target {
                    offset = end
                    name = try self.bytes.varint(at: &offset)
                }
                path.append(AnyCodingKey.name(try self.nameText(name)))
            case .unkeyed(let range):
                offset = range.lowerBound
                _ = try self.bytes.varint(at: &offset)
                var index = 0
                while case let end = try self.bytes.end(ofValueAt: offset), end <= target {
                    offset = end
                    index += 1
                }
                path.append(AnyCodingKey.index(index))
            case .bytes(let range):
                path.append(AnyCodingKey.index(target - range.lowerBound))
                return path
            case .null, .bool, .integer, .float, .double, .string, .decimal:
                return path
            }
        }
        return path
    }
}
