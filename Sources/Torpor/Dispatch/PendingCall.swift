import Synchronization

/// A call that was admitted and waits to be run.
package struct PendingCall: Sendable {
    let dispatcher: Dispatcher
    let operation: Operation
    /// Where its task prefers to run.
    package let executor: CallExecutor
    /// Whether its task may as well run where its answer is written: it does little but wait for a foreign server, and no
    /// handler of anybody runs in it.
    package let mayRunOnLoop: Bool
    /// What it waits for before it runs.
    private let wait: CallGate.Wait?
    private let body: @Sendable () async -> Dispatch
    /// Whether it only waits for what is dispatched in its stead.
    private let isDeferred: Bool

    /// A call whose handler is `body`.
    init(
        dispatcher: Dispatcher, operation: Operation, wait: CallGate.Wait? = nil, mayRunOnLoop: Bool = false,
        body: @escaping @Sendable () async -> Reply
    ) {
        self.dispatcher = dispatcher
        self.operation = operation
        self.executor = dispatcher.handlers.begin(operation)
        self.wait = wait
        self.body = { .reply(await body()) }
        self.mayRunOnLoop = mayRunOnLoop
        self.isDeferred = false
    }

    /// A message that something has to be looked up for, before `next` dispatches it.
    init(
        dispatcher: Dispatcher, operation: Operation, wait: CallGate.Wait?,
        next: @escaping @Sendable () async -> Dispatch
    ) {
        self.dispatcher = dispatcher
        self.operation = operation
        self.executor = dispatcher.handlers.begin(operation)
        self.wait = wait
        self.body = next
        self.mayRunOnLoop = false
        self.isDeferred = true
    }

    /// Who has called, when that is known.
    package var principal: Principal? { self.operation.message.principal }

    /// How long ago its message came.
    var age: Duration {
        .nanoseconds(self.dispatcher.environment.monotonicNanoseconds() - self.operation.startNanoseconds)
    }

    /// The call runs in this task.
    package func runs(in task: Task<Void, Never>) {
        self.operation.output.withLock { if !$0.hasEnded { $0.task = task } }
        self.successor?.runs(in: task)
    }

    /// What goes on in its stead, if something does.
    private var successor: PendingCall? {
        self.isDeferred ? self.operation.output.withLock { $0.successor } : nil
    }

    /// Another call goes on in its stead, under the same name and in the same task.
    /// - Returns: `false` when it has been answered meanwhile.
    private func goOn(as next: PendingCall) -> Bool {
        let (isFirst, task) = self.operation.output.withLock { output -> (Bool, Task<Void, Never>?) in
            guard !output.hasEnded, !output.isWithdrawn else { return (false, nil) }
            output.successor = next
            return (true, output.task)
        }
        if let task { next.runs(in: task) }
        return isFirst
    }

    /// Whether the client's going away cancels it: so in the modern era (transports, cancellation), not in the legacy
    /// one.
    package var endsWithConnection: Bool { self.successor?.endsWithConnection ?? self.operation.isModern }

    /// The stream of what it says before its answer, once there is one.
    package var stream: MessageStream? {
        if let successor { return successor.stream }
        return self.operation.output.withLock { $0.stream }
    }

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
        let hasBegun = self.wait == nil && self.operation.batch == nil && self.dispatcher.brake.passesAtOnce()
        guard self.operation.begin(carrier, as: name, hasBegun: hasBegun) else {
            self.leave(at: hasBegun ? .begun : self.dispatcher.gate.giveUp(self.wait) ? .admitted : .waiting)
            return .withdrawn
        }
        let (stage, refusal) = hasBegun ? (.begun, nil) : await self.awaitTurn()
        let reply: Reply
        if let refusal {
            reply = self.dispatcher.fail(self.operation, refusal)
        } else {
            switch await self.dispatcher.traced(self.operation, self.body) {
            case .reply(let made): reply = await self.dispatcher.passed(self.operation, made)
            case .call(let call):
                self.leave(at: stage)
                // Whoever has answered it, or does not want it any more, does not want that either.
                guard self.goOn(as: call) else {
                    call.operation.output.withLock { $0.isWithdrawn = true }
                    _ = await call.run(over: carrier, as: name)
                    return self.operation.output.withLock(\.isWithdrawn) ? .withdrawn : .known
                }
                return await call.run(over: carrier, as: name)
            case .stream: preconditionFailure("a stream is not opened by looking something up")
            }
        }
        // What belongs to a batch is answered with it.
        if let channel = self.operation.message.channel, self.operation.batch == nil {
            let end = await self.deliver(self.end { reply }, to: channel)
            self.leave(at: stage)
            return end
        }
        self.leave(at: stage)
        return self.end { reply }
    }

    /// How far a call has come on its way to its handler.
    enum Stage: Int, Comparable {
        /// It waits for its turn.
        case waiting
        /// It counts as running.
        case admitted
        /// Its handler has begun.
        case begun

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    /// Waits for the call's turn, and while memory is short.
    /// - Returns: How far it has come, and why it does not run, if it does not.
    private func awaitTurn() async -> (stage: Stage, refusal: Refusal?) {
        let gate = self.dispatcher.gate
        let cancelled = Refusal(200, .internalError, "The call was cancelled.")
        if let wait {
            switch await gate.wait(wait, now: self.dispatcher.environment.monotonicNanoseconds) {
            case .begun: break
            case .expired: return (.waiting, gate.expiredRefusal())
            case .cancelled: return (.waiting, cancelled)
            }
        }
        // What belongs to a batch has begun with it.
        guard self.operation.batch == nil else {
            self.operation.output.withLock { $0.hasBegun = true }
            return (.admitted, nil)
        }
        switch await self.dispatcher.brake.pass(self.operation) {
        case .begun:
            self.operation.output.withLock { $0.hasBegun = true }
            return (.begun, nil)
        case .expired: return (.admitted, gate.shortOfMemoryRefusal())
        case .cancelled: return (.admitted, cancelled)
        }
    }

    private func leave(at stage: Stage) {
        self.dispatcher.handlers.ended(self.executor)
        self.dispatcher.leave(self.operation, at: stage)
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
    /// can come back. Not while it waits for its turn, which may yet be refused with a status.
    package func openStream() {
        if let successor { return successor.openStream() }
        // It is not known yet whether that will have one: an answer may have to carry a header.
        if self.isDeferred { return }
        guard self.operation.output.withLock({ $0.hasBegun }) else { return }
        _ = self.dispatcher.stream(of: self.operation)
    }

    /// Answers in its stead when it has taken longer than `limit`.
    package func timedOut(after limit: Duration) -> End {
        self.end {
            let hasBegun = self.operation.output.withLock { $0.hasBegun }
            let refusal =
                hasBegun
                ? Refusal(
                    200, .internalError, "The call took longer than the limit of \(limit.text) and was cancelled.")
                : Refusal(
                    503, .internalError,
                    "The server is busy: the call waited \(limit.text) for its turn. Try again in a second.",
                    retryAfterSeconds: 1)
            return self.dispatcher.fail(self.operation, refusal)
        } orSuccessor: {
            $0.timedOut(after: limit)
        }
    }

    /// Answers in its stead when the server stops first.
    package func cutShort() -> End {
        self.end {
            self.dispatcher.fail(
                self.operation,
                Refusal(
                    503, .internalError, "The server is stopping and could not finish this call. Try again.",
                    retryAfterSeconds: 1))
        } orSuccessor: {
            $0.cutShort()
        }
    }

    /// Answers, unless that was done before.
    /// - Parameter endSuccessor: For a call that another goes on in the stead of.
    private func end(
        _ makeReply: () -> Reply, orSuccessor endSuccessor: ((PendingCall) -> End)? = nil
    ) -> End {
        let operation = self.operation
        let (stream, isWithdrawn, isFirst, successor) = operation.output.withLock { output in
            // One that has a successor has no answer of its own.
            if let successor = output.successor { return (output.stream, false, false, PendingCall?.some(successor)) }
            defer {
                output.hasEnded = true
                output.task = nil
            }
            return (output.stream, output.isWithdrawn, !output.hasEnded, nil)
        }
        if let successor, let endSuccessor { return endSuccessor(successor) }
        guard isFirst else { return .known }
        let reply = makeReply()
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
