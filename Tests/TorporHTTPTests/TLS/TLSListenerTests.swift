import NIOCore
import NIOSSL
import Testing
import Torpor

@testable import TorporHTTP

/// A listener that speaks TLS, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct TLSListenerTests {
    @Test(arguments: [[], ["http/1.1"]])
    func bothErasAreServed(protocols: [String]) async throws {
        try await Self.withServer { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext(protocols: protocols)) {
                connection in
                try await connection.send(WireRequest.initialize())
                #expect(try await connection.answer()?.fields["mcp-session-id"] != nil)
                try await connection.send(WireRequest.modernCall("echo_later", #"{"message":"b"}"#))
                #expect(try await connection.answer()?.body.contains(#""text":"b""#) == true)
            }
        }
    }

    @Test(arguments: [TLSVersion.tlsv12, .tlsv13])
    func theVersionsOfTodayAreSpoken(version: TLSVersion) async throws {
        try await Self.withServer { server, _ in
            let context = try sampleClientContext {
                $0.minimumTLSVersion = version
                $0.maximumTLSVersion = version
            }
            try await RawConnection.open(port: server.port, tls: context) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping()))
                #expect(try await connection.answer()?.status == 200)
                #expect(try await connection.channel.nioSSL_tlsVersion().get() == version)
            }
        }
    }

    @Test func olderVersionsAreNot() async throws {
        try await Self.withServer { server, _ in
            let context = try sampleClientContext {
                $0.minimumTLSVersion = .tlsv1
                $0.maximumTLSVersion = .tlsv11
            }
            // The error is TLS's or the socket's, as the one or the other notices first.
            await #expect(throws: (any Error).self) {
                try await RawConnection.open(port: server.port, tls: context) { connection in
                    try await connection.send(WireRequest.post(WireRequest.ping()))
                    #expect(try await connection.answer() == nil)
                }
            }
        }
    }

    @Test func plainHTTPIsClosedWithoutAnAnswer() async throws {
        try await Self.withServer { server, _ in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping()))
                // An alert, which is no HTTP, or nothing at all.
                #expect((try? await connection.answer()) == nil)
            }
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping()))
                #expect(try await connection.answer()?.status == 200)
            }
        }
    }

    @Test func aRenewedCertificateIsForNewConnectionsAndOldOnesGoOn() async throws {
        try await Self.withServer { server, files in
            let context = try sampleClientContext()
            try await RawConnection.open(port: server.port, tls: context) { old in
                try await old.send(WireRequest.post(WireRequest.ping()))
                #expect(try await old.answer()?.status == 200)
                #expect(try await old.certificate() == SampleCertificate.first.bytes)

                try files.replace(
                    certificate: SampleCertificate.second.certificate, key: SampleCertificate.second.key)
                try server.certificate.reload()
                try await RawConnection.open(port: server.port, tls: context) { new in
                    try await new.send(WireRequest.post(WireRequest.ping()))
                    #expect(try await new.answer()?.status == 200)
                    #expect(try await new.certificate() == SampleCertificate.second.bytes)
                }
                try await old.send(WireRequest.post(WireRequest.ping()))
                #expect(try await old.answer()?.status == 200)
            }
        }
    }

    @Test func aFaultyRenewalChangesNothing() async throws {
        try await Self.withServer { server, files in
            // The key has been replaced, the certificate has not yet.
            try files.replace(key: SampleCertificate.second.key)
            #expect(throws: TLSCertificateError.self) { try server.certificate.reload() }
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping()))
                #expect(try await connection.answer()?.status == 200)
                #expect(try await connection.certificate() == SampleCertificate.first.bytes)
            }
        }
    }

    @Test(arguments: [[], ["Connection: close"]])
    func aLargeAnswerReachesAHalfClosedClientWhole(fields: [String]) async throws {
        let size = 8 << 20
        try await Self.withServer { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                try await connection.send(
                    WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":\#(size)}"#), fields: fields))
                connection.finishSending()
                let answer = try #require(try await connection.answer())
                #expect(answer.body.utf8.count > size)
                #expect(try await connection.answer() == nil)
            }
        }
    }

    @Test(arguments: [[], ["Connection: close"]])
    func anAnswerThatIsNotReadStaysCounted(fields: [String]) async throws {
        let size = 32 << 20
        try await Self.withServer(change: { $0.eventLoopCount = 1 }) { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { unread in
                try await unread.send(
                    WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":\#(size)}"#), fields: fields))
                // The loop has written what it can by the time that it has answered these.
                try await RawConnection.open(port: server.port, tls: sampleClientContext()) { other in
                    for _ in 0..<100 {
                        try await other.send(WireRequest.post(WireRequest.ping()))
                        #expect(try await other.answer()?.status == 200)
                    }
                }
                #expect(server.http.statistics.bufferedBytes > size)
            }
            server.running.cancel()
            _ = await server.running.result
            #expect(server.http.statistics.isZero)
        }
    }

    @Test func manyPipelinedLargeAnswersComeBackInOrder() async throws {
        try await Self.withServer { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                let ids = 1...40
                try await connection.send(
                    ids.map { id in
                        WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":100000}"#, id: id))
                    }.joined())
                for id in ids {
                    let answer = try #require(try await connection.answer())
                    #expect(answer.body.hasPrefix(#"{"jsonrpc":"2.0","id":\#(id),"#))
                    #expect(answer.body.utf8.count > 100_000)
                }
            }
        }
    }

    @Test func aModernCallIsCancelledWhenItsConnectionEnds() async throws {
        let held = HeldCalls()
        try await Self.withServer(held) { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                try await connection.send(WireRequest.modernCall("hold"))
                await held.nextBegins()
            }
            #expect(await held.nextEnding() == .cancelled)
        }
    }

    @Test func aStopClosesIdleConnections() async throws {
        try await Self.withServer { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping()))
                #expect(try await connection.answer()?.status == 200)
                server.running.cancel()
                #expect(try await connection.answer() == nil)
            }
            try await server.running.value
            #expect(server.http.statistics.isZero)
        }
    }

    @Test(arguments: [
        ("https://localhost", 200), ("https://127.0.0.1:8443", 200), ("https://app.example.com", 200),
        ("http://app.example.com", 403), ("https://app.example.com.evil.example", 403), ("https://evil.example", 403),
    ])
    func pagesOfOtherOriginsMayNotCall(origin: String, status: Int) async throws {
        try await Self.withServer(change: { $0.allowedOrigins = ["https://app.example.com"] }) { server, _ in
            try await RawConnection.open(port: server.port, tls: sampleClientContext()) { connection in
                try await connection.send(WireRequest.post(WireRequest.ping(), fields: ["Origin: \(origin)"]))
                let answer = try await connection.answer()
                #expect(answer?.status == status)
                #expect(answer?.fields["access-control-allow-origin"] == (status == 200 ? origin : nil))
            }
        }
    }

    /// Runs a server with the first of the sample certificates, and the files it came from.
    private static func withServer(
        _ held: HeldCalls = HeldCalls(), change: (inout HTTPConfiguration) -> Void = { _ in },
        _ body: @Sendable (SecureServer, CertificateFiles) async throws -> Void
    ) async throws {
        let files = try CertificateFiles()
        let certificate = try files.load()
        try await RunningServer.with(
            sampleServer(held),
            {
                change(&$0)
                $0.tls = certificate
            }
        ) { server in
            try await body(
                SecureServer(http: server.http, port: server.port, running: server.running, certificate: certificate),
                files)
        }
    }

    private struct SecureServer: Sendable {
        let http: HTTPServer
        let port: Int
        let running: Task<Void, any Error>
        let certificate: TLSCertificate
    }
}

extension RawConnection {
    /// What the server has proved itself with.
    fileprivate func certificate() async throws -> [UInt8] {
        let certificate = try await self.channel.nioSSL_peerCertificate().get()
        return try #require(certificate).toDERBytes()
    }
}
