/// Where the members of one object stand in its bytes.
///
/// Few members are searched one by one; many are found by name, so that decoding a large object takes no quadratic
/// time.
struct JSONMembers {
    private struct Member {
        let key: JSONKey
        let value: Range<Int>
    }

    /// A name that is compared byte by byte.
    private struct Name: Hashable {
        let text: String

        static func == (left: Self, right: Self) -> Bool {
            left.text.utf8.elementsEqual(right.text.utf8)
        }

        func hash(into hasher: inout Hasher) {
            var text = self.text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    /// The most members that are searched one by one.
    private static var linearMax: Int { 16 }

    private var members: [Member] = []
    /// The last member of each name if there are more than `linearMax`, and empty otherwise.
    private var lastByName: [Name: Int] = [:]

    /// - Parameter range: An object's range.
    init(of bytes: [UInt8], in range: Range<Int>) throws(JSONError) {
        try self.index(bytes.span, from: range.lowerBound)
        guard self.members.count > Self.linearMax else { return }
        self.lastByName.reserveCapacity(self.members.count)
        for position in self.members.indices {
            self.lastByName[Name(text: self.name(position, in: bytes))] = position
        }
    }

    private mutating func index(_ bytes: Span<UInt8>, from start: Int) throws(JSONError) {
        var scanner = JSONScanner(bytes, at: start, depthMax: JSONScanner.depthMaxLimit)
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            if self.members.isEmpty { self.members.reserveCapacity(4) }
            self.members.append(Member(key: key, value: try scanner.skipValue()))
        }
    }

    /// The range of the value of the last member named `name`.
    func value(of name: String, in bytes: [UInt8]) -> Range<Int>? {
        self.position(of: name, in: bytes).map { self.members[$0].value }
    }

    /// The names, each once, in the order of the members that count.
    func names(in bytes: [UInt8]) -> [String] {
        self.members.indices.compactMap { position in
            let name = self.name(position, in: bytes)
            return self.position(of: name, in: bytes) == position ? name : nil
        }
    }

    private func position(of name: String, in bytes: [UInt8]) -> Int? {
        guard self.lastByName.isEmpty else { return self.lastByName[Name(text: name)] }
        let wanted = name.utf8.span
        let bytes = bytes.span
        return self.members.lastIndex {
            JSONText.equals(in: bytes, $0.key.range, hasEscapes: $0.key.hasEscapes, to: wanted)
        }
    }

    private func name(_ position: Int, in bytes: [UInt8]) -> String {
        let key = self.members[position].key
        return JSONText.string(in: bytes.span, key.range, hasEscapes: key.hasEscapes)
    }
}
