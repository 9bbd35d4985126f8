import NIOCore
import Torpor
import TorporProtocol

// What is written, and what comes after.
extension MCPConnection {
    /// The largest buffer that is kept for the next answer: idle connections are many. In bytes.
    private static let keptMax = 4 << 10

    /// Refuses a request.
    func answer(_ refusal: Refusal, _ exchange: Exchange) {
        var extras = ResponseHead.Extras(origin: exchange.origin)
        if refusal.status == 401 { extras.challenge = true }
        self.send(self.listener.dispatcher.refuse(refusal), exchange, extras: extras)
    }

    func send(_ reply: Reply, _ exchange: Exchange) {
        self.send(reply, exchange, extras: .init(origin: exchange.origin))
    }

    func send(_ reply: Reply, _ exchange: Exchange, extras: ResponseHead.Extras) {
        var reply = reply
        var extras = extras
        let share = exchange.isHead ? 0 : self.wholeShare(of: reply.body.count)
        if share > 0, !self.reserveForAnswer(share) {
            reply = self.listener.dispatcher.refuse(
                Refusal(
                    503, .internalError, "The server holds as many unread answers as it may. Try again.",
                    retryAfterSeconds: 1))
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
    func sendNothing(_ exchange: Exchange) {
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
}
