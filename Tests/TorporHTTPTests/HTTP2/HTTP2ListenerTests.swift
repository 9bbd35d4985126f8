import NIOCore
import NIOHTTP2
import NIOSSL
import Testing
import Torpor

@testable import TorporHTTP

/// A listener whose clients speak HTTP/2, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct HTTP2ListenerTests {
    /// How the client comes to HTTP/2.
    enum Way: CaseIterable { case priorKnowledge, negotiation }

    // MARK: Requests

    @Test(arguments: Way.allCases)
    func bothErasAreServedOnOneConnection(way: Way) async throws {
        try await Self.withClient(way) { client, server in
            let opened = try await client.answer(WireRequest.initialize())
            let session = try #require(opened.fields["mcp-session-id"])
            let legacy = try await client.answer(
                WireRequest.post(
                    WireRequest.legacyCall("echo_later", #"{"message":"a"}"#), fields: ["Mcp-Session-Id: \(session)"]))
            #expect(legacy.status == 200)
            #expect(legacy.body.contains(#""text":"a""#))
            let modern = try await client.answer(WireRequest.modernCall("echo_later", #"{"message":"b"}"#))
            #expect(modern.body.contains(#""resultType":"complete""#))
            #expect(server.http.statistics.connections == 1)
        }
    }

    /// Everything that is said over HTTP/1.1 is said over HTTP/2, but what speaks of the connection.
    @Test(arguments: [
        WireRequest.post(WireRequest.ping()), WireRequest.post("{"), WireRequest.post(WireRequest.ping(), path: "/x"),
        WireRequest.post(WireRequest.ping(), host: "evil.example"),
        WireRequest.post(WireRequest.ping(), contentType: "text/plain"),
        WireRequest.post(WireRequest.ping(), fields: ["Origin: https://evil.example"]),
        WireRequest.post(WireRequest.ping(), fields: ["Origin: https://localhost:3000"]),
        WireRequest.post(WireRequest.ping(), fields: ["Accept: text/html"]),
        WireRequest.post(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        WireRequest.bare("GET"), WireRequest.bare("HEAD"), WireRequest.bare("PUT"), WireRequest.bare("DELETE"),
        WireRequest.bare("OPTIONS", fields: ["Origin: http://localhost"]),
        WireRequest.modernCall("echo", #"{"message":"a"}"#), WireRequest.modernCall("nothing"),
        WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":100000}"#)),
    ])
    func theAnswerIsTheOneOfHTTP1(request: String) async throws {
        try await Self.withClient(.priorKnowledge) { client, server in
            let new = try await client.answer(request)
            let old = try await RawConnection.open(port: server.port) { connection in
                try await connection.send(request)
                return try #require(try await connection.answer(isBodyless: request.hasPrefix("HEAD")))
            }
            #expect(new.status == old.status)
            #expect(new.body == old.body)
            let told = { (answer: WireAnswer) in answer.fields.filter { !["connection", "date"].contains($0.key) } }
            #expect(told(new) == told(old))
        }
    }

    @Test func aTokenIsAskedForOnEachStream() async throws {
        let tokens = TestTokens("alice 0123456789abcdef\n")
        let authentication = Authentication.tokens(try TokenFile(path: tokens.path))
        try await Self.withClient(.priorKnowledge, authentication: authentication) { client, _ in
            let request = { (fields: [String]) in WireRequest.post(WireRequest.ping(), fields: fields) }
            #expect(try await client.answer(request(["Authorization: Bearer 0123456789abcdef"])).status == 200)
            let refused = try await client.answer(request([]))
            #expect(refused.status == 401)
            #expect(refused.fields["www-authenticate"] == "Bearer")
        }
    }

    @Test func streamsAreAnsweredAsTheyAreReady() async throws {
        let held = HeldCalls()
        try await Self.withClient(.negotiation, held) { client, _ in
            let slow = try await client.begin(WireRequest.modernCall("hold"))
            await held.nextBegins()
            #expect(try await client.answer(WireRequest.post(WireRequest.ping())).status == 200)
            held.release()
            #expect(try await slow.answer().body.contains("released"))
        }
    }

    @Test(arguments: Way.allCases)
    func largeAnswersOfManyStreamsArriveWhole(way: Way) async throws {
        let size = 1 << 20
        try await Self.withClient(way) { client, server in
            var streams: [HTTP2Client.Stream] = []
            for id in 1...8 {
                let body = WireRequest.legacyCall("text", #"{"bytes":\#(size)}"#, id: id)
                streams.append(try await client.begin(WireRequest.post(body)))
            }
            for (index, stream) in streams.enumerated() {
                let answer = try await stream.answer()
                #expect(answer.body.hasPrefix(#"{"jsonrpc":"2.0","id":\#(index + 1),"#))
                #expect(answer.body.utf8.count > size)
            }
        }
    }

    @Test(arguments: Way.allCases)
    func aStreamOfEventsArrivesAsItIsSent(way: Way) async throws {
        let server = MCPServer(name: "sample", version: "1") {
            Tool(
                "count", "Tells how far it is.",
                handler: { call in
                    for step in 1...3 { try await call.progress(Double(step), total: 3) }
                    return "counted"
                })
        }
        try await Self.withServer(way, serving: server) { server, tls in
            try await HTTP2Client.open(port: server.port, tls: tls) { client in
                let params = #"{"name":"count","arguments":{},"_meta":{"progressToken":"p"}}"#
                let answer = try await client.answer(
                    WireRequest.post(
                        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(params)}"#,
                        fields: ["Accept: application/json, text/event-stream"]))
                #expect(answer.fields["content-type"] == "text/event-stream")
                #expect(answer.fields["transfer-encoding"] == nil)
                let messages = answer.body.split(separator: "\n").filter { $0.hasPrefix("data: ") }
                // The first and the last step for sure, and the answer.
                #expect(messages.count >= 3)
                #expect(messages.last?.contains("counted") == true)
                #expect(try await client.answer(WireRequest.post(WireRequest.ping())).status == 200)
            }
        }
    }

    @Test func aBodyWithoutALengthArrivesWhole() async throws {
        try await Self.withClient(.priorKnowledge) { client, _ in
            let message = String(repeating: "x", count: 200_000)
            let (headers, body) = HTTP2Client.headers(
                WireRequest.post(WireRequest.legacyCall("echo", #"{"message":"\#(message)"}"#)))
            let stream = try await client.begin(headers.filter { $0.0 != "content-length" }, ends: false)
            try await stream.send(body, ends: false)
            try await stream.send("", ends: true)
            #expect(try await stream.answer().body.contains(message))
        }
    }

    @Test func aRefusalReachesAClientThatIsStillSending() async throws {
        try await Self.withClient(.priorKnowledge, change: { $0.requestMax = .kibibytes(64) }) { client, _ in
            let (headers, _) = HTTP2Client.headers(WireRequest.post(""))
            let stream = try await client.begin(headers.filter { $0.0 != "content-length" }, ends: false)
            try await stream.send(String(repeating: " ", count: 65_000), ends: false)
            try? await stream.send(String(repeating: " ", count: 65_000), ends: false)
            #expect(try await stream.answer().status == 413)
            #expect(try await client.answer(WireRequest.post(WireRequest.ping())).status == 200)
        }
    }

    // MARK: Taking back

    @Test func takingAModernRequestBackCancelsItsCallOnly() async throws {
        let held = HeldCalls()
        try await Self.withClient(.negotiation, held) { client, _ in
            let other = try await client.begin(WireRequest.modernCall("hold"))
            await held.nextBegins()
            let stream = try await client.begin(WireRequest.modernCall("hold"))
            await held.nextBegins()
            try await stream.reset()
            #expect(await held.nextEnding() == .cancelled)
            held.release()
            #expect(try await other.answer().body.contains("released"))
        }
    }

    @Test func takingALegacyRequestBackDoesNotCancelItsCall() async throws {
        let held = HeldCalls()
        try await Self.withClient(.priorKnowledge, held) { client, _ in
            let stream = try await client.begin(WireRequest.post(WireRequest.legacyCall("hold")))
            await held.nextBegins()
            try await stream.reset()
            // The stream is gone for the server too by the time it answers the next one.
            #expect(try await client.answer(WireRequest.post(WireRequest.ping())).status == 200)
            held.release()
            #expect(await held.nextEnding() == .released)
        }
    }

    @Test func theEndOfAConnectionCancelsItsModernCalls() async throws {
        let held = HeldCalls()
        let http = try await RunningServer.with(sampleServer(held)) { server in
            try await HTTP2Client.open(port: server.port) { client in
                for _ in 0..<3 {
                    _ = try await client.begin(WireRequest.modernCall("hold"))
                    await held.nextBegins()
                }
            }
            for _ in 0..<3 { #expect(await held.nextEnding() == .cancelled) }
            return server.http
        }
        #expect(http.statistics.isZero)
    }

    // MARK: Misuse

    @Test func aMalformedRequestEndsItsStreamOnly() async throws {
        let held = HeldCalls()
        try await Self.withClient(.priorKnowledge, held) { client, _ in
            let other = try await client.begin(WireRequest.modernCall("hold"))
            await held.nextBegins()
            let (headers, body) = HTTP2Client.headers(WireRequest.post(WireRequest.ping()))
            for extra in [("connection", "close"), ("X-Upper", "a"), (":path", "/"), ("x", "a\r\nb: c")] {
                let outcome = try await client.begin(headers + [extra], body: body).outcome()
                guard case .reset(.protocolError) = outcome else {
                    Issue.record("\(extra): \(outcome)")
                    continue
                }
            }
            let outcome = try await client.begin(headers, body: body + " ").outcome()
            // What was asked may have been answered before the frames turned out to be wrong.
            switch outcome {
            case .reset(.protocolError), .answer: break
            default: Issue.record("\(outcome)")
            }
            held.release()
            #expect(try await other.answer().status == 200)
        }
    }

    @Test func whoSendsNothingButMalformedRequestsIsSentAway() async throws {
        try await Self.withClient(.priorKnowledge) { client, _ in
            for _ in 0...HTTP2Connection.malformedMax {
                _ = try await client.begin([(":method", "GET")], ends: true).outcome()
            }
            try await client.isSentAway(.enhanceYourCalm)
        }
    }

    /// CVE-2023-44487.
    @Test func whoBeginsStreamsAndTakesThemBackIsSentAway() async throws {
        let held = HeldCalls()
        try await Self.withClient(.priorKnowledge, held) { client, _ in
            for _ in 0..<400 {
                guard let stream = try? await client.begin(WireRequest.modernCall("hold")) else { break }
                try? await stream.reset()
            }
            try await client.isSentAway(.enhanceYourCalm)
        }
    }

    @Test(arguments: [
        HTTP2Frame.FramePayload.ping(HTTP2PingData(withInteger: 7), ack: false),
        .settings(.settings([HTTP2Setting(parameter: .initialWindowSize, value: 65_535)])),
    ])
    func whoFloodsIsSentAway(frame: HTTP2Frame.FramePayload) async throws {
        try await Self.withClient(.negotiation) { client, _ in
            for _ in 0..<300 { client.send(frame) }
            try await client.isSentAway(.enhanceYourCalm)
        }
    }

    @Test func aHeadThatIsTooLargeEndsTheConnection() async throws {
        try await Self.withClient(.priorKnowledge) { client, _ in
            let (headers, body) = HTTP2Client.headers(WireRequest.post(WireRequest.ping()))
            let long = (0..<20).map { ("x-\($0)", String(repeating: "\($0)", count: 1_000)) }
            let outcome = try await client.begin(headers + long, body: body).outcome()
            if case .answer(let answer) = outcome { Issue.record("\(answer)") }
            try await client.isClosed()
        }
    }

    /// The windows that a client grants are no reason to hold more for it, nor does what is held for it go uncounted.
    @Test(arguments: Way.allCases)
    func answersThatAreNotReadStayCounted(way: Way) async throws {
        let size = 1 << 20
        let count = 30
        try await Self.withServer(way, change: { $0.eventLoopCount = 1 }) { server, tls in
            try await HTTP2Client.open(port: server.port, tls: tls, window: 1 << 26) { client in
                #expect(try await client.answer(WireRequest.post(WireRequest.ping())).status == 200)
                try await client.channel.setOption(.autoRead, value: false).get()
                for id in 1...count {
                    _ = try await client.begin(
                        WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":\#(size)}"#, id: id)))
                }
                // The loop has read all of it by the time that it has answered these.
                let text = tls == nil ? nil : try sampleClientContext()
                try await RawConnection.open(port: server.port, tls: text) { other in
                    for _ in 0..<100 {
                        try await other.send(WireRequest.post(WireRequest.ping()))
                        _ = try await other.answer()
                    }
                }
                // What the sockets hold is the kernel's.
                #expect(server.http.statistics.bufferedBytes > (count - 10) * size)
                try await client.channel.setOption(.autoRead, value: true).get()
            }
            server.running.cancel()
            _ = await server.running.result
            #expect(server.http.statistics.isZero)
        }
    }

    @Test func theLimitsAreToldTheClient() async throws {
        try await Self.withClient(.priorKnowledge, change: { $0.streamsPerConnectionMax = 7 }) { client, _ in
            let settings = await client.settings()
            #expect(settings.contains(HTTP2Setting(parameter: .maxConcurrentStreams, value: 7)))
            #expect(settings.contains(HTTP2Setting(parameter: .maxHeaderListSize, value: 16 << 10)))
        }
    }

    @Test func aStreamThatFindsNoRoomIsRefusedToBeTriedAgain() async throws {
        let held = HeldCalls()
        let change = { @Sendable (configuration: inout HTTPConfiguration) in
            configuration.buffersMax = .bytes(2 * HTTP2Pipeline.streamBytes + 2_000)
        }
        try await Self.withClient(.priorKnowledge, held, change: change) { client, server in
            var streams: [HTTP2Client.Stream] = []
            for _ in 0..<2 {
                streams.append(try await client.begin(WireRequest.modernCall("hold")))
                await held.nextBegins()
            }
            guard case .reset(.refusedStream) = try await client.begin(WireRequest.modernCall("hold")).outcome() else {
                Issue.record("a stream has found room")
                return
            }
            held.release()
            for stream in streams { #expect(try await stream.answer().status == 200) }
            #expect(try await client.answer(WireRequest.post(WireRequest.ping())).status == 200)
        }
    }

    @Test(arguments: Way.allCases)
    func aConnectionBeyondTheLimitIsClosed(way: Way) async throws {
        try await Self.withServer(way, change: { $0.connectionsMax = 1 }) { server, tls in
            try await HTTP2Client.open(port: server.port, tls: tls) { first in
                #expect(try await first.answer(WireRequest.post(WireRequest.ping())).status == 200)
                try await HTTP2Client.open(port: server.port, tls: tls) { second in try await second.isClosed() }
                #expect(try await first.answer(WireRequest.post(WireRequest.ping())).status == 200)
            }
        }
    }

    // MARK: Stopping

    @Test(arguments: Way.allCases)
    func aStopClosesIdleConnectionsAndLetsCallsEnd(way: Way) async throws {
        let held = HeldCalls()
        try await Self.withServer(way, held) { server, tls in
            try await HTTP2Client.open(port: server.port, tls: tls) { idle in
                #expect(try await idle.answer(WireRequest.post(WireRequest.ping())).status == 200)
                try await HTTP2Client.open(port: server.port, tls: tls) { busy in
                    let stream = try await busy.begin(WireRequest.post(WireRequest.legacyCall("hold")))
                    await held.nextBegins()
                    server.running.cancel()
                    try await idle.isClosed()
                    #expect(idle.goAway == .noError)
                    held.release()
                    #expect(try await stream.answer().body.contains("released"))
                    try await busy.isClosed()
                    #expect(busy.goAway == .noError)
                }
            }
            try await server.running.value
            #expect(server.http.statistics.isZero)
        }
    }

    @Test func callsThatOutlastTheGracePeriodAreAnswered() async throws {
        let held = HeldCalls()
        try await Self.withServer(.priorKnowledge, held, change: { $0.gracePeriod = .zero }) { server, tls in
            try await HTTP2Client.open(port: server.port, tls: tls) { client in
                let stream = try await client.begin(WireRequest.post(WireRequest.legacyCall("hold")))
                await held.nextBegins()
                server.running.cancel()
                let answer = try await stream.answer()
                #expect(answer.status == 503)
                #expect(answer.fields["retry-after"] == "1")
                try await client.isClosed()
            }
            let error = await #expect(throws: HTTPServerError.self) { try await server.running.value }
            #expect(error?.code == .drainTimedOut)
            #expect(server.http.statistics.isZero)
        }
    }

    // MARK: Set-up

    private static func withServer(
        _ way: Way, _ held: HeldCalls = HeldCalls(), serving server: MCPServer? = nil,
        authentication: Authentication = .none, change: (inout HTTPConfiguration) -> Void = { _ in },
        _ body: @Sendable (RunningServer, NIOSSLContext?) async throws -> Void
    ) async throws {
        let files = try CertificateFiles()
        let certificate = try files.load()
        let tls = way == .negotiation ? try sampleClientContext(protocols: ["h2"]) : nil
        try await RunningServer.with(
            server ?? sampleServer(held), authentication: authentication,
            {
                change(&$0)
                if way == .negotiation { $0.tls = certificate }
            }
        ) { server in try await body(server, tls) }
    }

    /// Runs a server and a client of it; afterwards nothing may be left of either.
    private static func withClient(
        _ way: Way, _ held: HeldCalls = HeldCalls(), authentication: Authentication = .none,
        change: (inout HTTPConfiguration) -> Void = { _ in },
        _ body: @Sendable (HTTP2Client, RunningServer) async throws -> Void
    ) async throws {
        try await self.withServer(way, held, authentication: authentication, change: change) { server, tls in
            try await HTTP2Client.open(port: server.port, tls: tls) { client in try await body(client, server) }
            server.running.cancel()
            _ = await server.running.result
            #expect(server.http.statistics.isZero)
        }
    }
}
