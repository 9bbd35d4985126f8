import NIOCore

/// Looks at the first bytes of a plain connection: a client that knows that the server speaks HTTP/2 begins with a
/// preface that is no request of HTTP/1.1 (RFC 9113, 3.3 and 3.4).
///
/// What may still be either is passed on, so that time limits hold for it; it is too short to be answered. Removes
/// itself as soon as it knows.
final class ProtocolDetector: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// The first line of the preface. What follows it is checked by whoever reads frames.
    private static let firstLine: StaticString = "PRI * HTTP/2.0\r\n"

    private let connection: MCPConnection
    private let listener: ListenerState
    private let loop: ConnectionLoop
    /// Bytes of the first line that have come.
    private var matched = 0

    init(_ connection: MCPConnection, listener: ListenerState, loop: ConnectionLoop) {
        self.connection = connection
        self.listener = listener
        self.loop = loop
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        let before = self.matched
        switch self.match(bytes.readableBytesUInt8Span) {
        case .undecided: return context.fireChannelRead(data)
        case .different: context.fireChannelRead(data)
        case .whole:
            do {
                guard try HTTP2Pipeline.take(over: self.connection, on: context.channel, self.listener, self.loop)
                else {
                    context.fireChannelRead(data)
                    break
                }
                context.fireChannelRead(self.wrapInboundOut(Self.preface(before, bytes)))
            } catch {
                context.fireErrorCaught(error)
            }
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    private enum Match { case undecided, different, whole }

    private func match(_ bytes: Span<UInt8>) -> Match {
        var index = 0
        while index < bytes.count, self.matched < Self.firstLine.utf8CodeUnitCount {
            guard bytes[index] == Self.firstLine.utf8Start[self.matched] else { return .different }
            index += 1
            self.matched += 1
        }
        return self.matched == Self.firstLine.utf8CodeUnitCount ? .whole : .undecided
    }

    /// The bytes that came, after those that came before them.
    private static func preface(_ count: Int, _ bytes: ByteBuffer) -> ByteBuffer {
        guard count > 0 else { return bytes }
        var whole = ByteBuffer()
        whole.writeBytes(UnsafeBufferPointer(start: self.firstLine.utf8Start, count: count))
        whole.writeImmutableBuffer(bytes)
        return whole
    }
}
