import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

struct OpeningTests {
    private let transport = MemoryTransport()
    private let timer = ManualTimer()

    /// Opens a session while `server` plays the other end.
    private func open(
        known: ProtocolRevision.Era? = nil, _ server: (MemoryTransport, ManualTimer) async throws -> Void
    ) async throws -> UpstreamSession {
        async let opening = UpstreamSession.open(
            over: self.transport, as: testClient, known: known, timeLimit: .seconds(30), timer: self.timer)
        try await server(self.transport, self.timer)
        return try await opening
    }

    private func next() async throws -> UpstreamMessage { try #require(await self.transport.next()) }

    private func refuse(_ message: UpstreamMessage, code: Int = -32601, data: JSONValue? = nil) throws {
        var error: JSONObject = ["code": .integer(code), "message": "No."]
        error["data"] = data
        let answer: JSONValue = [
            "jsonrpc": "2.0", "id": .integer(try #require(message.number).value), "error": .object(error),
        ]
        self.transport.say(answer.text)
    }

    @Test func aModernServerIsKnownByItsAnswerToTheProbe() async throws {
        let session = try await self.open { transport, _ in
            let probe = try await self.next()
            let meta = try probe.json["params"]?["_meta"]
            #expect(meta?["io.modelcontextprotocol/protocolVersion"] == "2026-07-28")
            #expect(meta?["io.modelcontextprotocol/clientInfo"]?["name"] == "torpor-test")
            #expect(meta?["io.modelcontextprotocol/clientCapabilities"]?["roots"] == [:])
            try answerDiscover(probe, capabilities: ["tools": [:]], over: transport)
        }
        let server = try #require(session.server)
        #expect(server.revision == .v2026_07_28)
        #expect(server.info == ["name": "new", "version": "4"])
        #expect(server.capabilities == ["tools": [:]])
        session.close()
        #expect(await self.transport.next() == nil)
    }

    @Test func aServerThatDoesNotKnowTheProbeIsGreeted() async throws {
        let session = try await self.open { transport, _ in
            try self.refuse(try await self.next())
            let initialize = try await self.next()
            #expect(try initialize.json["params"]?["protocolVersion"] == "2025-11-25")
            #expect(try initialize.json["params"]?["clientInfo"]?["name"] == "torpor-test")
            #expect(try initialize.json["params"]?["capabilities"]?["sampling"] == [:])
            try answerInitialize(initialize, .v2025_06_18, over: transport)
        }
        let server = try #require(session.server)
        #expect(server.revision == .v2025_06_18)
        #expect(server.instructions == "Be kind.")
        #expect(server.info["name"] == "old")
        #expect(try await self.next().method == "notifications/initialized")
        session.close()
    }

    @Test(arguments: [ProtocolRevision.v2024_11_05, .v2025_03_26, .v2025_06_18, .v2025_11_25])
    func everyLegacyRevisionIsAccepted(_ revision: ProtocolRevision) async throws {
        let session = try await self.open(known: .legacy) { transport, _ in
            try answerInitialize(try await self.next(), revision, over: transport)
        }
        #expect(session.server?.revision == revision)
        session.close()
    }

    @Test func silenceIsThatOfALegacyServerOrOfASlowOne() async throws {
        let session = try await self.open { transport, timer in
            let probe = try await self.next()
            timer.advance(by: .milliseconds(4_999))
            timer.advance(by: .milliseconds(1))
            let initialize = try await self.next()
            // A modern server that has started at last answers both, in order.
            try answerDiscover(probe, over: transport)
            try self.refuse(initialize)
        }
        #expect(session.server?.revision == .v2026_07_28)
        session.close()
    }

    @Test func aLegacyServerThatRefusesTheProbeLateIsStillGreeted() async throws {
        let session = try await self.open { transport, timer in
            let probe = try await self.next()
            timer.advance(by: .seconds(5))
            let initialize = try await self.next()
            try self.refuse(probe)
            try answerInitialize(initialize, .v2025_11_25, over: transport)
        }
        #expect(session.server?.revision == .v2025_11_25)
        #expect(session.faults.total == 0)
        session.close()
    }

    @Test func anErrorWithoutAnIDIsTheAnswerToTheProbe() async throws {
        let session = try await self.open { transport, _ in
            _ = try await self.next()
            transport.say(#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}"#)
            try answerInitialize(try await self.next(), .v2025_11_25, over: transport)
        }
        #expect(session.server?.revision == .v2025_11_25)
        session.close()
    }

    @Test func anEmptyResultIsNoDiscovery() async throws {
        let session = try await self.open { transport, _ in
            let number = try #require(try await self.next().number)
            transport.say(#"{"jsonrpc":"2.0","id":\#(number),"result":{}}"#)
            try answerInitialize(try await self.next(), .v2025_11_25, over: transport)
        }
        #expect(session.server?.revision == .v2025_11_25)
        session.close()
    }

    @Test func aServerOfOtherModernRevisionsIsGreetedWithTheNewestItShares() async throws {
        let session = try await self.open { transport, _ in
            try self.refuse(try await self.next(), code: -32022, data: ["supported": ["2031-01-01", "2025-06-18"]])
            let initialize = try await self.next()
            #expect(try initialize.json["params"]?["protocolVersion"] == "2025-06-18")
            try answerInitialize(initialize, .v2025_06_18, over: transport)
        }
        #expect(session.server?.revision == .v2025_06_18)
        session.close()
    }

    @Test func aServerWithoutACommonRevisionIsRefused() async throws {
        let error = await upstreamError(.refused) {
            _ = try await self.open { _, _ in
                try self.refuse(try await self.next(), code: -32022, data: ["supported": ["2031-01-01"]])
            }
        }
        #expect(error?.message.contains("2031-01-01") == true)
        #expect(self.transport.isClosed)
    }

    @Test func aHandshakeThatAnswersWithAModernRevisionIsRefused() async throws {
        await _ = upstreamError(.refused) {
            _ = try await self.open { transport, _ in
                try self.refuse(try await self.next())
                try answerInitialize(try await self.next(), .v2026_07_28, over: transport)
            }
        }
    }

    @Test func aServerThatHasLeftTheLegacyEraIsFoundOut() async throws {
        let session = try await self.open(known: .legacy) { transport, _ in
            try self.refuse(try await self.next())
            try answerDiscover(try await self.next(), over: transport)
        }
        #expect(session.server?.revision == .v2026_07_28)
        session.close()
    }

    @Test func aKnownModernServerMayBeSlow() async throws {
        let session = try await self.open(known: .modern) { transport, timer in
            let probe = try await self.next()
            timer.advance(by: .seconds(29))
            try answerDiscover(probe, over: transport)
        }
        #expect(session.server?.revision == .v2026_07_28)
        session.close()
        #expect(await self.transport.next() == nil)
    }

    @Test func aServerThatSaysNothingIsGivenUp() async throws {
        let error = await upstreamError(.timedOut) {
            _ = try await self.open { _, timer in
                _ = try await self.next()
                timer.advance(by: .seconds(5))
                _ = try await self.next()
                timer.advance(by: .seconds(25))
            }
        }
        #expect(error?.message.contains("30.0 seconds") == true)
        #expect(self.transport.isClosed)
    }

    @Test func aServerThatDoesNotSurviveTheProbeIsTold() async throws {
        await _ = upstreamError(.endedAtProbe) {
            _ = try await self.open { transport, _ in
                _ = try await self.next()
                transport.end()
            }
        }
    }

    @Test func aServerThatDiesDuringTheHandshakeHasEnded() async throws {
        await _ = upstreamError(.ended) {
            _ = try await self.open(known: .legacy) { transport, _ in
                _ = try await self.next()
                transport.end()
            }
        }
    }

    @Test func openingCanBeCancelled() async throws {
        let (transport, timer) = (self.transport, self.timer)
        let opening = Task {
            try await UpstreamSession.open(over: transport, as: testClient, timeLimit: .seconds(30), timer: timer)
        }
        _ = try await self.next()
        opening.cancel()
        await #expect(throws: CancellationError.self) { _ = try await opening.value }
        #expect(transport.isClosed)
    }

    @Test func whatAServerLogsBeforeItIntroducesItselfDoesNoHarm() async throws {
        let session = try await self.open { transport, _ in
            let probe = try await self.next()
            transport.say("Starting server...")
            transport.say(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
            #expect(try await self.next().json == ["jsonrpc": "2.0", "id": 1, "result": [:]])
            try answerDiscover(probe, over: transport)
        }
        #expect(session.faults[.notJSON] == 1)
        session.close()
    }

    @Test func aServerThatSpeaksAndDiesBeforeItIsSpokenToDoesNoHarm() async throws {
        let transport = HastyTransport()
        _ = await upstreamError(.endedAtProbe) {
            _ = try await UpstreamSession.open(
                over: transport, as: testClient, timeLimit: .seconds(30), timer: self.timer)
        }
    }
}

/// Brings a line and the end before anything is sent.
private final class HastyTransport: UpstreamTransport {
    let hasStreams = false

    func open(_ receiver: any UpstreamReceiver) {
        receiver.received(IncomingMessage(Array("Listening on stdio.".utf8)))
        receiver.ended(UpstreamError(.ended, "The server has closed its output."))
    }

    func send(_ message: UpstreamMessage) -> Bool { true }
    func flush() {}
    func closeStream(of request: RequestNumber) {}
    func opened(_ server: UpstreamServer) {}
    func setReading(_ isReading: Bool) {}
    func close() {}
    func closed() async {}
}
