public import Torpor

/// The servers that come with the program.
public enum BuiltInServer: String, CaseIterable, Sendable {
    case workbench, bench

    public func make(version: String) -> MCPServer {
        struct Echo: ToolInput { var message: String }
        return MCPServer(name: "bench", version: version) {
            Tool.inline("echo", "Answers.") { (input: Echo, _) in input.message }
            Tool("echo_async", "Answers.", handler: { (input: Echo, _) in input.message })
        }
    }
}
