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
    private enum State {
        /// It is not known yet which protocol it is.
        case looking
        /// HTTP/2 takes the connection over. Holds what arrives meanwhile: it writes at once, and when that fails the
        /// channel reads what is left before it closes.
        case switching(ByteBuffer)
        /// Everything is passed on.
        case done
    }

    private var state = State.looking
    /// Bytes of the first line that have come.
    private var matched = 0

    init(_ connection: MCPConnection, listener: ListenerState, loop: ConnectionLoop) {
        self.connection = connection
        self.listener = listener
        self.loop = loop
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.state {
        case .done: return context.fireChannelRead(data)
        case .switching(var arrived):
            arrived.writeImmutableBuffer(self.unwrapInboundIn(data))
            self.state = .switching(arrived)
            return
        case .looking: break
        }
        let bytes = self.unwrapInboundIn(data)
        let before = self.matched
        switch self.match(bytes.readableBytesUInt8Span) {
        case .undecided: return context.fireChannelRead(data)
        case .different:
            self.state = .done
            context.fireChannelRead(data)
        case .whole: self.switchOver(context, Self.preface(before, bytes))
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    /// - Parameter bytes: What has arrived, from the first byte of the preface on.
    private func switchOver(_ context: ChannelHandlerContext, _ bytes: ByteBuffer) {
        self.state = .switching(bytes)
        do {
            let isTaken = try HTTP2Pipeline.take(
                over: self.connection, on: context.channel, self.listener, self.loop)
            guard case .switching(let arrived) = self.state else { preconditionFailure("nothing else ends it") }
            self.state = .done
            // A connection that has closed meanwhile hears of nothing more.
            if !isTaken || context.channel.isActive { context.fireChannelRead(self.wrapInboundOut(arrived)) }
        } catch {
            self.state = .done
            context.fireErrorCaught(error)
        }
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
