/// A message of the conversation that a client's model is asked to continue (2025-11-25, sampling).
public struct SamplingMessage: Sendable, Hashable {
    package let role: PromptMessage.Role
    package let content: [SamplingContent]

    public static func user(_ content: SamplingContent...) -> SamplingMessage {
        SamplingMessage(role: .user, content: content)
    }

    public static func assistant(_ content: SamplingContent...) -> SamplingMessage {
        SamplingMessage(role: .assistant, content: content)
    }

    /// A user's text.
    public static func user(_ text: String) -> SamplingMessage { .user(.text(text)) }

    fileprivate func json(for revision: ProtocolRevision) -> JSONValue {
        let blocks = self.content.map(\.json)
        // Several blocks of one message from 2025-11-25 on.
        let content = blocks.count == 1 || revision < .v2025_11_25 ? blocks.first ?? [:] : .array(blocks)
        return ["role": .string(self.role.rawValue), "content": content]
    }
}

/// One block of a sampled conversation.
public enum SamplingContent: Sendable, Hashable {
    case text(String)
    /// The bytes are sent as base64.
    case image([UInt8], mimeType: String)
    /// The bytes are sent as base64. From 2025-03-26.
    case audio([UInt8], mimeType: String)
    /// The model wants a tool to be used. From 2025-11-25.
    case toolUse(id: String, name: String, input: JSONObject)
    /// What the tool answered. From 2025-11-25; a user message that holds one holds nothing else.
    case toolResult(id: String, text: String, isError: Bool = false)

    fileprivate var json: JSONValue {
        switch self {
        case .text(let text): ["type": "text", "text": .string(text)]
        case .image(let bytes, let mimeType):
            ["type": "image", "data": .string(Base64.encode(bytes)), "mimeType": .string(mimeType)]
        case .audio(let bytes, let mimeType):
            ["type": "audio", "data": .string(Base64.encode(bytes)), "mimeType": .string(mimeType)]
        case .toolUse(let id, let name, let input):
            ["type": "tool_use", "id": .string(id), "name": .string(name), "input": .object(input)]
        case .toolResult(let id, let text, let isError):
            [
                "type": "tool_result", "toolUseId": .string(id), "content": [["type": "text", "text": .string(text)]],
                "isError": .bool(isError),
            ]
        }
    }

    fileprivate init(_ json: JSONValue) throws(UnusableAnswer) {
        switch (json["type"], json["text"], json["data"], json["mimeType"]) {
        case ("text", .string(let text)?, _, _): self = .text(text)
        case ("image", _, .string(let data)?, .string(let mimeType)?):
            self = .image(try Self.decode(data), mimeType: mimeType)
        case ("audio", _, .string(let data)?, .string(let mimeType)?):
            self = .audio(try Self.decode(data), mimeType: mimeType)
        case ("tool_use", _, _, _):
            guard case .string(let id)? = json["id"], case .string(let name)? = json["name"],
                case .object(let input)? = json["input"]
            else { throw UnusableAnswer(reason: "a tool_use block needs id, name and input") }
            self = .toolUse(id: id, name: name, input: input)
        default: throw UnusableAnswer(reason: "content must be text, an image, audio or a tool_use")
        }
    }

    private static func decode(_ base64: String) throws(UnusableAnswer) -> [UInt8] {
        let bytes = Array(base64.utf8)
        guard let decoded = HeaderValue.decodeBase64(bytes.span, at: 0..<bytes.count) else {
            throw UnusableAnswer(reason: "data must be base64")
        }
        return decoded
    }
}

/// A tool that a sampled model may ask to be used.
public struct SamplingTool: Sendable {
    package let name: String
    package let description: String?
    package let inputSchema: JSONSchema

    public init(_ name: String, _ description: String? = nil, inputSchema: JSONSchema) {
        self.name = name
        self.description = description
        self.inputSchema = inputSchema
    }
}

/// How a sampled message should be made. Everything is a wish; the client decides.
public struct SamplingOptions: Sendable {
    /// Whether a sampled model may use the tools it was given.
    public enum ToolChoice: String, Sendable { case auto, required, none }

    /// The most tokens of the answer. Default 1,000.
    public var maxTokens = 1_000
    public var systemPrompt: String?
    public var temperature: Double?
    public var stopSequences: [String] = []
    /// Names, or parts of names, of models that would do, the best first.
    public var modelHints: [String] = []
    /// How much cost, speed and intelligence matter, each 0 to 1.
    public var costPriority: Double?
    public var speedPriority: Double?
    public var intelligencePriority: Double?
    /// Tools that the model may ask for; only for clients that allow it.
    public var tools: [SamplingTool] = []
    public var toolChoice: ToolChoice?

    public init(maxTokens: Int = 1_000) { self.maxTokens = maxTokens }

    fileprivate func params(_ messages: [SamplingMessage], _ revision: ProtocolRevision) -> JSONObject {
        var params: JSONObject = [
            "messages": .array(messages.map { $0.json(for: revision) }), "maxTokens": .integer(self.maxTokens),
        ]
        params["systemPrompt"] = self.systemPrompt.map(JSONValue.string)
        params["temperature"] = Self.number(self.temperature)
        if !self.stopSequences.isEmpty { params["stopSequences"] = .array(self.stopSequences.map(JSONValue.string)) }
        var preferences = JSONObject()
        if !self.modelHints.isEmpty { preferences["hints"] = .array(self.modelHints.map { ["name": .string($0)] }) }
        preferences["costPriority"] = Self.number(self.costPriority)
        preferences["speedPriority"] = Self.number(self.speedPriority)
        preferences["intelligencePriority"] = Self.number(self.intelligencePriority)
        if !preferences.members.isEmpty { params["modelPreferences"] = .object(preferences) }
        if !self.tools.isEmpty {
            params["tools"] = .array(
                self.tools.map { tool in
                    var description: JSONObject = ["name": .string(tool.name), "inputSchema": tool.inputSchema.value]
                    description["description"] = tool.description.map(JSONValue.string)
                    return .object(description)
                })
            params["toolChoice"] = self.toolChoice.map { ["mode": .string($0.rawValue)] }
        }
        return params
    }

    private static func number(_ value: Double?) -> JSONValue? { value.flatMap(JSONNumber.init).map(JSONValue.number) }
}

/// What the client's model said.
public struct SampledMessage: Sendable, Hashable {
    public let content: [SamplingContent]
    /// The model that said it, as the client names it.
    public let model: String?
    /// Why it stopped: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`, or the provider's own word.
    public let stopReason: String?

    /// The text blocks, joined.
    public var text: String {
        self.content.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }
}

extension Question where Answer == SampledMessage {
    /// Asks the client's model to continue a conversation. Deprecated by the protocol from 2026-07-28 on, and still
    /// served.
    /// - Precondition: There is at least one message; a user message with a tool result holds nothing else.
    public static func sample(_ messages: [SamplingMessage], _ options: SamplingOptions = SamplingOptions()) -> Question
    {
        precondition(!messages.isEmpty, "a model is asked with at least one message")
        for message in messages {
            let results = message.content.filter { if case .toolResult = $0 { true } else { false } }
            precondition(
                results.isEmpty || results.count == message.content.count,
                "a message with a tool result holds nothing else")
        }
        let usesTools = !options.tools.isEmpty
        return Question(
            method: .sample, needs: usesTools ? [.sampling, .samplingTools] : .sampling,
            since: usesTools ? .v2025_11_25 : .v2024_11_05, params: { options.params(messages, $0) },
            read: { result in
                let blocks: [JSONValue]
                switch result["content"] {
                case .array(let several)?: blocks = several
                case .object?: blocks = [result["content"] ?? [:]]
                default: throw UnusableAnswer(reason: "content must be a block or an array of blocks")
                }
                return SampledMessage(
                    content: try blocks.map(SamplingContent.init), model: result["model"]?.stringValue,
                    stopReason: result["stopReason"]?.stringValue)
            })
    }

    /// Asks the client's model a question in one text.
    public static func sample(_ text: String, maxTokens: Int = 1_000) -> Question {
        .sample([.user(text)], SamplingOptions(maxTokens: maxTokens))
    }
}

extension JSONValue {
    fileprivate var stringValue: String? {
        if case .string(let text) = self { text } else { nil }
    }
}
