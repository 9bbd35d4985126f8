import Torpor

/// A server to measure with: every method of the protocol has something to answer, and every tool costs what it says.
enum BenchServer {
    private static let sleepMax = 600_000
    private static let bytesMax = ByteCount.mebibytes(16)
    private static let names = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Margaret"]

    static func make(version: String) -> MCPServer {
        MCPServer(
            name: "bench", version: version, title: "Torpor bench",
            instructions: "This server measures and tries clients. Its tools do nothing useful.",
            announces: [.tools, .prompts, .resources, .resourceUpdates]
        ) {
            self.tools
            self.streamTools
            self.loadTools
            self.stateTools
            Resource(
                "bench://about", name: "about", description: "What this server is for.",
                text: "The tools of this server echo, sleep, fail and answer with many bytes, to measure and to try.\n"
            )
            Prompt(
                "greet", "Asks for a greeting.",
                arguments: [PromptArgument("name", "Whom to greet.", required: true, completer: .oneOf(self.names))]
            ) { arguments, _ in
                PromptResult([.user("Greet \(arguments["name"] ?? "") in one sentence.")])
            }
        }
    }

    @ServerBuilder private static var tools: [any ServerComponent] {
        Tool.inline("echo", "Answers the message, on the event loop.", annotations: .readOnly) { (input: Message, _) in
            input.message
        }
        Tool("echo_async", "Answers the message, off the event loop.", annotations: .readOnly) { (input: Message, _) in
            input.message
        }
        Tool("sleep", "Answers after a while. Ends early when the call is cancelled.", annotations: .readOnly) {
            (input: Nap, _) in
            try await Task.sleep(for: .milliseconds(input.milliseconds))
            return "slept \(input.milliseconds) ms"
        }
        Tool.inline("fail", "Fails with the message as the tool's error.", annotations: .readOnly) {
            (input: Message, _) -> String in
            throw ToolError(input.message)
        }
        Tool("bytes", "Answers a text of so many bytes.", annotations: .readOnly) { (input: Size, _) in
            String(repeating: "x", count: input.count)
        }
    }

    private struct Message: ToolInput {
        var message: String
        static let fields: [String: Field] = ["message": "Any text."]
    }

    private struct Nap: ToolInput {
        var milliseconds: Int
        static let fields: [String: Field] = ["milliseconds": Field("How long to sleep.", range: 0...sleepMax)]
    }

    private struct Size: ToolInput {
        var count: Int
        static let fields: [String: Field] = ["count": Field("How many bytes.", range: 0...bytesMax.bytes)]
    }
}
