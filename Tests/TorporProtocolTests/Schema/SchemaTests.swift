import Testing
import TorporJSON
import TorporProtocol

@Suite struct SchemaDerivationTests {
    enum Colour: String, Codable, CaseIterable { case red, green }
    enum Level: Int, Codable, CaseIterable { case low = 1, high = 2 }
    struct Part: Codable { var weight: Double }

    struct Everything: ToolInput {
        var text: String
        var flag: Bool
        var count: Int
        var size: UInt8
        var share: Float
        var colour: Colour
        var level: Level
        var parts: [Part]
        var tags: Set<String>
        var named: [String: Int]
        var any: JSONValue
        var maybeText: String?
        var maybeFlag: Bool?
        var maybeCount: Int?
        var maybeShare: Double?
        var maybeColour: Colour?
        var maybePart: Part?
        var maybeParts: [Part]?
        static let fields: [String: Field] = [
            "text": Field("A text.", length: 1...5), "count": Field("A number.", range: -1...7),
            "parts": Field("Some.", length: 0...3),
            "maybeText": "Perhaps.",
        ]
    }

    @Test func aTypeBecomesItsSchema() throws {
        let part: JSONValue = [
            "type": "object", "properties": ["weight": ["type": "number"]], "required": ["weight"],
            "additionalProperties": false,
        ]
        let colour: JSONValue = ["type": "string", "enum": ["red", "green"]]
        let expected: JSONValue = [
            "type": "object",
            "properties": [
                "text": ["type": "string", "description": "A text.", "minLength": 1, "maxLength": 5],
                "flag": ["type": "boolean"],
                "count": ["type": "integer", "description": "A number.", "minimum": -1, "maximum": 7],
                "size": ["type": "integer", "minimum": 0], "share": ["type": "number"], "colour": colour,
                "level": ["type": "integer", "enum": [1, 2]],
                "parts": ["type": "array", "items": part, "description": "Some.", "minItems": 0, "maxItems": 3],
                "tags": ["type": "array", "items": ["type": "string"], "uniqueItems": true],
                "named": ["type": "object", "additionalProperties": ["type": "integer"]], "any": [:],
                "maybeText": ["type": "string", "description": "Perhaps."], "maybeFlag": ["type": "boolean"],
                "maybeCount": ["type": "integer"],
                "maybeShare": ["type": "number"], "maybeColour": colour, "maybePart": part,
                "maybeParts": ["type": "array", "items": part],
            ],
            "required": [
                "text", "flag", "count", "size", "share", "colour", "level", "parts", "tags", "named", "any",
            ],
            "additionalProperties": false,
        ]
        let derived = try JSONSchema.derived(from: Everything.self).value
        #expect(derived.text == expected.text)
    }

    final class Node: ToolInput {
        let next: Node?
        init(next: Node?) { self.next = next }
    }
    enum Open: String, Codable { case one }
    struct HasOpen: Codable { var open: Open }
    struct ByNumber: Codable { var map: [Int: String] }

    @Test func aTypeThatCannotBeWatchedSaysSo() {
        #expect(throws: SchemaDerivationError.self) { try JSONSchema.derived(from: Node.self) }
        #expect(throws: SchemaDerivationError.self) { try JSONSchema.derived(from: HasOpen.self) }
        #expect(throws: SchemaDerivationError.self) { try JSONSchema.derived(from: ByNumber.self) }
    }

    struct Misdescribed: ToolInput {
        var real: String
        static let fields: [String: Field] = ["reel": "Misspelt."]
    }

    @Test func aDescriptionOfNoPropertyStopsTheProgram() async {
        await #expect(processExitsWith: .failure) { _ = try JSONSchema.derived(from: Misdescribed.self) }
    }
}

@Suite struct SchemaValidatorTests {
    private func violations(_ schema: JSONValue, _ value: String) throws -> [String] {
        let bytes = Array(value.utf8)
        return try SchemaValidator(JSONSchema(schema)).validate(bytes.span, at: 0..<bytes.count).map {
            "\($0.path): \($0.advice)"
        }
    }

    @Test(
        arguments: [
            (["type": "string"], "\"x\"", "1", ": must be a string, not a number"),
            (["type": ["integer", "null"]], "null", "true", ": must be an integer or a null, not a boolean"),
            (["type": "integer"], "1.0", "1.5", ": must be an integer, not the fraction 1.5"),
            (["type": "number"], "1.5", "\"1\"", ": must be a number, not a string"),
            (["type": "boolean"], "false", "0", ": must be a boolean, not a number"),
            (["enum": ["a", 1]], "1", "2", ": must be one of \"a\", 1"),
            (["const": ["x"]], "[\"x\"]", "[]", ": must be one of [\"x\"]"),
            (["minimum": 2], "2", "1.9", ": must be at least 2, not 1.9"),
            (["maximum": 2], "2", "3", ": must be at most 2, not 3"),
            (["exclusiveMinimum": 2], "2.1", "2", ": must be more than 2, not 2"),
            (["exclusiveMaximum": 2], "1", "2", ": must be less than 2, not 2"),
            (["minLength": 2], "\"\\u00fcx\"", "\"x\"", ": must have at least 2 characters, not 1"),
            (["maxLength": 1], "\"\\ud83d\\ude00\"", "\"xy\"", ": must have at most 1 characters, not 2"),
            (["minItems": 1], "[0]", "[]", ": must have at least 1 elements, not 0"),
            (["maxItems": 1], "[0]", "[0,0]", ": must have at most 1 elements, not 2"),
            (["items": ["type": "string"]], "[\"x\"]", "[\"x\",1]", "/1: must be a string, not a number"),
            (["required": ["a"]], "{\"a\":1}", "{}", ": needs the property \"a\""),
            (["minProperties": 1], "{\"a\":1}", "{}", ": must have at least 1 properties, not 0"),
            (["maxProperties": 1], "{\"a\":1}", "{\"a\":1,\"b\":2}", ": must have at most 1 properties, not 2"),
            (["additionalProperties": false], "{}", "{\"b\":1}", ": has the unknown property \"b\"; it takes none"),
            (
                ["additionalProperties": ["type": "string"]], "{\"b\":\"\"}", "{\"b\":1}",
                "/b: must be a string, not a number"
            ),
            (
                ["properties": ["a/b": ["type": "string"]]], "{\"a/b\":\"\"}", "{\"a/b\":1}",
                "/a~1b: must be a string, not a number"
            ),
            (["properties": ["a": false]], "{}", "{\"a\":1}", "/a: is not accepted here"),
            (
                ["properties": ["a": ["required": ["b"]]]], "{\"a\":{\"\\u0062\":1}}", "{\"a\":{}}",
                "/a: needs the property \"b\""
            ),
        ] as [(JSONValue, String, String, String)])
    func aKeywordIsChecked(schema: JSONValue, good: String, bad: String, violation: String) throws {
        #expect(try self.violations(schema, good) == [])
        #expect(try self.violations(schema, bad) == [violation])
    }

    @Test func allViolationsAreReportedUpToABound() throws {
        #expect(try self.violations(["items": ["type": "string"]], "[1,2,3]").count == 3)
        #expect(
            try self.violations(["items": ["type": "string"]], "[1,2,3,4,5,6,7,8,9,10]").count
                == SchemaValidator.violationsMax)
    }
}
