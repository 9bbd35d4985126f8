import NIOCore
import NIOHTTP2
import TorporCore

/// Makes one stream of HTTP/2 look like a connection of HTTP/1.1 that brings one request and takes one answer.
///
/// Lives in the stream's channel, on the event loop of its connection only.
final class HTTP2StreamCodec: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let connection: HTTP2Connection
    private let listener: ListenerState
    private var layout = HTTP2RequestLayout()
    private var answer = HTTP2AnswerReader()
    /// What the stream takes of the common budget.
    private var reservedBytes = 0
    /// Nothing more is taken or sent: the stream was given up, or its client need not send the rest.
    private var isReset = false
    /// Fulfilled when the last frame of the answer has left.
    private var answerSent: EventLoopFuture<Void>?
    private var isAnswerSent = false

    init(_ connection: HTTP2Connection, listener: ListenerState) {
        self.connection = connection
        self.listener = listener
    }

    // MARK: Events of the channel

    func channelActive(context: ChannelHandlerContext) {
        guard !self.connection.takesNoStreams, self.listener.buffers.reserve(HTTP2Pipeline.streamBytes) else {
            // Nothing has been done for it, so the client may try again (RFC 9113, 8.7).
            return self.reset(.refusedStream, context)
        }
        self.reservedBytes = HTTP2Pipeline.streamBytes
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.isReset = true
        self.listener.buffers.release(self.reservedBytes)
        self.reservedBytes = 0
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.isReset { return }
        do throws(HTTP2MalformedRequest) {
            let text = try self.text(of: self.unwrapInboundIn(data))
            if text.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(text)) }
        } catch {
            self.reset(.protocolError, context)
            self.connection.noteMalformedRequest(error)
        }
    }

    private func text(of frame: HTTP2Frame.FramePayload) throws(HTTP2MalformedRequest) -> ByteBuffer {
        switch frame {
        case .headers(let frame): return try self.layout.head(frame.headers, endsStream: frame.endStream)
        case .data(let frame):
            guard case .byteBuffer(let bytes) = frame.data else {
                preconditionFailure("frames from a socket are buffers")
            }
            return try self.layout.data(bytes, endsStream: frame.endStream)
        default: return ByteBuffer()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !self.isReset else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        var text = self.unwrapOutboundIn(data)
        self.answer.isToHead = self.layout.isHead
        while let part = self.answer.next(&text) { self.write(part, context) }
        guard let promise else { return }
        // Answers end with a write of nothing, to learn when they were sent.
        if let sent = self.answerSent { sent.cascade(to: promise) } else { promise.succeed() }
    }

    private func write(_ part: HTTP2AnswerReader.Part, _ context: ChannelHandlerContext) {
        let frame: HTTP2Frame.FramePayload
        switch part {
        case .head(let fields, _): frame = .headers(.init(headers: fields, endStream: part.endsAnswer))
        case .body(let bytes, _): frame = .data(.init(data: .byteBuffer(bytes), endStream: part.endsAnswer))
        }
        guard part.endsAnswer else { return context.write(self.wrapOutboundOut(frame), promise: nil) }
        let sent = context.eventLoop.makePromise(of: Void.self)
        self.answerSent = sent.futureResult
        sent.futureResult.assumeIsolated().whenSuccess { self.isAnswerSent = true }
        context.write(self.wrapOutboundOut(frame), promise: sent)
    }

    /// A stream closes by itself when both sides have ended. Who has its answer need not send the rest of its request;
    /// that is no failure (RFC 9113, 8.1).
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard self.isAnswerSent, !self.isReset else { return context.close(promise: promise) }
        self.isReset = true
        // In a turn of its own: the last frame is known to have left while others are being written.
        context.eventLoop.assumeIsolated().execute { self.reset(.noError, context, promise: promise) }
    }

    private func reset(
        _ code: HTTP2ErrorCode, _ context: ChannelHandlerContext, promise: EventLoopPromise<Void>? = nil
    ) {
        self.isReset = true
        context.writeAndFlush(self.wrapOutboundOut(.rstStream(code)), promise: promise)
    }
}
