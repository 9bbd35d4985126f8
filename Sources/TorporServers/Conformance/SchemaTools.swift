import Torpor

extension ConformanceServer {
    /// Tools whose input schemas are given as they must reach clients.
    @ServerBuilder static var schemaTools: [any ServerComponent] {
        Tool(
            "json_schema_2020_12_tool", "Takes a contact, by a schema with the keywords of JSON Schema 2020-12.",
            annotations: .readOnly, inputSchema: self.contactSchema
        ) { (arguments: JSONObject, _) in
            "Contact: \(JSONValue.object(arguments))"
        }
        Tool(
            "test_custom_header", "Takes a region, which clients repeat in a header.", annotations: .readOnly,
            inputSchema: self.regionSchema
        ) { (arguments: JSONObject, _) in
            "Arguments: \(JSONValue.object(arguments))"
        }
    }

    private static let contactSchema = JSONSchema([
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": [
            "address": [
                "$anchor": "addressDef",
                "type": "object",
                "properties": ["street": ["type": "string"], "city": ["type": "string"]],
            ]
        ],
        "properties": [
            "name": ["type": "string"],
            "address": ["$ref": "#/$defs/address"],
            "contactMethod": ["type": "string", "enum": ["phone", "email"]],
            "phone": ["type": "string"],
            "email": ["type": "string"],
        ],
        "allOf": [["anyOf": [["required": ["phone"]], ["required": ["email"]]]]],
        "if": ["properties": ["contactMethod": ["const": "phone"]], "required": ["contactMethod"]],
        "then": ["required": ["phone"]],
        "else": ["required": ["email"]],
        "additionalProperties": false,
    ])

    private static let regionSchema = JSONSchema([
        "type": "object",
        "properties": [
            "region": ["type": "string", "description": "Any text.", "x-mcp-header": "Region"]
        ],
        "required": ["region"],
        "additionalProperties": false,
    ])
}
