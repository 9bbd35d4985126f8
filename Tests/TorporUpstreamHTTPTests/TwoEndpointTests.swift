import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing
import TorporJSON
import TorporProtocol
import TorporUpstream

@testable import TorporUpstreamHTTP

/// Servers of 2024-11-05: one stream, and messages by POST to where its first event says.
@Suite(.timeLimit(.minutes(1))) struct TwoEndpointTests {
    private static let limit = Duration.seconds(30)

    /// A server of 2024-11-05 that does the handshake itself, and the rest by what a test says.
    private final class OlderServer: Sendable {
        let requests = Log<StubRequest>()
        let streams = Log<StubResponder>()
        private let endpoint: String
        private let answer: @Sendable (OlderServer, StubRequest, StubResponder) -> Void

        init(
            endpoint: String = "messages?session=7",
            _ answer: @escaping @Sendable (OlderServer, StubRequest, StubResponder) -> Void = { $0.answer($1, $2) }
        ) {
            self.endpoint = endpoint
            self.answer = answer
        }

        func handle(_ request: StubRequest, _ responder: StubResponder) {
            self.requests.add(request)
            if request.method == .GET {
                responder.beginEvents()
                self.streams.add(responder)
                return responder.raw("event: endpoint\ndata: \(self.endpoint)\n\n")
            }
            guard request.rpcMethod == "initialize" else { return self.answer(self, request, responder) }
            responder.status(.accepted, text: "Accepted")
            self.say(
                request,
                [
                    "protocolVersion": "2024-11-05", "capabilities": ["tools": [:]],
                    "serverInfo": ["name": "older", "version": "1"],
                ])
        }

        /// Takes a message, and answers a request on the stream.
        func answer(_ request: StubRequest, _ responder: StubResponder) {
            responder.status(.accepted)
            if request.id != .null { self.say(request, ["ok": true]) }
        }

        func say(_ request: StubRequest, _ result: JSONObject) {
            let message: JSONObject = ["jsonrpc": "2.0", "id": request.id, "result": .object(result)]
            self.streams.all.last?.raw("event: message\ndata: \(JSONValue.object(message).text)\n\n")
        }
    }

    /// Runs a server and a session with it; both are gone at the end.
    private static func withSession(
        _ handler: @escaping StubServer.Handler, limits: HTTPUpstreamClient.Limits = .init(),
        adjust: (inout HTTPUpstreamSettings) -> Void = { _ in },
        _ body: (UpstreamSession, Log<UpstreamEvent>) async throws -> Void
    ) async throws {
        let stub = try await StubServer.start(handler)
        let client = HTTPUpstreamClient(group: MultiThreadedEventLoopGroup.singleton, limits: limits)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let events = Log<UpstreamEvent>()
        var thrown: (any Error)?
        do {
            var settings = try HTTPUpstreamSettings(
                url: stub.url, headers: [(name: "X-Own", value: "1")], bearerToken: "secret")
            adjust(&settings)
            let session = try await UpstreamSession.open(
                over: client.twoEndpointTransport(to: settings, on: loop), as: testClient, known: .legacy,
                timeLimit: Self.limit, timer: EventLoopTimer(loop), events: { events.add($0) })
            do { try await body(session, events) } catch { thrown = error }
            session.close()
            await session.closed()
        } catch {
            thrown = error
        }
        // Fails when a connection is open still.
        try await client.shutdown()
        await stub.stop()
        if let thrown { throw thrown }
    }

    @Test func messagesGoWhereTheStreamSays() async throws {
        let server = OlderServer()
        try await Self.withSession(server.handle) { session, _ in
            #expect(session.server?.revision == .v2024_11_05)
            for _ in 0..<3 {
                let result = try await session.request("tools/call", timeLimit: Self.limit)
                #expect(result == ["ok": true])
            }
        }
        let requests = server.requests.all
        #expect(
            requests.map(\.rpcMethod) == ["", "initialize", "notifications/initialized"]
                + Array(repeating: "tools/call", count: 3))
        #expect(requests.map(\.uri) == ["/mcp"] + Array(repeating: "/messages?session=7", count: 5))
        for request in requests {
            #expect(request.header("X-Own") == "1" && request.header("Authorization") == "Bearer secret")
            #expect(request.header("MCP-Protocol-Version") == nil && request.header("Mcp-Session-Id") == nil)
        }
        #expect(requests[0].header("Accept") == "text/event-stream")
    }

    @Test(arguments: [
        "http://127.0.0.1:1/messages", "https://127.0.0.1/messages", "//elsewhere.example/messages", "ftp://a/b",
        "http://user@127.0.0.1/messages", "/a b", "javascript:alert(1)", "/\u{1}", "/ä",
    ])
    func anEndpointAtAnotherOriginIsRefused(_ endpoint: String) async throws {
        let server = OlderServer(endpoint: endpoint)
        await upstreamError(.refused) { try await Self.withSession(server.handle) { _, _ in } }
        #expect(server.requests.all.count == 1, "nothing was sent anywhere")
    }

    @Test(arguments: [
        ("/messages?a=1#b", "http://h:8/messages?a=1"), ("messages", "http://h:8/base/messages"),
        ("./m", "http://h:8/base/m"), ("../m/?x", "http://h:8/m/?x"), ("../../../m", "http://h:8/m"),
        ("?session=1", "http://h:8/base/sse?session=1"), ("http://H:8/m", "http://h:8/m"), ("//h:8/m", "http://h:8/m"),
        ("http://h:8", "http://h:8/"), ("/a/..", "http://h:8/"), ("/m?next=http://x/", "http://h:8/m?next=http://x/"),
    ])
    func referencesAreResolvedAgainstTheStream(_ reference: String, _ url: String) throws {
        #expect(try EndpointReference.resolve(reference, against: "http://h:8/base/sse?q=/x") == url)
    }

    @Test func aPortThatGoesWithoutSayingIsTheSameOrigin() throws {
        #expect(try EndpointReference.resolve("https://h:443/m", against: "https://h/sse") == "https://h/m")
        #expect(try EndpointReference.resolve("http://h/m", against: "http://h:80/sse") == "http://h:80/m")
        for other in ["http://h/m", "https://h:80/m", "https://h.example/m"] {
            #expect(throws: UpstreamError.self) { try EndpointReference.resolve(other, against: "https://h/sse") }
        }
    }

    @Test func theEndOfTheStreamIsTheEndOfTheConversation() async throws {
        let server = OlderServer { server, request, responder in
            guard request.rpcMethod == "tools/call" else { return responder.status(.accepted) }
            responder.status(.accepted)
            server.streams.all[0].end()
        }
        try await Self.withSession(server.handle) { session, events in
            await upstreamError(.ended) { _ = try await session.request("tools/call", timeLimit: Self.limit) }
            await upstreamError(.closed) { _ = try await session.request("tools/call", timeLimit: Self.limit) }
            let told = await events.first(1)
            guard case .ended(let error)? = told.first else { return #expect(Bool(false), "\(told)") }
            #expect(error.code == .ended)
        }
        #expect(server.streams.all.count == 1, "nothing is gone on with")
    }

    @Test func aRefusedMessageFailsItsRequestAlone() async throws {
        let refusals = Mutex<[HTTPResponseStatus]>([.tooManyRequests, .internalServerError, .unauthorized])
        let server = OlderServer { server, request, responder in
            let refusal = request.rpcMethod == "tools/call" ? refusals.withLock { $0.popLast() } : nil
            if let refusal { responder.status(refusal) } else { server.answer(request, responder) }
        }
        try await Self.withSession(server.handle) { session, _ in
            for code in [UpstreamError.Code.unauthorized, .refused, .unavailable] {
                await upstreamError(code) { _ = try await session.request("tools/call", timeLimit: Self.limit) }
            }
            let result = try await session.request("tools/call", timeLimit: Self.limit)
            #expect(result == ["ok": true])
        }
    }

    @Test func aServerThatDoesNotKnowTheConversationHasEndedIt() async throws {
        let server = OlderServer { _, request, responder in
            responder.status(request.rpcMethod == "tools/call" ? .notFound : .accepted)
        }
        try await Self.withSession(server.handle) { session, _ in
            await upstreamError(.ended) { _ = try await session.request("tools/call", timeLimit: Self.limit) }
        }
    }

    @Test func anEventThatIsTooLargeEndsTheConversation() async throws {
        let server = OlderServer { server, request, responder in
            responder.status(.accepted)
            guard let length = ["at the limit": 10_000, "beyond": 10_001][request.json["params"]?["name"] ?? .null]
            else {
                return
            }
            let frame = JSONValue.object(["jsonrpc": "2.0", "id": request.id, "result": ["text": ""]]).text
            // The lines `event: message` and `data: …` count without their ends.
            let text = String(repeating: "x", count: length - frame.utf8.count - 20)
            server.say(request, ["text": .string(text)])
        }
        try await Self.withSession(server.handle, adjust: { $0.messageMax = 10_000 }) { session, _ in
            let result = try await session.request(
                "tools/call", params: ["name": "at the limit"], timeLimit: Self.limit)
            #expect(result["text"] != nil)
            await upstreamError(.tooLarge) {
                _ = try await session.request("tools/call", params: ["name": "beyond"], timeLimit: Self.limit)
            }
        }
    }

    @Test(arguments: [
        (HTTPResponseStatus.notFound, UpstreamError.Code.refused), (.unauthorized, .unauthorized),
        (.serviceUnavailable, .unavailable), (.found, .refused), (.ok, .refused),
    ])
    func aGetWithoutAStreamIsRefused(_ status: HTTPResponseStatus, _ code: UpstreamError.Code) async throws {
        await upstreamError(code) {
            try await Self.withSession({ _, responder in responder.status(status, text: "no") }) { _, _ in }
        }
    }

    @Test func noMoreStreamsAreOpenThanMayBe() async throws {
        var limits = HTTPUpstreamClient.Limits()
        limits.connectionsPerHostMax = 2
        limits.streamsPerHostMax = 0
        let server = OlderServer()
        await upstreamError(.overloaded) { try await Self.withSession(server.handle, limits: limits) { _, _ in } }
        #expect(server.requests.all.isEmpty)
    }
}

extension [String: Int] {
    fileprivate subscript(value: JSONValue) -> Int? {
        if case .string(let text) = value { self[text] } else { nil }
    }
}
