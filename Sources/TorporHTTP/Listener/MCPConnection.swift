import Logging
import NIOCore
import Torpor
import TorporCore
import TorporProtocol

/// One client connection: takes bytes, hands messages to the dispatcher, and writes the answers in the order of the
/// requests.
///
/// One request is under way at a time; pipelined ones wait in `pending`, which is bounded by not reading further.
/// Lives on its event loop only.
final class MCPConnection: ChannelDuplexHandler, RemovableChannelHandler, LoopMember {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What the connection is busy with.
    enum Activity {
        /// Waits for a request, or for the rest of one.
        case reading
        /// A request is handled when its caller's turn has come.
        case waiting
        /// A call runs off the loop; its answer is due next.
        case running(RunningCall, Exchange)
        /// The answer is a stream of events, of which some have been sent.
        case streaming(StreamedAnswer)
        /// The client does not read; the next request begins when it does.
        case blocked
        /// The last answer has been written; nothing more is read.
        case closing
    }

    /// What of a request matters for its answer.
    struct Exchange {
        var keepsAlive: Bool
        /// HTTP/1.0 has no chunks: a stream ends with its connection.
        var hasChunks = true
        /// Whether the client takes a stream of events.
        var acceptsStreams = false
        /// Whether the request was a HEAD, whose answer has no body whatever its head says.
        var isHead = false
        var origin: ArraySlice<UInt8>?
    }

    /// How the connection is counted, and so has to be counted out.
    private enum Membership { case none, admitted, turnedAway }

    /// Pipelined bytes held while a call runs, beyond which the socket is not read. In bytes; what one read brings
    /// comes on top.
    static let pendingMax = 64 << 10

    let listener: ListenerState
    let loop: ConnectionLoop
    let isStream: Bool
    var machine: HTTPRequestStateMachine
    var activity = Activity.reading
    var context: ChannelHandlerContext?
    /// Bytes that arrived and have not been looked at.
    var pending: ByteBuffer?
    var pendingCount: Int { self.pending?.readableBytes ?? 0 }
    var outgoing = ByteBuffer()
    private(set) var address: String
    private var membership = Membership.none
    /// Who sent the latest request.
    @exclusivity(unchecked) private var latestCaller: (principal: Principal?, name: CallerName)?
    /// When the activity or the phase of the request began, in ticks.
    var sinceTick = 0
    var phase = HTTPRequestStateMachine.Phase.idle
    /// Shares of the common budget: of a body that is arriving, and of an answer that is not read.
    var reservedForBody = 0
    var reservedForAnswer = 0
    var isReadHeld = false
    var needsFlush = false
    /// A write is under way, and whether the socket has become writable again within it.
    var isWriting = false
    var hasDrained = false
    var inputIsClosed = false
    /// More arrived than may be held, so whatever follows is ignored.
    private var inputIsCut = false
    /// The last answer has left, and the client was told that nothing follows.
    var outputIsClosed = false

    /// - Parameter streamAddress: The client's address, for one stream of a connection that is counted elsewhere; it
    ///   brings one request.
    init(listener: ListenerState, loop: ConnectionLoop, streamAddress: String? = nil) {
        self.listener = listener
        self.isStream = streamAddress != nil
        self.address = streamAddress ?? ""
        self.loop = loop
        self.machine = HTTPRequestStateMachine(limits: listener.limits)
    }

    // MARK: Events of the channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        self.sinceTick = self.loop.tick
        guard !self.isStream else {
            self.loop.add(self)
            return context.fireChannelActive()
        }
        self.address = context.remoteAddress?.ipAddress ?? ""
        // Accepted just before the listener closed: nothing has been asked yet.
        guard !self.loop.isDraining else { return context.close(promise: nil) }
        switch self.listener.gate.enter(self.address) {
        case .admitted:
            self.membership = .admitted
            self.loop.add(self)
            context.fireChannelActive()
        case .full: self.turnAway(503, "The server holds as many connections as it may.")
        case .addressFull: self.turnAway(429, "This address holds as many connections as it may.")
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch self.activity {
        case .running(let call, _) where call.call.endsWithConnection: call.task.cancel()
        case .streaming(let answer): self.leave(answer)
        case .running, .waiting, .reading, .blocked, .closing: break
        }
        self.activity = .closing
        self.pending = nil
        self.machine = HTTPRequestStateMachine(limits: self.listener.limits)
        self.reserveForBody(0)
        self.releaseAnswer()
        self.context = nil
        switch self.membership {
        case .none: break
        case .admitted: self.listener.gate.leave(self.address)
        case .turnedAway: self.loop.turnedAwayCount -= 1
        }
        self.membership = .none
        self.loop.remove(self)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        if case .closing = self.activity { return }
        if self.inputIsCut { return }
        if self.pending == nil {
            self.pending = bytes
        } else if self.pendingCount + bytes.readableBytes <= 2 * Self.pendingMax {
            // Otherwise a client that always pipelines would make the buffer grow by what was consumed.
            self.pending?.discardReadBytes()
            self.pending?.writeImmutableBuffer(bytes)
        } else {
            // Reads are held, and yet more comes: the client has closed its half, so that all it ever sent arrives at
            // once.
            self.inputIsCut = true
        }
        self.readRequests()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.needsFlush {
            self.needsFlush = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    /// Reads no further while more pipelined bytes wait than may be held.
    func read(context: ChannelHandlerContext) {
        if self.pendingCount < Self.pendingMax { context.read() } else { self.isReadHeld = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, self.isWriting {
            // Under TLS the socket may fill and empty again while an answer is handed to it piece by piece.
            self.hasDrained = true
        } else if context.channel.isWritable {
            self.releaseAnswer()
            switch self.activity {
            case .blocked:
                self.activity = .reading
                self.sinceTick = self.loop.tick
                self.readRequests()
                // The answer that was unread promised that the connection stays.
                if self.loop.isDraining { self.drain() }
                self.flush()
            case .streaming: self.sendMessages()
            case .reading, .waiting, .running, .closing: break
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { self.inputClosed() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A broken socket: the connection ends, `channelInactive` does the rest.
        self.listener.logger.debug("connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    /// The client sends no more. What it asked for in the legacy era is still answered, for it may have closed one half
    /// only; in the modern era its going away cancels the call (2026-07-28, transports, cancellation), and the two
    /// cannot be told apart.
    private func inputClosed() {
        self.inputIsClosed = true
        switch self.activity {
        case .reading: self.closeAfterWriting()
        case .running(let call, _) where call.call.endsWithConnection: self.abandon(call)
        case .streaming(let answer) where answer.endsWithConnection:
            self.leave(answer)
            self.closeAfterWriting()
        case .closing where self.outputIsClosed: self.context?.close(promise: nil)
        // Closes when what is under way has been answered and sent.
        case .waiting, .running, .streaming, .blocked, .closing: break
        }
    }

    // MARK: Counting

    /// The name of who sends a request, a principal or its address.
    func callerName(_ principal: Principal?) -> CallerName {
        if let latestCaller, latestCaller.principal == principal { return latestCaller.name }
        let name = CallerName(principal.map(Caller.principal) ?? .address(self.address))
        self.latestCaller = (principal, name)
        return name
    }

    /// Answers that there is no room. Beyond some that are being told so, connections are closed without a word.
    private func turnAway(_ status: Int, _ reason: String) {
        guard self.loop.turnedAwayCount < ConnectionLoop.turnedAwayMax else {
            self.context?.close(promise: nil)
            return
        }
        self.membership = .turnedAway
        self.loop.turnedAwayCount += 1
        self.loop.add(self)
        self.answer(Refusal(status, .internalError, reason, retryAfterSeconds: 1), Exchange(keepsAlive: false))
    }

    /// The address under which the connection is counted; nil when it is not to be had, because it was turned away or
    /// closes.
    var addressToHandOver: String? {
        guard case .admitted = self.membership, case .reading = self.activity else { return nil }
        return self.address
    }

    /// Leaves the connection, before its first request, to who speaks another protocol on it and counts it out.
    func handOver() {
        self.membership = .none
        self.activity = .closing
        self.context = nil
        self.loop.remove(self)
    }
}
