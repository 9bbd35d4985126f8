import Testing
import Torpor
import TorporTesting

@testable import TorporSoak

/// Memory that nobody looks at: these runs are about answers.
private struct NoMemory: MemorySource {
    func bytes() -> Int? { 1 << 20 }
}

/// Torpor's own server answers every agent of every scenario as the protocol has it.
@Suite(.serialized) struct TorporServerTests {
    private struct Message: ToolInput {
        var message: String
        static let fields: [String: Field] = ["message": "Any text."]
    }

    private static let server = MCPServer(name: "echo", version: "1") {
        Tool("echo", "Answers the message.") { (input: Message, _) in input.message }
    }

    @Test(arguments: Scenario.Name.allCases)
    func everyScenarioIsAnswered(name: Scenario.Name) async throws {
        try await withHTTPServer(Self.server, options: TestOptions()) { port in
            var options = SoakOptions(endpoint: try Endpoint("http://127.0.0.1:\(port)/mcp"))
            options.scenarios = [.named(name)]
            options.agents = 4
            options.units = 60
            options.plan = SoakPlan(phases: 6, warmupSeconds: 0.1, workSeconds: 5, settleSeconds: 0.01)
            let report = try await Soak(options, memory: NoMemory()).run()
            #expect(report.exitStatus == 0, "\(report.text)")
            #expect(report.scenarios[0].failures.isEmpty, "\(report.scenarios[0].failures)")
            #expect(report.scenarios[0].units >= 60)
            #expect(report.eras == "2025-11-25 with sessions, and 2026-07-28 without sessions")
        }
    }

    @Test(arguments: SoakOptions.Era.allCases)
    func anEraCanBeForced(era: SoakOptions.Era) async throws {
        try await withHTTPServer(Self.server, options: TestOptions()) { port in
            var options = SoakOptions(endpoint: try Endpoint("http://127.0.0.1:\(port)/mcp"))
            options.agents = 2
            options.units = 12
            options.era = era
            options.plan = SoakPlan(phases: 3, warmupSeconds: 0.05, workSeconds: 5, settleSeconds: 0.01)
            let report = try await Soak(options, memory: NoMemory()).run()
            #expect(report.exitStatus == 0, "\(report.text)")
            #expect((report.scenarios[1].sessions == 0) == (era == .modern))
        }
    }
}
