import Testing
import TorporJSON
import TorporProtocol

@Suite struct SchemaCompilerTests {
    private func error(_ schema: JSONValue, _ options: SchemaOptions = SchemaOptions()) -> SchemaError? {
        do {
            _ = try SchemaValidator(JSONSchema(schema), options: options)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        arguments: [
            (["type": "text"], "/type", "\"text\" is no type; the types are object, array"),
            (["type": []], "/type", "names no type"),
            (["type": 1], "/type", "1 is no type"),
            (["properties": ["a": ["type": "int"]]], "/properties/a/type", "\"int\" is no type"),
            (["properties": ["a": 1]], "/properties/a", "object or a Boolean"),
            (["properties": []], "/properties", "object whose values are schemas"),
            (["items": [true]], "/items", "object or a Boolean"),
            (["allOf": true], "/allOf", "array of schemas"),
            (["anyOf": []], "/anyOf", "at least one schema"),
            (["required": true], "/required", "array of property names, beside properties"),
            (["required": [1]], "/required", "strings"),
            (["enum": 1], "/enum", "array of values"),
            (["minLength": -1], "/minLength", "whole number of at least 0"),
            (["maxItems": 1.5], "/maxItems", "whole number of at least 0"),
            (["minContains": "1", "contains": true], "/minContains", "whole number"),
            (["uniqueItems": 1], "/uniqueItems", "true or false"),
            (["minimum": "1"], "/minimum", "is a number"),
            (["exclusiveMinimum": true], "/exclusiveMinimum", "is a number, the bound itself"),
            (["multipleOf": 0], "/multipleOf", "above 0"),
            (["multipleOf": -2], "/multipleOf", "above 0"),
            (["pattern": 1], "/pattern", "is a string"),
            (["format": 1], "/format", "is a string"),
            (["dependentRequired": []], "/dependentRequired", "name arrays"),
            (["dependentRequired": ["a": "b"]], "/dependentRequired", "array of property names"),
            (["$ref": 1], "/$ref", "URI reference"),
            (["$id": 1], "/$id", "is a string"),
            (["$id": "http://x/#a"], "/$id", "no fragment"),
            (["$anchor": ""], "/$anchor", "name"),
            (["$schema": 1], "/$schema", "is a string"),
            (["$defs": ["a": ["$anchor": "x"], "b": ["$anchor": "x"]]], "/$defs/b/$anchor", "Two schemas"),
            (["$defs": ["a": ["$id": "x"], "b": ["$id": "x"]]], "/$defs/b/$id", "Two schemas"),
        ] as [(JSONValue, String, String)])
    func aBrokenKeywordIsRefusedWhereItStands(schema: JSONValue, pointer: String, message: String) throws {
        let error = try #require(self.error(schema))
        #expect(error.reason == .malformed)
        #expect(error.pointer == pointer)
        #expect(error.message.contains(message), "\(error)")
    }

    @Test(
        arguments: [
            ("http://127.0.0.1:1/schema.json", "http://127.0.0.1:1/schema.json, which was not handed in"),
            ("other.json", "other.json, which was not handed in"),
            ("#/$defs/none", "there is no schema at /$defs/none"),
            ("#/properties/a/%zz", "broken percent-encoding"),
            ("#none", "no schema has the anchor \"none\""),
            ("https://json-schema.org/draft/2020-12/meta/none", "which was not handed in"),
        ])
    func aReferenceThatLeadsNowhereIsRefusedByName(reference: String, message: String) throws {
        for keyword in ["$ref", "$dynamicRef"] {
            var keywords = JSONObject()
            keywords[keyword] = .string(reference)
            let error = try #require(self.error(["properties": ["a": .object(keywords)]]))
            #expect(error.reason == .unresolvedReference)
            #expect(error.pointer == "/properties/a/\(keyword)")
            #expect(error.message.contains("\"\(reference)\""))
            #expect(error.message.contains(message), "\(error)")
        }
    }

    @Test func aReferenceLeadsToADocumentHandedIn() throws {
        var options = SchemaOptions()
        options.documents = ["http://x/a.json": ["$defs": ["n": ["type": "null"]], "$ref": "b.json"]]
        options.documents["http://x/b.json"] = ["type": "frog"]
        let error = try #require(self.error(["$ref": "http://x/a.json"], options))
        #expect(error.document == "http://x/b.json")
        #expect(error.description.hasPrefix("At /type of http://x/b.json: "))
        #expect(self.error(["$ref": "http://x/a.json#/$defs/n"], options) == nil)
    }

    @Test(
        arguments: [
            "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema",
            "urn:own:dialect",
        ])
    func anotherDialectIsRefusedWithTheOneToUse(dialect: String) throws {
        for schema in [["$schema": .string(dialect)], ["items": ["$id": "x", "$schema": .string(dialect)]]]
            as [JSONValue]
        {
            let error = try #require(self.error(schema))
            #expect(error.reason == .unknownDialect)
            #expect(error.message.contains("\"\(dialect)\""))
            #expect(error.message.contains("https://json-schema.org/draft/2020-12/schema"))
        }
        #expect(self.error(["$schema": "https://json-schema.org/draft/2020-12/schema"]) == nil)
        #expect(self.error(["$schema": "https://json-schema.org/draft/2020-12/schema#"]) == nil)
    }

    @Test func aVocabularyThatIsRequiredAndUnknownIsRefused() throws {
        var options = SchemaOptions()
        options.documents["urn:own"] = [
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$vocabulary": ["urn:words": true],
        ]
        let error = try #require(self.error(["$schema": "urn:own"], options))
        #expect(error.reason == .unknownDialect)
        #expect(error.message.contains("\"urn:words\""))
    }

    @Test(
        arguments: [
            ["$ref": "#"], ["allOf": [["$ref": "#"]]], ["not": ["$ref": "#"]],
            [
                "$ref": "#/$defs/a",
                "$defs": ["a": ["$ref": "#/$defs/b"], "b": ["anyOf": [true, ["$ref": "#/$defs/a"]]]],
            ],
            ["dependentSchemas": ["a": ["$ref": "#"]]], ["if": true, "then": ["$ref": "#"]],
            ["properties": ["x": ["$ref": "#/properties/x"]]],
        ] as [JSONValue])
    func aReferenceThatNeverEndsIsRefused(schema: JSONValue) throws {
        let error = try #require(self.error(schema))
        #expect(error.reason == .endless)
        #expect(error.message.contains("refers back to itself"))
    }

    @Test func aPatternThatCannotBeUsedIsRefusedWithItsReason() throws {
        let backreference = try #require(self.error(["items": ["pattern": "(a)\\1"]]))
        #expect(backreference.reason == .unusablePattern)
        #expect(backreference.pointer == "/items/pattern")
        #expect(backreference.message.contains("(a)\\1 has a backreference, which is not supported"))
        let broken = try #require(self.error(["patternProperties": ["(": true]]))
        #expect(broken.pointer == "/patternProperties")
    }

    @Test func aSchemaIsCompiledUpToItsDepthAndNotBeyond() throws {
        let nested = { (depth: Int) in
            (1..<depth).reduce(["type": "string"] as JSONValue) { schema, _ in ["items": schema] }
        }
        let most = SchemaLimits().depthMax
        #expect(self.error(nested(most)) == nil)
        #expect(self.error(nested(most + 1))?.reason == .tooLarge)
        #expect(self.error(nested(10_000))?.reason == .tooLarge)
    }

    @Test func aSchemaIsCompiledUpToItsSubschemasAndNotBeyond() {
        var options = SchemaOptions()
        options.limits.subschemasMax = 3
        #expect(self.error(["allOf": [true, true]], options) == nil)
        #expect(self.error(["allOf": [true, true, true]], options)?.reason == .tooLarge)
    }

    @Test func aSchemaUnderAKeywordThatIsNotKnownIsNoneUntilReferredTo() {
        #expect(self.error(["x-note": ["type": "frog"]]) == nil)
        #expect(self.error(["x-note": ["type": "frog"], "$ref": "#/x-note"])?.pointer == "/x-note/type")
    }
}
