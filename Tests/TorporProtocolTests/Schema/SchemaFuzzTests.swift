import Testing
import TorporJSON
import TorporProtocol
import TorporTestSupport

/// Random schemas and values: what must hold whatever they are.
@Suite struct SchemaFuzzTests {
    private static let names = ["a", "b", "ab", "~", "é"]

    private func value(_ random: inout SeededGenerator, _ depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth == 0 ? 6 : 10), using: &random) {
        case 0: .null
        case 1: .bool(.random(using: &random))
        case 2, 3: [0, 1, 1.0, 2.5, -3, 10].randomElement(using: &random) ?? 0
        case 4, 5: .string(Self.names.randomElement(using: &random) ?? "")
        case 6, 7: .array((0..<Int.random(in: 0...3, using: &random)).map { _ in self.value(&random, depth - 1) })
        default:
            .object(
                JSONObject(
                    Self.names.shuffled(using: &random).prefix(Int.random(in: 0...3, using: &random)).map {
                        .init(name: $0, value: self.value(&random, depth - 1))
                    }))
        }
    }

    private func schema(_ random: inout SeededGenerator, _ depth: Int) -> JSONValue {
        if depth == 0 || Int.random(in: 0..<8, using: &random) == 0 {
            return [true, true, false, ["type": "string"], ["minimum": 1], ["const": "a"]].randomElement(using: &random)
                ?? true
        }
        var keywords = JSONObject()
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let (name, value) = self.keyword(&random, depth - 1)
            keywords[name] = value
        }
        return .object(keywords)
    }

    private func keyword(_ random: inout SeededGenerator, _ depth: Int) -> (String, JSONValue) {
        let one =
            ["not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"]
            + ["unevaluatedItems", "unevaluatedProperties"]
        let count: JSONValue = .number(JSONNumber(Int.random(in: 0...2, using: &random)))
        let name = Self.names.randomElement(using: &random) ?? ""
        switch Int.random(in: 0..<14, using: &random) {
        case 0...3: return (one.randomElement(using: &random) ?? "not", self.schema(&random, depth))
        case 4, 5:
            let schemas = (0..<Int.random(in: 1...3, using: &random)).map { _ in self.schema(&random, depth) }
            return (
                ["allOf", "anyOf", "oneOf", "prefixItems"].randomElement(using: &random) ?? "allOf", .array(schemas)
            )
        case 6, 7:
            let keyword = ["properties", "patternProperties", "dependentSchemas"].randomElement(using: &random)
            return (keyword ?? "properties", .object([name: self.schema(&random, depth)]))
        case 8:
            return (
                "type", [["string"], "object", ["array", "integer"], "number"].randomElement(using: &random) ?? []
            )
        case 9: return ("enum", .array((0..<3).map { _ in self.value(&random, 1) }))
        case 10: return ("required", [.string(name)])
        case 11: return ("dependentRequired", .object([name: ["a"]]))
        case 12: return ("uniqueItems", true)
        default:
            let keyword = [
                "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
                "maxContains", "minimum", "exclusiveMaximum",
            ].randomElement(using: &random)
            return (keyword ?? "minimum", count)
        }
    }

    /// A loud check, which explains, and a quiet one, which stops at once, go different ways to one verdict; and it
    /// does not matter through which keywords a schema is reached.
    @Test func aVerdictDoesNotDependOnTheWayToIt() throws {
        var random = SeededGenerator(seed: 2_020_12)
        var refused = 0
        for round in 0..<400 {
            let schema = self.schema(&random, 4)
            let value = self.value(&random, 3)
            let direct = try SchemaValidator(JSONSchema(schema)).validate(value)
            if !direct.isEmpty { refused += 1 }
            #expect(direct.count <= SchemaValidator.violationsMax)
            let ways: [JSONValue] = [
                ["not": ["not": schema]], ["allOf": [schema]], ["anyOf": [false, schema]], ["oneOf": [schema, false]],
                ["if": true, "then": schema], ["$ref": "#/$defs/s", "$defs": ["s": schema]],
                ["allOf": [schema, true], "unevaluatedProperties": true, "unevaluatedItems": true],
            ]
            for way in ways {
                let found = try SchemaValidator(JSONSchema(way)).validate(value)
                #expect(found.isEmpty == direct.isEmpty, "round \(round): \(way) and \(value): \(found)")
            }
        }
        // Both verdicts must be common, or the test says little.
        #expect((60...340).contains(refused), "\(refused)")
    }

    @Test func theVerdictOfARefusalAlwaysHasItsReason() throws {
        var random = SeededGenerator(seed: 7)
        for round in 0..<400 {
            let schema = self.schema(&random, 4)
            let value = self.value(&random, 3)
            for violation in try SchemaValidator(JSONSchema(schema)).validate(value) {
                #expect(!violation.advice.isEmpty)
                #expect(violation.advice.count < 2_000, "round \(round): \(schema) and \(value)")
                #expect(value.at(violation.path) != nil, "round \(round): \(violation) and \(value)")
            }
        }
    }
}

extension JSONValue {
    /// The value that a JSON Pointer leads to.
    fileprivate func at(_ pointer: String) -> JSONValue? {
        var value = self
        for encoded in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let step = String(encoded).replacing("~1", with: "/").replacing("~0", with: "~")
            guard let next = value[step] ?? Int(step).flatMap({ value[$0] }) else { return nil }
            value = next
        }
        return value
    }
}
