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

struct HTTPUpstreamTests {
    private static let limit = Duration.seconds(30)

    // MARK: Eras

    @Test func aModernServerGetsTheHeadersThatItChecks() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in responder.result(request, ["ok": true]) }
        try await withRemote(server) { session, _ in
            #expect(session.server?.revision == .v2026_07_28)
            var call = UpstreamRequest(
                "tools/call", .object(["name": "zürich", "arguments": ["region": "eu", "n": 7]]), timeLimit: Self.limit)
            call.mirrored = [.init(header: "Region", value: "eu"), .init(header: "Note", value: " x")]
            let answer = try await session.request(call)
            #expect(answer.object == ["ok": true])
            _ = try await session.request("resources/read", params: ["uri": "a:b"], timeLimit: Self.limit)
        }
        let discover = try #require(server.requests("server/discover").first)
        #expect(discover.header("MCP-Protocol-Version") == "2026-07-28")
        #expect(discover.header("Mcp-Method") == "server/discover")
        #expect(discover.header("Accept") == "application/json, text/event-stream")
        #expect(discover.header("Content-Type") == "application/json")
        #expect(discover.header("Mcp-Name") == nil)
        let call = try #require(server.requests("tools/call").first)
        #expect(call.header("Mcp-Method") == "tools/call")
        #expect(call.header("Mcp-Name") == "=?base64?esO8cmljaA==?=")
        #expect(call.header("Mcp-Param-Region") == "eu")
        #expect(call.header("Mcp-Param-Note") == "=?base64?IHg=?=")
        #expect(server.requests("resources/read").first?.header("Mcp-Name") == "a:b")
        // Nothing is begun that would have to be ended.
        #expect(!server.requests.all.contains { $0.method != .POST || $0.header("Mcp-Session-Id") != nil })
    }

    @Test(arguments: [
        (HTTPResponseStatus.badRequest, "Bad Request: Server not initialized"), (.notFound, "no"),
        (.methodNotAllowed, ""), (.badRequest, #"{"jsonrpc":"2.0","error":{"code":-32600,"message":"?"},"id":null}"#),
        (.internalServerError, "oops"), (.ok, "hello"),
    ])
    func aLegacyServerIsKnownByWhatItAnswersToTheProbe(_ status: HTTPResponseStatus, _ text: String) async throws {
        let server = RemoteServer(.v2025_06_18) { request, responder in
            switch request.rpcMethod {
            case "server/discover": responder.status(status, text: text)
            case "": responder.status(.methodNotAllowed)
            default: responder.result(request, ["ok": true])
            }
        }
        try await withRemote(server) { session, _ in
            #expect(session.server?.revision == .v2025_06_18)
            let result = try await session.request("tools/call", timeLimit: Self.limit)
            #expect(result == ["ok": true])
        }
        let initialize = try #require(server.requests("initialize").first)
        #expect(initialize.header("MCP-Protocol-Version") == nil)
        #expect(initialize.header("Mcp-Session-Id") == nil)
        for request in server.requests("notifications/initialized") + server.requests("tools/call") {
            #expect(request.header("MCP-Protocol-Version") == "2025-06-18")
            #expect(request.header("Mcp-Session-Id") == "session-1")
            #expect(request.header("Mcp-Method") == nil)
        }
        let farewell = try #require(server.requests.all.first { $0.method == .DELETE })
        #expect(farewell.header("Mcp-Session-Id") == "session-1")
        #expect(farewell.header("MCP-Protocol-Version") == "2025-06-18")
    }

    @Test func aModernErrorWithoutAnIDIsThatOfAModernServer() async throws {
        let server = RemoteServer(.v2025_06_18) { request, responder in
            responder.status(
                .badRequest, text: #"{"jsonrpc":"2.0","error":{"code":-32020,"message":"header mismatch"}}"#)
        }
        let error = await upstreamError(.answered) { try await withRemote(server) { _, _ in } }
        #expect(error?.answer?.code.rawValue == -32020)
        #expect(server.requests("initialize").isEmpty)
    }

    @Test func whatComesAfterTheHandshakeWaitsForItsEnd() async throws {
        let order = Log<String>()
        let server = RemoteServer(.v2025_11_25) { request, responder in
            order.add(request.rpcMethod)
            responder.result(request, [:])
        }
        let waiting = Log<StubResponder>()
        let stub = try await StubServer.start { request, responder in
            if request.rpcMethod == "notifications/initialized" {
                waiting.add(responder)
            } else {
                server.handle(request, responder)
            }
        }
        let (client, loop) = try Self.client()
        let settings = try HTTPUpstreamSettings(url: stub.url)
        let session = try await UpstreamSession.open(
            over: client.transport(to: settings, on: loop), as: testClient, known: .legacy, timeLimit: Self.limit,
            timer: EventLoopTimer(loop))
        async let result = session.request("tools/call", timeLimit: Self.limit)
        let greeting = try #require(await waiting.first(1).first)
        #expect(order.all.isEmpty)
        greeting.status(.accepted)
        _ = try await result
        session.close()
        await session.closed()
        try await client.shutdown()
        await stub.stop()
    }

    private static func client() throws -> (HTTPUpstreamClient, any EventLoop) {
        let group = MultiThreadedEventLoopGroup.singleton
        return (HTTPUpstreamClient(group: group), group.next())
    }

    @Test func credentialsAndExtraHeadersGoWithEverything() async throws {
        let server = RemoteServer(.v2025_11_25) { request, responder in
            if request.method == .GET { return responder.status(.methodNotAllowed) }
            responder.result(request, [:])
        }
        try await withRemote(
            server, known: .legacy, headers: [("X-Team", "blue")], bearerToken: "secret"
        ) { session, _ in
            _ = try await session.request("ping", timeLimit: Self.limit)
        }
        #expect(server.requests.all.count >= 4)
        for request in server.requests.all {
            #expect(request.header("Authorization") == "Bearer secret")
            #expect(request.header("X-Team") == "blue")
        }
    }

    @Test func aServerIsVerifiedOverTLS() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in responder.result(request, ["ok": true]) }
        let stub = try await StubServer.start(tls: StubCertificate.server()) { server.handle($0, $1) }
        let group = MultiThreadedEventLoopGroup.singleton
        let settings = try HTTPUpstreamSettings(url: stub.url)
        for (tls, isTrusted) in [(try StubCertificate.client(), true), (nil, false)] {
            let client = HTTPUpstreamClient(group: group, tls: tls)
            let loop = group.next()
            let opening = await outcome {
                try await UpstreamSession.open(
                    over: client.transport(to: settings, on: loop), as: testClient, timeLimit: Self.limit,
                    timer: EventLoopTimer(loop))
            }
            #expect((try? opening.get()) != nil || !isTrusted)
            if case .failure(let error) = opening {
                #expect((error as? UpstreamError)?.code == .unavailable && !isTrusted)
            }
            if let session = try? opening.get() {
                let result = try await session.request("tools/call", timeLimit: Self.limit)
                #expect(result == ["ok": true])
                session.close()
                await session.closed()
            }
            try await client.shutdown()
        }
        await stub.stop()
    }

    // MARK: Answers

    @Test func anAnswerMayComeAsEventsWithWhatBelongsToIt() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            responder.beginEvents()
            responder.raw(":\n\n")
            let token = request.json["params"]?["_meta"]?["progressToken"] ?? .null
            for step in 1...2 {
                responder.event([
                    "jsonrpc": "2.0", "method": "notifications/progress",
                    "params": ["progressToken": token, "progress": .integer(step)],
                ])
            }
            responder.raw("data: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":\(request.id.text),\r\n")
            responder.raw("data: \"result\":\r\ndata: {\"ok\":true}}\r\n\r\n")
            responder.end()
        }
        try await withRemote(server) { session, _ in
            let observer = TestObserver()
            let answer = try await session.request(
                UpstreamRequest("tools/call", .object(["name": "t"]), timeLimit: Self.limit), observer: observer)
            #expect(answer.object == ["ok": true])
            #expect(!answer.bytes.contains(UInt8(ascii: "\n")))
            #expect(observer.heard.all == [["progress": 1], ["progress": 2]])
            #expect(session.faults.total == 0)
        }
    }

    @Test func theServersErrorIsPassedOnWhateverItsStatus() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            responder.error(request, -32021, status: .badRequest, data: ["requiredCapabilities": ["sampling": [:]]])
        }
        try await withRemote(server) { session, _ in
            let error = await upstreamError(.answered) {
                _ = try await session.request("tools/call", timeLimit: Self.limit)
            }
            #expect(error?.answer?.data == ["requiredCapabilities": ["sampling": [:]]])
        }
    }

    @Test(arguments: [
        (HTTPResponseStatus.unauthorized, UpstreamError.Code.unauthorized), (.forbidden, .unauthorized),
        (.serviceUnavailable, .unavailable), (.tooManyRequests, .unavailable), (.payloadTooLarge, .refused),
        (.temporaryRedirect, .refused), (.accepted, .refused), (.internalServerError, .refused),
    ])
    func whateverElseTheServerAnswersIsAnError(_ status: HTTPResponseStatus, _ code: UpstreamError.Code) async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            responder.status(status, text: "no", headers: ["Location": "http://127.0.0.1:1/"])
        }
        try await withRemote(server) { session, _ in
            await upstreamError(code) { _ = try await session.request("tools/call", timeLimit: Self.limit) }
            #expect(session.requestsUnderWay == 0)
        }
    }

    @Test func anAnswerToSomethingElseIsNone() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            responder.json(["jsonrpc": "2.0", "id": 4_711, "result": [:]])
        }
        try await withRemote(server) { session, _ in
            await upstreamError(.protocolFault) { _ = try await session.request("a", timeLimit: Self.limit) }
            #expect(session.faults[.unknownAnswer] == 1)
        }
    }

    @Test func aServerThatHangsUpIsAnError() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            if request.rpcMethod == "late" {
                responder.beginEvents()
                responder.event(["jsonrpc": "2.0", "method": "notifications/message", "params": [:]])
            }
            responder.hangUp()
        }
        try await withRemote(server) { session, _ in
            await upstreamError(.unavailable) { _ = try await session.request("early", timeLimit: Self.limit) }
            await upstreamError(.ended) { _ = try await session.request("late", timeLimit: Self.limit) }
        }
    }

    @Test func aServerThatIsNotThereIsAnError() async throws {
        let stub = try await StubServer.start { _, responder in responder.hangUp() }
        let url = stub.url
        await stub.stop()
        let (client, loop) = try Self.client()
        let settings = try HTTPUpstreamSettings(url: url)
        await upstreamError(.unavailable) {
            _ = try await UpstreamSession.open(
                over: client.transport(to: settings, on: loop), as: testClient, timeLimit: Self.limit,
                timer: EventLoopTimer(loop))
        }
        try await client.shutdown()
    }

    @Test(arguments: [true, false], [(100_000, true), (100_001, false)])
    func answersAreTakenUpToTheLimit(_ asEvents: Bool, _ size: (bytes: Int, fits: Bool)) async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in
            let frame = #"{"jsonrpc":"2.0","id":\#(request.id.text),"result":{"x":""}}"#
            // An event's bytes count with the name of its field.
            let text = String(repeating: "x", count: size.bytes - frame.utf8.count - (asEvents ? 6 : 0))
            let message: JSONValue = ["jsonrpc": "2.0", "id": request.id, "result": ["x": .string(text)]]
            guard asEvents else { return responder.json(message) }
            responder.beginEvents()
            responder.event(message)
            responder.end()
        }
        try await withRemote(server, adjust: { $0.messageMax = 100_000 }) { session, _ in
            if size.fits {
                _ = try await session.request("a", timeLimit: Self.limit)
            } else {
                await upstreamError(.tooLarge) { _ = try await session.request("a", timeLimit: Self.limit) }
            }
        }
    }

    @Test func aRequestBeyondWhatMayWaitIsRefused() async throws {
        let server = RemoteServer(.v2026_07_28) { request, responder in responder.result(request, [:]) }
        try await withRemote(server, adjust: { $0.unsentMax = 100_000 }) { session, _ in
            let params: JSONObject = ["x": .string(String(repeating: "x", count: 200_000))]
            // One alone may be larger; of many at once not all can wait.
            _ = try await session.request("a", params: params, timeLimit: Self.limit)
            let outcomes = await withTaskGroup(of: UpstreamError.Code?.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        do {
                            _ = try await session.request("a", params: params, timeLimit: Self.limit)
                            return nil
                        } catch {
                            return (error as? UpstreamError)?.code
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { $0 == nil || $0 == .overloaded })
            #expect(outcomes.contains(nil))
            // And what waited has been given back.
            _ = try await session.request("a", params: params, timeLimit: Self.limit)
        }
    }

    // MARK: Cancellation

    @Test func aCancelledModernRequestClosesItsConnection() async throws {
        let responders = Log<StubResponder>()
        let server = RemoteServer(.v2026_07_28) { _, responder in
            responder.beginEvents()
            responders.add(responder)
        }
        try await withRemote(server) { session, _ in
            let task = Task { try await session.request("tools/call", timeLimit: Self.limit) }
            let responder = try #require(await responders.first(1).first)
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            await responder.untilHungUp()
        }
        #expect(server.requests("notifications/cancelled").isEmpty)
    }

    @Test func aLegacyServerIsToldOfCancellation() async throws {
        let (calls, cancellations) = (Log<StubRequest>(), Log<StubRequest>())
        let server = RemoteServer(.v2025_11_25) { request, responder in
            switch request.rpcMethod {
            case "tools/call":
                responder.beginEvents()
                calls.add(request)
            case "notifications/cancelled":
                responder.status(.accepted)
                cancellations.add(request)
            default: responder.status(.methodNotAllowed)
            }
        }
        try await withRemote(server, known: .legacy) { session, _ in
            let task = Task { try await session.request("tools/call", timeLimit: Self.limit) }
            let call = try #require(await calls.first(1).first)
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            let cancellation = try #require(await cancellations.first(1).first)
            #expect(cancellation.json["params"]?["requestId"] == call.id)
            #expect(cancellation.header("Mcp-Session-Id") == "session-1")
        }
    }

    // MARK: Questions

    @Test func aQuestionOnTheStreamOfACallIsAnsweredByIt() async throws {
        let pending = Log<(StubRequest, StubResponder)>()
        let answers = Log<JSONValue>()
        let server = RemoteServer(.v2025_11_25) { request, responder in
            switch (request.method, request.rpcMethod) {
            case (.GET, _): responder.status(.methodNotAllowed)
            case (_, "tools/call"):
                responder.beginEvents()
                pending.add((request, responder))
            default:
                // An answer to the server.
                responder.status(.accepted)
                answers.add(request.json)
            }
        }
        try await withRemote(server, known: .legacy) { session, _ in
            let (one, other) = (
                TestObserver("one", reply: ["who": "one"]), TestObserver("other", reply: ["who": "other"])
            )
            async let first = session.request("tools/call", observer: one, timeLimit: Self.limit)
            let firstCall = try #require(await pending.first(1).first)
            async let second = session.request("tools/call", observer: other, timeLimit: Self.limit)
            let secondCall = try #require(await pending.first(2).last)
            secondCall.1.event(["jsonrpc": "2.0", "id": "q", "method": "roots/list"])
            let answer = try #require(await answers.first(1).first)
            #expect(answer == ["jsonrpc": "2.0", "id": "q", "result": ["who": "other"]])
            for (request, responder) in [firstCall, secondCall] {
                responder.event(["jsonrpc": "2.0", "id": request.id, "result": [:]])
                responder.end()
            }
            _ = try await (first, second)
        }
    }
}
