import NIOCore
import NIOSSL
import NIOTLS

/// Stands between TLS and the connection, and makes the one look to the other as a bare socket does.
///
/// - A handshake that does not end within the time for a head is given up.
/// - A client that closes without saying so in TLS has closed all the same: what it sent tells where it ends.
/// - What is written is encrypted, and so reaches the socket, in portions: the connection learns at once when its client
///   does not read, and TLS keeps no buffer as large as the largest answer.
///
/// Lives on its event loop only.
final class TLSAdapter: ChannelDuplexHandler, LoopMember {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes that are encrypted at once: one record's worth.
    static let portion = 16 << 10

    private var connection: MCPConnection?
    private let listener: ListenerState
    private let loop: ConnectionLoop
    private var context: ChannelHandlerContext?
    private var startTick = 0
    private var isHandshaking = false
    /// Bytes that were written and not flushed.
    private var unflushedBytes = 0

    /// - Parameter connection: What reads and writes behind it, until the client asks for HTTP/2.
    init(_ connection: MCPConnection, listener: ListenerState, loop: ConnectionLoop) {
        self.connection = connection
        self.listener = listener
        self.loop = loop
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        self.startTick = self.loop.tick
        self.isHandshaking = true
        self.loop.add(self)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.handshakeEnded()
        self.context = nil
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let name)? = event as? TLSUserEvent {
            if name == "h2" { self.beginHTTP2(context) }
            self.handshakeEnded()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The end of the connection, or of its input, is reported beside it.
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return }
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var bytes = self.unwrapOutboundIn(data)
        while bytes.readableBytes > Self.portion, let portion = bytes.readSlice(length: Self.portion) {
            context.writeAndFlush(self.wrapOutboundOut(portion), promise: nil)
        }
        self.unflushedBytes += bytes.readableBytes
        context.write(self.wrapOutboundOut(bytes), promise: promise)
        if self.unflushedBytes >= Self.portion { self.flush(context: context) }
    }

    func flush(context: ChannelHandlerContext) {
        self.unflushedBytes = 0
        context.flush()
    }

    private func handshakeEnded() {
        guard self.isHandshaking else { return }
        self.isHandshaking = false
        self.connection = nil
        self.loop.remove(self)
    }

    private func beginHTTP2(_ context: ChannelHandlerContext) {
        guard let connection = self.connection else { return }
        do {
            let isTaken = try HTTP2Pipeline.take(over: connection, on: context.channel, self.listener, self.loop)
            // It was turned away, in words that are not for this client.
            if !isTaken { context.close(promise: nil) }
        } catch {
            context.fireErrorCaught(error)
        }
    }

    // MARK: Time and stopping

    // Called while the handshake lasts only.

    func checkTimeLimits() {
        if self.loop.tick - self.startTick >= self.listener.headTicks { self.context?.close(promise: nil) }
    }

    func drain() { self.context?.close(promise: nil) }

    func cutShort() { self.context?.close(promise: nil) }
}
