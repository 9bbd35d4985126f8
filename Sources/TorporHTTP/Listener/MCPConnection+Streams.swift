import NIOCore
import Torpor
import TorporCore
import TorporProtocol

/// An answer that is a stream of events.
struct StreamedAnswer {
    let stream: MessageStream
    /// This connection's number as the stream's reader.
    let reader: UInt32
    let source: Source
    var exchange: MCPConnection.Exchange
    /// When something was written last, in ticks.
    var writtenTick: Int
    /// Since when the client leaves what was written unread, in ticks.
    var blockedTick: Int?

    /// What speaks.
    enum Source {
        /// A call, whose answer is the last message.
        case call(RunningCall)
        /// A `subscriptions/listen`.
        case listening(Listening)
        /// A session, beside its calls.
        case session
        /// A client of 2024-11-05, whose other half are its POSTs.
        case channel(OpenChannel)
    }

    /// Whether the client's going away ends what speaks: not so for calls of the legacy era, and for what a client may
    /// come back to.
    var endsWithConnection: Bool {
        switch self.source {
        case .call(let call): call.call.endsWithConnection
        case .listening, .session, .channel: true
        }
    }
}

extension MCPConnection {
    // MARK: Beginning

    /// A call that runs for this connection has something to say.
    func opened(_ call: RunningCall) {
        guard let stream = call.call.stream else { preconditionFailure("a call that speaks has a stream") }
        switch self.activity {
        case .running(let running, let exchange) where running.name == call.name:
            self.begin(stream, after: nil, .call(call), exchange)
        // Found open before.
        case .streaming(let answer) where answer.stream === stream: break
        // Its client is gone; in a session it may come back.
        case .running, .streaming, .waiting, .reading, .blocked, .closing: stream.abandonUnlessRead()
        }
    }

    /// Answers with a stream that the request opened.
    func begin(_ open: OpenStream, _ exchange: Exchange) {
        self.begin(open.stream, after: open.after, open.listening.map { .listening($0) } ?? .session, exchange)
    }

    private func begin(
        _ stream: MessageStream, after: UInt32?, _ source: StreamedAnswer.Source, _ exchange: Exchange
    ) {
        let bound = NIOLoopBound(self, eventLoop: self.loop.eventLoop)
        let returns = self.loop.returns
        guard
            let reader = stream.attach(
                after: after, wake: { returns.execute { bound.value.sendMessages() } })
        else {
            self.send(self.listener.dispatcher.refuseResumption(), exchange)
            return
        }
        var exchange = exchange
        if self.listener.isDraining || !exchange.hasChunks { exchange.keepsAlive = false }
        self.outgoing.clear(minimumCapacity: 0)
        ResponseHead.write(
            &self.outgoing, status: 200, body: .events(hasChunks: exchange.hasChunks), date: self.loop.date,
            keepsAlive: exchange.keepsAlive, extras: .init(origin: exchange.origin))
        self.write()
        let answer = StreamedAnswer(
            stream: stream, reader: reader, source: source, exchange: exchange, writtenTick: self.loop.tick)
        self.activity = .streaming(answer)
        if case .channel(let open) = source {
            var event: [UInt8] = []
            ServerSentEvents.write(Array(open.address.utf8), name: "endpoint", to: &event)
            self.writeChunk(event, exchange)
        } else if let identity = stream.identity, identity.isPrimed {
            var event: [UInt8] = []
            ServerSentEvents.writePriming(
                id: identity.eventID(after: after ?? 0),
                retryMilliseconds: self.listener.dispatcher.retryMilliseconds, to: &event)
            self.writeChunk(event, exchange)
        }
        self.sendMessages()
        if self.inputIsClosed, case .streaming(let answer) = self.activity, answer.endsWithConnection {
            self.leave(answer)
            self.closeAfterWriting()
        } else if self.loop.isDraining, case .streaming(let answer) = self.activity {
            self.drain(answer)
        }
    }

    // MARK: Going on

    /// Writes what waits in the stream, as long as the client reads.
    func sendMessages() {
        guard case .streaming(var answer) = self.activity, let context = self.context else { return }
        var event: [UInt8] = []
        while context.channel.isWritable {
            // A large message leaves the stream only where unread answers have room for it.
            guard self.reserveForAnswer(Self.share(of: answer.stream.nextCount)) else { break }
            switch answer.stream.next(answer.reader) {
            case .message(let entry):
                event.removeAll(keepingCapacity: event.capacity <= Self.smallMax)
                self.encode(entry, of: answer, to: &event)
                self.writeChunk(event, answer.exchange)
                answer.writtenTick = self.loop.tick
                // It reads, however slowly.
                answer.blockedTick = nil
            case .nothing:
                answer.blockedTick = nil
                self.activity = .streaming(answer)
                return self.flush()
            case .released(let retryMilliseconds):
                event.removeAll()
                ServerSentEvents.writeRetry(milliseconds: retryMilliseconds, to: &event)
                self.writeChunk(event, answer.exchange)
                answer.exchange.keepsAlive = false
                answer.stream.detach(answer.reader)
                return self.end(answer)
            case .superseded:
                answer.exchange.keepsAlive = false
                return self.end(answer)
            case .ended:
                answer.stream.detach(answer.reader)
                if case .listening(let listening) = answer.source { listening.cancel() }
                if case .channel(let open) = answer.source { self.listener.channels.close(open) }
                return self.end(answer)
            }
        }
        if answer.blockedTick == nil { answer.blockedTick = self.loop.tick }
        self.activity = .streaming(answer)
        self.flush()
    }

    private func encode(_ entry: StreamBuffer.Entry, of answer: StreamedAnswer, to event: inout [UInt8]) {
        if case .channel = answer.source {
            ServerSentEvents.write(entry.message, name: "message", to: &event)
        } else {
            ServerSentEvents.write(
                entry.message, id: answer.stream.identity?.eventID(after: entry.sequence), to: &event)
        }
    }

    /// The stream has been sent to its end, or this connection is no longer its reader.
    private func end(_ answer: StreamedAnswer) {
        self.activity = .reading
        var exchange = answer.exchange
        if self.listener.isDraining { exchange.keepsAlive = false }
        if exchange.hasChunks {
            self.outgoing.clear(minimumCapacity: 0)
            self.outgoing.writeStaticString("0\r\n\r\n")
            self.write()
        }
        self.answered(exchange)
        self.sinceTick = self.loop.tick
        self.readRequests()
        self.flush()
    }

    private func writeChunk(_ bytes: [UInt8], _ exchange: Exchange) {
        self.outgoing.clear(minimumCapacity: 0)
        if exchange.hasChunks {
            self.outgoing.writeString(String(bytes.count, radix: 16))
            self.outgoing.writeStaticString("\r\n")
        }
        self.outgoing.writeBytes(bytes)
        if exchange.hasChunks { self.outgoing.writeStaticString("\r\n") }
        self.write()
    }

    // MARK: Time and the end

    /// Called once a second.
    func checkStreaming(_ answer: StreamedAnswer) {
        if case .call(let call) = answer.source, self.loop.tick - call.startTick >= self.listener.callTicks {
            call.task.cancel()
            _ = call.call.timedOut(after: self.listener.configuration.callTimeout)
        }
        if let since = answer.blockedTick {
            // What had no room may have it now.
            if self.context?.channel.isWritable == true { self.sendMessages() }
            guard case .streaming(let now) = self.activity, now.blockedTick == since else { return }
            // What was written is not read: nobody is there, or nobody cares.
            if self.loop.tick - since >= self.listener.writeTicks { self.context?.close(promise: nil) }
            return
        }
        guard self.loop.tick - answer.writtenTick >= self.listener.heartbeatTicks else { return }
        // To keep the way open, and to find out that nobody is at its end.
        var answer = answer
        answer.writtenTick = self.loop.tick
        self.activity = .streaming(answer)
        self.writeChunk(ServerSentEvents.comment, answer.exchange)
        self.flush()
    }

    /// The client has gone.
    func leave(_ answer: StreamedAnswer) {
        answer.stream.detach(answer.reader)
        switch answer.source {
        case .call(let call): if call.call.endsWithConnection { call.task.cancel() }
        case .listening(let listening): listening.cancel()
        case .session: break
        case .channel(let open): self.listener.channels.close(open)
        }
    }

    /// The server stops: calls go on to their end, everything else ends now.
    func drain(_ answer: StreamedAnswer) {
        var answer = answer
        answer.exchange.keepsAlive = false
        self.activity = .streaming(answer)
        switch answer.source {
        case .call: break
        case .listening(let listening): listening.finish()
        case .session:
            if answer.stream.identity == nil {
                answer.stream.end()
            } else {
                answer.stream.release(retryMilliseconds: self.listener.dispatcher.retryMilliseconds)
            }
        case .channel(let open): self.listener.channels.close(open)
        }
    }

    /// Ends the stream with an answer to whatever it waits for.
    func cutShort(_ answer: StreamedAnswer) {
        if case .call(let call) = answer.source {
            call.task.cancel()
            _ = call.call.cutShort()
            self.drain(answer)
            self.sendMessages()
        } else {
            self.context?.close(promise: nil)
        }
    }

    // MARK: The transport of 2024-11-05

    /// Opens a stream whose client posts its messages elsewhere (2024-11-05, transports, HTTP with SSE).
    func openChannel(_ request: HTTPRequest, _ principal: Principal?, _ exchange: Exchange) throws(Refusal) {
        guard exchange.acceptsStreams || request.head.accept == nil else {
            throw Refusal(406, .invalidRequest, "A client that opens a stream must accept text/event-stream.")
        }
        let open = try self.listener.channels.open(principal: principal)
        self.begin(open.channel.output, after: nil, .channel(open), exchange)
    }

    /// Takes a message of a client whose answers go to its stream.
    func receive(_ request: HTTPRequest, _ principal: Principal?) throws(Refusal) -> Reply {
        guard let channel = self.listener.channels.channel(of: request, principal: principal) else {
            return self.listener.dispatcher.refuse(
                Refusal(404, .sessionNotFound, "There is no stream of this session. Open one at \(Endpoint.ssePath)."),
                messageAt: request.body.lowerBound, of: request.bytes)
        }
        guard let type = request.head.contentType, MediaType(of: request.bytes.span, type) == .json else {
            throw Refusal(415, .invalidRequest, "The body must be application/json.")
        }
        let message = IncomingMessage(
            bytes: request.bytes, bodyStart: request.body.lowerBound, principal: principal, address: self.address,
            channel: channel)
        switch self.listener.dispatcher.dispatch(message) {
        case .reply(let reply):
            guard reply.body.isEmpty || channel.output.offer(reply.body) else {
                throw Refusal(
                    503, .internalError, "The client does not read its stream. Try again.", retryAfterSeconds: 1)
            }
        case .call(let call):
            _ = self.loop.run(
                call, of: self.callerName(principal), for: nil, channel: channel, reservedBytes: self.takeShareOfBody())
        case .stream: break
        }
        return Reply(status: 202)
    }
}
