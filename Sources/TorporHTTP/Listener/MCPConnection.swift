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
    private static let pendingMax = 64 << 10
    /// Requests and answers up to this size need no share of the common budget: they are bounded by the number of
    /// connections. In bytes.
    static let smallMax = 16 << 10
    /// The largest buffer that is kept for the next answer: idle connections are many. In bytes.
    private static let keptMax = 4 << 10
    /// How long a client may take to close its half when the server stops. In ticks.
    static let drainingLingerTicks = 2

    let listener: ListenerState
    let loop: ConnectionLoop
    private let isStream: Bool
    var machine: HTTPRequestStateMachine
    var activity = Activity.reading
    var context: ChannelHandlerContext?
    /// Bytes that arrived and have not been looked at.
    private var pending: ByteBuffer?
    var outgoing = ByteBuffer()
    private(set) var address: String
    private var membership = Membership.none
    /// When the activity or the phase of the request began, in ticks.
    var sinceTick = 0
    private var phase = HTTPRequestStateMachine.Phase.idle
    /// Shares of the common budget: of a body that is arriving, and of an answer that is not read.
    private var reservedForBody = 0
    var reservedForAnswer = 0
    private var isReadHeld = false
    private var needsFlush = false
    /// A write is under way, and whether the socket has become writable again within it.
    private var isWriting = false
    private var hasDrained = false
    var inputIsClosed = false
    /// More arrived than may be held, so whatever follows is ignored.
    private var inputIsCut = false
    /// The last answer has left, and the client was told that nothing follows.
    private var outputIsClosed = false

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
        case .running, .reading, .blocked, .closing: break
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
            case .reading, .running, .closing: break
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
        case .running, .streaming, .blocked, .closing: break
        }
    }

    /// Cancels a call whose client is gone. Nothing more is sent for it; answers to earlier requests still are.
    private func abandon(_ call: RunningCall) {
        call.task.cancel()
        self.closeAfterWriting()
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

    // MARK: Requests

    private var pendingCount: Int { self.pending?.readableBytes ?? 0 }

    /// Takes requests out of what has arrived until a call runs or no complete one is left.
    func readRequests() {
        while case .reading = self.activity, var bytes = self.pending {
            // Taken out, so that the buffer is held once and what is consumed is given back.
            self.pending = nil
            var position = 0
            let action = self.machine.next(bytes.readableBytesUInt8Span, position: &position)
            bytes.moveReaderIndex(forwardBy: position)
            if bytes.readableBytes > 0 { self.pending = bytes }
            switch action {
            case .needsMoreBytes: break
            case .sendContinue: self.sendContinue()
            case .request(let request):
                self.sinceTick = self.loop.tick
                if self.reserveForBody(self.wholeShare(of: request.bytes.count)) {
                    self.handle(request)
                    // Answered; a call that runs has taken its share with it.
                    self.reserveForBody(0)
                } else {
                    self.refuseForLackOfBuffers()
                }
            case .refuse(let refusal):
                self.answer(Refusal(refusal.status, .invalidRequest, refusal.reason), Exchange(keepsAlive: false))
            }
        }
        self.noteProgress()
        if case .reading = self.activity, self.inputIsClosed { self.closeAfterWriting() }
        if self.isReadHeld, self.pendingCount < Self.pendingMax {
            self.isReadHeld = false
            self.context?.read()
        }
    }

    /// Keeps the deadline and the budget in step with the request that is arriving.
    private func noteProgress() {
        let phase = self.machine.phase
        if phase != self.phase {
            self.phase = phase
            self.sinceTick = self.loop.tick
        }
        guard case .reading = self.activity, phase == .body else { return }
        if !self.reserveForBody(self.wholeShare(of: self.machine.bufferedBytes)) { self.refuseForLackOfBuffers() }
    }

    private func refuseForLackOfBuffers() {
        self.answer(
            Refusal(
                503, .internalError, "The server holds as many request bytes as it may. Try again.",
                retryAfterSeconds: 1),
            Exchange(keepsAlive: false))
    }

    /// What an event, or an answer of a connection that is no stream, of `count` bytes takes from the common budget.
    static func share(of count: Int) -> Int { count > Self.smallMax ? count : 0 }

    /// What a request or its whole answer takes from the common budget. The streams of a connection are many, so all of
    /// their bytes count.
    private func wholeShare(of count: Int) -> Int { self.isStream ? count : Self.share(of: count) }

    private func sendContinue() {
        self.outgoing.clear()
        self.outgoing.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        self.write()
    }

    /// Changes this connection's share of the common budget to `count` bytes.
    @discardableResult
    private func reserveForBody(_ count: Int) -> Bool {
        guard count != self.reservedForBody else { return true }
        if count > self.reservedForBody {
            guard self.listener.buffers.reserve(count - self.reservedForBody) else { return false }
        } else {
            self.listener.buffers.release(self.reservedForBody - count)
        }
        self.reservedForBody = count
        return true
    }

    /// Hands the request's share of the common budget to a call that outlives it.
    func takeShareOfBody() -> Int {
        defer { self.reservedForBody = 0 }
        return self.reservedForBody
    }

    private func handle(_ request: HTTPRequest) {
        // A client of HTTP/1.0 would have to be told that the connection stays open; it is closed instead.
        var exchange = Exchange(
            keepsAlive: request.head.isKeepAlive && request.head.minorVersion == 1 && !self.listener.isDraining
                && !self.isStream,
            hasChunks: request.head.minorVersion == 1, isHead: request.head.method == .head)
        do throws(Refusal) {
            let endpoint = try self.listener.checkAccess(request, &exchange)
            if request.head.method == .options, exchange.origin != nil {
                return self.send(
                    Reply(status: 204), exchange, extras: .init(origin: exchange.origin, isPreflight: true))
            }
            let principal = try self.listener.principal(request)
            let accepted = MediaType.accepted(by: request)
            exchange.acceptsStreams = accepted.contains(.events)
            switch (request.head.method, endpoint) {
            case (.post, .mcp(let dispatcher)):
                let message = self.listener.message(request, principal, accepted, address: self.address)
                try self.listener.checkMediaTypes(request, accepted)
                self.act(on: dispatcher.dispatch(message), exchange)
            case (.get, .mcp(let dispatcher)):
                let message = self.listener.message(request, principal, accepted, address: self.address)
                self.act(on: dispatcher.openStream(message), exchange)
            case (.delete, .mcp(let dispatcher)):
                let message = self.listener.message(request, principal, accepted, address: self.address)
                self.act(on: dispatcher.endSession(message), exchange)
            case (.get, .sse): try self.openChannel(request, principal, exchange)
            case (.post, .sseMessages): self.send(try self.receive(request, principal), exchange)
            case (_, .mcp):
                throw Refusal(
                    405, .invalidRequest, "This endpoint takes POST, GET for a session's stream, and DELETE to end one."
                )
            case (_, .sse): throw Refusal(405, .invalidRequest, "This endpoint takes GET, which opens a stream.")
            case (_, .sseMessages): throw Refusal(405, .invalidRequest, "This endpoint takes POST.")
            }
        } catch {
            self.answer(error, exchange)
        }
    }

    private func act(on dispatch: Dispatch, _ exchange: Exchange) {
        switch dispatch {
        case .reply(let reply): self.send(reply, exchange)
        case .call(let call): self.run(call, exchange)
        case .stream(let open): self.begin(open, exchange)
        }
    }

    private func run(_ call: PendingCall, _ exchange: Exchange) {
        // The request's bytes are held until the handler returns, so their share is too.
        let running = self.loop.run(call, for: self, reservedBytes: self.takeShareOfBody())
        self.activity = .running(running, exchange)
        if self.inputIsClosed, call.endsWithConnection { self.abandon(running) }
    }

    /// The call of this name has ended, whether or not its client still waits for it.
    func callEnded(_ name: UInt64, _ end: PendingCall.End) {
        guard case .running(let call, let exchange) = self.activity, call.name == name else { return }
        self.finish(call, end, exchange)
    }

    private func finish(_ call: RunningCall, _ end: PendingCall.End, _ exchange: Exchange) {
        var exchange = exchange
        if self.listener.isDraining { exchange.keepsAlive = false }
        switch end {
        case .reply(let reply):
            self.activity = .reading
            self.send(reply, exchange)
        case .withdrawn:
            self.activity = .reading
            self.sendNothing(exchange)
        // It began to speak on another thread: that its stream is open is still on its way to this loop.
        case .streamed: return self.opened(call)
        // Given up just when it ended by itself: that is on its way to this loop.
        case .known: return
        }
        self.sinceTick = self.loop.tick
        self.readRequests()
        self.flush()
    }

    // MARK: Answers

    /// Refuses a request.
    func answer(_ refusal: Refusal, _ exchange: Exchange) {
        var extras = ResponseHead.Extras(origin: exchange.origin)
        if refusal.status == 401 { extras.challenge = true }
        self.send(self.listener.dispatcher.refuse(refusal), exchange, extras: extras)
    }

    func send(_ reply: Reply, _ exchange: Exchange) {
        self.send(reply, exchange, extras: .init(origin: exchange.origin))
    }

    private func send(_ reply: Reply, _ exchange: Exchange, extras: ResponseHead.Extras) {
        var reply = reply
        var extras = extras
        let share = exchange.isHead ? 0 : self.wholeShare(of: reply.body.count)
        if share > 0 {
            if self.listener.buffers.reserve(share) {
                self.reservedForAnswer += share
            } else {
                reply = self.listener.dispatcher.refuse(
                    Refusal(
                        503, .internalError, "The server holds as many unread answers as it may. Try again.",
                        retryAfterSeconds: 1))
            }
        }
        extras.sessionID = reply.sessionID
        extras.retryAfterSeconds = reply.retryAfterSeconds
        if reply.status == 405 { extras.allow = "POST, GET, DELETE" }
        self.outgoing.clear(minimumCapacity: 0)
        ResponseHead.write(
            &self.outgoing, status: reply.status, body: .bytes(reply.body.count), date: self.loop.date,
            keepsAlive: exchange.keepsAlive, extras: extras)
        if !exchange.isHead { self.outgoing.writeBytes(reply.body) }
        self.write()
        self.answered(exchange)
    }

    /// Answers a request that its client has cancelled: with an answer that says nothing.
    private func sendNothing(_ exchange: Exchange) {
        self.outgoing.clear(minimumCapacity: 0)
        ResponseHead.write(
            &self.outgoing, status: exchange.acceptsStreams ? 200 : 202,
            body: exchange.acceptsStreams ? .noEvents : .bytes(0), date: self.loop.date,
            keepsAlive: exchange.keepsAlive, extras: .init(origin: exchange.origin))
        self.write()
        self.answered(exchange)
    }

    /// An answer has been written to its end.
    func answered(_ exchange: Exchange) {
        if !exchange.keepsAlive { return self.closeAfterWriting() }
        if self.context?.channel.isWritable == false {
            self.activity = .blocked
            self.sinceTick = self.loop.tick
        } else {
            self.releaseAnswer()
        }
    }

    func write() {
        guard let context = self.context else { return }
        self.isWriting = true
        self.hasDrained = false
        context.write(self.wrapOutboundOut(self.outgoing), promise: nil)
        self.isWriting = false
        if self.hasDrained, context.channel.isWritable { self.releaseAnswer() }
        self.needsFlush = true
        // A large buffer is not kept for small answers.
        if self.outgoing.capacity > Self.keptMax { self.outgoing = ByteBuffer() }
    }

    func flush() {
        guard self.needsFlush else { return }
        self.needsFlush = false
        self.context?.flush()
    }

    private func releaseAnswer() {
        self.listener.buffers.release(self.reservedForAnswer)
        self.reservedForAnswer = 0
    }

    /// Closes once everything written has been sent, or the client has left it unread for too long.
    /// - Parameter lingers: Whether the client may still be sending: closing at once would then make the kernel throw
    ///   the answer away.
    func closeAfterWriting(lingers: Bool = true) {
        self.activity = .closing
        self.pending = nil
        self.machine = HTTPRequestStateMachine(limits: self.listener.limits)
        self.reserveForBody(0)
        self.sinceTick = self.loop.tick
        guard let context = self.context else { return }
        self.needsFlush = false
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            guard let context = self.context else { return }
            guard lingers, !self.inputIsClosed else { return context.close(promise: nil) }
            // The client is told that nothing follows, and has a while to read it and to close its half.
            self.outputIsClosed = true
            self.sinceTick = self.loop.tick
            context.close(mode: .output, promise: nil)
        }
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

    // MARK: Time and stopping

    /// Called once a second.
    func checkTimeLimits() {
        let age = self.loop.tick - self.sinceTick
        switch self.activity {
        case .reading: self.checkReading(age)
        case .running(let call, let exchange):
            if self.loop.tick - call.startTick >= self.listener.callTicks {
                // Ended first: its own answer to being cancelled would come before this one.
                let end = call.call.timedOut(after: self.listener.configuration.callTimeout)
                call.task.cancel()
                self.finish(call, end, exchange)
            } else if exchange.acceptsStreams, self.loop.tick - call.startTick >= self.listener.heartbeatTicks {
                // So that nobody on the way takes the connection for dead.
                call.call.openStream()
            }
        case .streaming(let answer): self.checkStreaming(answer)
        case .blocked, .closing:
            // A stop does not wait for clients that were told everything and stay.
            let limit =
                self.outputIsClosed && self.loop.isDraining ? Self.drainingLingerTicks : self.listener.writeTicks
            if age >= limit { self.context?.close(promise: nil) }
        }
    }

    private func checkReading(_ age: Int) {
        let late: Bool
        switch self.phase {
        case .idle:
            if age >= self.listener.idleTicks { self.context?.close(promise: nil) }
            return
        case .head: late = age >= self.listener.headTicks
        case .body: late = age >= self.listener.bodyTicks
        case .finished: late = false
        }
        guard late else { return }
        self.answer(Refusal(408, .invalidRequest, "The request did not arrive in time."), Exchange(keepsAlive: false))
    }

    /// Begins no further request.
    func drain() {
        switch self.activity {
        case .reading where self.phase == .idle: self.closeAfterWriting(lingers: false)
        case .streaming(let answer): self.drain(answer)
        case .reading, .running, .blocked, .closing: break
        }
    }

    /// Ends the connection with an answer to whatever it waits for.
    func cutShort() {
        switch self.activity {
        case .running(let call, var exchange):
            exchange.keepsAlive = false
            let end = call.call.cutShort()
            call.task.cancel()
            self.finish(call, end, exchange)
        case .streaming(let answer): self.cutShort(answer)
        case .reading, .blocked, .closing: self.context?.close(promise: nil)
        }
    }
}
