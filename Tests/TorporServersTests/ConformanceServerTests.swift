import Testing
import Torpor
import TorporServers
import TorporTesting

/// The scenarios themselves run over the wire: Tests/Clients/conformance.py.
struct ConformanceServerTests {
    private func withClient(_ body: @Sendable (TestClient) async throws -> Void) async throws {
        try await withTestClient(BuiltInServer.conformance.make(version: "1"), over: .memory, body)
    }

    @Test func theFirstToolCanBeCalledWithoutArguments() async throws {
        try await self.withClient { client in
            let tools = try await client.request("tools/list").result?["tools"]
            guard case .string(let name)? = tools?[0]?["name"] else {
                Issue.record("there is no first tool: \(String(describing: tools))")
                return
            }
            let result = try await client.call(name, [:])
            #expect(!result.isError)
        }
    }

    @Test func theFirstResourceCanBeRead() async throws {
        try await self.withClient { client in
            let uri = try #require(try await client.request("resources/list").result?["resources"]?[0]?["uri"])
            let contents = try await client.request("resources/read", ["uri": uri]).result?["contents"]
            #expect(contents?[0]?["uri"] == uri)
        }
    }

    @Test(arguments: [ProtocolRevision.v2025_11_25, .v2026_07_28])
    func aToolThatAsksIsDoneWhenAllAnswersHaveCome(revision: ProtocolRevision) async throws {
        try await self.withClient { client in
            var client = client.declaring(["elicitation": [:], "sampling": [:], "roots": [:]]).answering { question in
                switch question.method {
                case "elicitation/create": ["action": "accept", "content": ["name": "Alice"]]
                case "roots/list": ["roots": [["uri": "file:///work", "name": "Work"]]]
                default: ["role": "assistant", "model": "m", "content": ["type": "text", "text": "Good day"]]
                }
            }
            if revision.era == .legacy { client = try await client.openSession(revision) }
            let result = try await client.call("test_input_required_result_multiple_inputs")
            #expect(result.text == "Hello, Alice!\nGood day\nRoots: Work (file:///work)")
        }
    }
}
