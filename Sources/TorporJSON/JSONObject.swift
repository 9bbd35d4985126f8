/// The members of a JSON object, in the order they were written or added.
///
/// Names are compared byte by byte, without normalising. Parsed text may hold a name twice: both members are kept,
/// and the last one counts. Two objects are equal when they give the same names equal values, whatever the order.
public struct JSONObject: Sendable {
    public struct Member: Sendable {
        public var name: String
        public var value: JSONValue

        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// All members, in order.
    public var members: [Member]

    public init(_ members: [Member] = []) {
        self.members = members
    }

    public var count: Int { self.members.count }
    public var isEmpty: Bool { self.members.isEmpty }

    /// The value of the last member named `name`.
    ///
    /// Setting a value replaces that member's where it stands, or appends a member; setting `nil` removes every
    /// member so named.
    /// - Complexity: O(`count`).
    public subscript(name: String) -> JSONValue? {
        get { self.lastIndex(of: name).map { self.members[$0].value } }
        set {
            guard let newValue else {
                self.members.removeAll { $0.name.utf8.elementsEqual(name.utf8) }
                return
            }
            if let index = self.lastIndex(of: name) {
                self.members[index].value = newValue
            } else {
                self.members.append(Member(name: name, value: newValue))
            }
        }
    }

    private func lastIndex(of name: String) -> Int? {
        self.members.lastIndex { $0.name.utf8.elementsEqual(name.utf8) }
    }

    /// The members that count, sorted by name.
    private var canonical: [Member] {
        // A stable sort keeps members of one name in order, so the last of them is the one that counts.
        let sorted = self.members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return sorted.indices.compactMap { index in
            let isLast = index == sorted.count - 1 || !sorted[index].hasName(of: sorted[index + 1])
            return isLast ? sorted[index] : nil
        }
    }
}

extension JSONObject.Member: Hashable {
    fileprivate func hasName(of other: Self) -> Bool {
        self.name.utf8.elementsEqual(other.name.utf8)
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.hasName(of: right) && left.value == right.value
    }

    public func hash(into hasher: inout Hasher) {
        for byte in self.name.utf8 { hasher.combine(byte) }
        hasher.combine(self.value)
    }
}

extension JSONObject: Hashable {
    /// Each value is compared once: to try the members as they stand first would double the work at every level.
    public static func == (left: Self, right: Self) -> Bool {
        left.canonical == right.canonical
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.canonical)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init(elements.map { Member(name: $0.0, value: $0.1) })
    }
}

extension JSONObject: Codable {
    /// Keeps order and numbers exact when decoded by Torpor; other decoders decide the order.
    public init(from decoder: any Decoder) throws {
        if let node = decoder as? JSONDecoderNode {
            self = try node.object(in: node.range, at: nil)
            return
        }
        let container = try decoder.container(keyedBy: AnyCodingKey.self)
        self.init(
            try container.allKeys.map {
                Member(name: $0.stringValue, value: try container.decode(JSONValue.self, forKey: $0))
            })
    }

    public func encode(to encoder: any Encoder) throws {
        if let node = encoder as? JSONEncoderNode {
            try node.encode(self)
            return
        }
        var container = encoder.container(keyedBy: AnyCodingKey.self)
        for member in self.members { try container.encode(member.value, forKey: AnyCodingKey.name(member.name)) }
    }
}
