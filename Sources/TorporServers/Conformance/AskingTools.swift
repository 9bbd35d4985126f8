import Torpor

extension ConformanceServer {
    /// Tools that ask the client once. In sessions they wait for the answer; from 2026-07-28 on they run again with it.
    @ServerBuilder static var askingTools: [any ServerComponent] {
        Tool("test_sampling", "Asks the client's model.", annotations: .readOnly) { (input: Sampling, call) in
            let answer = try await call.ask("sample", .sample(input.prompt, maxTokens: 100))
            return "LLM response: \(answer.text)"
        }
        Tool("test_elicitation", "Asks the user who they are.", annotations: .readOnly) { (input: Elicitation, call) in
            let answer = try await call.ask("user", .form(input.message, [.text("username"), .text("email")]))
            return "User response: \(answer.summary)"
        }
        Tool(
            "test_elicitation_sep1034_defaults", "Asks for values that have defaults, of every type.",
            annotations: .readOnly
        ) { call in
            let answer = try await call.ask("defaults", .form("Please review the values.", self.fieldsWithDefaults))
            return "Elicitation completed: \(answer.summary)"
        }
        Tool("test_elicitation_sep1330_enums", "Asks for choices, in every shape.", annotations: .readOnly) { call in
            let answer = try await call.ask("choices", .form("Please choose.", self.fieldsWithChoices))
            return "Elicitation completed: \(answer.summary)"
        }
        Tool("test_streaming_elicitation", "Asks the user for a confirmation.", annotations: .readOnly) { call in
            let answer = try await call.ask("confirm", .form("Shall it go on?", [.boolean("ok")]))
            return "User response: \(answer.summary)"
        }
        Tool(
            "test_missing_capability", "Is refused to clients that do not offer sampling.", annotations: .readOnly,
            requires: .sampling
        ) { _ in
            "The client offers sampling."
        }
    }

    private struct Sampling: ToolInput {
        var prompt: String
        static let fields: [String: Field] = ["prompt": "What to ask the model."]
    }

    private struct Elicitation: ToolInput {
        var message: String
        static let fields: [String: Field] = ["message": "What to ask the user."]
    }

    /// What has a default need not be filled in.
    private static let fieldsWithDefaults: [FormField] = [
        .text("name", required: false, default: "John Doe"),
        .integer("age", required: false, default: 30),
        .number("score", required: false, default: 95.5),
        .choice("status", ["active", "inactive", "pending"], required: false, default: "active"),
        .boolean("verified", required: false, default: true),
    ]

    private static let fieldsWithChoices: [FormField] = [
        .choice("untitledSingle", ["option1", "option2", "option3"], required: false),
        .choice(
            "titledSingle",
            [
                .init("value1", title: "First Option"), .init("value2", title: "Second Option"),
                .init("value3", title: "Third Option"),
            ], required: false),
        .choice(
            "legacyEnum",
            [
                .init("opt1", title: "Option One"), .init("opt2", title: "Option Two"),
                .init("opt3", title: "Option Three"),
            ], required: false, style: .enumNames),
        .choices("untitledMulti", ["option1", "option2", "option3"], required: false),
        .choices(
            "titledMulti",
            [
                .init("value1", title: "First Choice"), .init("value2", title: "Second Choice"),
                .init("value3", title: "Third Choice"),
            ], required: false),
    ]
}

extension UserAnswer where Content == JSONObject {
    /// The answer as the suite's tools repeat it.
    fileprivate var summary: String {
        switch self {
        case .accepted(let content): "action=accept, content=\(JSONValue.object(content))"
        case .declined: "action=decline, content={}"
        case .cancelled: "action=cancel, content={}"
        }
    }
}
