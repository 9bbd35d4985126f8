import Testing
import Torpor
import TorporTesting

/// Tools, resources, prompts and completion, in both eras.
@Suite struct FeatureTests {
    @Test(arguments: TestTransport.allCases)
    func aCallThatDoesNotFitItsSchemaTellsTheModelWhatToFix(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for client in [client, try await client.openSession(), try await client.openSession(.v2025_03_26)] {
                let result = try await client.call("add", ["left": "one", "right": 101, "middle": 1])
                #expect(result.isError)
                #expect(
                    result.text == """
                        The arguments do not fit the tool's input schema:
                        - /left: must be an integer, not a string.
                        - /right: must be at most 100, not 101.
                        - The arguments: has the unknown property "middle"; it takes left, right.
                        """)
                let missing = try await client.call("quick")
                #expect(missing.isError && missing.text?.contains("needs the property \"message\"") == true)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func failuresReachWhoCanActOnThem(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let tool = try await client.call("breaks", ["message": "tool"])
            #expect(tool.isError && tool.text == "Try something else.")
            let program = try await client.request(
                "tools/call", ["name": "breaks", "arguments": ["message": "protocol"]])
            #expect(program.errorCode == -32602 && program.status == 200)
            #expect(program.body?["error"]?["data"] == ["why": "because"])
            let secret = try await client.call("breaks", ["message": "secret"])
            #expect(secret.isError && secret.text == "The server failed at this call; its log says why.")
            let cancelled = try await client.request(
                "tools/call", ["name": "breaks", "arguments": ["message": "cancelled"]])
            #expect(cancelled.errorCode == -32603)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anUnknownToolIsAnErrorOfTheClientProgram(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let unknown = try await client.request("tools/call", ["name": "nowhere"])
                #expect(unknown.status == 200 && unknown.errorCode == -32602)
                let unnamed = try await client.request("tools/call", ["arguments": [:]])
                #expect(unnamed.errorCode == (client.revision.era == .modern ? -32020 : -32602))
                let shapeless = try await client.request("tools/call", ["name": "quick", "arguments": [1]])
                #expect(shapeless.errorCode == -32602)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aLegacyTaskParameterIsIgnored(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let params: JSONObject = ["name": "quick", "arguments": ["message": "hi"], "task": ["ttl": 1_000]]
                let response = try await client.request("tools/call", params)
                #expect(response.result?["content"]?[0]?["text"] == "hi")
                #expect(response.result?["task"] == nil)
                // A tool without arguments needs no member for them.
                let bare = try await client.request("tools/call", ["name": "who"])
                #expect(bare.result?["content"]?[0]?["text"] == "nobody")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func structuredContentGoesToThoseWhoKnowIt(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for revision in ProtocolRevision.allCases {
                let client = revision.era == .modern ? client : try await client.openSession(revision)
                let object = try await client.call("totals", ["left": 2, "right": 3])
                #expect(object.text == #"{"total":5,"exact":true}"#)
                #expect(
                    (object.structured == ["total": 5, "exact": true]) == (revision >= .v2025_06_18), "\(revision)")
                let array = try await client.call("raw", ["x": 7])
                #expect(array.text == "7")
                #expect((array.structured == ["a", 1, .null]) == (revision == .v2026_07_28), "\(revision)")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func contentIsShownAsEachRevisionKnowsIt(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for revision in ProtocolRevision.allCases {
                let client = revision.era == .modern ? client : try await client.openSession(revision)
                let result = try await client.call("media").result
                let blocks = try #require(result["content"]?.elements)
                let kinds = blocks.map { $0["type"]?.text ?? "" }
                #expect(
                    kinds == [
                        "\"text\"", "\"image\"", revision >= .v2025_03_26 ? "\"audio\"" : "\"text\"", "\"resource\"",
                        revision >= .v2025_06_18 ? "\"resource_link\"" : "\"text\"",
                    ], "\(revision)")
                #expect(blocks[1]["data"] == "AQID")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func listsShowWhatEachRevisionKnows(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for revision in ProtocolRevision.allCases {
                let client = revision.era == .modern ? client : try await client.openSession(revision)
                let tools = try #require(try await client.request("tools/list").result)
                #expect(tools["tools"]?[0]?["name"] == "add")
                #expect((tools["tools"]?[0]?["title"] != nil) == (revision >= .v2025_06_18))
                #expect((tools["tools"]?[0]?["annotations"] != nil) == (revision >= .v2025_03_26))
                #expect((tools["tools"]?[0]?["icons"] != nil) == (revision >= .v2025_11_25))
                #expect((tools["tools"]?[2]?["outputSchema"] != nil) == (revision >= .v2025_06_18))
                #expect((tools["resultType"] != nil) == (revision == .v2026_07_28))
                #expect(
                    tools["tools"]?[0]?["inputSchema"] == [
                        "type": "object",
                        "properties": [
                            "left": ["type": "integer", "description": "The first."],
                            "right": ["type": "integer", "description": "The second.", "minimum": 0, "maximum": 100],
                        ],
                        "required": ["left", "right"], "additionalProperties": false,
                    ])
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aListIsReadPageByPage(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(pageSize: 2), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let whole = try await Self.names(client, "tools/list", "tools")
                #expect(whole == ["add", "quick", "totals", "raw", "media", "breaks", "waits", "who", "client"])
                let resources = try await Self.names(client, "resources/list", "resources")
                #expect(resources == ["fixed", "read", "empty"])
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCursorThatIsNotOfTheListIsRefused(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(pageSize: 2), over: transport) { client in
            let tools = try #require(try await client.request("tools/list").result?["nextCursor"])
            for cursor in ["", "nonsense", .null, 7, "AAAAAAAAAAI"] as [JSONValue] {
                #expect(try await client.request("tools/list", ["cursor": cursor]).errorCode == -32602, "\(cursor)")
            }
            #expect(try await client.request("resources/list", ["cursor": tools]).errorCode == -32602)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func resourcesAreReadAndMissedAsEachEraDoes(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let read = try await client.request("resources/read", ["uri": "test://read"])
                #expect(
                    read.result?["contents"]?[0] == ["uri": "test://read", "mimeType": "text/plain", "text": "one"])
                #expect(
                    read.result?["contents"]?[1] == [
                        "uri": "test://read/2", "mimeType": "application/octet-stream", "blob": "/w==",
                    ])
                let item = try await client.request("resources/read", ["uri": "test://item/a%20b"])
                #expect(item.result?["contents"]?[0]?["text"] == "item a b")
                for uri in ["test://nowhere", "test://item/none", "test://empty", "test://item/a/b"] {
                    let missing = try await client.request("resources/read", ["uri": .string(uri)])
                    #expect(
                        missing.status == 200
                            && missing.errorCode == (client.revision.era == .modern ? -32602 : -32002), "\(missing)")
                    #expect(missing.body?["error"]?["data"]?["uri"] == .string(uri))
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aPromptNeedsItsRequiredArguments(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let greeting = try await client.request("prompts/get", ["name": "greet", "arguments": ["name": "Ada"]])
                #expect(
                    greeting.result?["messages"] == [
                        ["role": "user", "content": ["type": "text", "text": "Greet Ada plainly."]],
                        ["role": "assistant", "content": ["type": "text", "text": "Hello!"]],
                    ])
                for params in [
                    ["name": "nobody"], ["name": "greet"], ["name": "greet", "arguments": ["name": 1]],
                    ["name": "greet", "arguments": ["name": "Ada", "colour": "red"]],
                    ["name": "greet", "arguments": []],
                ] as [JSONObject] {
                    #expect(try await client.request("prompts/get", params).errorCode == -32602, "\(params)")
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCompletionProposesAtMostAHundredValues(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let many = try await client.request(
                    "completion/complete",
                    ["ref": ["type": "ref/prompt", "name": "greet"], "argument": ["name": "name", "value": "A"]])
                let values = try #require(many.result?["completion"]?["values"]?.elements, "\(many)")
                #expect(values.count == 100 && values.first == "A0")
                #expect(many.result?["completion"]?["total"] == 150)
                #expect(many.result?["completion"]?["hasMore"] == true)
                let few = try await client.request(
                    "completion/complete",
                    [
                        "ref": ["type": "ref/resource", "uri": "test://item/{id}"],
                        "argument": ["name": "id", "value": "AL"],
                    ])
                #expect(few.result?["completion"] == ["values": ["alpha", "album"], "total": 2, "hasMore": false])
                let none = try await client.request(
                    "completion/complete",
                    ["ref": ["type": "ref/prompt", "name": "greet"], "argument": ["name": "tone", "value": ""]])
                #expect(none.result?["completion"]?["values"] == [])
                for params in [
                    ["ref": ["type": "ref/prompt", "name": "nobody"], "argument": ["name": "name", "value": ""]],
                    ["ref": ["type": "ref/prompt", "name": "greet"], "argument": ["name": "shoe", "value": ""]],
                    ["ref": ["type": "ref/thing", "name": "greet"], "argument": ["name": "name", "value": ""]],
                    ["argument": [:]], [:],
                ] as [JSONObject] {
                    #expect(try await client.request("completion/complete", params).errorCode == -32602, "\(params)")
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func idsComeBackAsTheyWereSent(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for id in ["1", "-7", "0", "9007199254740993", #""a\u0062""#, #""""#, #""1""#] {
                var request = client.makeRequest("tools/list")
                request.replace("\"id\":1", by: "\"id\":\(id)")
                let response = try await client.send(request)
                let sent = try JSONValue(parsing: id)
                #expect(response.id == sent && response.result != nil, "\(id)")
            }
            for id in ["null", "1.5", "1e2", "true", "{}", "[1]"] {
                var request = client.makeRequest("tools/list")
                request.replace("\"id\":1", by: "\"id\":\(id)")
                let response = try await client.send(request)
                #expect(
                    response.status == 400 && response.errorCode == -32600 && response.id == nil, "\(id): \(response)")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func whatIsNoRequestIsRefused(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let cases: [(body: String, code: Int, id: JSONValue?)] = [
                ("{", -32700, nil), ("\u{FEFF}{}", -32700, nil),
                (#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, -32700, nil),
                ("[]", -32600, nil), (#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, nil), ("7", -32600, nil),
                (#"{"id":1,"method":"ping"}"#, -32600, 1), (#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, 1),
                (#"{"jsonrpc":"2.0","id":1}"#, -32600, 1), (#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, 1),
                (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32600, 1),
                (#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, -32600, 1),
                (
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"quick","na\u006de":"add"}}"#,
                    -32600, 1
                ),
                (#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600, nil),
            ]
            for refused in cases {
                var request = client.makeRequest("ping")
                request.body = Array(refused.body.utf8)
                let response = try await client.send(request)
                #expect(
                    response.status == 400 && response.errorCode == refused.code && response.id == refused.id,
                    "\(refused): \(response)")
                #expect(response.headers["mcp-session-id"] == nil)
            }
        }
    }

    /// The names on all pages of a list.
    private static func names(_ client: TestClient, _ method: String, _ member: String) async throws -> [String] {
        var names: [String] = []
        var params: JSONObject = [:]
        var pages = 0
        while true {
            let result = try #require(try await client.request(method, params).result)
            let entries = try #require(result[member]?.elements)
            #expect(entries.count <= 2)
            for case .string(let name)? in entries.map({ $0["name"] }) { names.append(name) }
            pages += 1
            guard let cursor = result["nextCursor"], pages < 20 else { return names }
            params["cursor"] = cursor
        }
    }
}

/// Arguments that clients repeat in headers (2026-07-28, transports, custom headers).
@Suite struct MirroredArgumentTests {
    private static let server = MCPServer(name: "mirrors", version: "1") {
        Tool(
            "deploy", "Deploys.",
            inputSchema: JSONSchema([
                "type": "object",
                "properties": [
                    "region": ["type": "string", "x-mcp-header": "Region"],
                    "target": [
                        "type": "object", "properties": ["count": ["type": "integer", "x-mcp-header": "Count"]],
                    ],
                    "dry": ["type": "boolean", "x-mcp-header": "Dry"],
                ],
            ])
        ) { _, _ in "deployed" }
    }

    @Test(arguments: TestTransport.allCases)
    func aHeaderSaysWhatItsArgumentSays(over transport: TestTransport) async throws {
        let cases: [(arguments: JSONObject, headers: [String: String], isAccepted: Bool)] = [
            ([:], [:], true), (["region": .null], [:], true), (["region": "eu"], ["mcp-param-REGION": "eu"], true),
            (["region": "eu"], ["Mcp-Param-Region": "=?base64?ZXU=?="], true),
            (["region": "zürich"], ["Mcp-Param-Region": "=?base64?esO8cmljaA==?="], true),
            (["region": "eu", "target": ["count": 42]], ["Mcp-Param-Region": "eu", "Mcp-Param-Count": "42.0"], true),
            (["dry": true], ["Mcp-Param-Dry": "true", "Mcp-Param-Unknown": "x"], true),
            (["region": "eu"], [:], false), (["region": "eu"], ["Mcp-Param-Region": "us"], false),
            (["region": "eu"], ["Mcp-Param-Region": "=?base64?ZXU?="], false),
            (["region": "eu"], ["Mcp-Param-Region": "=?base64?Z!U=?="], false),
            ([:], ["Mcp-Param-Region": "eu"], false), (["region": .null], ["Mcp-Param-Region": "eu"], false),
            (["target": ["count": 42]], ["Mcp-Param-Count": "43"], false),
            (["target": ["count": 42]], ["Mcp-Param-Count": "x"], false),
            (["dry": true], ["Mcp-Param-Dry": "True"], false),
        ]
        try await withTestClient(Self.server, over: transport) { client in
            for (arguments, headers, isAccepted) in cases {
                var request = client.makeRequest("tools/call", ["name": "deploy", "arguments": .object(arguments)])
                request.headers.merge(headers) { $1 }
                let response = try await client.send(request)
                #expect(response.status == (isAccepted ? 200 : 400), "\(arguments) \(headers): \(response)")
                #expect(response.errorCode == (isAccepted ? nil : -32020))
            }
            // Sessions know nothing of it.
            #expect(try await client.openSession().call("deploy", ["region": "eu"]).text == "deployed")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aResultThatBreaksItsOwnSchemaIsAFailureOfTheServer(over transport: TestTransport) async throws {
        let schema = JSONSchema(["type": "object", "properties": ["n": ["type": "integer"]], "required": ["n"]])
        let server = MCPServer(name: "outputs", version: "1") {
            Tool(
                "result", "Returns what it is given.", inputSchema: JSONSchema(["type": "object"]), outputSchema: schema
            ) {
                arguments, _ in
                ToolResult([.text("x")], structuredContent: arguments["out"])
            }
        }
        try await withTestClient(server, over: transport) { client in
            #expect(try await client.call("result", ["out": ["n": 1]]).structured == ["n": 1])
            for wrong: JSONObject in [["out": ["n": "1"]], ["out": [:]], [:]] {
                let response = try await client.request(
                    "tools/call", ["name": "result", "arguments": .object(wrong)])
                #expect(response.errorCode == -32603, "\(wrong)")
            }
        }
    }
}
