import NIOCore

/// Stands between the socket and TLS, and closes the socket only when what was written has left it.
///
/// TLS says farewell and closes in one turn. With a full socket the farewell would be lost, and the client could not tell
/// an end from a cut. Who does not read keeps nothing open: whoever gives up a connection says so once a second, and the
/// second time counts at once.
final class SocketDrain: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var isClosing = false

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, !self.isClosing else { return context.close(mode: mode, promise: promise) }
        self.isClosing = true
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            context.close(promise: promise)
        }
    }
}
