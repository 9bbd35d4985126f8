import Testing
import Torpor
import TorporJSON
import TorporTesting

@testable import TorporHosting

/// Remote servers of 2024-11-05: this library's own, by its two endpoints.
@Suite(.timeLimit(.minutes(2))) struct OlderRemoteTests {
    private static let server = MCPServer(name: "older", version: "1") {
        Tool("greet", "Greets.", inputSchema: JSONSchema(["type": "object"])) { arguments, call in
            guard arguments["ask"] == true else { return "hello" }
            let answer = try await call.ask("where", .roots)
            return "hello from \(answer.count)"
        }
        Tool("wait", "Never returns.", inputSchema: JSONSchema(["type": "object"])) { _, _ in
            try await Task.sleep(for: .seconds(86_400))
            return "late"
        }
    }

    /// The endpoint of the stream, and where a client would first try.
    private static let endpoints: [(String, HostedServerSettings.Remote.Transport)] = [("/sse", .sse), ("/sse", .http)]

    @Test(arguments: Self.endpoints)
    func callsOfBothErasReachIt(_ path: String, _ type: HostedServerSettings.Remote.Transport) async throws {
        try await withHostedRemote(Self.server, path: path, type: type) { client, hosted in
            let tools = try await client.request("tools/list")
            #expect(tools.result?["tools"]?[0]?["name"] == "greet", "\(tools)")
            let (modern, session) = (try await client.call("greet"), try await client.openSession())
            #expect(modern.text == "hello")
            for _ in 0..<3 {
                let legacy = try await session.call("greet")
                #expect(legacy.text == "hello")
            }
            #expect(hosted.host.children.count >= 2, "each key has a stream of its own")
        }
    }

    @Test(arguments: Self.endpoints)
    func itsQuestionsReachTheClient(_ path: String, _ type: HostedServerSettings.Remote.Transport) async throws {
        try await withHostedRemote(Self.server, path: path, type: type) { client, _ in
            for client in [client, try await client.declaring(["roots": [:]]).openSession()] {
                let answering = client.declaring(["roots": [:]]).answering { _ in
                    ["roots": [["uri": "file:///a"], ["uri": "file:///b"]]]
                }
                let result = try await answering.call("greet", ["ask": true])
                #expect(result.text == "hello from 2", "\(result)")
            }
        }
    }

    @Test func whatSpeaksNeitherIsToldAsItAnsweredFirst() async throws {
        try await withHostedRemote(Self.server, path: "/nothing-here") { client, _ in
            let refused = try await client.request("tools/list")
            #expect(refused.status == 503)
            #expect(refused.errorMessage?.contains("There is nothing at this path") == true, "\(refused)")
        }
    }
}
