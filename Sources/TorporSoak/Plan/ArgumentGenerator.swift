import TorporJSON

/// Makes arguments that a tool's input schema accepts, where the schema is one that can be guessed.
///
/// Only what is required is given. Strings that the schema leaves free hold a marker, so that an answer shows whose
/// arguments it was made from. A pattern, a condition or a reference to elsewhere is beyond it: such a tool gets no
/// arguments, rather than wrong ones.
struct ArgumentGenerator {
    /// How deep schemas are followed.
    private static let depthMax = 8

    /// The text of free strings.
    let marker: String
    private let root: JSONValue

    /// - Parameter schema: A tool's `inputSchema`.
    init(schema: JSONValue, marker: String) {
        self.root = schema
        self.marker = marker
    }

    /// The arguments; `nil` when none are known to fit.
    func arguments() -> JSONObject? {
        guard case .object(let arguments)? = self.value(for: self.root, depth: 0, isRoot: true) else { return nil }
        return arguments
    }

    /// The header fields that a modern call with these arguments needs: those of properties with `x-mcp-header`.
    static func headers(for arguments: JSONObject, schema: JSONValue) -> [(name: String, value: String)] {
        guard case .object(let properties)? = schema["properties"] else { return [] }
        return properties.members.compactMap { property in
            guard case .string(let header)? = property.value["x-mcp-header"] else { return nil }
            switch arguments[property.name] {
            case .string(let text): return ("Mcp-Param-\(header)", Messages.headerText(text))
            case .number(let number): return ("Mcp-Param-\(header)", number.text)
            case .bool(let value): return ("Mcp-Param-\(header)", "\(value)")
            default: return nil
            }
        }
    }

    private func value(for schema: JSONValue, depth: Int, isRoot: Bool = false) -> JSONValue? {
        guard depth < Self.depthMax else { return nil }
        guard case .object(let members) = schema else { return schema == true ? .string(self.marker) : nil }
        if let constant = members["const"] { return constant }
        if case .array(let values)? = members["enum"] { return values.first }
        if !isRoot, let value = members["default"], value != .null { return value }
        if !isRoot, case .array(let examples)? = members["examples"], let example = examples.first { return example }
        if case .string(let reference)? = members["$ref"] {
            return self.resolve(reference).flatMap { self.value(for: $0, depth: depth + 1) }
        }
        guard members["allOf"] == nil, members["not"] == nil, members["if"] == nil else { return nil }
        for name in ["anyOf", "oneOf"] {
            if case .array(let branches)? = members[name] {
                return branches.lazy.compactMap { self.value(for: $0, depth: depth + 1) }.first
            }
        }
        switch self.type(of: members, isRoot: isRoot) {
        case "string": return self.string(members)
        case "integer": return self.number(members, isInteger: true)
        case "number": return self.number(members, isInteger: false)
        case "boolean": return true
        case "null": return .null
        case "array": return self.array(members, depth: depth)
        case "object": return self.object(members, depth: depth)
        default: return nil
        }
    }

    /// The type that a schema asks for, the first that is not null of several; guessed where it says none.
    private func type(of members: JSONObject, isRoot: Bool) -> String {
        switch members["type"] {
        case .string(let name)?: return name
        case .array(let names)?:
            let types = names.compactMap { if case .string(let name) = $0 { name } else { nil } }
            return types.first { $0 != "null" } ?? "null"
        default: return isRoot || members["properties"] != nil ? "object" : members["items"] != nil ? "array" : "string"
        }
    }

    private func resolve(_ reference: String) -> JSONValue? {
        guard reference.hasPrefix("#/") else { return nil }
        var value: JSONValue? = self.root
        for step in reference.dropFirst(2).split(separator: "/") { value = value?[String(step)] }
        return value
    }

    private func string(_ members: JSONObject) -> JSONValue? {
        guard members["pattern"] == nil else { return nil }
        if case .string(let format)? = members["format"] {
            let examples = [
                "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z",
                "email": "soak@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
                "uri": "https://example.com/", "uuid": "5f0f2e6a-3c43-4c5d-9d3c-0f6d8f3b7a11",
            ]
            return examples[format].map(JSONValue.string)
        }
        let least = self.integer(members["minLength"]) ?? 0
        let most = self.integer(members["maxLength"]) ?? .max
        guard least <= most, least <= 65_536 else { return nil }
        var text = self.marker
        if text.utf8.count < least { text += String(repeating: "x", count: least - text.utf8.count) }
        return .string(String(text.prefix(most)))
    }

    private func number(_ members: JSONObject, isInteger: Bool) -> JSONValue? {
        var low = self.number(members["minimum"]) ?? -.infinity
        var high = self.number(members["maximum"]) ?? .infinity
        let step = self.number(members["multipleOf"]) ?? 1
        guard step > 0 else { return nil }
        if let bound = self.number(members["exclusiveMinimum"]) { low = max(low, bound.nextUp) }
        if let bound = self.number(members["exclusiveMaximum"]) { high = min(high, bound.nextDown) }
        // The least multiple that is no less than 1, or failing that than the lower bound.
        for start in [max(low, 1), low.isFinite ? low : high.isFinite ? min(high - step, 0) : 0] {
            let candidate = (start / step).rounded(.up) * step
            if candidate >= low, candidate <= high, !isInteger || candidate == candidate.rounded() {
                if let whole = Int(exactly: candidate) { return .number(JSONNumber(whole)) }
                return JSONNumber(candidate).map(JSONValue.number)
            }
        }
        guard !isInteger, low.isFinite, low <= high, members["multipleOf"] == nil else { return nil }
        return JSONNumber(high.isFinite ? (low + high) / 2 : low).map(JSONValue.number)
    }

    private func array(_ members: JSONObject, depth: Int) -> JSONValue? {
        let least = self.integer(members["minItems"]) ?? 0
        guard least > 0 else { return [] }
        guard least <= 16, members["uniqueItems"] != true || least == 1, members["prefixItems"] == nil,
            let element = self.value(for: members["items"] ?? true, depth: depth + 1)
        else { return nil }
        return .array(Array(repeating: element, count: least))
    }

    private func object(_ members: JSONObject, depth: Int) -> JSONValue? {
        var object = JSONObject()
        guard case .array(let required)? = members["required"] else { return .object(object) }
        for case .string(let name) in required {
            guard let value = self.value(for: members["properties"]?[name] ?? true, depth: depth + 1) else {
                return nil
            }
            object[name] = value
        }
        return .object(object)
    }

    private func integer(_ value: JSONValue?) -> Int? {
        if case .number(let number)? = value { number.int } else { nil }
    }

    private func number(_ value: JSONValue?) -> Double? {
        if case .number(let number)? = value { number.double } else { nil }
    }
}
