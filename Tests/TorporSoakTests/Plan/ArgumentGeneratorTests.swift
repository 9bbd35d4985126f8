import Testing
import TorporJSON

@testable import TorporSoak

@Suite struct ArgumentGeneratorTests {
    private func arguments(_ schema: String, marker: String = "mark") throws -> String? {
        let schema = try JSONValue(parsing: schema)
        return ArgumentGenerator(schema: schema, marker: marker).arguments().map { JSONValue.object($0).text }
    }

    private func value(_ schema: String) throws -> String? {
        let text = try self.arguments(#"{"type":"object","properties":{"a":\#(schema)},"required":["a"]}"#)
        return try text.flatMap { try JSONValue(parsing: $0)["a"]?.text }
    }

    @Test func onlyWhatIsRequiredIsGiven() throws {
        let schema = #"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}"#
        #expect(try arguments(schema) == #"{"b":"mark"}"#)
        #expect(try arguments(#"{"type":"object"}"#) == "{}")
        #expect(try arguments("{}") == "{}")
        #expect(try arguments(#"{"type":"string"}"#) == nil)
    }

    @Test(arguments: [
        (#"{"type":"string"}"#, #""mark""#),
        (#"{"type":"string","maxLength":2}"#, #""ma""#),
        (#"{"type":"string","minLength":6}"#, #""markxx""#),
        (#"{"type":"string","format":"date"}"#, #""2026-01-31""#),
        (#"{"enum":["x","y"]}"#, #""x""#),
        (#"{"const":7}"#, "7"),
        (#"{"type":"integer","default":4}"#, "4"),
        (#"{"type":"string","examples":["e"],"pattern":"^e$"}"#, #""e""#),
        (#"{"type":"integer"}"#, "1"),
        (#"{"type":"integer","minimum":5}"#, "5"),
        (#"{"type":"integer","maximum":-3}"#, "-4"),
        (#"{"type":"integer","exclusiveMinimum":5}"#, "6"),
        (#"{"type":"integer","minimum":5,"multipleOf":4}"#, "8"),
        (#"{"type":"number","minimum":0.25,"maximum":0.75}"#, "0.5"),
        (#"{"type":"boolean"}"#, "true"),
        (#"{"type":"null"}"#, "null"),
        (#"{"type":["null","string"]}"#, #""mark""#),
        (#"{"type":"array","items":{"type":"string"}}"#, "[]"),
        (#"{"type":"array","items":{"type":"integer"},"minItems":2}"#, "[1,1]"),
        (#"{"type":"object","properties":{"b":{"type":"integer"}},"required":["b"]}"#, #"{"b":1}"#),
        (#"{"anyOf":[{"type":"string","pattern":"x"},{"type":"integer"}]}"#, "1"),
        (#"{"oneOf":[{"type":"boolean"},{"type":"null"}]}"#, "true"),
        (#"{"properties":{}}"#, "{}"),
    ])
    func aValueFitsItsSchema(schema: String, expected: String) throws {
        #expect(try value(schema) == expected)
    }

    @Test(arguments: [
        #"{"type":"string","pattern":"^[A-Z]{3}$"}"#, #"{"type":"string","format":"regex"}"#,
        #"{"type":"integer","minimum":3,"maximum":2}"#, #"{"type":"integer","minimum":5,"maximum":7,"multipleOf":4}"#,
        #"{"allOf":[{"type":"string"}]}"#, #"{"not":{"type":"string"}}"#, #"{"$ref":"https://example.com/x"}"#,
        #"{"type":"array","items":{"type":"string"},"minItems":2,"uniqueItems":true}"#, #"{"type":"strange"}"#,
        #"{"enum":[]}"#, "false",
    ])
    func whatCannotBeGuessedGetsNothing(schema: String) throws {
        #expect(try value(schema) == nil)
    }

    @Test func referencesWithinTheSchemaAreFollowed() throws {
        let schema =
            ##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"const":9}}}"##
        #expect(try arguments(schema) == #"{"a":9}"#)
    }

    @Test func aSchemaThatHoldsItselfEnds() throws {
        let schema =
            ##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"]}}}"##
        #expect(try arguments(schema) == nil)
    }

    @Test func argumentsWithAHeaderAreMirrored() throws {
        let schema = try JSONValue(
            parsing:
                #"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"Count"}}}"#
        )
        let headers = ArgumentGenerator.headers(for: ["region": "zürich", "n": 7], schema: schema)
        #expect(headers.map(\.name) == ["Mcp-Param-Region", "Mcp-Param-Count"])
        #expect(headers.map(\.value) == ["=?base64?esO8cmljaA==?=", "7"])
        #expect(ArgumentGenerator.headers(for: [:], schema: schema).isEmpty)
    }

    @Test func destructiveToolsAndThoseBeyondGuessingAreNotCalled() throws {
        let tools = try JSONValue(
            parsing: """
                [{"name":"drop","annotations":{"destructiveHint":true},"inputSchema":{"type":"object"}},
                {"name":"hard","inputSchema":{"type":"object","properties":{"a":{"pattern":"x"}},"required":["a"]}},
                {"name":"echo","inputSchema":{"type":"object"}}]
                """)
        guard case .array(let list) = tools else { return #expect(Bool(false), "no array") }
        #expect(ToolCall.candidates(among: list).map(\.name) == ["echo"])
    }
}
