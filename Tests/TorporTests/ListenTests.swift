import Testing
import Torpor
import TorporTesting

/// `subscriptions/listen` of 2026-07-28.
@Suite struct ListenTests {
    private static let subscription = "io.modelcontextprotocol/subscriptionId"

    private func listen(_ client: TestClient, _ filter: JSONObject, id: JSONValue = "w") -> TestRequest {
        client.makeRequest("subscriptions/listen", ["notifications": .object(filter)], id: id)
    }

    @Test(arguments: TestTransport.allCases)
    func theAcknowledgementComesFirstAndEverythingIsTagged(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let filter: JSONObject = [
                "toolsListChanged": true, "promptsListChanged": false, "resourceSubscriptions": ["test://a"],
                "unknown": 1,
            ]
            for id: JSONValue in ["w1", 9_007_199_254_740_991] {
                try await client.stream(self.listen(client, filter, id: id)) { stream in
                    #expect(stream.headers["content-type"] == "text/event-stream")
                    let first = try await stream.nextMessage()
                    #expect(first["method"] == "notifications/subscriptions/acknowledged")
                    #expect(
                        first["params"]?["notifications"]
                            == ["toolsListChanged": true, "resourceSubscriptions": ["test://a"]])
                    for change in ["prompts", "resources", "test://b", "test://a", "tools"] {
                        _ = try await client.call("announces", ["message": .string(change)])
                    }
                    let updated = try await stream.nextMessage()
                    let changed = try await stream.nextMessage()
                    #expect(updated["params"]?["uri"] == "test://a")
                    #expect(changed["method"] == "notifications/tools/list_changed")
                    for message in [first, updated, changed] {
                        #expect(message["params"]?["_meta"]?[Self.subscription] == id)
                    }
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func whatASlowReaderHasNotReadIsToldOnce(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: .memory) { client in
            try await client.stream(self.listen(client, ["toolsListChanged": true, "promptsListChanged": true])) {
                stream in
                for _ in 0..<100 { _ = try await client.call("announces", ["message": "tools"]) }
                _ = try await client.call("announces", ["message": "prompts"])
                #expect(try await stream.nextMessage()["method"] == "notifications/subscriptions/acknowledged")
                #expect(try await stream.nextMessage()["method"] == "notifications/tools/list_changed")
                #expect(try await stream.nextMessage()["method"] == "notifications/prompts/list_changed")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aFilterThatIsNoneIsRefused(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.streams.subscriptionsMax = 2
        try await withTestClient(talkingServer(), over: transport, options: options) { client in
            for filter: JSONValue in [
                .null, [], ["toolsListChanged": "yes"], ["resourceSubscriptions": "test://a"],
                ["resourceSubscriptions": [1]], ["resourceSubscriptions": ["a", "b", "c"]],
            ] {
                let response = try await client.request("subscriptions/listen", ["notifications": filter])
                #expect(response.errorCode == -32602, "\(filter.text)")
            }
            #expect(try await client.request("subscriptions/listen").errorCode == -32602)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aServerThatAnnouncesNothingHasNoSubscriptions(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let response = try await client.send(self.listen(client, ["toolsListChanged": true]))
            #expect(response.status == 404 && response.errorCode == -32601)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCallerListensABoundedNumberOfTimes(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.streams.listensMax = 1
        try await withTestClient(talkingServer(), over: transport, options: options) { client in
            let request = self.listen(client, ["toolsListChanged": true])
            try await client.stream(request) { stream in
                _ = try await stream.nextMessage()
                let refused = try await client.send(request)
                #expect(refused.status == 429 && refused.headers["retry-after"] != nil)
            }
        }
    }
}
