/// A text, or a conversation, that a user can start from.
public struct Prompt: ServerComponent {
    package let description: PromptDescription
    package let completions: [String: Completer]
    package let render: @Sendable (PromptArguments, Call) async throws -> PromptResult

    /// - Parameters:
    ///   - name: Unique among the server's prompts.
    ///   - arguments: What the user fills in. Missing required ones, and unknown ones, are refused before `render`
    ///     runs.
    ///   - render: Makes the messages. Runs off the event loop.
    /// - Precondition: No two arguments have the same name.
    public init(
        _ name: String, _ description: String, title: String? = nil, icons: [Icon] = [],
        arguments: [PromptArgument] = [],
        render: @escaping @Sendable (PromptArguments, Call) async throws -> PromptResult
    ) {
        precondition(!name.isEmpty, "a prompt has a name")
        precondition(
            Set(arguments.map(\.name)).count == arguments.count, "prompt \(name): no two arguments have the same name")
        self.description = PromptDescription(
            name: name, title: title, description: description, icons: icons,
            arguments: arguments.map {
                .init(name: $0.name, title: $0.title, description: $0.description, isRequired: $0.isRequired)
            })
        self.completions = arguments.reduce(into: [:]) { $0[$1.name] = $1.completer }
        self.render = render
    }

    public func add(to definition: inout ServerDefinition) { definition.prompts.append(self) }
}

/// One argument of a prompt.
public struct PromptArgument: Sendable {
    package let name: String
    package let title: String?
    package let description: String
    package let isRequired: Bool
    package let completer: Completer?

    /// - Parameter completer: Proposes values while the user types, or `nil`.
    public init(
        _ name: String, _ description: String, title: String? = nil, required: Bool = false, completer: Completer? = nil
    ) {
        self.name = name
        self.title = title
        self.description = description
        self.isRequired = required
        self.completer = completer
    }
}

/// What the user filled in.
public struct PromptArguments: Sendable {
    package let values: [String: String]

    /// The value of an argument, or `nil` when it was not given. A required one is always there.
    public subscript(_ name: String) -> String? { self.values[name] }
}

/// The messages that a prompt stands for.
public struct PromptResult: Sendable {
    public var description: String?
    public var messages: [PromptMessage]

    public init(_ messages: [PromptMessage], description: String? = nil) {
        self.messages = messages
        self.description = description
    }
}

/// One message of a prompt.
public struct PromptMessage: Sendable {
    public enum Role: String, Sendable { case user, assistant }

    public var role: Role
    public var content: Content

    public static func user(_ text: String) -> PromptMessage { PromptMessage(role: .user, content: .text(text)) }
    public static func user(_ content: Content) -> PromptMessage { PromptMessage(role: .user, content: content) }
    public static func assistant(_ text: String) -> PromptMessage {
        PromptMessage(role: .assistant, content: .text(text))
    }
    public static func assistant(_ content: Content) -> PromptMessage {
        PromptMessage(role: .assistant, content: content)
    }
}
