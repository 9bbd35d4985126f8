import TorporJSON

/// What a schema asks of an object.
final class ObjectRules: Sendable {
    struct Property: Sendable {
        let name: [UInt8]
        /// `nil` for a name that is only looked for.
        let node: SchemaNode?
        /// The bit that is set when the property is there; `nil` where nobody asks.
        let presence: Int?
    }

    struct Dependency: Sendable {
        let name: String
        let presence: Int
        let needs: [(name: String, presence: Int)]
    }

    /// Up to so many properties are searched one by one.
    private static let linearMax = 8

    let properties: [Property]
    let patterns: [(pattern: Pattern, node: SchemaNode)]
    /// For the properties that neither `properties` nor `patterns` speak of.
    let additional: SchemaNode?
    /// `additional` unless it accepts anything.
    let checkedAdditional: SchemaNode?
    /// For the names themselves.
    let names: SchemaNode?
    /// Their presence bits are their indices.
    let required: [String]
    let dependencies: [Dependency]
    let presenceCount: Int
    let count: CountBounds
    /// Whether a property is done with when its own schema was applied.
    let isPlain: Bool
    /// The indices of `properties`, by length and then by bytes; empty when they are few.
    private let sorted: [Int]

    init(
        properties: [(name: String, node: SchemaNode)], patterns: [(pattern: Pattern, node: SchemaNode)],
        additional: SchemaNode?, names: SchemaNode?, required: [String], dependencies: [(String, [String])],
        count: CountBounds
    ) {
        var presences: [[UInt8]: Int] = [:]
        var looked: [[UInt8]] = []
        func presence(of name: String) -> Int {
            let bytes = Array(name.utf8)
            if let known = presences[bytes] { return known }
            presences[bytes] = looked.count
            looked.append(bytes)
            return looked.count - 1
        }
        self.required = required
        for name in required { _ = presence(of: name) }
        self.dependencies = dependencies.map { name, needs in
            Dependency(name: name, presence: presence(of: name), needs: needs.map { ($0, presence(of: $0)) })
        }
        self.presenceCount = looked.count
        var all: [Property] = properties.map { property in
            let name = Array(property.name.utf8)
            return Property(name: name, node: property.node, presence: presences.removeValue(forKey: name))
        }
        for (index, name) in looked.enumerated() where presences[name] != nil {
            all.append(Property(name: name, node: nil, presence: index))
        }
        self.properties = all
        self.sorted = all.count <= Self.linearMax ? [] : all.indices.sorted { all[$0].name.precedes(all[$1].name) }
        self.patterns = patterns
        self.additional = additional
        self.checkedAdditional = additional.flatMap { $0.source == true ? nil : $0 }
        self.names = names
        self.count = count
        self.isPlain = patterns.isEmpty && names == nil
    }

    /// The index in `properties` of the one with the name of `key`.
    /// - Complexity: O(log n) comparisons of names, or O(n) of lengths where they are few.
    @inline(__always)
    func index(of key: JSONKey, in bytes: Span<UInt8>) -> Int? {
        if self.sorted.isEmpty {
            return self.properties.firstIndex {
                JSONText.equals(in: bytes, key.range, hasEscapes: key.hasEscapes, to: $0.name.span)
            }
        }
        return self.search(key, in: bytes)
    }

    private func search(_ key: JSONKey, in bytes: Span<UInt8>) -> Int? {
        guard !key.hasEscapes else {
            let name = Array(JSONText.string(in: bytes, key.range, hasEscapes: true).utf8)
            return self.search(JSONKey(range: 0..<name.count, hasEscapes: false), in: name.span)
        }
        var low = 0
        var high = self.sorted.count
        while low < high {
            let middle = (low + high) / 2
            let order = Self.order(bytes, key.range, self.properties[self.sorted[middle]].name)
            if order == 0 { return self.sorted[middle] }
            if order < 0 { high = middle } else { low = middle + 1 }
        }
        return nil
    }

    /// Below, at or above zero as the name in `range` sorts before, with or after the other.
    private static func order(_ bytes: Span<UInt8>, _ range: Range<Int>, _ name: [UInt8]) -> Int {
        if range.count != name.count { return range.count - name.count }
        for offset in name.indices {
            let difference = Int(bytes[range.lowerBound + offset]) - Int(name[offset])
            if difference != 0 { return difference }
        }
        return 0
    }

    /// `has the unknown property "x"; it takes a, b`.
    func adviceAgainst(_ name: String) -> String {
        let known =
            self.properties.filter { $0.node?.refusesAll == false }.map { String(decoding: $0.name, as: UTF8.self) }
            + self.patterns.map { "names that match \($0.pattern.source.shortened(to: 80))" }
        return "has the unknown property \"\(name.shortened(to: 80))\"; "
            + (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))")
    }
}

/// The names that were seen, of those that somebody asks for.
struct Presence {
    private var first: UInt64 = 0
    private var rest: [UInt64] = []

    @inline(__always)
    init(count: Int) {
        if count > 64 { self.rest = Array(repeating: 0, count: (count - 1) / 64) }
    }

    @inline(__always)
    mutating func insert(_ index: Int) {
        if index < 64 { self.first |= 1 << UInt64(index) } else { self.rest[index / 64 - 1] |= 1 << UInt64(index % 64) }
    }

    @inline(__always)
    func contains(_ index: Int) -> Bool {
        (index < 64 ? self.first : self.rest[index / 64 - 1]) >> UInt64(index % 64) & 1 == 1
    }

    /// Whether the first `count` are all there.
    @inline(__always)
    func containsAll(_ count: Int) -> Bool {
        if count <= 64 {
            return count == 64 ? self.first == .max : self.first & (1 << UInt64(count) - 1) == 1 << UInt64(count) - 1
        }
        return (0..<count).allSatisfy { self.contains($0) }
    }
}

extension [UInt8] {
    fileprivate func precedes(_ other: [UInt8]) -> Bool {
        self.count == other.count ? self.lexicographicallyPrecedes(other) : self.count < other.count
    }
}
