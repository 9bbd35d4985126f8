import Synchronization
import TorporCore

extension Dispatcher {
    /// The stream of what a call says before its answer, opened at the first use.
    /// - Returns: `nil` when its client takes none, or the call is over.
    func stream(of operation: Operation) -> MessageStream? {
        if let channel = operation.message.channel { return channel.output }
        let operation = operation.batch ?? operation
        guard operation.message.acceptsStreams else { return nil }
        let (known, isOver) = operation.output.withLock { ($0.stream, $0.hasEnded || $0.carrier == nil) }
        if known != nil || isOver { return known }
        let made = self.makeStream(for: operation)
        let stream = operation.output.withLock { output -> MessageStream? in
            if output.stream == nil, !output.hasEnded {
                output.stream = made
                // Under the lock, so that the transport hears of the stream before it hears of the call's end.
                output.carrier?.open(made, of: output.call)
            }
            return output.stream
        }
        // Another task was first, or the call has ended meanwhile.
        if stream !== made, let identity = made.identity { self.held.drop(identity.number, of: identity.session) }
        return stream
    }

    /// A stream that can be resumed, where there is a session to find it by; else one that ends with its connection.
    private func makeStream(for operation: Operation) -> MessageStream {
        guard let session = operation.session, self.streams.replayMax.bytes > 0 else {
            return MessageStream(limits: self.streams.requestStream, budget: self.streamBudget)
        }
        let number = self.environment.randomNumber()
        let stream = self.resumableStream(of: session, number: number)
        if self.held.hold(stream, of: session, number: number) { return stream }
        return MessageStream(limits: self.streams.requestStream, budget: self.streamBudget)
    }

    private func resumableStream(of session: SessionToken, number: UInt64) -> MessageStream {
        MessageStream(
            limits: self.streams.resumableStream,
            identity: MessageStream.Identity(
                session: session.id, number: number, keys: self.sessions.keys, worker: self.environment.worker,
                isPrimed: session.revision >= .v2025_11_25),
            budget: self.streamBudget)
    }

    // MARK: Streams of a session

    /// Answers an HTTP GET: opens a stream of the session for what is not part of a call, or goes on with one that the
    /// client lost (2025-11-25, transports, listening for messages; resumability).
    package func openStream(_ message: IncomingMessage) -> Dispatch {
        do throws(Refusal) {
            guard let session = try self.session(of: self.standing(of: message)) else {
                throw Refusal(
                    405, .invalidRequest, "GET opens a stream of a session; it needs Mcp-Session-Id. Use POST.")
            }
            guard message.acceptsStreams else {
                throw Refusal(406, .invalidRequest, "A client that opens a stream must accept text/event-stream.")
            }
            guard let range = message.headers.lastEventID, !range.isEmpty else {
                let number = self.environment.randomNumber()
                let stream =
                    self.streams.replayMax.bytes > 0
                    ? self.resumableStream(of: session, number: number)
                    : MessageStream(limits: self.streams.requestStream, budget: self.streamBudget)
                try self.held.open(stream, of: session, number: number)
                return .stream(OpenStream(stream: stream, after: nil, listening: nil))
            }
            return .stream(try self.resume(Array(message.bytes[range]), session))
        } catch {
            return .reply(self.refuse(error))
        }
    }

    private func resume(_ text: [UInt8], _ session: SessionToken) throws(Refusal) -> OpenStream {
        guard
            let name = SealedName(text, for: .event, in: session.id, by: self.sessions.keys),
            let stream = self.held.stream(name.number, of: session.id)
        else {
            throw Refusal(
                400, .invalidRequest,
                "Last-Event-ID names no place in a stream that can be resumed. Open a new stream without it.")
        }
        return OpenStream(stream: stream, after: name.part, listening: nil)
    }

    /// The answer to a client that would go on with a stream whose messages are gone.
    package func refuseResumption() -> Reply {
        self.refuse(
            Refusal(
                400, .invalidRequest,
                "The messages after Last-Event-ID are no longer kept. Open a new stream without it."))
    }

    // MARK: Subscriptions

    /// Answers `subscriptions/listen`: acknowledges what will be told, then tells it until the client or the server
    /// ends it (2026-07-28, subscriptions).
    func listen(_ operation: Operation) throws(Refusal) -> Dispatch {
        guard operation.message.acceptsStreams || operation.message.channel != nil else {
            throw Refusal(406, .invalidRequest, "A client that listens must accept text/event-stream.")
        }
        let filter = try self.filter(of: operation)
        try self.listens.enter(operation.message)
        let stream =
            operation.message.channel?.output
            ?? MessageStream(limits: self.streams.requestStream, budget: self.streamBudget)
        let listening = Listening(dispatcher: self, operation: operation, stream: stream)
        try listening.begin(filter)
        if !filter.uris.isEmpty, let relay = self.relayed?.relay {
            let request = RelayedRequest(Call(operation, self, name: operation.method.name.description))
            listening.whenOver(relay.listens(to: filter.uris, request, as: listening.listener))
        }
        self.record(operation, tool: nil, error: nil)
        return .stream(OpenStream(stream: stream, after: nil, listening: listening))
    }

    /// What of the asked-for notifications the server declares.
    private func filter(of operation: Operation) throws(Refusal) -> ChangeFeed.Filter {
        let bytes = operation.bytes
        let asked = operation.params.member("notifications", in: bytes.span)
        guard asked.kind == .object, case .object(let wishes) = JSONValue(in: bytes.span, asked.range) else {
            throw Refusal(200, .invalidParams, "subscriptions/listen needs notifications, an object.")
        }
        var filter = ChangeFeed.Filter()
        for (name, kind) in [
            ("toolsListChanged", ServerChanges.tools), ("promptsListChanged", .prompts),
            ("resourcesListChanged", .resources),
        ] {
            guard let wish = wishes[name] else { continue }
            guard case .bool(let isWanted) = wish else {
                throw Refusal(200, .invalidParams, "The member notifications.\(name) must be a Boolean.")
            }
            if isWanted { filter.kinds.formUnion(kind) }
        }
        if let wish = wishes["resourceSubscriptions"] {
            guard case .array(let uris) = wish else {
                throw Refusal(200, .invalidParams, "The member notifications.resourceSubscriptions must be an array.")
            }
            for uri in uris {
                guard case .string(let uri) = uri else {
                    throw Refusal(200, .invalidParams, "Each of notifications.resourceSubscriptions must be a URI.")
                }
                filter.uris.insert(uri)
            }
            guard filter.uris.count <= self.streams.subscriptionsMax,
                filter.uris.reduce(0, { $0 + $1.utf8.count }) <= self.streams.subscriptionBytesMax.bytes
            else {
                throw Refusal(
                    200, .invalidParams,
                    "A client may listen to \(self.streams.subscriptionsMax) resources at once, with URIs of \(self.streams.subscriptionBytesMax) in all."
                )
            }
        }
        let announces = self.announces
        filter.kinds.formIntersection(announces)
        if !announces.contains(.resourceUpdates) { filter.uris = [] }
        return filter
    }
}

/// A stream that a request opened and that the transport reads from now on.
package struct OpenStream: Sendable {
    package let stream: MessageStream
    /// The last message that the client has seen, when it comes back.
    package let after: UInt32?
    /// The subscription whose stream it is; `nil` for a session's stream.
    package let listening: Listening?
}

/// One `subscriptions/listen` under way.
package final class Listening: Sendable {
    private let dispatcher: Dispatcher
    private let operation: Operation
    private let stream: MessageStream
    private let number: UInt64
    // In two words; see ``StateObjectID``.
    private let listenerID: StateObjectID
    /// What is to be done when it is over.
    private let farewell = Mutex<(@Sendable () -> Void)?>(nil)

    init(dispatcher: Dispatcher, operation: Operation, stream: MessageStream) {
        self.dispatcher = dispatcher
        self.operation = operation
        self.stream = stream
        self.number = dispatcher.table.changes.reserveNumber()
        self.listenerID = StateObjectID(bits: dispatcher.environment.randomBits())
    }

    /// By which a foreign server tells it from others.
    fileprivate var listener: UInt128 { self.listenerID.bits }

    private var id: [UInt8] { Array(self.operation.bytes[self.operation.envelope.id.sourceRange]) }

    /// Acknowledges, and only then listens.
    /// - Throws: when there is no room even for the acknowledgement, or the channel has closed or has a request of this
    ///   id under way. Then nothing is left of it.
    fileprivate func begin(_ filter: ChangeFeed.Filter) throws(Refusal) {
        // Held first: a channel that closes from now on ends it.
        if let channel = self.operation.message.channel, !self.dispatcher.hold(self, self.operation, on: channel) {
            self.cancel()
            throw Refusal(400, .invalidRequest, "A request of this id is under way already, or the client has gone.")
        }
        guard self.stream.offer(self.acknowledgement(filter)) else {
            self.cancel()
            throw Refusal(
                503, .internalError, "The server holds as many unread messages as it may. Try again.",
                retryAfterSeconds: 1)
        }
        let (stream, number, id) = (self.stream, self.number, self.id)
        self.dispatcher.table.changes.subscribe(number, filter, as: self.listener) { change in
            let isTold = stream.offer(
                change.message(subscription: id), key: ChangeKey(subscriber: number, name: change.name))
            // Without room for the notice the subscription ends, so that its client begins anew and misses nothing.
            if !isTold { stream.end() }
        }
        // Ended before it was there to be taken out.
        if self.operation.output.withLock({ $0.hasEnded }) { self.dispatcher.table.changes.unsubscribe(number) }
    }

    private func acknowledgement(_ filter: ChangeFeed.Filter) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.raw("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":")
        writer.beginObject()
        writer.key("_meta")
        writer.beginObject()
        writer.key("io.modelcontextprotocol/subscriptionId")
        writer.rawValue(self.id)
        writer.endObject()
        writer.key("notifications")
        writer.beginObject()
        if filter.kinds.contains(.tools) { writer.member("toolsListChanged", true) }
        if filter.kinds.contains(.prompts) { writer.member("promptsListChanged", true) }
        if filter.kinds.contains(.resources) { writer.member("resourcesListChanged", true) }
        if !filter.uris.isEmpty {
            writer.member("resourceSubscriptions", .array(filter.uris.sorted().map(JSONValue.string)))
        }
        writer.endObject()
        writer.endObject()
        writer.raw("}")
        return writer.bytes
    }

    /// The client has gone, or wants no more: nothing further is told.
    package func cancel() {
        guard self.leave() else { return }
        self.dispatcher.listens.leave(self.operation.message)
    }

    /// The server ends the subscription: the request gets its result, which is the last the client hears of it.
    package func finish() {
        guard self.leave() else { return }
        self.dispatcher.listens.leave(self.operation.message)
        var writer = JSONWriter(capacity: 160)
        writer.raw("{\"jsonrpc\":\"2.0\",\"id\":")
        writer.raw(self.id)
        writer.raw(",\"result\":{\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":")
        writer.raw(self.id)
        writer.raw("}}}")
        if self.operation.message.channel == nil {
            self.stream.end(with: writer.bytes, orShort: writer.bytes)
        } else {
            self.stream.offer(writer.bytes)
            // On a channel the server says so besides (2026-07-28, cancellation; the schema limits it to stdio).
            self.stream.offer(
                Array(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"#.utf8) + self.id
                    + Array("}}".utf8))
        }
    }

    /// Has something done when it is over; at once, if it is.
    func whenOver(_ farewell: @escaping @Sendable () -> Void) {
        let isOver = self.operation.output.withLock { output in
            if !output.hasEnded { self.farewell.withLock { $0 = farewell } }
            return output.hasEnded
        }
        if isOver { farewell() }
    }

    /// Ends it once.
    private func leave() -> Bool {
        defer { self.farewell.withLock { $0.take() }?() }
        self.dispatcher.table.changes.unsubscribe(self.number)
        self.dispatcher.letGo(self, self.operation)
        return self.operation.output.withLock { output in
            defer { output.hasEnded = true }
            return !output.hasEnded
        }
    }
}

extension Listening: Withdrawable {
    func withdraw() { self.cancel() }
    func sessionEnded() { self.cancel() }
}
