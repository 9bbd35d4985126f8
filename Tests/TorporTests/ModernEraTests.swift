import Testing
import Torpor
import TorporTesting

/// How a 2026-07-28 request is checked and answered.
@Suite struct ModernEraTests {
    private static let metaPrefix = "io.modelcontextprotocol/"

    @Test(arguments: TestTransport.allCases)
    func discoveryTellsVersionsCapabilitiesAndWhoServes(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let result = try #require(try await client.request("server/discover").result)
            #expect(result["supportedVersions"] == ["2026-07-28"])
            #expect(
                result["capabilities"] == [
                    "completions": [:], "logging": [:], "prompts": [:], "resources": [:], "tools": [:],
                ])
            #expect(result["resultType"] == "complete")
            #expect(result["ttlMs"] == 300_000)
            #expect(result["cacheScope"] == "public")
            #expect(result["instructions"] == "Ask for anything.")
            #expect(result["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "fixture")
            #expect(result["serverInfo"] == nil)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func everyResultSaysItIsCompleteAndWhoServed(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for (method, params) in Self.requests {
                let response = try await client.request(method, params)
                let result = try #require(response.result, "\(method): \(response)")
                #expect(response.status == 200)
                #expect(result["resultType"] == "complete", "\(method)")
                #expect(result["_meta"]?["io.modelcontextprotocol/serverInfo"]?["version"] == "1.2.3", "\(method)")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func cachingHintsAreOnTheSixCacheableResultsAlone(over transport: TestTransport) async throws {
        let cacheable: Set = [
            "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list",
            "resources/read",
        ]
        try await withTestClient(fixtureServer(), over: transport) { client in
            for (method, params) in Self.requests {
                let result = try #require(try await client.request(method, params).result)
                #expect((result["ttlMs"] != nil) == cacheable.contains(method), "\(method)")
                #expect((result["cacheScope"] != nil) == cacheable.contains(method), "\(method)")
            }
            let read = try #require(try await client.request("resources/read", ["uri": "test://read"]).result)
            #expect(read["ttlMs"] == 3_000)
            #expect(read["cacheScope"] == "private")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func missingMetadataIsToldBeforeAnyHeader(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for missing in ["protocolVersion", "clientCapabilities"] {
                var request = client.makeRequest("tools/list")
                request.headers["MCP-Protocol-Version"] = "2026-07-28"
                request.headers["Mcp-Method"] = nil
                let other = missing == "protocolVersion" ? "clientCapabilities\":{}" : "protocolVersion\":\"v999\""
                request.body = Array(
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"\#(Self.metaPrefix)\#(other)}}}"#
                        .utf8)
                let response = try await client.send(request)
                #expect(response.status == 400 && response.errorCode == -32602 && response.id == 1, "\(response)")
            }
            var bare = client.makeRequest("tools/list")
            bare.body = Array(#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{}}"#.utf8)
            let response = try await client.send(bare)
            #expect(response.status == 400 && response.errorCode == -32602 && response.id == "a", "\(response)")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aClientThatDoesNotSayItsNameIsServed(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let response = try await client.request("tools/list")
            #expect(response.status == 200)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anUnsupportedVersionIsToldWithTheSupportedOnes(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for version in ["v999.0.0", "2025-11-25", "2031-01-01"] {
                var request = client.makeRequest("tools/list")
                request.headers["MCP-Protocol-Version"] = version
                request.replace("2026-07-28", by: version)
                let response = try await client.send(request)
                #expect(response.status == 400 && response.errorCode == -32022)
                #expect(
                    response.body?["error"]?["data"] == ["supported": ["2026-07-28"], "requested": .string(version)])
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func headersThatContradictTheBodyAreRefused(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let call: JSONObject = ["name": "quick", "arguments": ["message": "hi"]]
            let changes: [(header: String, value: String?, isAccepted: Bool)] = [
                ("MCP-Protocol-Version", nil, false), ("MCP-Protocol-Version", "2025-11-25", false),
                ("Mcp-Method", nil, false), ("Mcp-Method", "tools/list", false), ("Mcp-Method", "TOOLS/CALL", false),
                ("Mcp-Name", nil, false), ("Mcp-Name", "add", false), ("Mcp-Name", "  quick  ", true),
                ("Mcp-Name", "=?base64?cXVpY2s=?=", true), ("Mcp-Name", "=?base64?cXVpY2s?=", false),
                ("Mcp-Name", "=?base64?cXVp!!!pY2s=?=", false), ("Mcp-Name", "=?base64?cXVpY2s=", false),
            ]
            for change in changes {
                var request = client.makeRequest("tools/call", call)
                request.headers[change.header] = change.value
                let response = try await client.send(request)
                if change.isAccepted {
                    #expect(response.status == 200 && response.errorCode == nil, "\(change)")
                } else {
                    #expect(
                        response.status == 400 && response.errorCode == -32020 && response.id == 1,
                        "\(change): \(response)")
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func theVersionHeaderIsComparedBeforeItsSupport(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            var request = client.makeRequest("tools/list")
            request.replace("2026-07-28", by: "v999.0.0")
            let response = try await client.send(request)
            #expect(response.errorCode == -32020)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func methodsOfOtherErasAreNotFound(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for method in [
                "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
                "unknown/method", "tasks/list",
                "tasks/result", "notifications/initialized", "subscriptions/listen",
            ] {
                let response = try await client.request(method)
                #expect(
                    response.status == 404 && response.errorCode == -32601 && response.id == 1, "\(method): \(response)"
                )
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func methodsOfCapabilitiesThatAreNotOfferedAreNotFound(over transport: TestTransport) async throws {
        let server = MCPServer(name: "tools-only", version: "1") { Tool("nothing", "Does nothing.") { _ in "" } }
        try await withTestClient(server, over: transport) { client in
            let discovery = try await client.request("server/discover")
            #expect(discovery.result?["capabilities"] == ["logging": [:], "tools": [:]])
            for (method, params) in Self.requests where !method.hasPrefix("tools/") && method != "server/discover" {
                let response = try await client.request(method, params)
                #expect(response.status == 404 && response.errorCode == -32601, "\(method): \(response)")
                let session = try await client.openSession()
                let legacy = try await session.request(method, params)
                #expect(legacy.status == 200 && legacy.errorCode == -32601, "\(method): \(legacy)")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionIdMeansNothingInTheModernEra(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            var request = client.makeRequest("tools/list")
            request.headers["Mcp-Session-Id"] = "no such session"
            request.headers["Last-Event-ID"] = "7"
            let response = try await client.send(request)
            #expect(response.status == 200)
            #expect(response.headers["mcp-session-id"] == nil)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func capabilitiesAreThoseOfTheRequestAlone(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let able = try await client.declaring(["sampling": [:], "elicitation": [:]]).call("client")
            let unable = try await client.call("client")
            #expect(able.text == "2026-07-28 true true")
            #expect(unable.text == "2026-07-28 false false")
        }
    }

    private static let requests: [(String, JSONObject)] = [
        ("server/discover", [:]), ("tools/list", [:]),
        ("tools/call", ["name": "add", "arguments": ["left": 1, "right": 2]]),
        ("prompts/list", [:]), ("prompts/get", ["name": "greet", "arguments": ["name": "Ada"]]),
        ("resources/list", [:]),
        ("resources/templates/list", [:]), ("resources/read", ["uri": "test://fixed"]),
        (
            "completion/complete",
            ["ref": ["type": "ref/prompt", "name": "greet"], "argument": ["name": "name", "value": "A"]]
        ),
    ]
}

extension TestRequest {
    /// Changes a text in the body.
    mutating func replace(_ text: String, by other: String) {
        self.body = Array(String(decoding: self.body, as: UTF8.self).replacing(text, with: other).utf8)
    }
}
