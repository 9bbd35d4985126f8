import Testing
import TorporJSON
import TorporProtocol

/// What a model is told when its arguments do not fit.
@Suite struct SchemaAdviceTests {
    private func violations(_ schema: JSONValue, _ value: String, assertsFormats: Bool = false) throws -> [String] {
        var options = SchemaOptions()
        options.assertsFormats = assertsFormats
        let bytes = Array(value.utf8)
        return try SchemaValidator(JSONSchema(schema), options: options)
            .validate(bytes.span, at: 0..<bytes.count)
            .map { "\($0.path): \($0.advice)" }
    }

    private static let shapes: JSONValue = [
        "oneOf": [
            [
                "title": "Circle", "properties": ["kind": ["const": "circle"], "r": ["type": "number"]],
                "required": ["r"],
            ],
            [
                "title": "Box", "properties": ["kind": ["const": "box"], "w": ["type": "number"]],
                "required": ["w", "h"],
            ],
        ]
    ]

    @Test(
        arguments: [
            // Combining keywords.
            (["anyOf": [["type": "string"], ["type": "null"]]], "1", [": must be a string or a null, not a number"]),
            (
                ["anyOf": [["type": "object", "required": ["a"]], ["type": "null"]]], "{}",
                [": needs the property \"a\""]
            ),
            (["anyOf": [["const": "a"], ["enum": ["b", "c"]]]], "\"d\"", [": must be one of \"a\", \"b\", \"c\""]),
            (
                Self.shapes, "{\"kind\":\"box\",\"w\":\"1\"}",
                [
                    ": fits none of 2 alternatives; to fit number 2 (\"Box\"), the nearest: "
                        + "/w must be a number, not a string; it needs the property \"h\""
                ]
            ),
            (
                ["oneOf": [["minimum": 1], ["title": "Big", "minimum": 5]]], "7",
                [": must fit exactly one of 2 alternatives, but fits number 1 and number 2 (\"Big\")"]
            ),
            (["not": ["type": "string"]], "\"a\"", [": must not be a string"]),
            (["not": ["const": 1]], "1.0", [": must not be 1"]),
            (["not": ["required": ["a"]]], "{\"a\":1}", [": must not have the property \"a\""]),
            (["not": ["minimum": 5]], "7", [": must not fit {\"minimum\":5}"]),
            (["not": true], "7", [": is not accepted here"]),
            (
                ["if": ["required": ["a"]], "then": ["required": ["b"]], "else": ["required": ["c"]]], "{\"a\":1}",
                [": needs the property \"b\", because it fits the schema's \"if\""]
            ),
            (
                ["if": ["required": ["a"]], "then": ["required": ["b"]], "else": ["required": ["c"]]], "{}",
                [": needs the property \"c\", because it does not fit the schema's \"if\""]
            ),
            (
                ["dependentSchemas": ["a": ["properties": ["b": ["type": "string"]]]]], "{\"a\":1,\"b\":2}",
                ["/b: must be a string, not a number, because \"a\" is there"]
            ),
            (
                ["dependentRequired": ["a": ["b"]]], "{\"a\":1}",
                [": needs the property \"b\" because it has \"a\""]
            ),
            (
                ["allOf": [["minimum": 5], ["multipleOf": 2]]], "3",
                [": must be at least 5, not 3", ": must be a multiple of 2, not 3"]
            ),
            (
                ["$ref": "#/$defs/a", "$defs": ["a": ["items": ["type": "null"]]]], "[1]",
                ["/0: must be a null, not a number"]
            ),
            // Objects.
            (
                ["propertyNames": ["maxLength": 2]], "{\"abc\":1}",
                [": has the property name \"abc\", which must have at most 2 characters, not 3"]
            ),
            (
                ["properties": ["a": true], "patternProperties": ["^x-": true], "additionalProperties": false],
                "{\"b\":1}", [": has the unknown property \"b\"; it takes a, names that match ^x-"]
            ),
            (["patternProperties": ["^x": ["type": "null"]]], "{\"xy\":1}", ["/xy: must be a null, not a number"]),
            (
                ["properties": ["a": true], "unevaluatedProperties": false], "{\"a\":1,\"b\":1}",
                [": has the unknown property \"b\"; no part of its schema takes it"]
            ),
            // Only what failed is told, not what could not be evaluated for it.
            (
                ["anyOf": [["properties": ["a": ["type": "null"]]]], "unevaluatedProperties": false], "{\"a\":1}",
                ["/a: must be a null, not a number"]
            ),
            // Arrays.
            (["prefixItems": [["type": "null"]]], "[1]", ["/0: must be a null, not a number"]),
            (["prefixItems": [true], "items": false], "[1,2,3]", [": must have at most 1 elements, not 3"]),
            (["unevaluatedItems": false], "[1]", ["/0: is not accepted here"]),
            (
                ["contains": ["const": 5]], "[1]",
                [": must have at least 1 element that fits {\"const\":5}, not 0"]
            ),
            (
                ["contains": ["const": 5], "maxContains": 1], "[5,5.0]",
                [": must have at most 1 element that fits {\"const\":5}, not 2"]
            ),
            (
                ["contains": ["const": 5], "minContains": 2], "[5]",
                [": must have at least 2 elements that fit {\"const\":5}, not 1"]
            ),
            (
                ["uniqueItems": true], "[1,{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0}]",
                [": must not hold an element twice; elements 1 and 2 are equal"]
            ),
            // Numbers, exactly.
            (["multipleOf": 0.01], "0.075", [": must be a multiple of 0.01, not 0.075"]),
            (
                ["maximum": .number(JSONNumber(9_007_199_254_740_992))], "9007199254740993",
                [": must be at most 9007199254740992, not 9007199254740993"]
            ),
            (["type": "integer"], "1e-400", [": must be an integer, not the fraction 1e-400"]),
            (["minimum": 1], "-1e99999", [": must be at least 1, not -1e99999"]),
            // Strings.
            (["pattern": "^a+$"], "\"ab\"", [": must match the pattern ^a+$"]),
            (["enum": ["a\"b"]], "\"a\"", [": must be one of \"a\\\"b\""]),
            (["properties": ["a~b": false]], "{\"a~b\":1}", ["/a~0b: is not accepted here"]),
        ] as [(JSONValue, String, [String])])
    func theAdviceSaysWhatToDo(schema: JSONValue, value: String, advice: [String]) throws {
        #expect(try self.violations(schema, value) == advice)
    }

    @Test func aFormatIsAskedForWithAnExample() throws {
        #expect(try self.violations(["format": "date"], "\"today\"") == [])
        #expect(
            try self.violations(["format": "date"], "\"today\"", assertsFormats: true)
                == [": must be a date such as 2026-07-28"])
    }

    @Test func valuesAreEqualHoweverTheyAreWritten() throws {
        #expect(try self.violations(["enum": ["é", 1, ["a": [1.0, "\u{0301}"]]]], "\"\\u00e9\"") == [])
        #expect(try self.violations(["const": 1], "10e-1") == [])
        #expect(try self.violations(["const": 0], "-0.0") == [])
        #expect(try self.violations(["const": ["a": [1.0], "b": 2]], "{\"b\":2,\"\\u0061\":[1]}") == [])
        // Composed and decomposed text looks the same and is not.
        #expect(try self.violations(["const": "\u{E9}"], "\"e\u{301}\"").count == 1)
        #expect(try self.violations(["const": ["\u{E9}"]], "[\"e\u{301}\"]").count == 1)
        #expect(try self.violations(["const": 1], "1.0000000000000000000000001").count == 1)
    }

    @Test func manyPropertiesAreFoundAsFewAre() throws {
        var properties = JSONObject()
        for index in 0..<200 { properties["p\(index)"] = ["const": .number(JSONNumber(index))] }
        let schema: JSONValue = [
            "properties": .object(properties), "required": .array((0..<200).map { .string("p\($0)") }),
            "additionalProperties": false,
        ]
        let value = "{" + (0..<200).map { "\"\\u0070\($0)\":\($0)" }.joined(separator: ",") + "}"
        #expect(try self.violations(schema, value) == [])
        #expect(
            try self.violations(schema, value.replacing("\"\\u0070199\":199", with: "\"p198\":198"))
                == [": needs the property \"p199\""])
        #expect(try self.violations(schema, value.replacing(":7,", with: ":8,")) == ["/p7: must be one of 7"])
        #expect(try self.violations(schema, value.replacing("p\"", with: "p\"")) == [])
    }

    @Test func theLastViolationToldIsTheEighthWhereverItLies() throws {
        let schema: JSONValue = [
            "allOf": [
                ["items": ["type": "string"]], ["items": ["minimum": 5]], ["anyOf": [["maxItems": 1]]],
                ["dependentSchemas": ["a": false]],
            ]
        ]
        #expect(
            try self.violations(schema, "[1,2,3,4,5]")
                == (0..<5).map { "/\($0): must be a string, not a number" }
                + (0..<3).map { "/\($0): must be at least 5, not \($0 + 1)" })
    }
}
