import Torpor

extension BenchServer {
    /// Tools that say as much as they are asked to, to measure and to try streams with.
    @ServerBuilder static var streamTools: [any ServerComponent] {
        Tool(
            "talk", "Logs so many texts and reports progress after each. Waits while the client does not read.",
            annotations: .readOnly
        ) { (input: Talk, call) in
            let text = String(repeating: "x", count: input.bytes)
            for number in 1...input.messages {
                try await call.log(.info, text)
                try await call.progress(Double(number), total: Double(input.messages))
                if input.pause > 0 { try await Task.sleep(for: .milliseconds(input.pause)) }
            }
            return "said \(input.messages)"
        }
        Tool("announce", "Announces a change to every client that asked for it, although nothing has changed.") {
            (input: Announcement, call) in
            let change: ServerChange =
                switch input.change {
                case "tools": .tools
                case "prompts": .prompts
                case "resources": .resources
                default: .resource(input.change)
                }
            for _ in 0..<input.times { call.announce(change) }
            return "announced \(input.change)"
        }
    }

    private struct Talk: ToolInput {
        var messages: Int
        var bytes: Int
        var pause: Int
        static let fields: [String: Field] = [
            "messages": Field("How many texts.", range: 1...1_000_000),
            "bytes": Field("How long each of them is.", range: 0...200_000),
            "pause": Field("How many milliseconds to wait after each.", range: 0...60_000),
        ]
    }

    private struct Announcement: ToolInput {
        var change: String
        var times: Int
        static let fields: [String: Field] = [
            "change": "tools, prompts, resources, or the URI of a resource.",
            "times": Field("How often.", range: 1...100_000),
        ]
    }
}
