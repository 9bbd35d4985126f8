import Torpor

extension ConformanceServer {
    /// Tools that say something before their answer, or answer late. The suite prescribes how long they take.
    @ServerBuilder static var streamTools: [any ServerComponent] {
        Tool("test_tool_with_progress", "Reports progress thrice.", annotations: .readOnly) { call in
            try await call.progress(0, total: 100, "Begun")
            try await Task.sleep(for: self.pause)
            try await call.progress(50, total: 100, "Half done")
            try await Task.sleep(for: self.pause)
            try await call.progress(100, total: 100, "Done")
            return "Tool with progress executed."
        }
        Tool("test_tool_with_logging", "Logs thrice.", annotations: .readOnly) { call in
            try await call.log(.info, "Tool execution started")
            try await Task.sleep(for: self.pause)
            try await call.log(.info, "Tool processing data")
            try await Task.sleep(for: self.pause)
            try await call.log(.info, "Tool execution completed")
            return "Tool with logging executed."
        }
        Tool("test_logging_tool", "Logs once, for clients that want it.", annotations: .readOnly) { call in
            try await call.log(.info, "Logged by a tool")
            return "Logging tool executed."
        }
        Tool(
            "test_reconnection", "Lets go of the connection before it answers. Clients of 2025-11-25 come back.",
            annotations: .readOnly
        ) { call in
            call.releaseConnection(retryAfter: .milliseconds(100))
            try await Task.sleep(for: .milliseconds(100))
            return "Reconnection test completed."
        }
    }

    /// Between two notifications of a call.
    private static let pause = Duration.milliseconds(50)

    /// Tools that tell every client that asked of a change, although nothing has changed.
    @ServerBuilder static var announcingTools: [any ServerComponent] {
        Tool("test_trigger_tool_change", "Announces that the list of tools has changed.") { call in
            call.announce(.tools)
            return "Announced a change of the tools."
        }
        Tool("test_trigger_prompt_change", "Announces that the list of prompts has changed.") { call in
            call.announce(.prompts)
            return "Announced a change of the prompts."
        }
    }
}
