import Testing
import Torpor
import TorporServers
import TorporTesting

/// The bench server's tools that keep what they are told.
struct BenchStateTests {
    private static let unknown: JSONValue = "object_00000000000000000000000000"

    private func withClient(
        over transport: TestTransport = .memory, principals: [String] = [],
        _ body: @Sendable (TestClient) async throws -> Void
    ) async throws {
        var options = TestOptions()
        options.principals = principals
        options.sleepsBetweenRequests = true
        try await withTestClient(BuiltInServer.bench.make(version: "1"), over: transport, options: options, body)
    }

    private func create(_ client: TestClient) async throws -> JSONValue {
        let made = try await client.call("create")
        let handle = try #require(made.structured?["handle"])
        #expect(made.text.map { .string($0) } == handle)
        return handle
    }

    @Test(arguments: TestTransport.allCases)
    func aHandleHasACounterAndValuesInBothEras(over transport: TestTransport) async throws {
        try await self.withClient(over: transport) { client in
            for client in [client, try await client.openSession()] {
                let handle = try await self.create(client)
                #expect(try await client.call("increment", ["by": 2, "handle": handle]).text == "2")
                #expect(try await client.call("increment", ["by": -5, "handle": handle]).text == "-3")
                _ = try await client.call("put", ["key": "k", "value": "välue", "handle": handle])
                #expect(try await client.call("get", ["key": "k", "handle": handle]).text == "välue")
                let size = try await client.call("size", ["handle": handle])
                #expect(size.structured?["values"] == 2)
                #expect(try await client.call("destroy", ["handle": handle]).text == "destroyed")
                #expect(try await client.call("get", ["key": "k", "handle": handle]).isError)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionHasACounterAndValuesOfItsOwn(over transport: TestTransport) async throws {
        try await self.withClient(over: transport) { client in
            let (session, other) = (try await client.openSession(), try await client.openSession(.v2024_11_05))
            _ = try await session.call("increment", ["by": 2])
            #expect(try await session.call("increment", ["by": 1]).text == "3")
            #expect(try await other.call("increment", ["by": 1]).text == "1")
            _ = try await session.call("put", ["key": "k", "value": "mine"])
            #expect(try await session.call("get", ["key": "k"]).text == "mine")
            #expect(try await other.call("get", ["key": "k"]).isError)
        }
    }

    @Test(arguments: ["increment", "put", "get", "size"])
    func withoutASessionAHandleIsNeededAndTheErrorNamesItsMaker(tool: String) async throws {
        let arguments: [String: JSONObject] = [
            "increment": ["by": 1], "put": ["key": "k", "value": "v"], "get": ["key": "k"], "size": [:],
        ]
        try await self.withClient { client in
            let needed = try await client.call(tool, arguments[tool] ?? [:])
            #expect(needed.isError)
            #expect(needed.text == "No object was named. Give the handle of one, or make a new one with create.")
        }
    }

    @Test func anUnknownHandleIsAToolErrorThatNamesItsMaker() async throws {
        try await self.withClient(principals: ["alice", "bob"]) { client in
            let alice = client.authenticated(as: "alice")
            let handle = try await self.create(alice)
            let answers = [
                try await alice.call("get", ["key": "k", "handle": Self.unknown]),
                try await alice.call("size", ["handle": "nonsense"]),
                try await alice.call("destroy", ["handle": Self.unknown]),
                try await client.authenticated(as: "bob").call("put", ["key": "k", "value": "v", "handle": handle]),
            ]
            for answer in answers {
                #expect(answer.isError && answer.text?.hasSuffix("Make a new one with create.") == true)
                #expect(answer.text == answers[0].text)
            }
        }
    }

    @Test func anAbsentKeyIsAToolErrorWithAdvice() async throws {
        try await self.withClient { client in
            let session = try await client.openSession()
            let absent = try await session.call("get", ["key": "k"])
            #expect(absent.isError)
            #expect(absent.text == "Nothing is kept under this key. Keep something there with put.")
        }
    }

    @Test func aCounterNeverOverflows() async throws {
        try await self.withClient { client in
            let session = try await client.openSession()
            _ = try await session.call("increment", ["by": .number(JSONNumber(Int.max))])
            let refused = try await session.call("increment", ["by": 1])
            #expect(refused.isError)
            #expect(try await session.call("increment", ["by": 0]).text == "\(Int.max)")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func concurrentUpdatesOfOneObjectAllTakeEffect(over transport: TestTransport) async throws {
        try await self.withClient(over: transport) { client in
            let handle = try await self.create(client)
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<40 {
                    group.addTask {
                        _ = try await client.call("increment", ["by": 1, "handle": handle])
                        _ = try await client.call(
                            "put", ["key": .string("key \(number)"), "value": "v", "handle": handle])
                    }
                }
            }
            #expect(try await client.call("increment", ["by": 0, "handle": handle]).text == "40")
            #expect(try await client.call("size", ["handle": handle]).structured?["values"] == 41)
        }
    }
}
