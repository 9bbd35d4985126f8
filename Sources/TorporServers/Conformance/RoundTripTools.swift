import Torpor

extension ConformanceServer {
    /// Tools for the rounds of 2026-07-28: a call is answered with questions until the client has answered all of them.
    ///
    /// What the client carries from round to round is sealed and checked before a handler runs, so there is nothing
    /// about it here.
    @ServerBuilder static var roundTripTools: [any ServerComponent] {
        Tool(self.name("elicitation"), "Asks the user for their name.", annotations: .readOnly) { call in
            self.greeting(try await call.ask("user_name", self.nameForm))
        }
        Tool(self.name("sampling"), "Asks the client's model a question.", annotations: .readOnly) { call in
            let answer = try await call.ask(
                "capital_question", .sample("What is the capital of France?", maxTokens: 100))
            return "LLM response: \(answer.text)"
        }
        Tool(self.name("list_roots"), "Asks the client for its roots.", annotations: .readOnly) { call in
            self.list(try await call.ask("client_roots", .roots))
        }
        Tool(self.name("request_state"), "Asks the user for a confirmation.", annotations: .readOnly) { call in
            try await self.confirm(call)
        }
        Tool(self.name("tampered_state"), "Asks the user for a confirmation.", annotations: .readOnly) { call in
            try await self.confirm(call)
        }
        Tool(self.name("multiple_inputs"), "Asks for three things at once.", annotations: .readOnly) { call in
            let (user, greeting, roots) = try await call.ask(
                ("user_name", self.nameForm), ("greeting", .sample("Generate a greeting", maxTokens: 50)),
                ("client_roots", .roots))
            return [self.greeting(user), greeting.text, self.list(roots)].joined(separator: "\n")
        }
        Tool(self.name("multi_round"), "Asks the user twice, one after the other.", annotations: .readOnly) { call in
            let name = try await call.ask("step1", .form("What is your name?", as: Name.self))
            guard case .accepted(let user) = name else { return "Nobody said their name." }
            let color = try await call.ask("step2", .form("What is your favorite color?", as: Color.self))
            guard case .accepted(let favorite) = color else { return "\(user.name) named no color." }
            return "\(user.name) likes \(favorite.color)."
        }
        Tool(self.name("capabilities"), "Asks for what the client offers.", annotations: .readOnly) { call in
            if call.clientCapabilities.contains(.sampling) {
                let answer = try await call.ask("capital_question", .sample("What is the capital of France?"))
                return "LLM response: \(answer.text)"
            }
            if call.clientCapabilities.contains(.elicitationForm) {
                return self.greeting(try await call.ask("user_name", self.nameForm))
            }
            return "The client offers nothing that could be asked for."
        }
    }

    private static func name(_ suffix: String) -> String { "test_input_required_result_\(suffix)" }

    private struct Name: ToolInput {
        var name: String
    }

    private struct Color: ToolInput {
        var color: String
    }

    private struct Confirmation: ToolInput {
        var ok: Bool
    }

    private static var nameForm: Question<UserAnswer<Name>> { .form("What is your name?", as: Name.self) }

    private static func greeting(_ answer: UserAnswer<Name>) -> String {
        if case .accepted(let user) = answer { "Hello, \(user.name)!" } else { "Hello, whoever you are!" }
    }

    private static func list(_ roots: [Root]) -> String {
        "Roots: " + roots.map { root in root.name.map { "\($0) (\(root.uri))" } ?? root.uri }.joined(separator: ", ")
    }

    private static func confirm(_ call: Call) async throws -> String {
        let answer = try await call.ask("confirm", .form("Please confirm.", as: Confirmation.self))
        guard case .accepted(let confirmation) = answer, confirmation.ok else { return "Nothing was confirmed." }
        return "Confirmed: state-ok"
    }
}
