import TorporJSON

/// A JSON value as JSON Schema compares it: numbers by value, strings code point by code point, objects by the members
/// that count.
enum ComparableValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(ExactNumber)
    case string([UInt8])
    case array([ComparableValue])
    /// Sorted by name, each name once.
    case object([Member])

    struct Member: Sendable, Hashable {
        let name: [UInt8]
        let value: ComparableValue
    }

    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .number(let number): self = .number(ExactNumber(number))
        case .string(let text): self = .string(Array(text.utf8))
        case .array(let elements): self = .array(elements.map { ComparableValue($0) })
        case .object(let object):
            var members: [[UInt8]: ComparableValue] = [:]
            for member in object.members { members[Array(member.name.utf8)] = ComparableValue(member.value) }
            self = .object(
                members.map { Member(name: $0.key, value: $0.value) }
                    .sorted { $0.name.lexicographicallyPrecedes($1.name) })
        }
    }
}

/// What `enum` or `const` allows.
struct AllowedValues: Sendable {
    /// The strings among the values, compared where they lie in the instance.
    let strings: [[UInt8]]
    /// The values that are no strings.
    let others: Set<ComparableValue>
    let hasContainers: Bool
    /// For the model: the values as JSON, of which long lists are cut.
    let text: String

    init(_ values: [JSONValue]) {
        var strings: [[UInt8]] = []
        var others: Set<ComparableValue> = []
        for value in values {
            if case .string(let text) = value { strings.append(Array(text.utf8)) } else { others.insert(.init(value)) }
        }
        self.strings = strings
        self.others = others
        self.hasContainers = others.contains {
            switch $0 {
            case .array, .object: true
            default: false
            }
        }
        self.text =
            values.prefix(20).map { $0.text.shortened(to: 200) }.joined(separator: ", ")
            + (values.count > 20 ? ", …" : "")
    }
}

extension String {
    /// The text, cut off behind so many characters.
    func shortened(to count: Int) -> String { self.count <= count ? self : self.prefix(count) + "…" }
}
