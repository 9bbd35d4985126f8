import NIOCore
import NIOEmbedded
import Testing

@testable import TorporHTTP

/// A connection that becomes one of HTTP/2, and fails in that very moment.
struct HTTP2TakeOverTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

    @Test(arguments: [[], [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 0], preface])
    func aSocketThatFailsAtTheFirstFramesLeavesNothing(unread: [UInt8]) throws {
        let listener = EmbeddedListener()
        let socket = FailingSocket(unread: unread)
        let channel = EmbeddedChannel(handler: socket, loop: listener.eventLoop)
        try ConnectionPipeline.install(on: channel, listener.state, listener.loop)
        channel.connect(to: try SocketAddress(ipAddress: "192.0.2.1", port: 50_000), promise: nil)
        #expect(listener.state.gate.count == 1)
        channel.pipeline.fireChannelRead(ByteBuffer(bytes: Self.preface))
        #expect(socket.hasFailed)
        #expect(!channel.isActive)
        listener.eventLoop.run()
        listener.expectNothingLeft()
    }
}

/// Fails at the first write as a socket does: what had arrived is read and the channel closes before the write returns.
private final class FailingSocket: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let unread: [UInt8]
    private(set) var hasFailed = false

    init(unread: [UInt8]) { self.unread = unread }

    func flush(context: ChannelHandlerContext) {
        guard !self.hasFailed else { return }
        self.hasFailed = true
        if !self.unread.isEmpty { context.fireChannelRead(NIOAny(ByteBuffer(bytes: self.unread))) }
        context.close(promise: nil)
    }
}
