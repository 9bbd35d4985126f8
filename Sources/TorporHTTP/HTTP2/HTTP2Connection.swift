import Logging
import NIOCore
import NIOHPACK
import NIOHTTP2

/// A client connection that speaks HTTP/2: counts its streams, and closes it when it is idle or the listener stops.
///
/// The last handler of its connection's channel; each stream has a channel of its own. Lives on its event loop only.
final class HTTP2Connection: ChannelInboundHandler, LoopMember {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private enum State {
        /// Takes streams.
        case open
        /// The client has been told to begin no more; streams it had begun by then are still taken until the next tick.
        case goingAway
        /// No more streams are taken. Closes with the last of them.
        case gone
        /// Nothing is left but to close.
        case closing
    }

    /// Malformed requests that are met with the end of their stream only. Beyond, the connection ends.
    static let malformedMax = 100

    private let listener: ListenerState
    private let loop: ConnectionLoop
    let address: String
    private var context: ChannelHandlerContext?
    private var state = State.open
    private var openStreams = 0
    private var lastStream = HTTP2StreamID.rootStream
    private var malformedCount = 0
    /// When the connection began, lost its last stream, or began to close; in ticks.
    private var sinceTick: Int

    init(listener: ListenerState, loop: ConnectionLoop, address: String) {
        self.listener = listener
        self.loop = loop
        self.address = address
        self.sinceTick = loop.tick
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.loop.add(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.listener.gate.leave(self.address)
        self.loop.remove(self)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Frames of the connection itself are answered by then.
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that can send no more can neither grant windows nor end streams.
        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of one stream that is refused since the client was told to begin none.
        if error is NIOHTTP2Errors.StreamError { return }
        // Of the connection, and the client has been told why.
        self.listener.logger.debug("connection failed", metadata: ["error": "\(error)"])
        // In a turn of its own: the frames that failed are still being read.
        context.eventLoop.assumeIsolated().execute { context.close(promise: nil) }
    }

    // MARK: Streams

    /// Whether streams that begin now are refused.
    var takesNoStreams: Bool {
        switch self.state {
        case .open, .goingAway: false
        case .gone, .closing: true
        }
    }

    func streamBegan(_ id: HTTP2StreamID) {
        self.openStreams += 1
        self.lastStream = max(self.lastStream, id)
    }

    func streamEnded() {
        self.openStreams -= 1
        // As an answer of HTTP/1.1 closes its connection then.
        if self.listener.isDraining { self.drain() }
        guard self.openStreams == 0 else { return }
        switch self.state {
        case .open: self.sinceTick = self.loop.tick
        case .goingAway, .gone: self.close()
        case .closing: break
        }
    }

    /// A stream was ended for what it brought.
    func noteMalformedRequest(_ error: HTTP2MalformedRequest) {
        self.listener.logger.debug("malformed request", metadata: ["error": "\(error)"])
        self.malformedCount += 1
        if self.malformedCount > Self.malformedMax { self.close(.enhanceYourCalm) }
    }

    // MARK: Time and stopping

    func checkTimeLimits() {
        let age = self.loop.tick - self.sinceTick
        switch self.state {
        case .open: if self.openStreams == 0, age >= self.listener.idleTicks { self.close() }
        case .goingAway:
            // What had been sent when the client was told has arrived.
            self.state = .gone
            self.goAway(self.lastStream, .noError)
            if self.openStreams == 0 { self.close() }
        case .gone: break
        case .closing: if age >= self.listener.writeTicks || self.loop.isDraining { self.context?.close(promise: nil) }
        }
    }

    func drain() {
        guard case .open = self.state else { return }
        guard self.openStreams > 0 else { return self.close() }
        self.state = .goingAway
        self.goAway(.maxID, .noError)
    }

    /// The streams answer for themselves.
    func cutShort() { self.drain() }

    private func goAway(_ last: HTTP2StreamID, _ code: HTTP2ErrorCode, promise: EventLoopPromise<Void>? = nil) {
        let frame = HTTP2Frame(
            streamID: .rootStream, payload: .goAway(lastStreamID: last, errorCode: code, opaqueData: nil))
        guard let context = self.context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: promise)
    }

    /// Closes once everything written has been sent, or the client has left it unread for too long.
    private func close(_ code: HTTP2ErrorCode = .noError) {
        if case .closing = self.state { return }
        self.state = .closing
        self.sinceTick = self.loop.tick
        guard let context = self.context else { return }
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { _ in self.context?.close(promise: nil) }
        self.goAway(self.lastStream, code, promise: sent)
    }
}

/// Tells a connection of its streams.
struct HTTP2StreamCount: NIOHTTP2StreamDelegate {
    let connection: NIOLoopBound<HTTP2Connection>

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) { self.connection.value.streamBegan(id) }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) { self.connection.value.streamEnded() }
}
