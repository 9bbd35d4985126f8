import Logging
import NIOCore
import Torpor
import TorporCore
import TorporProtocol

/// One client connection: takes bytes, hands messages to the dispatcher, and writes the answers in the order of the requests.
///
/// One request is under way at a time; pipelined ones wait in `pending`, which is bounded by not reading further.
/// Lives on its event loop only.
final class MCPConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What the connection is busy with.
    enum Activity {
        /// Waits for a request, or for the rest of one.
        case reading
        /// A call runs off the loop; its answer is due next.
        case running(RunningCall, Exchange)
        /// The client does not read; the next request begins when it does.
        case blocked
        /// The last answer has been written; nothing more is read.
        case closing
    }

    /// What of a request matters for its answer.
    struct Exchange {
        var keepsAlive: Bool
        var origin: ArraySlice<UInt8>?
    }

    /// Pipelined bytes held while a call runs, beyond which the socket is not read. In bytes.
    private static let pendingMax = 256 << 10
    /// Bodies up to this size need no share of the common budget: they are bounded by the number of connections. In bytes.
    static let smallMax = 64 << 10

    let listener: ListenerState
    let loop: ConnectionLoop
    var machine: HTTPRequestStateMachine
    var activity = Activity.reading
    var context: ChannelHandlerContext?
    /// Bytes that arrived and have not been looked at.
    private var pending: ByteBuffer?
    private var outgoing = ByteBuffer()
    private var address = ""
    private var isAdmitted = false
    /// When the activity or the phase of the request began, in ticks.
    private var sinceTick = 0
    private var phase = HTTPRequestStateMachine.Phase.idle
    /// Shares of the common budget: of a body that is arriving, and of an answer that is not read.
    private var reservedForBody = 0
    private var reservedForAnswer = 0
    private var isReadHeld = false
    private var needsFlush = false
    private var inputIsClosed = false

    init(listener: ListenerState, loop: ConnectionLoop) {
        self.listener = listener
        self.loop = loop
        self.machine = HTTPRequestStateMachine(limits: listener.limits)
    }

    // MARK: Events of the channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        self.address = context.remoteAddress?.ipAddress ?? ""
        self.sinceTick = self.loop.tick
        switch self.listener.gate.enter(self.address) {
        case .admitted:
            self.isAdmitted = true
            self.loop.add(self)
            context.fireChannelActive()
        case .full: self.turnAway(503, "The server holds as many connections as it may.")
        case .addressFull: self.turnAway(429, "This address holds as many connections as it may.")
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .running(let call, _) = self.activity, call.call.endsWithConnection { call.task.cancel() }
        self.activity = .closing
        self.pending = nil
        self.machine = HTTPRequestStateMachine(limits: self.listener.limits)
        self.reserveForBody(0)
        self.releaseAnswer()
        self.context = nil
        if self.isAdmitted {
            self.isAdmitted = false
            self.listener.gate.leave(self.address)
            self.loop.remove(self)
        }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        if case .closing = self.activity { return }
        if self.pending == nil {
            self.pending = bytes
        } else {
            self.pending?.writeImmutableBuffer(bytes)
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
        if context.channel.isWritable {
            self.releaseAnswer()
            if case .blocked = self.activity {
                self.activity = .reading
                self.sinceTick = self.loop.tick
                self.readRequests()
                self.flush()
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

    /// The client sends no more. What it asked for in the legacy era is still answered, for it may have closed one half only; in the
    /// modern era its going away cancels the call (2026-07-28, transports, cancellation), and the two cannot be told apart.
    private func inputClosed() {
        self.inputIsClosed = true
        switch self.activity {
        case .running(let call, _) where !call.call.endsWithConnection: break
        case .blocked: break
        case .reading, .running, .closing: self.context?.close(promise: nil)
        }
    }

    // MARK: Requests

    private var pendingCount: Int { self.pending?.readableBytes ?? 0 }

    /// Takes requests out of what has arrived until a call runs or no complete one is left.
    private func readRequests() {
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
                self.reserveForBody(0)
                self.handle(request)
            case .refuse(let refusal):
                self.answer(Refusal(refusal.status, .invalidRequest, refusal.reason), Exchange(keepsAlive: false))
            }
        }
        self.noteProgress()
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
        let buffered = self.machine.bufferedBytes
        if !self.reserveForBody(buffered > Self.smallMax ? buffered : 0) {
            self.answer(
                Refusal(503, .internalError, "The server holds as many request bytes as it may. Try again.", retryAfterSeconds: 1),
                Exchange(keepsAlive: false))
        }
    }

    private func sendContinue() {
        self.outgoing.clear()
        self.outgoing.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        self.write()
    }

    /// Changes this connection's share of the common budget to `count` bytes.
    @discardableResult
    private func reserveForBody(_ count: Int) -> Bool {
        if count > self.reservedForBody {
            guard self.listener.buffers.reserve(count - self.reservedForBody) else { return false }
        } else {
            self.listener.buffers.release(self.reservedForBody - count)
        }
        self.reservedForBody = count
        return true
    }

    private func handle(_ request: HTTPRequest) {
        var exchange = Exchange(keepsAlive: request.head.isKeepAlive && !self.listener.isDraining && !self.inputIsClosed)
        do throws(Refusal) {
            try self.listener.checkAccess(request, &exchange)
            if request.head.method == .options, exchange.origin != nil {
                return self.send(Reply(status: 204), exchange, extras: .init(origin: exchange.origin, isPreflight: true))
            }
            let message = try self.listener.message(request, address: self.address)
            switch request.head.method {
            case .post:
                try self.listener.checkMediaTypes(request)
                switch self.listener.dispatcher.dispatch(message) {
                case .reply(let reply): self.send(reply, exchange)
                case .call(let call): self.run(call, exchange)
                }
            case .delete: self.send(self.listener.dispatcher.endSession(message), exchange)
            case .get: self.send(self.listener.dispatcher.refuseStream(message), exchange)
            default:
                throw Refusal(405, .invalidRequest, "This endpoint takes POST, and DELETE to end a session.")
            }
        } catch {
            self.answer(error, exchange)
        }
    }

    private func run(_ call: PendingCall, _ exchange: Exchange) {
        let name = self.loop.newCallName()
        let bound = NIOLoopBound(self, eventLoop: self.loop.eventLoop)
        let eventLoop = self.loop.eventLoop
        // Owned by the loop, see `RunningCall.task`.
        let task = Task {
            let reply = await call.run()
            eventLoop.execute { bound.value.callEnded(name, reply) }
        }
        let running = RunningCall(name: name, call: call, task: task, startTick: self.loop.tick)
        self.loop.calls[name] = running
        self.activity = .running(running, exchange)
    }

    private func callEnded(_ name: UInt64, _ reply: Reply) {
        self.loop.callEnded(name)
        // Otherwise the client is gone, or was answered already because the call took too long.
        guard case .running(let call, let exchange) = self.activity, call.name == name else { return }
        self.finishCall(reply, exchange)
    }

    private func finishCall(_ reply: Reply, _ exchange: Exchange) {
        self.activity = .reading
        var exchange = exchange
        if self.listener.isDraining || self.inputIsClosed { exchange.keepsAlive = false }
        self.send(reply, exchange)
        self.sinceTick = self.loop.tick
        self.readRequests()
        self.flush()
    }

    // MARK: Answers

    /// Refuses a request.
    private func answer(_ refusal: Refusal, _ exchange: Exchange) {
        var extras = ResponseHead.Extras(origin: exchange.origin)
        if refusal.status == 401 { extras.challenge = true }
        self.send(self.listener.dispatcher.refuse(refusal), exchange, extras: extras)
    }

    private func send(_ reply: Reply, _ exchange: Exchange) {
        self.send(reply, exchange, extras: .init(origin: exchange.origin))
    }

    private func send(_ reply: Reply, _ exchange: Exchange, extras: ResponseHead.Extras) {
        var reply = reply
        var extras = extras
        if reply.body.count > Self.smallMax {
            if self.listener.buffers.reserve(reply.body.count) {
                self.reservedForAnswer += reply.body.count
            } else {
                reply = self.listener.dispatcher.refuse(
                    Refusal(503, .internalError, "The server holds as many unread answers as it may. Try again.", retryAfterSeconds: 1))
            }
        }
        extras.sessionID = reply.sessionID
        extras.retryAfterSeconds = reply.retryAfterSeconds
        if reply.status == 405 { extras.allow = "POST, DELETE" }
        self.outgoing.clear(minimumCapacity: 0)
        ResponseHead.write(
            &self.outgoing, status: reply.status, contentLength: reply.body.count, date: self.loop.date,
            keepsAlive: exchange.keepsAlive, extras: extras)
        self.outgoing.writeBytes(reply.body)
        self.write()
        if !exchange.keepsAlive { return self.closeAfterWriting() }
        if self.context?.channel.isWritable == false {
            self.activity = .blocked
            self.sinceTick = self.loop.tick
        } else {
            self.releaseAnswer()
        }
    }

    private func write() {
        guard let context = self.context else { return }
        context.write(self.wrapOutboundOut(self.outgoing), promise: nil)
        self.needsFlush = true
        // A large buffer is not kept for small answers.
        if self.outgoing.capacity > Self.smallMax { self.outgoing = ByteBuffer() }
    }

    private func flush() {
        guard self.needsFlush else { return }
        self.needsFlush = false
        self.context?.flush()
    }

    private func releaseAnswer() {
        self.listener.buffers.release(self.reservedForAnswer)
        self.reservedForAnswer = 0
    }

    /// Closes once everything written has been sent, or the client has left it unread for too long.
    private func closeAfterWriting() {
        self.activity = .closing
        self.pending = nil
        self.reserveForBody(0)
        self.sinceTick = self.loop.tick
        guard let context = self.context else { return }
        self.needsFlush = false
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            // The client is told that nothing follows, and has until the write timeout to read it: closing at once while it still
            // sends would make the kernel throw the answer away.
            guard let context = self.context else { return }
            if self.inputIsClosed { context.close(promise: nil) } else { context.close(mode: .output, promise: nil) }
        }
    }

    private func turnAway(_ status: Int, _ reason: String) {
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
            guard self.loop.tick - call.startTick >= self.listener.callTicks else { return }
            call.task.cancel()
            self.finishCall(call.call.timedOut(after: self.listener.configuration.callTimeout), exchange)
        case .blocked, .closing:
            if age >= self.listener.writeTicks { self.context?.close(promise: nil) }
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
        case .reading where self.phase == .idle && self.pending == nil: self.context?.close(promise: nil)
        case .reading, .running, .blocked, .closing: break
        }
    }

    /// Ends the connection with an answer to whatever it waits for.
    func cutShort() {
        if case .running(let call, var exchange) = self.activity {
            exchange.keepsAlive = false
            call.task.cancel()
            self.finishCall(call.call.cutShort(), exchange)
        } else {
            self.context?.close(promise: nil)
        }
    }
}
