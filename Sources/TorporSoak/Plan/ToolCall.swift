import TorporJSON

/// The tool that agents call, and how.
package struct ToolCall: Sendable {
    package let name: String
    let schema: JSONValue
    /// What `--arguments` gave; `nil` when arguments are generated.
    let fixed: JSONObject?
    /// Whether the answer holds the marker of its arguments, so that answers that cross are seen.
    package var echoes = false

    init(name: String, schema: JSONValue, fixed: JSONObject? = nil) {
        self.name = name
        self.schema = schema
        self.fixed = fixed
    }

    /// The arguments of one call; `nil` when none can be made.
    func arguments(marker: String) -> JSONObject? {
        if let fixed { return fixed }
        return ArgumentGenerator(schema: self.schema, marker: marker).arguments()
    }

    /// The tools that might be called, best first: those in the order of the server, without those that declare
    /// themselves destructive and those whose arguments cannot be made.
    ///
    /// - Parameter tools: The `tools` of an answer to `tools/list`.
    static func candidates(among tools: [JSONValue]) -> [ToolCall] {
        tools.compactMap { tool in
            guard case .string(let name)? = tool["name"], tool["annotations"]?["destructiveHint"] != true else {
                return nil
            }
            let call = ToolCall(name: name, schema: tool["inputSchema"] ?? [:])
            return call.arguments(marker: "soak") == nil ? nil : call
        }
    }
}
