import Testing
import Torpor

@testable import TorporHTTP

/// The listener over real sockets: how it starts, serves and stops.
@Suite(.timeLimit(.minutes(1))) struct HTTPServerTests {
    @Test func oneConnectionServesBothErasInTurn() async throws {
        try await RunningServer.with(sampleServer()) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(WireRequest.initialize())
                let opened = try #require(try await connection.answer())
                let session = try #require(opened.fields["mcp-session-id"])
                try await connection.send(
                    WireRequest.post(
                        WireRequest.legacyCall("echo_later", #"{"message":"a"}"#),
                        fields: ["Mcp-Session-Id: \(session)"]))
                #expect(try await connection.answer()?.status == 200)
                try await connection.send(WireRequest.modernCall("echo_later", #"{"message":"b"}"#))
                #expect(try await connection.answer()?.body.contains(#""resultType":"complete""#) == true)
                #expect(server.http.statistics.connections == 1)
            }
        }
    }

    @Test func manyPipelinedCallsComeBackInOrder() async throws {
        try await RunningServer.with(sampleServer()) { server in
            try await RawConnection.open(port: server.port) { connection in
                let ids = 1...300
                try await connection.send(
                    ids.map { id in
                        WireRequest.post(
                            WireRequest.legacyCall(
                                id.isMultiple(of: 2) ? "echo" : "echo_later", #"{"message":"m\#(id)"}"#, id: id))
                    }.joined())
                for id in ids {
                    let answer = try await connection.answer()
                    #expect(answer?.body.hasPrefix(#"{"jsonrpc":"2.0","id":\#(id),"#) == true)
                }
            }
        }
    }

    @Test(arguments: [[], ["Connection: close"]])
    func aLargeAnswerReachesAHalfClosedClientWhole(fields: [String]) async throws {
        let size = 8 << 20
        try await RunningServer.with(sampleServer()) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(
                    WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":\#(size)}"#), fields: fields))
                connection.finishSending()
                let answer = try #require(try await connection.answer())
                #expect(answer.body.utf8.count > size)
                #expect(try await connection.answer() == nil)
            }
        }
    }

    @Test func aRefusalReachesAClientThatIsStillSending() async throws {
        try await RunningServer.with(sampleServer(), { $0.requestMax = .kibibytes(64) }) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(
                    "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n"
                        + String(repeating: "x", count: 70_000))
                #expect(try await connection.answer()?.status == 413)
                #expect(try await connection.answer() == nil)
            }
        }
    }

    /// Were a connection or a byte of each left behind, the limits would be reached long before the end.
    @Test func aThousandAbandonedSessionsLeaveNothing() async throws {
        let http = try await RunningServer.with(
            sampleServer(),
            {
                $0.connectionsMax = 128
                $0.connectionsPerAddressMax = 128
            }
        ) { server in
            for _ in 0..<1_000 {
                try await RawConnection.open(port: server.port) { connection in
                    try await connection.send(WireRequest.initialize())
                    #expect(try await connection.answer()?.status == 200)
                }
            }
            return server.http
        }
        #expect(http.statistics.isZero)
    }

    @Test func aModernCallIsCancelledWhenItsSocketCloses() async throws {
        let held = HeldCalls()
        let http = try await RunningServer.with(sampleServer(held)) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(WireRequest.modernCall("hold"))
                await held.nextBegins()
            }
            #expect(await held.nextEnding() == .cancelled)
            return server.http
        }
        #expect(http.statistics.isZero)
    }

    // MARK: Stopping

    @Test func aStopClosesIdleConnectionsAndLetsCallsEnd() async throws {
        let held = HeldCalls()
        try await RunningServer.with(sampleServer(held)) { server in
            try await RawConnection.open(port: server.port) { idle in
                try await idle.send(WireRequest.post(WireRequest.ping()))
                #expect(try await idle.answer()?.closes == false)
                try await RawConnection.open(port: server.port) { busy in
                    try await busy.send(WireRequest.post(WireRequest.legacyCall("hold")))
                    await held.nextBegins()
                    server.running.cancel()
                    // The server stops, and yet this connection gets its answer.
                    #expect(try await idle.answer() == nil)
                    held.release()
                    let answer = try #require(try await busy.answer())
                    #expect(answer.body.contains("released"))
                    #expect(answer.closes)
                    #expect(try await busy.answer() == nil)
                }
            }
            try await server.running.value
            #expect(server.http.statistics.isZero)
            #expect(!server.http.statistics.isListening)
            #expect(server.http.statistics.isDraining)
        }
    }

    @Test func callsThatOutlastTheGracePeriodAreAnsweredAndTheStopSaysSo() async throws {
        let held = HeldCalls()
        try await RunningServer.with(sampleServer(held), { $0.gracePeriod = .zero }) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(WireRequest.post(WireRequest.legacyCall("hold")))
                await held.nextBegins()
                server.running.cancel()
                let answer = try #require(try await connection.answer())
                #expect(answer.status == 503)
                #expect(answer.fields["retry-after"] == "1")
            }
            let error = await #expect(throws: HTTPServerError.self) { try await server.running.value }
            #expect(error?.code == .drainTimedOut)
            #expect(error?.description.contains("1 calls") == true)
            #expect(server.http.statistics.isZero)
        }
    }

    @Test func aHandlerThatIgnoresItsCancellationDoesNotKeepTheServer() async throws {
        let held = HeldCalls()
        try await RunningServer.with(sampleServer(held), { $0.gracePeriod = .zero }) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(WireRequest.post(WireRequest.legacyCall("hold_fast")))
                await held.nextBegins()
                server.running.cancel()
                #expect(try await connection.answer()?.status == 503)
            }
            let error = await #expect(throws: HTTPServerError.self) { try await server.running.value }
            #expect(error?.code == .drainTimedOut)
            held.release()
            #expect(await held.nextEnding() == .released)
        }
    }

    // MARK: Starting

    @Test(arguments: ["0.0.0.0", "::", "192.0.2.1", "example.com"])
    func withoutAuthenticationNobodyBeyondLoopbackIsLetIn(host: String) async throws {
        let error = await #expect(throws: HTTPServerError.self) {
            try await RunningServer.with(sampleServer(), { $0.host = host }) { _ in }
        }
        #expect(error?.code == .unsafeConfiguration)
        #expect(error?.description.contains("--auth token-file=PATH") == true)
    }

    @Test func anonymousCallersBeyondLoopbackAreServedWhenThatIsMeant() async throws {
        try await RunningServer.with(
            sampleServer(),
            {
                $0.host = "0.0.0.0"
                $0.drainDelay = .zero
                $0.allowsAnonymousBeyondLoopback = true
            }
        ) { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping()))
                #expect(try await connection.answer()?.status == 200)
            }
        }
    }

    @Test func aPortThatIsTakenIsNamedWithAdvice() async throws {
        try await RunningServer.with(sampleServer()) { server in
            let error = await #expect(throws: HTTPServerError.self) {
                try await RunningServer.with(sampleServer(), { $0.port = server.port }) { _ in }
            }
            #expect(error?.code == .cannotBind)
            #expect(error?.description.contains("127.0.0.1:\(server.port)") == true)
            #expect(error?.description.contains("--port") == true)
        }
    }
}
