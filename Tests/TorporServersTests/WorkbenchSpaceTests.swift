import Testing
import Torpor
import TorporServers
import TorporTesting

/// Whose spaces are whose: principals, sessions, handles.
struct WorkbenchSpaceTests {
    private let server = BuiltInServer.workbench.make(version: "1")

    private func withClient(
        over transport: TestTransport = .memory, principals: [String] = [], limits: StateLimits? = nil,
        _ body: @Sendable (TestClient) async throws -> Void
    ) async throws {
        var options = TestOptions()
        options.principals = principals
        options.sleepsBetweenRequests = true
        options.state = limits.map { .inMemory(limits: $0) }
        try await withTestClient(self.server, over: transport, options: options, body)
    }

    private func createSpace(_ client: TestClient) async throws -> JSONValue {
        let made = try await client.call("create_space")
        return try #require(made.structured?["handle"])
    }

    private static func text(_ value: JSONValue) -> String { if case .string(let text) = value { text } else { "" } }

    @Test(arguments: TestTransport.allCases)
    func aClientWithoutNameOrSessionKeepsThingsInASpaceThatItMakes(over transport: TestTransport) async throws {
        try await self.withClient(over: transport) { client in
            let refused = try await client.call("save_note", ["title": "a", "text": "b"])
            #expect(refused.isError && refused.text?.contains("create_space") == true)
            let space = try await self.createSpace(client)
            _ = try await client.call("save_note", ["title": "Tea", "text": "green", "space": space])
            _ = try await client.call("remember", ["key": "k", "value": 1, "space": space])
            _ = try await client.call("create_table", ["name": "t", "columns": ["a"], "space": space])
            _ = try await client.call("insert_rows", ["table": "t", "rows": [["a": 5]], "space": space])
            #expect(try await client.call("read_note", ["title": "Tea", "space": space]).text == "green")
            #expect(try await client.call("recall", ["key": "k", "space": space]).text == "1")
            #expect(try await client.call("query_table", ["table": "t", "space": space]).structured?["rows"] == [[5]])
            // A session reaches it as well, beside its own.
            let session = try await client.openSession()
            #expect(try await session.call("read_note", ["title": "Tea", "space": space]).text == "green")
            #expect(try await session.call("read_note", ["title": "Tea"]).isError)
            _ = try await client.call("destroy_space", ["handle": space])
            let gone = try await client.call("read_note", ["title": "Tea", "space": space])
            #expect(gone.isError && gone.text?.contains("create_space") == true)
        }
    }

    @Test func everyToolTakesASpace() async throws {
        try await self.withClient { client in
            let listed = try await client.request("tools/list")
            guard case .array(let tools)? = listed.result?["tools"] else { throw Failure() }
            for tool in tools
            where !Self.text(tool["name"] ?? .null).hasSuffix("_space") && tool["name"] != "list_spaces" {
                #expect(tool["inputSchema"]?["properties"]?["space"]?["type"] == "string", "\(tool["name"] ?? .null)")
                #expect(tool["inputSchema"]?["required"].map { !$0.text.contains("space") } ?? true)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anAnonymousSessionHasASpaceOfItsOwnThatEndsWithIt(over transport: TestTransport) async throws {
        try await self.withClient(over: transport) { client in
            let (session, other) = (try await client.openSession(), try await client.openSession(.v2024_11_05))
            _ = try await session.call("save_note", ["title": "a", "text": "mine"])
            #expect(try await session.call("read_note", ["title": "a"]).text == "mine")
            #expect(try await session.request("resources/read", ["uri": "note:///a"]).result != nil)
            #expect(try await other.call("read_note", ["title": "a"]).isError)
            #expect(try await other.request("resources/read", ["uri": "note:///a"]).errorCode == -32002)
            #expect(try await session.endSession().status == 204)
            let gone = try await session.request("tools/list")
            #expect(gone.status == 404)
        }
    }

    @Test func aPrincipalHasOneSpaceInEverySessionAndMayMakeMore() async throws {
        try await self.withClient(principals: ["alice", "bob"]) { client in
            let alice = client.authenticated(as: "alice")
            let session = try await alice.openSession()
            _ = try await session.call("save_note", ["title": "a", "text": "one"])
            _ = try await session.endSession()
            #expect(try await alice.call("read_note", ["title": "a"]).text == "one")
            let space = try await self.createSpace(alice)
            #expect(try await alice.call("list_notes", ["space": space]).text == "There are no notes.")
            _ = try await alice.call("save_note", ["title": "a", "text": "two", "space": space])
            #expect(try await alice.call("read_note", ["title": "a"]).text == "one")
            #expect(try await alice.call("list_spaces").structured?["handles"] == .array([space]))
            let bob = client.authenticated(as: "bob")
            #expect(try await bob.call("read_note", ["title": "a", "space": space]).isError)
            #expect(try await bob.call("list_spaces").structured?["handles"] == [])
        }
    }

    @Test func notesAndTablesOfASpaceAreResources() async throws {
        try await self.withClient { client in
            let space = try await self.createSpace(client)
            _ = try await client.call("save_note", ["title": "50 %", "text": "half", "space": space])
            _ = try await client.call("create_table", ["name": "t", "columns": ["a"], "space": space])
            let handle = Self.text(space)
            let note = try await client.request("resources/read", ["uri": .string("note://\(handle)/50%20%25")])
            #expect(note.result?["contents"]?[0]?["text"] == "half")
            let table = try await client.request("resources/read", ["uri": .string("table://\(handle)/t")])
            #expect(table.result?["contents"]?[0]?["text"] == "a\n")
            for uri in ["note://\(handle)/none", "note://nonsense/x", "note:///50%20%25", "table:///t"] {
                #expect(try await client.request("resources/read", ["uri": .string(uri)]).errorCode == -32602)
            }
            let listed = try await client.request("resources/list")
            #expect(listed.result?["resources"]?[0]?["uri"] == "workbench://guide")
            #expect(listed.result?["resources"]?[1] == Optional<JSONValue>.none)
        }
    }

    @Test func promptsAndCompletionsReadTheSpaceThatIsNamed() async throws {
        try await self.withClient { client in
            let space = try await self.createSpace(client)
            _ = try await client.call("save_note", ["title": "Tea", "text": "green", "space": space])
            let prompt = try await client.request(
                "prompts/get", ["name": "summarize_notes", "arguments": ["topic": "tea", "space": space]])
            #expect(
                prompt.result?["messages"]?[1]?["content"]?["resource"]?["uri"]
                    == .string("note://\(Self.text(space))/Tea"))
            for arguments: JSONObject in [
                ["topic": "tea"], ["topic": "tea", "space": ""], ["topic": "tea", "space": "no"],
            ] {
                let refused = try await client.request(
                    "prompts/get", ["name": "summarize_notes", "arguments": .object(arguments)])
                #expect(refused.errorCode == -32602 && refused.errorMessage?.contains("create_space") == true)
            }
            for (context, values): (JSONValue, JSONValue) in [
                (["arguments": ["space": space]], ["Tea"]), (["arguments": ["space": "no"]], []), ([:], []),
            ] {
                let completed = try await client.request(
                    "completion/complete",
                    [
                        "ref": ["type": "ref/resource", "uri": "note://{space}/{title}"],
                        "argument": ["name": "title", "value": "t"], "context": context,
                    ])
                #expect(completed.result?["completion"]?["values"] == values)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func changesOfOneSpaceAtTheSameTimeAllArrive(over transport: TestTransport) async throws {
        try await self.withClient(over: transport, principals: ["alice"]) { client in
            let alice = client.authenticated(as: "alice")
            _ = try await alice.call("create_table", ["name": "t", "columns": ["a"]])
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<40 {
                    group.addTask {
                        _ = try await alice.call(
                            "insert_rows", ["table": "t", "rows": [["a": .number(JSONNumber(number))]]])
                        _ = try await alice.call("append_note", ["title": "log", "text": .string("\(number).")])
                    }
                }
            }
            let sum = try await alice.call(
                "query_table", ["table": "t", "aggregate": ["function": "sum", "column": "a"]])
            #expect(sum.structured?["rows"] == [[780]])
            let log = try await alice.call("read_note", ["title": "log"]).text ?? ""
            #expect(log.split(separator: "\n").count == 40)
        }
    }

    @Test func aFullSpaceIsAToolErrorThatSaysTheLimitAndChangesNothing() async throws {
        let limits = StateLimits(
            memory: MemoryLimits(objectMax: .kibibytes(16)), storage: StorageLimits(objectValuesMax: 20))
        try await self.withClient(principals: ["alice"], limits: limits) { client in
            let alice = client.authenticated(as: "alice")
            let long = JSONValue.string(String(repeating: "x", count: 20_000))
            let large = try await alice.call("save_note", ["title": "long", "text": long])
            #expect(large.isError && large.text?.contains("16 KiB") == true)
            for number in 0..<20 {
                _ = try await alice.call("remember", ["key": .string("key \(number)"), "value": 1])
            }
            let full = try await alice.call("remember", ["key": "one more", "value": 1])
            #expect(full.isError && full.text?.hasPrefix("The workbench is full.") == true)
            #expect(full.text?.contains("20 values") == true)
            #expect(try await alice.call("list_memory").structured?["total"] == 20)
            #expect(try await alice.call("list_notes").text == "There are no notes.")
            let guide = try await alice.request("resources/read", ["uri": "workbench://guide"])
            #expect(guide.result?["contents"]?[0]?["text"]?.text.contains("16 KiB") == true)
        }
    }

    private struct Failure: Error {}
}
