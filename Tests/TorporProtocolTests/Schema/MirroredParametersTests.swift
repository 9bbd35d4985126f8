import Testing
import TorporJSON
import TorporProtocol

@Suite struct MirroredParametersTests {
    @Test func markedPropertiesAreFoundWithTheirPaths() throws {
        let schema = JSONSchema([
            "type": "object",
            "properties": [
                "region": ["type": "string", "x-mcp-header": "Region"],
                "plain": ["type": "string"],
                "page": [
                    "type": "object",
                    "properties": [
                        "size": ["type": "integer", "x-mcp-header": "Page-Size"],
                        "all": ["type": "boolean", "x-mcp-header": "X!#$%&'*+-.^_`|~9"],
                    ],
                ],
            ],
        ])
        let expected = [
            MirroredParameter(path: ["region"], header: "Region", kind: .string),
            MirroredParameter(path: ["page", "size"], header: "Page-Size", kind: .integer),
            MirroredParameter(path: ["page", "all"], header: "X!#$%&'*+-.^_`|~9", kind: .boolean),
        ]
        #expect(try schema.mirroredParameters() == expected)
    }

    @Test func aSchemaWithoutMarksHasNone() throws {
        #expect(try JSONSchema.empty.mirroredParameters() == [])
        #expect(try JSONSchema(true).mirroredParameters() == [])
        // Only schemas are looked into: here the name is data.
        let schema = JSONSchema([
            "properties": ["a": ["const": ["x-mcp-header": ""], "default": ["x-mcp-header": ""]]]
        ])
        #expect(try schema.mirroredParameters() == [])
    }

    private static let marked: JSONValue = ["type": "string", "x-mcp-header": "A"]

    @Test(
        arguments: [
            (["properties": ["a": ["type": "string", "x-mcp-header": ""]]], "/properties/a/x-mcp-header", "empty"),
            (["properties": ["a": ["type": "string", "x-mcp-header": 1]]], "/properties/a/x-mcp-header", "string"),
            (["properties": ["a": ["type": "string", "x-mcp-header": "a b"]]], "/properties/a/x-mcp-header", "token"),
            (
                ["properties": ["a": ["type": "string", "x-mcp-header": "a\r\n"]]], "/properties/a/x-mcp-header",
                "token"
            ),
            (["properties": ["a": ["type": "string", "x-mcp-header": "ä"]]], "/properties/a/x-mcp-header", "token"),
            (["properties": ["a": ["type": "string", "x-mcp-header": "a:"]]], "/properties/a/x-mcp-header", "token"),
            (["properties": ["a": ["type": "number", "x-mcp-header": "A"]]], "/properties/a/x-mcp-header", "type"),
            (["properties": ["a": ["type": "object", "x-mcp-header": "A"]]], "/properties/a/x-mcp-header", "type"),
            (
                ["properties": ["a": ["type": ["string", "null"], "x-mcp-header": "A"]]], "/properties/a/x-mcp-header",
                "type"
            ),
            (["properties": ["a": ["x-mcp-header": "A"]]], "/properties/a/x-mcp-header", "type"),
            (
                [
                    "properties": [
                        "a": ["type": "string", "x-mcp-header": "Same"],
                        "b/c": ["type": "string", "x-mcp-header": "sAME"],
                    ]
                ], "/properties/b~1c/x-mcp-header", "/properties/a/x-mcp-header"
            ),
            (["type": "string", "x-mcp-header": "A"], "/x-mcp-header", "root"),
            (["items": marked], "/items/x-mcp-header", "properties"),
            (["prefixItems": [marked]], "/prefixItems/0/x-mcp-header", "properties"),
            (["anyOf": [["properties": ["a": marked]]]], "/anyOf/0/properties/a/x-mcp-header", "properties"),
            (["oneOf": [marked]], "/oneOf/0/x-mcp-header", "properties"),
            (["allOf": [marked]], "/allOf/0/x-mcp-header", "properties"),
            (["not": marked], "/not/x-mcp-header", "properties"),
            (["if": marked], "/if/x-mcp-header", "properties"),
            (["then": marked], "/then/x-mcp-header", "properties"),
            (["else": marked], "/else/x-mcp-header", "properties"),
            (["$defs": ["a": marked]], "/$defs/a/x-mcp-header", "$ref"),
            (["additionalProperties": marked], "/additionalProperties/x-mcp-header", "properties"),
            (["patternProperties": ["a": marked]], "/patternProperties/a/x-mcp-header", "properties"),
            (["dependentSchemas": ["a": marked]], "/dependentSchemas/a/x-mcp-header", "properties"),
            (
                ["properties": ["a": ["items": ["properties": ["b": marked]]]]],
                "/properties/a/items/properties/b/x-mcp-header", "properties"
            ),
        ] as [(JSONValue, String, String)])
    func aMarkThatClientsDropAToolForIsRefused(schema: JSONValue, pointer: String, hint: String) throws {
        let error = try #require(throws: SchemaError.self) { try JSONSchema(schema).mirroredParameters() }
        #expect(error.reason == .misplacedHeader)
        #expect(error.pointer == pointer)
        #expect(error.message.contains(hint), "\(error)")
    }

    @Test func aSchemaTooDeepIsRefused() {
        let deep = (0..<10_000).reduce(true as JSONValue) { schema, _ in ["properties": ["a": schema]] }
        let error = #expect(throws: SchemaError.self) { try JSONSchema(deep).mirroredParameters() }
        #expect(error?.reason == .tooLarge)
    }
}
