import Synchronization

extension Dispatcher {
    /// Answers a batch, which only revision 2025-03-26 has: its messages one by one, their answers together
    /// (2025-03-26, transports, sending messages).
    func dispatchBatch(
        _ message: IncomingMessage, _ envelope: Envelope, _ start: Int64, _ standing: SessionAuthority.Standing?
    ) throws(Refusal) -> Dispatch {
        let bytes = message.bytes
        let session = if let channel = message.channel { channel.session } else { try self.session(of: standing) }
        let named = message.headers.protocolVersion.flatMap { ProtocolRevision(bytes.span, in: $0) }
        // On a channel the session's handshake tells the revision, or there is none yet.
        let assumed = message.channel == nil ? ProtocolRevision.assumedLegacy : .newestLegacy
        let revision = session?.revision ?? named ?? assumed
        guard revision == .v2025_03_26 else {
            throw Refusal(
                400, .invalidRequest,
                "Batches belong to revision 2025-03-26; under \(revision.rawValue) send each message by itself.")
        }
        let elements = Envelope.elements(bytes.span, from: message.bodyStart)
        guard !elements.isEmpty, elements.count <= self.streams.batchMax else {
            throw Refusal(
                400, .invalidRequest,
                "A batch holds 1 to \(self.streams.batchMax) messages, not \(elements.count).")
        }
        let batch = Operation(
            message: message, envelope: envelope, method: .other, revision: revision, session: session,
            startNanoseconds: start)
        _ = try self.gate.enter(message, now: Instant(nanoseconds: start), mayWait: false)
        var replies: [Reply] = []
        var calls: [PendingCall] = []
        for element in elements {
            switch self.dispatch(message.element(element.sourceRange), batch: batch) {
            case .reply(let reply): replies.append(reply)
            case .call(let call): calls.append(call)
            case .stream: preconditionFailure("the legacy era opens no streams by request")
            }
        }
        guard !calls.isEmpty else {
            self.gate.leave(message)
            return .reply(Self.gathered(replies))
        }
        return .call(
            PendingCall(dispatcher: self, operation: batch) { [replies, calls] in
                Self.gathered(replies + (await Self.answers(to: calls)))
            })
    }

    /// Runs the calls of a batch; they are cancelled when the batch is.
    private static func answers(to calls: [PendingCall]) async -> [Reply] {
        let tasks = CallTasks()
        let replies = Mutex<[Reply]>([])
        for call in calls {
            tasks.start(call) { end in
                if case .reply(let reply) = end { replies.withLock { $0.append(reply) } }
            }
        }
        await withTaskCancellationHandler {
            await tasks.drained()
        } onCancel: {
            tasks.cancelAll()
        }
        return replies.withLock { $0 }
    }

    /// One answer of many: an array of those that have a body, or nothing.
    private static func gathered(_ replies: [Reply]) -> Reply {
        let bodies = replies.map(\.body).filter { !$0.isEmpty }
        guard !bodies.isEmpty else { return Reply(status: replies.map(\.status).max() ?? 202) }
        var writer = JSONWriter(capacity: bodies.reduce(2) { $0 + $1.count + 1 })
        writer.beginArray()
        for body in bodies { writer.rawValue(body) }
        writer.endArray()
        return Reply(status: 200, body: writer.bytes)
    }
}
