import Testing
import Torpor
import TorporTesting

/// The handshake, sessions, and what belongs to neither era.
@Suite struct LegacyEraTests {
    @Test(arguments: TestTransport.allCases)
    func aKnownRevisionIsAgreedToAndAnyOtherGetsTheNewestLegacyOne(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for revision in ProtocolRevision.allCases where revision.era == .legacy {
                #expect(try await client.openSession(revision).revision == revision)
            }
            for version in ["2026-07-28", "2030-01-01"] {
                let offered = try await client.under(.v2025_11_25).request(
                    "initialize",
                    [
                        "protocolVersion": .string(version), "capabilities": [:],
                        "clientInfo": ["name": "x", "version": "1"],
                    ])
                #expect(offered.result?["protocolVersion"] == "2025-11-25")
            }
            let unknown = try await client.under(.v2025_11_25).request(
                "initialize",
                ["protocolVersion": "1999-01-01", "capabilities": [:], "clientInfo": ["name": "x", "version": "1"]])
            #expect(unknown.result?["protocolVersion"] == "2025-11-25")
            #expect(
                unknown.result?["capabilities"] == [
                    "completions": [:], "logging": [:], "prompts": [:], "resources": [:], "tools": [:],
                ])
            #expect(unknown.result?["serverInfo"]?["name"] == "fixture")
            #expect(unknown.result?["instructions"] == "Ask for anything.")
            #expect(unknown.result?["resultType"] == nil)
            let old = try await client.under(.v2024_11_05).request(
                "initialize",
                ["protocolVersion": "2024-11-05", "capabilities": [:], "clientInfo": ["name": "x", "version": "1"]])
            #expect(old.result?["capabilities"] == ["logging": [:], "prompts": [:], "resources": [:], "tools": [:]])
            #expect(old.result?["serverInfo"] == ["name": "fixture", "version": "1.2.3"])
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionIdIsPrintableAndNoneIsLikeAnother(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            var ids: Set<String> = []
            for _ in 0..<50 {
                let id = try #require(try await client.openSession().sessionID)
                #expect(id.utf8.allSatisfy { (0x21...0x7E).contains($0) })
                ids.insert(id)
            }
            #expect(ids.count == 50)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aHandshakeThatLacksAMemberOpensNoSession(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let whole: JSONObject = [
                "protocolVersion": "2025-11-25", "capabilities": [:], "clientInfo": ["name": "x", "version": "1"],
            ]
            for member in whole.members {
                var params = whole
                params.members.removeAll { $0.name == member.name }
                let response = try await client.under(.v2025_11_25).request("initialize", params)
                #expect(response.status == 200 && response.errorCode == -32602, "\(member.name)")
                #expect(response.headers["mcp-session-id"] == nil)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aDeletedSessionIsGone(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession()
            let other = try await client.openSession()
            #expect(try await session.request("ping").result == [:])
            #expect(try await session.endSession().status == 204)
            for response in [
                try await session.request("ping"), try await session.request("tools/call", ["name": "quick"]),
                try await session.endSession(),
            ] {
                #expect(response.status == 404 && response.errorCode == -32001, "\(response)")
            }
            #expect(try await other.request("ping").status == 200)
            #expect(try await client.endSession().status == 400)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func everySessionThatIsNotHonouredGetsTheSameAnswer(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        try await withTestClient(fixtureServer(), over: transport, options: options) { client in
            let alice = client.authenticated(as: "alice")
            let session = try await alice.openSession()
            let id = try #require(session.sessionID)
            #expect(try await session.call("who").text == "alice")
            let last = id.last == "A" ? "B" : "A"
            let answers = [
                try await session.authenticated(as: "bob").request("ping"),
                try await session.inSession("made-up").request("ping"),
                try await session.inSession(String(id.dropLast()) + last).request("ping"),
                try await session.inSession(String(id.dropLast())).request("ping"),
                try await session.inSession("x" + id).request("ping"),
            ]
            for answer in answers {
                #expect(answer.status == 404 && answer.errorCode == -32001 && answer.id == 1)
                #expect(answer.body == answers[0].body)
            }
            #expect(try await session.authenticated(as: "bob").endSession().status == 404)
            #expect(try await session.request("ping").status == 200)
            #expect(try await session.authenticated(as: nil).request("ping").status == 401)
            #expect(try await session.authenticated(as: "mallory").request("ping").status == 401)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func notificationsAndAnswersAreAcceptedWithoutABody(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession()
            for body in [
                #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#,
                #"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
                #"{"jsonrpc":"2.0","method":"notifications/unheard"}"#,
                #"{"jsonrpc":"2.0","id":1,"result":{}}"#,
                #"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#,
            ] {
                let response = try await session.send(TestRequest(body: body, of: session))
                #expect(response.status == 202 && response.body == nil, "\(body): \(response)")
            }
            let stranger = session.inSession("made-up")
            let refused = try await stranger.send(
                TestRequest(body: #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, of: stranger))
            #expect(refused.status == 404 && refused.errorCode == -32001)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func whatIsRefusedInTheLegacyEraHasStatus200(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession()
            for method in ["unknown/method", "server/discover", "resources/subscribe", "notifications/initialized"] {
                let response = try await session.request(method)
                #expect(response.status == 200 && response.errorCode == -32601, "\(method): \(response)")
            }
            #expect(try await session.request("initialize").status == 400)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func requestsWithoutASessionAreServed(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            for revision in [ProtocolRevision.v2025_03_26, .v2025_06_18, .v2025_11_25] {
                let sessionless = client.under(revision)
                let result = try await sessionless.call("quick", ["message": "hi"])
                #expect(result.text == "hi")
            }
            let told = try await client.under(.v2025_03_26).call("client")
            #expect(told.text == "2025-03-26 false false")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anUnknownRevisionInTheHeaderIsRefused(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession()
            for base in [session, session.inSession(nil)] {
                var request = base.makeRequest("ping")
                request.headers["MCP-Protocol-Version"] = "1999-01-01"
                let response = try await base.send(request)
                #expect(response.status == 400 && response.errorCode == -32602, "\(response)")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func theCapabilitiesOfTheHandshakeHoldInTheSession(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let able = try await client.declaring(["sampling": [:], "elicitation": ["url": [:]]]).openSession(
                .v2025_06_18)
            #expect(try await able.call("client").text == "2025-06-18 true false")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func bothErasTakeTurns(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession()
            for _ in 0..<3 {
                #expect(try await session.call("quick", ["message": "legacy"]).text == "legacy")
                #expect(try await client.call("quick", ["message": "modern"]).text == "modern")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aGetOpensAStreamOfASessionThatIsHonoured(over transport: TestTransport) async throws {
        try await withTestClient(fixtureServer(), over: transport) { client in
            let session = try await client.openSession()
            let statuses = [(client, 405), (session.inSession("made-up"), 404), (session, 200)]
            for (client, expected) in statuses {
                let status = try await client.openStream { stream in
                    #expect(stream.headers["mcp-session-id"] == nil)
                    return stream.status
                }
                #expect(status == expected)
            }
        }
    }
}
