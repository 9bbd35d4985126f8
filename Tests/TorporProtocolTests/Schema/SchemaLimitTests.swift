import Testing
import TorporJSON
import TorporProtocol

/// What a check may cost, whatever the schema and the value.
@Suite struct SchemaLimitTests {
    private static let refusal = "is too large or too deeply nested to be checked; send a simpler value"

    private func violations(_ schema: JSONValue, _ value: String, _ limits: SchemaLimits = SchemaLimits()) throws
        -> [String]
    {
        var options = SchemaOptions()
        options.limits = limits
        let bytes = Array(value.utf8)
        return try SchemaValidator(JSONSchema(schema), options: options)
            .validate(bytes.span, at: 0..<bytes.count).map { "\($0.path): \($0.advice)" }
    }

    @Test func aCheckSpendsItsWorkAndNoMore() throws {
        var limits = SchemaLimits()
        limits.workMax = 11
        // One unit for the array, one for each element.
        let ten = "[1,2,3,4,5,6,7,8,9,10]"
        #expect(try self.violations(["items": ["type": "integer"]], ten, limits) == [])
        limits.workMax = 10
        #expect(try self.violations(["items": ["type": "integer"]], ten, limits) == [": " + Self.refusal])
    }

    @Test func whatIsTooComplexIsRefusedUnderNotAsWell() throws {
        var limits = SchemaLimits()
        limits.workMax = 5
        let schema: JSONValue = ["not": ["items": ["type": "string"]]]
        #expect(try self.violations(schema, "[\"\",\"\",\"\",\"\",\"\",\"\"]", limits) == [": " + Self.refusal])
    }

    @Test func aHostilePatternEndsWithTheWork() throws {
        var limits = SchemaLimits()
        limits.workMax = 1_000
        let text = "\"" + String(repeating: "a", count: 5_000) + "\""
        #expect(try self.violations(["pattern": "^(a|aa)+$"], text, limits) == [": " + Self.refusal])
        #expect(try self.violations(["pattern": "^a+$"], "\"aaaa\"", limits) == [])
    }

    /// Each level tries the one below twice: without a bound, 2^40 checks.
    @Test func alternativesThatMultiplyEndWithTheWork() throws {
        var defs: JSONObject = ["n0": ["minimum": 5]]
        for level in 1...40 {
            let below: JSONValue = ["$ref": .string("#/$defs/n\(level - 1)")]
            defs["n\(level)"] = ["anyOf": [below, below]]
        }
        var limits = SchemaLimits()
        limits.workMax = 10_000
        let schema: JSONValue = ["$ref": "#/$defs/n40", "$defs": .object(defs)]
        #expect(try self.violations(schema, "1", limits) == [": " + Self.refusal])
        #expect(try self.violations(schema, "7", limits) == [])
    }

    @Test func recursiveSchemasFollowTheValueDown() throws {
        let schema: JSONValue = ["type": ["array", "null"], "items": ["$ref": "#"]]
        let nested = { (depth: Int, core: String) in
            String(repeating: "[", count: depth) + core + String(repeating: "]", count: depth)
        }
        #expect(try self.violations(schema, nested(200, "null")) == [])
        let path = String(repeating: "/0", count: 200)
        #expect(
            try self.violations(schema, nested(200, "1")) == [path + ": must be an array or a null, not a number"])
    }

    @Test func referencesAreFollowedToTheirBoundAndNotBeyond() throws {
        var limits = SchemaLimits()
        limits.nestingMax = 10
        let schema: JSONValue = ["type": ["array", "null"], "items": ["$ref": "#"]]
        let nested = { (depth: Int) in
            String(repeating: "[", count: depth) + "null" + String(repeating: "]", count: depth)
        }
        #expect(try self.violations(schema, nested(10), limits) == [])
        #expect(try self.violations(schema, nested(11), limits) == [": " + Self.refusal])
    }

    @Test func aDynamicReferenceThatNeverEndsIsRefusedWhenItRuns() throws {
        let schema: JSONValue = ["$dynamicAnchor": "a", "$dynamicRef": "#a"]
        #expect(try self.violations(schema, "1") == [": " + Self.refusal])
    }

    @Test func valuesMadeHereAreCheckedToo() throws {
        let validator = try SchemaValidator(JSONSchema(["type": "array", "items": ["type": "integer"]]))
        #expect(validator.validate([1, 2]) == [])
        #expect(
            validator.validate([1, "x"])
                == [.init(path: "/1", advice: "must be an integer, not a string")])
        let nested = { (depth: Int) in (0..<depth).reduce([] as JSONValue) { value, _ in [value] } }
        let any = try SchemaValidator(JSONSchema(["items": true]))
        #expect(any.validate(nested(JSONScanner.depthMaxLimit - 1)) == [])
        #expect(any.validate(nested(JSONScanner.depthMaxLimit)) == [.init(path: "", advice: Self.refusal)])
    }

    @Test func theMetaschemaAcceptsItselfAndTellsWhatIsWrong() throws {
        let validator = try SchemaValidator(JSONSchema(["$ref": "https://json-schema.org/draft/2020-12/schema"]))
        #expect(validator.validate(["type": "string", "properties": ["a": ["minLength": 1]]]) == [])
        #expect(
            validator.validate(["properties": ["a": ["minLength": -1]]])
                == [.init(path: "/properties/a/minLength", advice: "must be at least 0, not -1")])
    }

    @Test func checksOfRandomPartsOfAValueNeverTrap() throws {
        let validator = try SchemaValidator(
            JSONSchema([
                "oneOf": [["$ref": "#/$defs/a"], ["required": ["x"]]],
                "unevaluatedProperties": false,
                "$defs": ["a": ["patternProperties": ["^.": ["uniqueItems": true, "contains": ["multipleOf": 0.5]]]]],
            ]))
        for value in [
            "{}", "{\"a\":[]}", "{\"a\":[1,1.0]}", "{\"x\":[0.25]}", "{\"\":1e400,\"x\":[[],[[]]]}", "[{}]",
            "\"\\ud800\"",
            "-0", "{\"\\ud83d\\ude00\":[0.5,{\"a\":null}]}",
        ] {
            let bytes = Array(value.utf8)
            let found = validator.validate(bytes.span, at: 0..<bytes.count)
            #expect(found == validator.validate(try JSONValue(parsing: bytes)), "\(value)")
        }
    }
}
