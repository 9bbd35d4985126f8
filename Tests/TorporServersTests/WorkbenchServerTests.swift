import Testing
import Torpor
import TorporServers
import TorporTesting

struct WorkbenchServerTests {
    private let server = BuiltInServer.workbench.make(version: "1.2.3")

    /// - Parameter sleeps: Whether everything is put to sleep after each answer; nothing may depend on it.
    private func withAlice(
        over transport: TestTransport = .memory, sleeps: Bool, _ body: @Sendable (TestClient) async throws -> Void
    ) async throws {
        var options = TestOptions()
        options.principals = ["alice"]
        options.sleepsBetweenRequests = sleeps
        try await withTestClient(self.server, over: transport, options: options) { client in
            try await body(client.authenticated(as: "alice"))
        }
    }

    /// The text of a call that must succeed.
    private static func text(
        _ client: TestClient, _ tool: String, _ arguments: JSONObject = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await client.call(tool, arguments)
        #expect(!result.isError, "\(result.result)", sourceLocation: sourceLocation)
        return try #require(result.text, sourceLocation: sourceLocation)
    }

    // MARK: Tools

    @Test(arguments: [false, true])
    func theToolsAreListedWithTheirHints(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let response = try await client.request("tools/list")
            guard case .array(let tools)? = response.result?["tools"] else {
                Issue.record("no tools: \(response)")
                return
            }
            var names: [String] = []
            for tool in tools {
                guard case .string(let name)? = tool["name"] else { continue }
                names.append(name)
                let isReading = ["read_", "list_", "search_", "recall", "query_", "describe_"].contains {
                    name.hasPrefix($0)
                }
                let isAdding = ["append_note", "create_table", "insert_rows", "create_space"].contains(name)
                #expect(tool["annotations"]?["readOnlyHint"] == .bool(isReading), "\(name)")
                if !isReading { #expect(tool["annotations"]?["destructiveHint"] == .bool(!isAdding), "\(name)") }
                #expect(tool["annotations"]?["openWorldHint"] == false, "\(name)")
            }
            #expect(
                names == [
                    "save_note", "append_note", "read_note", "list_notes", "search_notes", "delete_note", "remember",
                    "recall",
                    "forget", "list_memory", "create_table", "insert_rows", "query_table", "update_rows", "delete_rows",
                    "describe_table", "list_tables", "drop_table", "create_space", "destroy_space", "list_spaces",
                ])
        }
    }

    @Test(arguments: TestTransport.allCases, [false, true])
    func aNoteIsSavedFoundReadAndDeleted(over transport: TestTransport, sleeps: Bool) async throws {
        try await self.withAlice(over: transport, sleeps: sleeps) { client in
            let saved = try await client.call(
                "save_note", ["title": "Tea", "text": "Buy green tea.", "tags": ["shop"]])
            #expect(saved.text == "Saved a new note \"Tea\", 14 bytes.")
            #expect(saved.structured == ["title": "Tea", "is_new": true, "bytes": 14])
            #expect(
                try await Self.text(client, "append_note", ["title": "Tea", "text": "And cups."]).hasPrefix("Changed"))
            let read = try await client.call("read_note", ["title": "Tea"])
            #expect(read.text == "Buy green tea.\nAnd cups.")
            #expect(read.structured?["tags"] == ["shop"])
            #expect(try await Self.text(client, "list_notes", ["tag": "shop"]) == "Notes (1):\n- Tea [shop] (24 bytes)")
            #expect(try await Self.text(client, "list_notes", ["tag": "other"]) == "There are no notes.")
            let hits = try await client.call("search_notes", ["query": "CUPS"])
            #expect(hits.structured?["hits"]?[0]?["excerpt"] == "Buy green tea. And cups.")
            #expect(try await Self.text(client, "delete_note", ["title": "Tea"]) == "Deleted the note \"Tea\".")
            #expect(try await client.call("read_note", ["title": "Tea"]).isError)
        }
    }

    @Test(arguments: [false, true])
    func aSearchAnswersAsManyNotesAsAskedForAndTellsTheTotal(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            for number in 0..<12 {
                _ = try await Self.text(client, "save_note", ["title": .string("note \(number)"), "text": "word"])
            }
            #expect(
                try await Self.text(client, "search_notes", ["query": "word"]).hasPrefix("Notes that match (10 of 12):")
            )
            #expect(
                try await Self.text(client, "search_notes", ["query": "word", "limit": 1])
                    == "Notes that match (1 of 12):\n- note 11: word")
            #expect(try await client.call("search_notes", ["query": "word", "limit": 51]).isError)
        }
    }

    @Test(arguments: [false, true])
    func anyJSONIsRememberedAndTextsAreAnsweredPlain(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            for (value, text) in [("teal", "teal"), (["a": [1, .null]], "{\"a\":[1,null]}"), (.null, "null")]
                as [(JSONValue, String)]
            {
                _ = try await Self.text(client, "remember", ["key": "k", "value": value])
                let recalled = try await client.call("recall", ["key": "k"])
                #expect(recalled.text == text)
                #expect(recalled.structured == ["key": "k", "value": value])
            }
            #expect(try await Self.text(client, "list_memory", ["prefix": "k"]) == "Keys (1):\n- k: null")
            #expect(try await Self.text(client, "forget", ["key": "k"]) == "Forgot \"k\".")
            #expect(try await client.call("recall", ["key": "k"]).isError)
            #expect(try await client.call("remember", ["key": "k"]).isError)
        }
    }

    @Test(arguments: [false, true])
    func aTableIsMadeFilledQueriedChangedAndDropped(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let columns: JSONValue = ["name", "grams"]
            _ = try await Self.text(client, "create_table", ["name": "birds", "columns": columns])
            let rows: JSONValue = [["name": "swift", "grams": 40], ["name": "wren", "grams": 9], ["name": "swan"]]
            let inserted = try await client.call("insert_rows", ["table": "birds", "rows": rows])
            #expect(inserted.text == "Rows inserted: 3. Rows in birds now: 3.")
            #expect(inserted.structured == ["table": "birds", "changed": 3, "rows": 3])
            let query: JSONObject = [
                "table": "birds", "where": [["column": "grams", "op": "lt", "value": 100]], "order_by": "grams",
                "limit": 1,
            ]
            let found = try await client.call("query_table", query)
            #expect(found.text == "Rows: 1 of 2\nname,grams\nwren,9\n")
            #expect(found.structured == ["columns": columns, "rows": [["wren", 9]], "total": 2])
            let missing: JSONValue = [["column": "grams", "op": "eq", "value": .null]]
            _ = try await Self.text(
                client, "update_rows", ["table": "birds", "where": missing, "set": ["grams": 11_000]])
            #expect(
                try await Self.text(
                    client, "query_table", ["table": "birds", "aggregate": ["function": "sum", "column": "grams"]])
                    == "Rows: 1 of 1\nsum(grams)\n11049\n")
            #expect(
                try await Self.text(client, "describe_table", ["table": "birds"]).contains("- grams: number, 3 filled"))
            #expect(
                try await Self.text(client, "delete_rows", ["table": "birds", "where": []]).hasPrefix(
                    "Rows deleted: 3."))
            #expect(try await Self.text(client, "list_tables") == "- birds (name, grams), rows: 0")
            _ = try await Self.text(client, "drop_table", ["name": "birds"])
            #expect(try await client.call("query_table", ["table": "birds"]).isError)
        }
    }

    @Test(arguments: [false, true])
    func argumentsThatDoNotFitAreToldToTheModel(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let query: JSONObject = ["table": "t", "where": [["column": "c", "op": "like", "value": 1]]]
            let result = try await client.call("query_table", query)
            #expect(result.isError)
            #expect(result.text?.contains("/where/0/op: must be one of \"eq\"") == true)
            #expect(try await client.call("query_table", ["table": "t", "limit": 501]).isError)
            let rows = JSONValue.array([JSONValue](repeating: [:], count: 501))
            let insert = try await client.call("insert_rows", ["table": "t", "rows": rows])
            #expect(insert.text?.contains("must have at most 500 elements, not 501") == true)
        }
    }

    @Test(arguments: [false, true])
    func bothErasSeeTheSameNotes(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let legacy = try await client.openSession(.v2025_11_25)
            _ = try await Self.text(legacy, "save_note", ["title": "bridge", "text": "mind the gap"])
            #expect(try await Self.text(client, "read_note", ["title": "bridge"]) == "mind the gap")
        }
    }

    @Test(arguments: [false, true])
    func aClientOfTheFirstRevisionLearnsEverythingFromTheText(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let old = try await client.openSession(.v2024_11_05)
            _ = try await Self.text(old, "save_note", ["title": "a", "text": "b", "tags": ["c"]])
            let listed = try await old.call("list_notes")
            #expect(listed.structured == Optional<JSONValue>.none)
            #expect(listed.text == "Notes (1):\n- a [c] (1 bytes)")
        }
    }

    @Test(arguments: [false, true])
    func onePrincipalNeverSeesTheStateOfAnother(sleeps: Bool) async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        options.sleepsBetweenRequests = sleeps
        try await withTestClient(self.server, over: .memory, options: options) { client in
            let alice = client.authenticated(as: "alice")
            let bob = client.authenticated(as: "bob")
            _ = try await Self.text(alice, "save_note", ["title": "diary", "text": "dear diary"])
            #expect(try await bob.call("read_note", ["title": "diary"]).isError)
            #expect(try await bob.request("resources/read", ["uri": "note:///diary"]).errorCode == -32602)
            let listed = try await bob.request("resources/list")
            #expect(listed.result?["resources"]?[1] == Optional<JSONValue>.none)
            let completion = try await bob.request(
                "completion/complete",
                [
                    "ref": ["type": "ref/resource", "uri": "note:///{title}"],
                    "argument": ["name": "title", "value": "d"],
                ])
            #expect(completion.result?["completion"]?["values"] == [])
        }
    }

    // MARK: Resources

    @Test(arguments: [false, true])
    func theGuideNamesTheLimits(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let response = try await client.request("resources/read", ["uri": "workbench://guide"])
            guard case .string(let guide)? = response.result?["contents"]?[0]?["text"] else {
                Issue.record("no guide: \(response)")
                return
            }
            for limit in ["8 MiB", "10000", "256 KiB", "200 characters", "7d"] { #expect(guide.contains(limit)) }
        }
    }

    @Test(arguments: [false, true])
    func aNoteIsAResourceUnderItsEscapedTitle(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            _ = try await Self.text(client, "save_note", ["title": "50 % off/größe?", "text": "text"])
            let listed = try await client.request("resources/list")
            let uri: JSONValue = "note:///50%20%25%20off%2Fgr%C3%B6%C3%9Fe%3F"
            #expect(listed.result?["resources"]?[0]?["uri"] == uri)
            #expect(listed.result?["resources"]?[0]?["name"] == "50 % off/größe?")
            let read = try await client.request("resources/read", ["uri": uri])
            #expect(read.result?["contents"]?[0]?["text"] == "text")
            #expect(read.result?["contents"]?[0]?["uri"] == uri)
        }
    }

    @Test(arguments: [false, true])
    func aTableIsAResourceInCSV(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            _ = try await Self.text(client, "create_table", ["name": "birds", "columns": ["name"]])
            _ = try await Self.text(client, "insert_rows", ["table": "birds", "rows": [["name": "wren"]]])
            let read = try await client.request("resources/read", ["uri": "table:///birds"])
            #expect(read.result?["contents"]?[0]?["text"] == "name\nwren\n")
            #expect(read.result?["contents"]?[0]?["mimeType"] == "text/csv")
            let completion = try await client.request(
                "completion/complete",
                [
                    "ref": ["type": "ref/resource", "uri": "table:///{name}"],
                    "argument": ["name": "name", "value": "B"],
                ])
            #expect(completion.result?["completion"]?["values"] == ["birds"])
        }
    }

    @Test(arguments: [false, true])
    func aMissingNoteHasTheCodeOfItsEra(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            #expect(try await client.request("resources/read", ["uri": "note:///none"]).errorCode == -32602)
            let legacy = try await client.openSession()
            #expect(try await legacy.request("resources/read", ["uri": "note:///none"]).errorCode == -32002)
        }
    }

    // MARK: Prompts

    private static func prompt(_ client: TestClient, _ name: String, _ arguments: JSONObject) async throws
        -> [JSONValue]
    {
        let response = try await client.request(
            "prompts/get", ["name": .string(name), "arguments": .object(arguments)])
        guard case .array(let messages)? = response.result?["messages"] else {
            throw TestFailure(description: "\(response)")
        }
        return messages.compactMap { $0["content"] }
    }

    @Test(arguments: [false, true])
    func aSummaryEmbedsTheNotesOnItsTopic(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            _ = try await Self.text(client, "save_note", ["title": "one", "text": "about tea", "tags": ["drinks"]])
            _ = try await Self.text(client, "save_note", ["title": "two", "text": "unrelated"])
            let contents = try await Self.prompt(client, "summarize_notes", ["topic": "drinks"])
            #expect(contents.count == 2)
            #expect(contents[0]["text"]?.text.contains("drinks") == true)
            #expect(contents[1]["resource"] == ["uri": "note:///one", "mimeType": "text/plain", "text": "about tea"])
            #expect(try await Self.prompt(client, "summarize_notes", ["topic": "space travel"]).count == 1)
        }
    }

    @Test(arguments: [false, true])
    func aSummaryEmbedsAtMost64KiBAndNamesTheRest(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            let half = JSONValue.string(String(repeating: "x", count: 32_768))
            for title in ["a", "b"] as [JSONValue] {
                _ = try await Self.text(client, "save_note", ["title": title, "text": half, "tags": ["t"]])
            }
            #expect(try await Self.prompt(client, "summarize_notes", ["topic": "t"]).count == 3)
            _ = try await Self.text(client, "save_note", ["title": "c", "text": "y", "tags": ["t"]])
            let contents = try await Self.prompt(client, "summarize_notes", ["topic": "t"])
            #expect(contents.count == 3)
            #expect(
                contents[0]["text"]?.text.contains("2 of 3; read the others with read_note, such as \\\"a\\\"") == true)
        }
    }

    @Test(arguments: [false, true])
    func aPlanNamesTheGoalAndWhatTheWorkbenchHolds(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            _ = try await Self.text(client, "save_note", ["title": "kitchen", "text": "paint the kitchen green"])
            _ = try await Self.text(client, "remember", ["key": "budget", "value": 500])
            _ = try await Self.text(client, "create_table", ["name": "costs", "columns": ["item"]])
            let contents = try await Self.prompt(client, "plan_work", ["goal": "Renovate the kitchen."])
            let request = contents[0]["text"]?.text ?? ""
            for part in ["Renovate the kitchen.", "costs", "budget"] { #expect(request.contains(part)) }
            #expect(contents[1]["resource"]?["uri"] == "note:///kitchen")
        }
    }

    @Test(arguments: [false, true])
    func aTopicIsCompletedFromTagsThenTitles(sleeps: Bool) async throws {
        try await self.withAlice(sleeps: sleeps) { client in
            _ = try await Self.text(client, "save_note", ["title": "Teapot", "text": "", "tags": ["tea", "other"]])
            let response = try await client.request(
                "completion/complete",
                [
                    "ref": ["type": "ref/prompt", "name": "summarize_notes"],
                    "argument": ["name": "topic", "value": "te"],
                ])
            #expect(response.result?["completion"]?["values"] == ["tea", "Teapot"])
        }
    }
}

private struct TestFailure: Error, CustomStringConvertible {
    let description: String
}
