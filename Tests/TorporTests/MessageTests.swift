import Testing
import Torpor
import TorporTesting

/// Progress and log messages: who gets them, where, and how many.
@Suite struct MessageTests {
    @Test(arguments: everyWay)
    func progressComesBeforeTheAnswerAndRises(over transport: TestTransport, era: ProtocolRevision.Era) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let client = try await client.ofEra(era)
            let response = try await client.callRaw("progress", meta: ["progressToken": "p-1"], id: "x")
            #expect(response.headers["content-type"] == "text/event-stream")
            #expect(response.text == "done" && response.id == "x")
            let params = response.messages.map { $0["params"] }
            #expect(response.messages.allSatisfy { $0["method"] == "notifications/progress" && $0["id"] == nil })
            #expect(params.allSatisfy { $0?["progressToken"] == "p-1" && $0?["total"] == 3 })
            // The first and the last are never left out; those between are when they come too fast.
            #expect(params.first??["progress"] == 1 && params.last??["progress"] == 3)
            #expect(params.last??["message"] == "step 3")
        }
    }

    @Test(arguments: everyWay)
    func withoutATokenThereIsNoProgressAndNoStream(over transport: TestTransport, era: ProtocolRevision.Era)
        async throws
    {
        try await withTestClient(talkingServer(), over: transport) { client in
            let response = try await client.ofEra(era).callRaw("progress")
            #expect(response.messages.isEmpty && response.text == "done")
            #expect(response.headers["content-type"] != "text/event-stream")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aClientThatTakesNoStreamGetsTheAnswerAlone(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            var request = client.makeRequest(
                "tools/call", ["name": "progress", "_meta": ["progressToken": 7]])
            request.headers["Accept"] = "application/json"
            let response = try await client.send(request)
            #expect(response.messages.isEmpty && response.text == "done")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aModernRequestGetsLogMessagesOfTheLevelItAsksFor(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let silent = try await client.callRaw("logs")
            #expect(silent.messages.isEmpty && silent.text == "logged")
            let response = try await client.callRaw("logs", meta: ["io.modelcontextprotocol/logLevel": "error"])
            let levels = response.messages.map { $0["params"]?["level"] }
            #expect(levels == ["error", "critical", "alert", "emergency"])
            #expect(response.messages[0]["params"]?["data"] == "at error")
            #expect(response.messages[0]["params"]?["logger"] == "fixture")
            let wrong = try await client.callRaw("logs", meta: ["io.modelcontextprotocol/logLevel": "loud"])
            #expect(wrong.errorCode == -32602)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionGetsLogMessagesOfTheLevelItHasSet(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let session = try await client.openSession()
            let other = try await client.openSession()
            #expect(try await session.callRaw("logs").messages.count == 7)
            #expect(try await session.request("logging/setLevel", ["level": "alert"]).result == [:])
            #expect(
                try await session.callRaw("logs").messages.map { $0["params"]?["level"] } == ["alert", "emergency"])
            #expect(try await other.callRaw("logs").messages.count == 7)
            #expect(try await session.request("logging/setLevel", ["level": "loud"]).errorCode == -32602)
            #expect(try await client.under(.v2025_11_25).request("logging/setLevel", ["level": "info"]).status == 400)
        }
    }

    @Test(arguments: everyWay)
    func aFloodOfMessagesArrivesWhole(over transport: TestTransport, era: ProtocolRevision.Era) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let client = try await client.ofEra(era)
            let response = try await client.callRaw("floods", meta: ["io.modelcontextprotocol/logLevel": "info"])
            #expect(response.messages.count == 100 && response.text == "flooded")
            let texts = response.messages.map { message -> String in
                if case .string(let text)? = message["params"]?["data"] {
                    String(text.prefix { $0 != " " })
                } else {
                    ""
                }
            }
            #expect(texts == (0..<100).map(String.init))
        }
    }
}
