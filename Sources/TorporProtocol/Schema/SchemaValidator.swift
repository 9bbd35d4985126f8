import TorporJSON

/// A schema made ready once and used for every call: checks arguments where they lie in the request, without a tree.
///
/// It checks `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, and the bounds on
/// numbers, lengths, elements and properties. Other keywords of 2020-12 reach clients but are not checked here. Work is
/// linear in the bytes of the value times the depth of the schema, which is bounded by ``depthMax``.
package final class SchemaValidator: Sendable {
    /// The deepest nesting of a schema that is compiled; deeper parts accept anything.
    package static let depthMax = 32
    /// The most violations reported at once, so that the report stays readable.
    package static let violationsMax = 8

    private let root: SchemaNode

    package init(_ schema: JSONSchema) { self.root = SchemaNode(schema.value, depth: 0) }

    /// Something about a value that its schema forbids.
    package struct Violation: Sendable, Equatable {
        /// A JSON Pointer to the value, empty for the whole.
        package let path: String
        /// What to do about it, for a model to read.
        package let advice: String
    }

    /// Checks the value at `range`, which the scanner has validated.
    /// - Returns: what is wrong with it, at most ``violationsMax``; empty when it conforms.
    package func validate(_ bytes: Span<UInt8>, at range: Range<Int>) -> [Violation] {
        var report = SchemaReport()
        var scanner = JSONScanner(bytes, at: range.lowerBound)
        do {
            try self.root.check(&scanner, bytes, &report)
        } catch {
            preconditionFailure("only validated JSON is checked against a schema: \(error)")
        }
        return report.violations
    }
}

/// The violations found so far, and where the check stands.
private struct SchemaReport {
    var path: [String] = []
    var violations: [SchemaValidator.Violation] = []

    mutating func add(_ advice: String) {
        guard self.violations.count < SchemaValidator.violationsMax else { return }
        let pointer = self.path.map { step in
            "/" + step.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
        }
        self.violations.append(.init(path: pointer.joined(), advice: advice))
    }
}

private struct KindSet: OptionSet {
    let rawValue: UInt8
    static let object = KindSet(rawValue: 1 << 0)
    static let array = KindSet(rawValue: 1 << 1)
    static let string = KindSet(rawValue: 1 << 2)
    static let number = KindSet(rawValue: 1 << 3)
    static let integer = KindSet(rawValue: 1 << 4)
    static let boolean = KindSet(rawValue: 1 << 5)
    static let null = KindSet(rawValue: 1 << 6)

    static let named: [(String, KindSet)] = [
        ("object", .object), ("array", .array), ("string", .string), ("number", .number), ("integer", .integer),
        ("boolean", .boolean), ("null", .null),
    ]

    var text: String {
        Self.named.filter { self.contains($0.1) }.map { "\("aeiou".contains($0.0.first!) ? "an" : "a") \($0.0)" }
            .joined(separator: " or ")
    }
}

/// One schema, compiled. Immutable after `init`.
private final class SchemaNode: Sendable {
    struct Property: Sendable { let name: [UInt8]; let node: SchemaNode; let requiredIndex: Int? }
    enum Additional: Sendable { case allowed, forbidden, checked(SchemaNode) }

    let refusesAll: Bool
    /// `nil`: any.
    let kinds: KindSet?
    let allowed: [JSONValue]?
    let properties: [Property]
    let required: [String]
    let additional: Additional
    let items: SchemaNode?
    let number: NumberBounds
    let length: CountBounds
    let elements: CountBounds
    let members: CountBounds

    init(_ schema: JSONValue, depth: Int) {
        guard case .object(let keywords) = schema, depth < SchemaValidator.depthMax else {
            self.refusesAll = schema == false
            self.kinds = nil
            self.allowed = nil
            self.properties = []
            self.required = []
            self.additional = .allowed
            self.items = nil
            self.number = NumberBounds([:])
            self.length = CountBounds([:], "minLength", "maxLength")
            self.elements = CountBounds([:], "minItems", "maxItems")
            self.members = CountBounds([:], "minProperties", "maxProperties")
            return
        }
        self.refusesAll = false
        self.kinds = Self.kinds(keywords["type"])
        if case .array(let values)? = keywords["enum"] {
            self.allowed = values
        } else {
            self.allowed = keywords["const"].map { [$0] }
        }
        var required: [String] = []
        if case .array(let names)? = keywords["required"] {
            for case .string(let name) in names where !required.contains(name) { required.append(name) }
        }
        self.required = required
        var properties: [Property] = []
        if case .object(let declared)? = keywords["properties"] {
            for member in declared.members {
                properties.append(
                    Property(
                        name: Array(member.name.utf8), node: SchemaNode(member.value, depth: depth + 1),
                        requiredIndex: required.firstIndex(of: member.name)))
            }
        }
        // Required names without a schema of their own are looked for all the same.
        for (index, name) in required.enumerated() where !properties.contains(where: { $0.requiredIndex == index }) {
            let unchecked = keywords["additionalProperties"].map { SchemaNode($0, depth: depth + 1) }
            properties.append(
                Property(
                    name: Array(name.utf8), node: unchecked ?? SchemaNode(true, depth: depth + 1), requiredIndex: index)
            )
        }
        self.properties = properties
        switch keywords["additionalProperties"] {
        case nil, true: self.additional = .allowed
        case false: self.additional = .forbidden
        case .some(let schema): self.additional = .checked(SchemaNode(schema, depth: depth + 1))
        }
        self.items = keywords["items"].map { SchemaNode($0, depth: depth + 1) }
        self.number = NumberBounds(keywords)
        self.length = CountBounds(keywords, "minLength", "maxLength")
        self.elements = CountBounds(keywords, "minItems", "maxItems")
        self.members = CountBounds(keywords, "minProperties", "maxProperties")
    }

    private static func kinds(_ type: JSONValue?) -> KindSet? {
        let names: [JSONValue]
        switch type {
        case .string: names = [type!]  // Matched just now.
        case .array(let several): names = several
        default: return nil
        }
        return names.reduce(into: KindSet()) { kinds, name in
            for (text, kind) in KindSet.named where name == .string(text) { kinds.insert(kind) }
        }
    }

    // MARK: Checking

    func check(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>, _ report: inout SchemaReport) throws(JSONError) {
        let kind = try scanner.peek()
        let start = scanner.position
        guard !self.refusesAll else {
            report.add("is not accepted here")
            _ = try scanner.skipValue()
            return
        }
        switch kind {
        case .object where self.accepts(.object):
            try self.checkObject(&scanner, bytes, &report)
        case .array where self.accepts(.array):
            try self.checkArray(&scanner, bytes, &report)
        case .string where self.accepts(.string):
            let (range, hasEscapes) = try scanner.string()
            if self.length.isBounded {
                let count = JSONText.string(in: bytes, range, hasEscapes: hasEscapes).unicodeScalars.count
                self.length.check(count, "characters", &report)
            }
        case .number where self.accepts([.number, .integer]):
            let range = try scanner.skipValue()
            guard case .number(let number) = JSONValue(in: bytes, range) else {
                preconditionFailure("a number is a number")
            }
            if let kinds = self.kinds, !kinds.contains(.number), !number.isIntegral {
                report.add("must be an integer, not the fraction \(number.text.prefix(40))")
            } else {
                self.number.check(number, &report)
            }
        case .true where self.accepts(.boolean), .false where self.accepts(.boolean), .null where self.accepts(.null):
            _ = try scanner.skipValue()
        default:
            _ = try scanner.skipValue()
            // A kind is only refused when kinds are named.
            report.add("must be \((self.kinds ?? []).text), not \(kind.kindSet.text)")
            return
        }
        if let allowed = self.allowed, !allowed.contains(JSONValue(in: bytes, start..<scanner.position)) {
            report.add("must be one of \(allowed.prefix(20).map(\.text).joined(separator: ", "))")
        }
    }

    private func accepts(_ kinds: KindSet) -> Bool { self.kinds.map { !$0.isDisjoint(with: kinds) } ?? true }

    private func checkObject(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>, _ report: inout SchemaReport)
        throws(JSONError)
    {
        var found: UInt64 = 0
        var foundBeyond: Set<Int> = []
        var count = 0
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            count += 1
            if let property = self.properties.first(where: {
                JSONText.equals(in: bytes, key.range, hasEscapes: key.hasEscapes, to: $0.name.span)
            }) {
                if let index = property.requiredIndex {
                    if index < 64 { found |= 1 << UInt64(index) } else { foundBeyond.insert(index) }
                }
                report.path.append(String(decoding: property.name, as: UTF8.self))
                try property.node.check(&scanner, bytes, &report)
                report.path.removeLast()
                continue
            }
            switch self.additional {
            case .allowed: _ = try scanner.skipValue()
            case .forbidden:
                let name = JSONText.string(in: bytes, key.range, hasEscapes: key.hasEscapes)
                let known = self.properties.map { String(decoding: $0.name, as: UTF8.self) }.joined(separator: ", ")
                report.add(
                    "has the unknown property \"\(name.prefix(80))\"; "
                        + (known.isEmpty ? "it takes none" : "it takes \(known)"))
                _ = try scanner.skipValue()
            case .checked(let node):
                report.path.append(JSONText.string(in: bytes, key.range, hasEscapes: key.hasEscapes))
                try node.check(&scanner, bytes, &report)
                report.path.removeLast()
            }
        }
        for (index, name) in self.required.enumerated() {
            let isThere = index < 64 ? found & 1 << UInt64(index) != 0 : foundBeyond.contains(index)
            if !isThere { report.add("needs the property \"\(name)\"") }
        }
        self.members.check(count, "properties", &report)
    }

    private func checkArray(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>, _ report: inout SchemaReport)
        throws(JSONError)
    {
        var count = 0
        try scanner.beginArray()
        var isFirst = true
        while try scanner.nextElement(&isFirst) {
            if let items = self.items {
                report.path.append(String(count))
                try items.check(&scanner, bytes, &report)
                report.path.removeLast()
            } else {
                _ = try scanner.skipValue()
            }
            count += 1
        }
        self.elements.check(count, "elements", &report)
    }
}

private struct CountBounds: Sendable {
    let least: Int?
    let most: Int?
    var isBounded: Bool { self.least != nil || self.most != nil }

    init(_ keywords: JSONObject, _ least: String, _ most: String) {
        self.least = keywords[least]?.intValue
        self.most = keywords[most]?.intValue
    }

    func check(_ count: Int, _ unit: String, _ report: inout SchemaReport) {
        if let least = self.least, count < least { report.add("must have at least \(least) \(unit), not \(count)") }
        if let most = self.most, count > most { report.add("must have at most \(most) \(unit), not \(count)") }
    }
}

private struct NumberBounds: Sendable {
    let least: Double?
    let most: Double?
    let above: Double?
    let below: Double?

    init(_ keywords: JSONObject) {
        self.least = keywords["minimum"]?.doubleValue
        self.most = keywords["maximum"]?.doubleValue
        self.above = keywords["exclusiveMinimum"]?.doubleValue
        self.below = keywords["exclusiveMaximum"]?.doubleValue
    }

    func check(_ number: JSONNumber, _ report: inout SchemaReport) {
        guard self.least != nil || self.most != nil || self.above != nil || self.below != nil else { return }
        guard let value = number.double else {
            report.add("is out of range")
            return
        }
        if let least = self.least, value < least {
            report.add("must be at least \(least.shortText), not \(number.text.prefix(40))")
        }
        if let most = self.most, value > most {
            report.add("must be at most \(most.shortText), not \(number.text.prefix(40))")
        }
        if let above = self.above, value <= above {
            report.add("must be more than \(above.shortText), not \(number.text.prefix(40))")
        }
        if let below = self.below, value >= below {
            report.add("must be less than \(below.shortText), not \(number.text.prefix(40))")
        }
    }
}

extension JSONValue {
    fileprivate var intValue: Int? {
        if case .number(let number) = self { number.int } else { nil }
    }
    fileprivate var doubleValue: Double? {
        if case .number(let number) = self { number.double } else { nil }
    }
}

extension Double {
    /// Without a fraction where there is none.
    fileprivate var shortText: String { JSONNumber(self)?.text ?? "\(self)" }
}

extension JSONNumber {
    /// Whether the value has no fraction, however it is written.
    fileprivate var isIntegral: Bool {
        self.text.utf8.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
            || self.double.map { $0 == $0.rounded(.towardZero) } ?? false
    }
}

extension JSONScanner.Kind {
    fileprivate var kindSet: KindSet {
        switch self {
        case .object: .object
        case .array: .array
        case .string: .string
        case .number: .number
        case .true, .false: .boolean
        case .null: .null
        }
    }
}
