import NIOCore
import Torpor
import TorporCore
import TorporProtocol

// From bytes to requests, and from those to calls.
extension MCPConnection {
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
                    // Answered; a request that waits and a call that runs have taken their shares with them.
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

    private func sendContinue() {
        self.outgoing.clear()
        self.outgoing.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        self.write()
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
                self.handle(message, by: dispatcher, exchange)
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

    /// Handles a message, or waits for its caller's turn.
    private func handle(_ message: IncomingMessage, by dispatcher: Dispatcher, _ exchange: Exchange) {
        let begins = self.loop.begins(
            .request(
                WaitingRequest(
                    connection: self, message: message, dispatcher: dispatcher, exchange: exchange,
                    reservedBytes: self.takeShareOfBody())),
            of: self.callerName(message.principal))
        if begins { self.act(on: dispatcher.dispatch(message), exchange) } else { self.activity = .waiting }
    }

    /// The turn has come of a request that waited.
    func turnCame(_ request: WaitingRequest) {
        let dispatch = request.dispatcher.dispatch(request.message)
        guard case .waiting = self.activity else { return self.begin(dispatch, withoutClient: request) }
        self.reservedForBody = request.reservedBytes
        self.activity = .reading
        var exchange = request.exchange
        if self.listener.isDraining { exchange.keepsAlive = false }
        self.act(on: dispatch, exchange)
        self.reserveForBody(0)
        self.readRequests()
        self.flush()
    }

    /// Does what is done when a client goes right after its request.
    private func begin(_ dispatch: Dispatch, withoutClient request: WaitingRequest) {
        switch dispatch {
        case .call(let call):
            let caller = self.callerName(request.message.principal)
            let running = self.loop.run(call, of: caller, for: nil, reservedBytes: request.reservedBytes)
            if call.endsWithConnection { running.task.cancel() }
        case .stream(let open):
            open.listening?.cancel()
            self.listener.buffers.release(request.reservedBytes)
        case .reply: self.listener.buffers.release(request.reservedBytes)
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
        let running = self.loop.run(
            call, of: self.callerName(call.principal), for: self, reservedBytes: self.takeShareOfBody())
        self.activity = .running(running, exchange)
        if self.inputIsClosed, call.endsWithConnection { self.abandon(running) }
    }

    /// The call of this name has ended, whether or not its client still waits for it.
    func callEnded(_ name: UInt64, _ end: PendingCall.End) {
        guard case .running(let call, let exchange) = self.activity, call.name == name else { return }
        self.finish(call, end, exchange)
    }

    func finish(_ call: RunningCall, _ end: PendingCall.End, _ exchange: Exchange) {
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

    /// Cancels a call whose client is gone. Nothing more is sent for it; answers to earlier requests still are.
    func abandon(_ call: RunningCall) {
        call.task.cancel()
        self.closeAfterWriting()
    }
}
