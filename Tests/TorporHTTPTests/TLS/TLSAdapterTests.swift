import NIOCore
import NIOEmbedded
import NIOSSL
import NIOTLS
import Testing

@testable import TorporHTTP

/// What stands between TLS and a connection, without either.
@Suite struct TLSAdapterTests {
    @Test func aHandshakeThatDoesNotEndIsGivenUpAtTheLimitOfAHeadAndNotBefore() throws {
        let files = try CertificateFiles()
        let certificate = try files.load()
        let listener = EmbeddedListener(.sample { $0.tls = certificate })
        let channel = try listener.open()
        listener.advance(seconds: 5)
        // The beginning of a record, drop by drop.
        try channel.writeInbound(ByteBuffer(bytes: [0x16, 0x03]))
        listener.advance(seconds: 5)
        #expect(channel.isActive)
        listener.advance(seconds: 1)
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }

    @Test func aStopDoesNotWaitForHandshakes() throws {
        let files = try CertificateFiles()
        let certificate = try files.load()
        let listener = EmbeddedListener(.sample { $0.tls = certificate })
        let channel = try listener.open()
        var isDrained = false
        listener.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        listener.eventLoop.run()
        #expect(!channel.isActive)
        #expect(isDrained)
        listener.expectNothingLeft()
    }

    @Test func onceTheHandshakeHasEndedItsLimitIsOver() throws {
        let listener = EmbeddedListener()
        let channel = try Self.adapter(of: listener)
        channel.pipeline.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: nil))
        listener.advance(seconds: 60)
        #expect(channel.isActive)
        listener.expectNothingLeft()
        #expect(channel.isActive)
    }

    @Test func aLargeWriteLeavesInPortionsThatHoldItWhole() throws {
        let channel = try Self.adapter(of: EmbeddedListener())
        let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0) }
        var isWritten = false
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess { isWritten = true }
        channel.pipeline.writeAndFlush(ByteBuffer(bytes: bytes), promise: promise)
        var sizes: [Int] = []
        var received: [UInt8] = []
        while let portion = try channel.readOutbound(as: ByteBuffer.self) {
            sizes.append(portion.readableBytes)
            received += Array(portion.readableBytesView)
        }
        #expect(sizes == [TLSAdapter.portion, TLSAdapter.portion, TLSAdapter.portion, 50_000 - 3 * TLSAdapter.portion])
        #expect(received == bytes)
        #expect(isWritten)
    }

    /// A connection writes one answer after the other until the socket says that it is full, and only what was flushed
    /// reaches the socket.
    @Test func manySmallWritesAreFlushedAtAPortion() throws {
        let channel = try Self.adapter(of: EmbeddedListener())
        let small = ByteBuffer(repeating: 0x61, count: 1_000)
        for _ in 0..<16 { channel.pipeline.write(small, promise: nil) }
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        channel.pipeline.write(small, promise: nil)
        for _ in 0..<17 { #expect(try channel.readOutbound(as: ByteBuffer.self) == small) }
    }

    @Test func aClientThatGoesWithoutAWordInTLSHasNotFailed() throws {
        let channel = try Self.adapter(of: EmbeddedListener())
        channel.pipeline.fireErrorCaught(NIOSSLError.uncleanShutdown)
        try channel.throwIfErrorCaught()
        channel.pipeline.fireErrorCaught(NIOSSLError.readInInvalidTLSState)
        #expect(throws: NIOSSLError.self) { try channel.throwIfErrorCaught() }
    }

    private static func adapter(of listener: EmbeddedListener) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(
            handler: TLSAdapter(
                MCPConnection(listener: listener.state, loop: listener.loop), listener: listener.state,
                loop: listener.loop), loop: listener.eventLoop)
        channel.connect(to: try SocketAddress(ipAddress: "192.0.2.1", port: 50_000), promise: nil)
        return channel
    }
}

extension EmbeddedListener {
    /// A new connection, made as a listener makes it.
    func open() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(loop: self.eventLoop)
        try ConnectionPipeline.install(on: channel, self.state, self.loop)
        channel.connect(to: try SocketAddress(ipAddress: "192.0.2.1", port: 50_000), promise: nil)
        return channel
    }
}
