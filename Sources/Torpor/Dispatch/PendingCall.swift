import Synchronization

/// A call that was admitted and waits to be run.
package struct PendingCall: Sendable {
    let dispatcher: Dispatcher
    let operation: Operation
    private let body: @Sendable () async -> Dispatch

    /// A call whose handler is `body`.
    init(dispatcher: Dispatcher, operation: Operation, body: @escaping @Sendable () async -> Reply) {
        self.dispatcher = dispatcher
        self.operation = operation
        self.body = { .reply(await body()) }
    }

    /// A message that something has to be looked up for, before `next` dispatches it.
    init(dispatcher: Dispatcher, operation: Operation, next: @escaping @Sendable () async -> Dispatch) {
        self.dispatcher = dispatcher
        self.operation = operation
        self.body = next
    }

    /// Whether the client's going away cancels it: so in the modern era (transports, cancellation), not in the legacy
    /// one.
    package var endsWithConnection: Bool { self.operation.isModern }

    /// The stream of what it says before its answer, once there is one.
    package var stream: MessageStream? { self.operation.output.withLock { $0.stream } }

    /// What becomes of a call.
    package enum End: Sendable {
        /// Nothing was said before: this is the answer.
        case reply(Reply)
        /// The answer is the last message of the call's stream, or one of its channel's.
        case streamed
        /// The client has cancelled it and wants no answer.
        case withdrawn
        /// It was answered before.
        case known
    }

    /// Runs the handler and answers, also when its task is cancelled.
    ///
    /// The call counts as running from its dispatch until this returns, so every pending call is run, once. A channel's
    /// call puts its answer into the channel's stream.
    /// - Parameters:
    ///   - carrier: Carries what the call says before its answer. `nil`: nothing can be said.
    ///   - name: The carrier's name for the call.
    package func run(over carrier: (any CallCarrier)? = nil, as name: UInt64 = 0) async -> End {
        guard self.operation.begin(carrier, as: name) else {
            self.dispatcher.leave(self.operation)
            return .withdrawn
        }
        let reply: Reply
        switch await self.dispatcher.traced(self.operation, self.body) {
        case .reply(let made): reply = await self.dispatcher.passed(self.operation, made)
        case .call(let call):
            self.dispatcher.leave(self.operation)
            return await call.run(over: carrier, as: name)
        case .stream: preconditionFailure("a stream is not opened by looking something up")
        }
        // What belongs to a batch is answered with it.
        if let channel = self.operation.message.channel, self.operation.batch == nil {
            let end = await self.deliver(self.end(reply), to: channel)
            self.dispatcher.leave(self.operation)
            return end
        }
        self.dispatcher.leave(self.operation)
        return self.end(reply)
    }

    /// Puts the answer into a channel's stream, waiting while the client is slow. The call counts as running until then,
    /// so that no more answers wait than calls may run.
    private func deliver(_ end: End, to channel: MessageChannel) async -> End {
        guard case .reply(let reply) = end, !reply.body.isEmpty else { return end }
        do {
            try await channel.output.send(reply.body)
        } catch MessageStream.Refusal.overloaded {
            channel.output.offer(self.overloaded)
        } catch {
            // Nobody reads the channel any more.
        }
        return .streamed
    }

    /// Opens the call's stream although it has nothing to say yet: so that its connection is kept alive, and its client
    /// can come back.
    package func openStream() { _ = self.dispatcher.stream(of: self.operation) }

    /// Answers in its stead when it has taken longer than `limit`.
    package func timedOut(after limit: Duration) -> End {
        self.end(
            self.dispatcher.fail(
                self.operation,
                Refusal(200, .internalError, "The call took longer than the limit of \(limit.text) and was cancelled.")
            ))
    }

    /// Answers in its stead when the server stops first.
    package func cutShort() -> End {
        self.end(
            self.dispatcher.fail(
                self.operation,
                Refusal(
                    503, .internalError, "The server is stopping and could not finish this call. Try again.",
                    retryAfterSeconds: 1)))
    }

    private func end(_ reply: Reply) -> End {
        let operation = self.operation
        let (stream, isWithdrawn, isFirst) = operation.output.withLock { output in
            defer { output.hasEnded = true }
            return (output.stream, output.isWithdrawn, !output.hasEnded)
        }
        guard isFirst else { return .known }
        guard let stream else { return isWithdrawn ? .withdrawn : .reply(reply) }
        if isWithdrawn {
            stream.end()
        } else {
            // A batch of which nothing wants an answer has none.
            stream.end(with: reply.body.isEmpty ? nil : reply.body, orShort: self.overloaded)
        }
        return .streamed
    }

    /// The answer in place of one for which there is no room.
    private var overloaded: [UInt8] {
        self.dispatcher.refuse(
            Refusal(503, .internalError, "The server holds as many unread messages as it may."),
            id: self.operation.envelope.id, in: self.operation.bytes
        ).body
    }
}
