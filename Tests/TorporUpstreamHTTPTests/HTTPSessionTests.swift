import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream
import TorporUpstreamHTTP

/// Sessions of legacy servers, and streams that stay open.
struct HTTPSessionTests {
    private static let limit = Duration.seconds(30)

    // MARK: Lost sessions

    @Test func aForgottenSessionIsBegunAnewOnceAndToldOf() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in
            if request.method == .GET { return responder.status(.methodNotAllowed) }
            guard request.header("Mcp-Session-Id") == "session-2" else {
                return responder.error(request, -32001, status: .notFound)
            }
            responder.result(request, ["again": true])
        }
        try await withRemote(server, known: .legacy) { session, events in
            let result = try await session.request("tools/call", timeLimit: Self.limit)
            #expect(result == ["again": true])
            #expect(events.all == [.renewed])
        }
        #expect(server.requests("initialize").map { $0.header("Mcp-Session-Id") } == [nil, nil])
        #expect(server.requests("tools/call").map { $0.header("Mcp-Session-Id") } == ["session-1", "session-2"])
        let farewells = server.requests.all.filter { $0.method == .DELETE }
        #expect(farewells.map { $0.header("Mcp-Session-Id") } == ["session-2"])
    }

    @Test func aSessionThatIsForgottenAgainAndAgainIsAnError() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in responder.status(.notFound) }
        try await withRemote(server, known: .legacy) { session, _ in
            await upstreamError(.sessionLost) { _ = try await session.request("a", timeLimit: Self.limit) }
        }
    }

    @Test func aServerWithoutSessionsIsNotTakenLeaveOf() async throws {
        let server = RemoteServer(.v2025_11_25, hasSession: false) { request, responder in
            if request.method == .GET { return responder.status(.methodNotAllowed) }
            responder.result(request, [:])
        }
        try await withRemote(server, known: .legacy) { session, _ in
            _ = try await session.request("a", timeLimit: Self.limit)
        }
        #expect(!server.requests.all.contains { $0.method == .DELETE || $0.header("Mcp-Session-Id") != nil })
    }

    @Test func aServerThatDoesNotAnswerTheFarewellHoldsNobodyUp() async throws {
        let farewells = Log<StubRequest>()
        let stub = try await StubServer.start { request, responder in
            if request.method == .DELETE { farewells.add(request) }
            switch request.rpcMethod {
            case "initialize":
                responder.result(
                    request, ["protocolVersion": "2025-11-25", "capabilities": [:]],
                    headers: ["Mcp-Session-Id": "s"])
            case "notifications/initialized": responder.status(.accepted)
            default: break  // DELETE is left unanswered, and so is GET.
            }
        }
        let group = MultiThreadedEventLoopGroup.singleton
        let client = HTTPUpstreamClient(group: group)
        let loop = group.next()
        var settings = try HTTPUpstreamSettings(url: stub.url)
        settings.farewellTimeLimit = .milliseconds(100)
        let session = try await UpstreamSession.open(
            over: client.transport(to: settings, on: loop), as: testClient, known: .legacy, timeLimit: Self.limit,
            timer: EventLoopTimer(loop))
        session.close()
        _ = await farewells.first(1)
        await session.closed()
        try await client.shutdown()
        await stub.stop()
    }

    // MARK: The standing stream

    private static func changed(_ list: String) -> JSONValue {
        ["jsonrpc": "2.0", "method": .string("notifications/\(list)/list_changed")]
    }

    @Test func whatBelongsToNoRequestComesOnAStreamOfItsOwn() async throws {
        let streams = Log<(StubRequest, StubResponder)>()
        let server = RemoteServer(.v2025_11_25) { request, responder in
            responder.beginEvents()
            streams.add((request, responder))
        }
        try await withRemote(server, known: .legacy) { _, events in
            let (request, stream) = try #require(await streams.first(1).first)
            #expect(request.method == .GET)
            #expect(request.header("Accept") == "text/event-stream")
            #expect(request.header("Mcp-Session-Id") == "session-1")
            #expect(request.header("Last-Event-ID") == nil)
            stream.raw("id: e-1\nretry: 1\ndata:\n\n")
            stream.event(Self.changed("tools"), id: "e-2")
            #expect(await events.first(1) == [.listChanged(.tools)])
            // It may end, and is gone on with.
            stream.end()
            let (again, next) = try #require(await streams.first(2).last)
            #expect(again.header("Last-Event-ID") == "e-2")
            next.event(Self.changed("prompts"))
            #expect(await events.first(2) == [.listChanged(.tools), .listChanged(.prompts)])
        }
    }

    @Test func aStreamThatTheServerHasNotIsNotAskedForAgain() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in
            if request.method == .GET { return responder.status(.methodNotAllowed) }
            responder.result(request, [:])
        }
        try await withRemote(server, known: .legacy) { session, _ in
            for _ in 0..<5 { _ = try await session.request("ping", timeLimit: Self.limit) }
        }
        #expect(server.requests.all.count { $0.method == .GET } <= 1)
    }

    @Test func noStreamIsOpenedWhereNoneIsWanted() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in responder.result(request, [:]) }
        try await withRemote(server, known: .legacy, adjust: { $0.hasStream = false }) { session, _ in
            for _ in 0..<5 { _ = try await session.request("ping", timeLimit: Self.limit) }
        }
        #expect(!server.requests.all.contains { $0.method == .GET })
    }

    // MARK: Streams that end too early

    @Test func aStreamThatEndsBeforeTheAnswerIsGoneOnWith() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in
            switch (request.method, request.header("Last-Event-ID")) {
            case (.POST, _):
                responder.beginEvents()
                responder.raw("id: p-\(request.id.text)\nretry: 10\ndata:\n\n")
                responder.end()
            case (.GET, let id?) where id.hasPrefix("p-"):
                responder.beginEvents()
                let number = JSONNumber(Int(id.dropFirst(2)) ?? 0)
                responder.event(["jsonrpc": "2.0", "id": .number(number), "result": ["late": true]], id: "x")
                responder.end()
            default: responder.status(.methodNotAllowed)
            }
        }
        try await withRemote(server, known: .legacy) { session, _ in
            let result = try await session.request("tools/call", timeLimit: Self.limit)
            #expect(result == ["late": true])
        }
        let resumed = try #require(server.requests.all.first { $0.header("Last-Event-ID") != nil })
        #expect(resumed.header("Mcp-Session-Id") == "session-1")
    }

    @Test func aStreamThatBringsNothingIsGivenUp() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in
            if request.method == .GET, request.header("Last-Event-ID") == nil {
                return responder.status(.methodNotAllowed)
            }
            responder.beginEvents()
            if request.method == .POST { responder.raw("id: p\nretry: 1\ndata:\n\n") }
            responder.end()
        }
        try await withRemote(server, known: .legacy) { session, _ in
            await upstreamError(.protocolFault) { _ = try await session.request("a", timeLimit: Self.limit) }
        }
        #expect(server.requests.all.count { $0.header("Last-Event-ID") == "p" } == 5)
    }

    @Test func aModernStreamIsNotGoneOnWith() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            responder.beginEvents()
            responder.raw("id: p\nretry: 1\ndata:\n\n")
            responder.end()
        }
        try await withRemote(server) { session, _ in
            await upstreamError(.ended) { _ = try await session.request("a", timeLimit: Self.limit) }
        }
        #expect(!server.requests.all.contains { $0.method == .GET })
    }

    // MARK: Listening

    @Test func aModernServerIsListenedToOverAStreamOfItsOwn() async throws {
        let streams = Log<(StubRequest, StubResponder)>()
        let server = RemoteServer(.v2026_07_28, capabilities: ["tools": ["listChanged": true]]) { request, responder in
            guard request.rpcMethod == "subscriptions/listen" else { return responder.result(request, [:]) }
            responder.beginEvents()
            responder.event([
                "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                "params": [
                    "_meta": ["io.modelcontextprotocol/subscriptionId": request.id],
                    "notifications": request.json["params"]?["notifications"] ?? [:],
                ],
            ])
            streams.add((request, responder))
        }
        try await withRemote(server) { session, events in
            let (first, stream) = try #require(await streams.first(1).first)
            #expect(first.header("Mcp-Method") == "subscriptions/listen")
            stream.event(Self.changed("tools"))
            #expect(await events.first(1) == [.listChanged(.tools)])
            try await session.subscribe(to: "a:b", timeLimit: Self.limit)
            let (second, next) = try #require(await streams.first(2).last)
            #expect(second.json["params"]?["notifications"]?["resourceSubscriptions"] == ["a:b"])
            // The one before is closed when the new one is there.
            await stream.untilHungUp()
            next.event(["jsonrpc": "2.0", "method": "notifications/resources/updated", "params": ["uri": "a:b/c"]])
            #expect(await events.first(2).last == .updated(uri: "a:b/c"))
        }
    }

    @Test func streamsThatStayOpenAreBounded() async throws {
        var limits = HTTPUpstreamClient.Limits()
        limits.streamsPerHostMax = 0
        let server = RemoteServer(.v2026_07_28) { request, responder in responder.result(request, [:]) }
        try await withRemote(server, limits: limits) { session, _ in
            await upstreamError(.overloaded) { try await session.subscribe(to: "a:b", timeLimit: Self.limit) }
            _ = try await session.request("a", timeLimit: Self.limit)
        }
        #expect(server.requests("subscriptions/listen").isEmpty)
    }

    // MARK: Settings

    @Test(arguments: ["ftp://a/b", "example.com/mcp", ""])
    func whatIsNoURLIsRefused(_ url: String) async throws {
        await upstreamError(.refused) { _ = try HTTPUpstreamSettings(url: url) }
    }

    @Test(arguments: [
        ("Mcp-Session-Id", "x"), ("mcp-protocol-version", "x"), ("Content-Type", "x"), ("Host", "x"), ("a b", "x"),
        ("", "x"), ("X", "line\nend"), ("X", "zürich"),
    ])
    func headersOfTheProtocolAndBrokenOnesAreRefused(_ name: String, _ value: String) async throws {
        await upstreamError(.refused) { _ = try HTTPUpstreamSettings(url: "http://a/", headers: [(name, value)]) }
    }

    @Test func aTokenIsOneAndGivenOnce() async throws {
        await upstreamError(.refused) { _ = try HTTPUpstreamSettings(url: "http://a/", bearerToken: "a b") }
        await upstreamError(.refused) {
            _ = try HTTPUpstreamSettings(url: "http://a/", headers: [("authorization", "x")], bearerToken: "a")
        }
    }
}
