import TorporJSON
import TorporProtocol

extension FuzzTarget {
    /// Any schema that is accepted judges any value, alike however the value is written, and says no more than it may.
    ///
    /// Inputs: a JSON array of a schema and a value.
    static let schema = FuzzTarget(
        "schema", shape: .json,
        dictionary: [
            "$schema", "$id", "$ref", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor", "#", "#/$defs/a", "type",
            "object", "array", "string", "number", "integer", "boolean", "null", "enum", "const", "properties",
            "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties",
            "dependentRequired", "dependentSchemas", "items", "prefixItems", "contains", "minContains", "maxContains",
            "minItems", "maxItems", "uniqueItems", "unevaluatedItems", "unevaluatedProperties", "minLength",
            "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
            "multipleOf", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "default", "examples", "deprecated",
            "^a*$", "(a|b)+", "[a-z]{2,}", "date-time", "uri", "email", "a", "b",
        ]
    ) { input throws(PropertyViolation) in
        guard let pair = try? JSONValue(parsing: input), let schema = pair[0], let value = pair[1] else {
            return "no pair"
        }
        switch schema {
        case .object, .bool: break
        case .null, .number, .string, .array: return "no schema"
        }
        guard let validator = Validator(schema) else { return "refused" }
        let compact = Array(value.text.utf8)
        let verdict = validator.validate(compact, in: 0..<compact.count)
        try require(
            verdict.count <= SchemaValidator.violationsMax, "the report keeps its limit", "\(verdict.count)")

        // The value as it stood in the input, with its blanks and escapes.
        let sent = validator.validate(input, in: try valueRange(in: input))
        try require(sent == verdict, "a verdict does not depend on the spelling", "\(sent), \(verdict)")

        if case .object(var members) = schema, members["x-fuzz"] == nil {
            members["x-fuzz"] = ["anything", 1]
            let annotated = Validator(.object(members))?.validate(compact, in: 0..<compact.count)
            try require(annotated == verdict, "an unknown keyword changes nothing", "\(annotated ?? []), \(verdict)")
        }
        for exact in [["const": value], ["enum": [.null, value]]] as [JSONValue] {
            let own = Validator(exact)?.validate(compact, in: 0..<compact.count)
            try require(own == [], "a value equals itself", "\(own ?? [])")
        }
        if schema != value, !schema.hasNumber, !value.hasNumber {
            let other = Validator(["const": schema])?.validate(compact, in: 0..<compact.count)
            try require(other?.isEmpty != true, "a value equals no other", "\(schema), \(value)")
        }
        return verdict.isEmpty ? "conforms" : "violates"
    }
}

/// The one place that knows how schemas are compiled.
private struct Validator {
    private let validator: SchemaValidator

    /// `nil` for a schema that is refused.
    init?(_ schema: JSONValue) {
        guard let validator = try? SchemaValidator(JSONSchema(schema)) else { return nil }
        self.validator = validator
    }

    /// What is wrong with the value that lies in `range`.
    func validate(_ bytes: [UInt8], in range: Range<Int>) -> [SchemaValidator.Violation] {
        self.validator.validate(bytes.span, at: range)
    }
}

extension JSONValue {
    /// Whether it holds a number: numbers are equal in more than one spelling.
    fileprivate var hasNumber: Bool {
        switch self {
        case .null, .bool, .string: false
        case .number: true
        case .array(let elements): elements.contains(where: \.hasNumber)
        case .object(let object): object.members.contains { $0.value.hasNumber }
        }
    }
}

/// Where the second element of the array lies.
private func valueRange(in input: [UInt8]) throws(PropertyViolation) -> Range<Int> {
    do throws(JSONError) {
        var scanner = JSONScanner(input.span)
        var isFirst = true
        try scanner.beginArray()
        _ = try scanner.nextElement(&isFirst)
        _ = try scanner.skipValue()
        _ = try scanner.nextElement(&isFirst)
        return try scanner.skipValue()
    } catch {
        throw PropertyViolation("what was parsed can be scanned", "\(error)")
    }
}
