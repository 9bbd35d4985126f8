import Testing
import Torpor
import TorporTesting

/// Batches, which revision 2025-03-26 has and no other.
@Suite struct BatchTests {
    private static let add =
        #"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"add","arguments":{"left":1,"right":2}}}"#
    private static let ping = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#
    private static let notice = #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#

    private func send(_ client: TestClient, _ messages: String...) async throws -> TestResponse {
        try await client.send(TestRequest(body: "[" + messages.joined(separator: ",") + "]", of: client))
    }

    @Test(arguments: TestTransport.allCases)
    func itsRequestsAreAnsweredTogether(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession(.v2025_03_26)
            let response = try await self.send(
                session, Self.ping, Self.notice, Self.add, #"{"jsonrpc":"2.0","id":2,"method":"unknown/method"}"#, "7")
            #expect(response.status == 200)
            let answers = response.body?.elements ?? []
            #expect(answers.count == 4)
            #expect(answers.first { $0["id"] == 1 }?["result"] == [:])
            #expect(answers.first { $0["id"] == "a" }?["result"]?["content"]?[0]?["text"] == "3")
            #expect(answers.first { $0["id"] == 2 }?["error"]?["code"] == -32601)
            #expect(answers.first { $0["id"] == nil }?["error"]?["code"] == -32600)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func whatNeedsNoAnswerGetsNone(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession(.v2025_03_26)
            let answer = #"{"jsonrpc":"2.0","id":"never asked","result":{}}"#
            let response = try await self.send(session, Self.notice, answer)
            #expect(response.status == 202 && response.body == nil)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func whatDoesNotBelongIntoABatchIsRefused(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.streams.batchMax = 3
        try await withTestClient(fixtureServer(), over: transport, options: options) { client in
            let session = try await client.openSession(.v2025_03_26)
            let initialize =
                #"{"jsonrpc":"2.0","id":9,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{}}}"#
            let modern =
                #"{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
            for message in [initialize, modern, "[]", "[\(Self.ping)]"] {
                let response = try await self.send(session, message)
                #expect(response.body?[0]?["error"]?["code"] == -32600, "\(message): \(response)")
                #expect(response.headers["mcp-session-id"] == nil)
            }
            // Empty, and too many.
            for messages in [[], [String](repeating: Self.ping, count: 4)] {
                let body = "[" + messages.joined(separator: ",") + "]"
                let response = try await session.send(TestRequest(body: body, of: session))
                #expect(response.status == 400 && response.errorCode == -32600)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func otherRevisionsHaveNone(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for revision in [ProtocolRevision.v2024_11_05, .v2025_06_18, .v2025_11_25] {
                let response = try await self.send(client.openSession(revision), Self.ping)
                #expect(response.status == 400 && response.errorCode == -32600, "\(revision)")
            }
            #expect(try await self.send(client, Self.ping).status == 400)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func whatItsCallsSayComesBeforeTheAnswers(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let session = try await client.openSession(.v2025_03_26)
            let progress =
                #"{"jsonrpc":"2.0","id":"p","method":"tools/call","params":{"name":"progress","_meta":{"progressToken":"t"}}}"#
            let response = try await self.send(session, progress, Self.ping)
            #expect(response.messages.last?["params"]?["progress"] == 3)
            #expect(response.events.last?.message?.elements?.count == 2)
        }
    }
}
