import Torpor
import TorporTesting

/// A server whose tools talk to the client while they run.
func talkingServer(gate: Gate = Gate()) -> MCPServer {
    MCPServer(name: "talking", version: "1", announces: [.tools, .prompts, .resources, .resourceUpdates]) {
        Tool("progress", "Tells how far it has come.") { call in
            for step in 1...3 { try await call.progress(Double(step), total: 3, "step \(step)") }
            try await call.progress(2, total: 3)
            return "done"
        }
        Tool("logs", "Logs at every level.") { call in
            for level in LogLevel.allCases { try await call.log(level, "at \(level.rawValue)", logger: "fixture") }
            return "logged"
        }
        Tool("floods", "Logs so many bytes that nobody may hold them.") { call in
            let text = String(repeating: "x", count: 4_000)
            for number in 0..<100 { try await call.log(.info, "\(number) \(text)") }
            return "flooded"
        }
        Tool("asks", "Asks for a name.") { call in
            switch try await call.ask("name", .form("Who are you?", [.text("name", maxLength: 10)])) {
            case .accepted(let content): "Hello, \(content["name"]?.text ?? "")!"
            case .declined: "declined"
            case .cancelled: "cancelled"
            }
        }
        Tool("asks_twice", "Asks for a name, then for a colour.") { call in
            let name = try await call.ask("name", .form("Who are you?", as: Name.self))
            let colour = try await call.ask("colour", .form("Which?", [.choice("colour", ["red", "blue"])]))
            guard case .accepted(let name) = name, case .accepted(let content) = colour else { return "no" }
            return "\(name.name) likes \(content["colour"]?.text ?? "nothing")"
        }
        Tool("asks_all", "Asks everything at once.") { call in
            let (name, said, roots) = try await call.ask(
                ("name", .form("Who are you?", as: Name.self)), ("said", .sample("Greet!", maxTokens: 50)),
                ("roots", .roots))
            guard case .accepted(let name) = name else { return "no" }
            return "\(name.name) \(said.text) \(roots.map(\.uri).joined())"
        }
        Tool("asks_late", "Asks after it has begun something.") { call in
            call.beginUnrepeatable("charging the card")
            _ = try await call.ask("name", .roots)
            return "never"
        }
        Tool("needs_sampling", "Cannot do without a model.", requires: .sampling) { _ in "sampled" }
        Tool("waits", "Talks, and answers when the test lets it.") { (input: Echo, call) in
            try await call.log(.info, "waiting \(input.message)")
            try await gate.wait(for: input.message)
            try await call.log(.info, "going on")
            return "\(input.message) done"
        }
        Tool("lets_go", "Lets go of the connection.") { (input: Echo, call) in
            try await call.log(.info, "before")
            call.releaseConnection(retryAfter: .milliseconds(100))
            try await gate.wait(for: input.message)
            return "after"
        }
        Tool("announces", "Tells of changes.") { (input: Echo, call) in
            switch input.message {
            case "tools": call.announce(.tools)
            case "prompts": call.announce(.prompts)
            case "resources": call.announce(.resources)
            default: call.announce(.resource(input.message))
            }
            return "announced"
        }
        Prompt("asks", "Asks for a name.") { _, call in
            switch try await call.ask("name", .form("Who are you?", as: Name.self)) {
            case .accepted(let name): PromptResult([.user("I am \(name.name).")])
            default: PromptResult([.user("I am nobody.")])
            }
        }
        Resource("test://asks", name: "asks", description: "Asks for a name.") { call in
            guard case .accepted(let name) = try await call.ask("name", .form("Who are you?", as: Name.self)) else {
                return []
            }
            return [.text(name.name, uri: "test://asks")]
        }
    }
}

struct Name: ToolInput, Equatable { var name: String }

extension TestClient {
    /// The same client, offering everything that can be offered.
    var offeringAll: TestClient {
        self.declaring([
            "elicitation": ["form": [:], "url": [:]], "sampling": ["tools": [:], "context": [:]], "roots": [:],
        ])
    }

    /// A client of an era: with a session, or without.
    func ofEra(_ era: ProtocolRevision.Era) async throws -> TestClient {
        era == .modern ? self : try await self.openSession()
    }

    /// Calls a tool and returns the whole response.
    func callRaw(_ tool: String, _ arguments: JSONObject = [:], meta: JSONObject = [:], id: JSONValue = 1) async throws
        -> TestResponse
    {
        var params: JSONObject = ["name": .string(tool), "arguments": .object(arguments)]
        if !meta.isEmpty { params["_meta"] = .object(meta) }
        return try await self.request("tools/call", params, id: id)
    }
}

extension TestResponse {
    /// The text of a tool's result.
    var text: String? {
        if case .string(let text)? = self.result?["content"]?[0]?["text"] { text } else { nil }
    }
}

/// The combinations of transports and eras.
let everyWay: [(TestTransport, ProtocolRevision.Era)] = TestTransport.allCases.flatMap { transport in
    [(transport, .modern), (transport, .legacy)]
}
