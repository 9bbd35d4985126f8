import Testing
import Torpor
import TorporServers
import TorporTesting

struct BenchServerTests {
    private func withClient(_ body: @Sendable (TestClient) async throws -> Void) async throws {
        try await withTestClient(BuiltInServer.bench.make(version: "1"), over: .memory, body)
    }

    @Test(arguments: ["echo", "echo_async"])
    func echoesAnswerTheMessageAsOneText(tool: String) async throws {
        try await self.withClient { client in
            let result = try await client.call(tool, ["message": "hällo \u{0}"])
            #expect(result.result["content"] == [["type": "text", "text": "hällo \u{0}"]])
        }
    }

    @Test func failFailsWithTheMessage() async throws {
        try await self.withClient { client in
            let result = try await client.call("fail", ["message": "no luck"])
            #expect(result.isError)
            #expect(result.text == "no luck")
        }
    }

    @Test(arguments: [0, 1, 16 << 20])
    func bytesAnswersThatMany(count: Int) async throws {
        try await self.withClient { client in
            let result = try await client.call("bytes", ["count": .number(JSONNumber(count))])
            #expect(result.text?.utf8.count == count)
        }
    }

    @Test(arguments: [("bytes", "count", -1), ("bytes", "count", 16 << 20 + 1), ("sleep", "milliseconds", 600_001)])
    func whatIsBeyondTheLimitsIsRefused(tool: String, argument: String, value: Int) async throws {
        try await self.withClient { client in
            let arguments = JSONObject([.init(name: argument, value: .number(JSONNumber(value)))])
            let result = try await client.call(tool, arguments)
            #expect(result.isError)
        }
    }

    @Test func sleepingEndsWithTheCallsTask() async throws {
        try await self.withClient { client in
            #expect(try await client.call("sleep", ["milliseconds": 0]).text == "slept 0 ms")
            let response = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                group.addTask {
                    try await client.request(
                        "tools/call", ["name": "sleep", "arguments": ["milliseconds": 600_000]])
                }
                group.cancelAll()
                return try #require(try await group.next())
            }
            #expect(response.errorMessage == "The call was cancelled.")
        }
    }

    @Test func everyOtherMethodHasSomethingToAnswer() async throws {
        try await self.withClient { client in
            let about = try await client.request("resources/read", ["uri": "bench://about"])
            #expect(about.result?["contents"]?[0]?["uri"] == "bench://about")
            let greeting = try await client.request("prompts/get", ["name": "greet", "arguments": ["name": "Ada"]])
            #expect(greeting.result?["messages"]?[0]?["content"]?["text"] == "Greet Ada in one sentence.")
            let completion = try await client.request(
                "completion/complete",
                ["ref": ["type": "ref/prompt", "name": "greet"], "argument": ["name": "name", "value": "a"]])
            #expect(completion.result?["completion"]?["values"] == ["Ada", "Alan"])
        }
    }
}
