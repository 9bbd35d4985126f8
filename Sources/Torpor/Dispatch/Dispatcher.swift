import Logging
import Synchronization
import TorporCore
import TorporEngine

/// Takes messages from transports and answers them from one immutable table, or has a foreign server answer.
///
/// It holds nothing per client and nothing per request: an answer is bound to the message it answers, never looked up
/// by JSON-RPC id, so equal ids of different clients cannot meet.
package final class Dispatcher: Sendable {
    let source: TableSource
    let sessions: SessionAuthority
    let environment: DispatcherEnvironment
    let limits: CallLimits
    let streams: StreamLimits
    let gate: CallGate
    /// Holds calls back while memory is short.
    package let brake: MemoryBrake
    /// Where handlers run that are not inline.
    package let handlers: HandlerPool
    let listens: ListenGate
    let held: SessionTable
    let streamBudget: ByteBudget
    /// Where state is kept; `nil` for a server that keeps none.
    package let state: StateService?
    let metrics = OperationMetrics()

    let inlineNanosecondsMax: Int64

    package convenience init(
        server: MCPServer, sessions: SessionAuthority, limits: CallLimits = CallLimits(),
        streams: StreamLimits = StreamLimits(), state: StateService? = nil, environment: DispatcherEnvironment
    ) {
        let brake = MemoryBrake(
            waitMax: limits.queueTimeout, countsHeap: environment.heapBytesOfThread != nil,
            now: environment.monotonicNanoseconds)
        self.init(
            server: server, sessions: sessions, limits: limits, streams: streams, state: state,
            environment: environment, gate: CallGate(limits: limits), brake: brake,
            handlers: HandlerPool(
                coreCount: environment.coreCount, heapBytesOfThread: environment.heapBytesOfThread,
                isTight: { brake.isTight },
                noteHeld: { Self.note($0, $1, brake, limits, environment.logger) }),
            listens: ListenGate(listensMax: streams.listensMax), streamBudget: ByteBudget(streams.totalMax))
    }

    /// Answers for a further server: its calls and streams count together with those of `other`.
    package convenience init(server: MCPServer, sessions: SessionAuthority, beside other: Dispatcher) {
        self.init(
            server: server, sessions: sessions, limits: other.limits, streams: other.streams, state: other.state,
            environment: other.environment, gate: other.gate, brake: other.brake, handlers: other.handlers,
            listens: other.listens, streamBudget: other.streamBudget)
    }

    private init(
        server: MCPServer, sessions: SessionAuthority, limits: CallLimits, streams: StreamLimits,
        state: StateService?, environment: DispatcherEnvironment, gate: CallGate, brake: MemoryBrake,
        handlers: HandlerPool, listens: ListenGate, streamBudget: ByteBudget
    ) {
        precondition(
            state != nil || server.table.states.isEmpty, "a server that declares state is given a StateService")
        self.state = state
        self.source = server.source
        self.sessions = sessions
        self.limits = limits
        self.streams = streams
        self.gate = gate
        self.brake = brake
        self.handlers = handlers
        self.listens = listens
        self.streamBudget = streamBudget
        let relay: (any Relay)? = if case .relayed(let server) = server.source { server.relay } else { nil }
        self.held = SessionTable(
            limits: streams, feed: server.table.changes, announces: server.source.announces,
            forget: { id, expiry in
                guard sessions.end(id, expiry: expiry, now: environment.wallTime()) else { return }
                relay?.sessionEnded(id, account: nil)
            })
        self.inlineNanosecondsMax = limits.inlineDurationMax.wholeNanoseconds
        self.environment = environment
    }

    /// What the server offers; of a foreign server, by now.
    var table: ServerTable { self.source.table }

    /// The calls that run off the event loop now.
    package var runningCallCount: Int { self.gate.runningCount }
    /// The calls that wait for their turns.
    package var queuedCallCount: Int { self.gate.queuedCount }
    /// The streams that are open, or that a client may come back for: of sessions and of `subscriptions/listen`.
    package var streamCount: Int { self.held.streamCount + self.listens.count }
    /// The bytes of messages that wait in streams or are kept for clients that come back.
    package var streamBytes: Int { self.streamBudget.usedBytes }
    /// The sessions and channels that hold anything in memory.
    package var heldSessionCount: Int { self.held.count }

    /// When a client should come back whose connection is closed on purpose.
    package var retryMilliseconds: Int { self.streams.retryAfter.wholeMilliseconds }

    /// Reads, checks and, unless a handler has to run off the event loop, answers a message.
    ///
    /// Takes microseconds and never waits. The order of the checks is that of the specification where it fixes
    /// outcomes: JSON, shape, era, then the era's own checks.
    package func dispatch(_ message: consuming IncomingMessage) -> Dispatch {
        do {
            try self.gate.count(message, now: self.environment.monotonicNanoseconds)
        } catch {
            return .reply(self.refuse(error, messageAt: message.bodyStart, of: message.bytes))
        }
        return self.dispatch(message, batch: nil)
    }

    /// - Parameter batch: The batch that the message came in.
    func dispatch(_ message: IncomingMessage, batch: Operation?) -> Dispatch {
        let start = self.environment.monotonicNanoseconds()
        let envelope: Envelope
        do {
            envelope = try Envelope.parse(message.bytes.span, from: message.bodyStart)
        } catch {
            let offset = error.offset - message.bodyStart
            return .reply(
                self.refuse(Refusal(400, .parseError, "The body is no JSON: \(error.reason) at byte \(offset).")))
        }
        let standing = batch == nil ? self.standing(of: message) : nil
        do {
            let lookUp = try self.lookUp(standing, message, envelope, start) { self.dispatch(message, batch: nil) }
            if let lookUp { return lookUp }
            if batch == nil, let waits = try self.awaitOffer(standing, message, envelope, start) { return waits }
        } catch {
            return .reply(self.refuse(error, id: envelope.id, in: message.bytes))
        }
        switch envelope.shape {
        case .request:
            do {
                return try self.start(self.classify(message, envelope, start, standing, batch: batch))
            } catch {
                self.metrics.record(
                    RequestMethod(envelope.method, in: message.bytes.span), tool: nil,
                    error: "\(error.error.code.rawValue)",
                    nanoseconds: self.environment.monotonicNanoseconds() - start)
                return .reply(self.refuse(error, id: envelope.id, in: message.bytes))
            }
        case .notification: return .reply(self.acceptNotification(message, envelope, standing, batch: batch))
        case .response: return .reply(self.acceptResponse(message, envelope, standing, batch: batch))
        case .batch where batch != nil:
            return .reply(self.refuse(Refusal(400, .invalidRequest, "A batch holds messages, not batches.")))
        case .batch:
            do {
                return try self.dispatchBatch(message, envelope, start, standing)
            } catch {
                return .reply(self.refuse(error))
            }
        case .invalid(let reason):
            return .reply(self.refuse(Refusal(400, .invalidRequest, "\(reason)"), id: envelope.id, in: message.bytes))
        }
    }

    /// Decides the era of a request and makes that era's checks. First match wins.
    private func classify(
        _ message: IncomingMessage, _ envelope: Envelope, _ start: Int64, _ standing: SessionAuthority.Standing?,
        batch: Operation?
    ) throws(Refusal) -> Operation {
        let bytes = message.bytes.span
        let method = RequestMethod(envelope.method, in: bytes)
        let named = message.headers.protocolVersion.flatMap { ProtocolRevision(bytes, in: $0) }
        if envelope.params.meta.isModern || named?.era == .modern {
            guard batch == nil else {
                throw Refusal(400, .invalidRequest, "A request of 2026-07-28 comes alone, not in a batch.")
            }
            let served = Self.modernMethods.contains(method) && self.offers(method) ? method : .other
            try ModernChecks.check(
                envelope, method: served, headers: message.mirrorsHeaders ? message.headers : nil, in: bytes)
            return Operation(
                message: message, envelope: envelope, method: method, revision: .v2026_07_28, session: nil,
                startNanoseconds: start)
        }
        if let channel = message.channel { return try self.classify(message, envelope, method, start, channel, batch) }
        if let batch {
            guard method != .initialize else {
                throw Refusal(400, .invalidRequest, "initialize comes alone, not in a batch.")
            }
            return Operation(
                message: message, envelope: envelope, method: method, revision: batch.revision,
                session: batch.session, startNanoseconds: start, batch: batch)
        }
        let session = try self.session(of: standing)
        if message.headers.protocolVersion != nil, named == nil {
            let served = ProtocolRevision.allCases.map { JSONValue.string($0.rawValue) }
            throw Refusal(
                400, .invalidParams, "The header MCP-Protocol-Version names a revision that is not served.",
                data: ["supported": .array(served)])
        }
        return Operation(
            message: message, envelope: envelope, method: method,
            revision: session?.revision ?? named ?? .assumedLegacy, session: session, startNanoseconds: start)
    }

    /// A legacy request of a channel belongs to the channel's session, which `initialize` begins.
    private func classify(
        _ message: IncomingMessage, _ envelope: Envelope, _ method: RequestMethod, _ start: Int64,
        _ channel: MessageChannel, _ batch: Operation?
    ) throws(Refusal) -> Operation {
        let session = channel.session
        guard batch == nil || method != .initialize else {
            throw Refusal(400, .invalidRequest, "initialize comes alone, not in a batch.")
        }
        guard session != nil || method == .initialize || method == .ping else {
            throw Refusal(
                400, .invalidRequest,
                "Begin with initialize, or send _meta[\"io.modelcontextprotocol/protocolVersion\"] with each request.")
        }
        return Operation(
            message: message, envelope: envelope, method: method, revision: session?.revision ?? .newestLegacy,
            session: session, startNanoseconds: start, batch: batch)
    }

    private static let modernMethods: Set<RequestMethod> = [
        .toolsCall, .toolsList, .resourcesList, .resourceTemplatesList, .resourcesRead, .promptsList, .promptsGet,
        .complete, .discover, .listen,
    ]

    /// Whether the server declares the capability that the method belongs to.
    private func offers(_ method: RequestMethod) -> Bool {
        switch method {
        case .toolsCall, .toolsList: self.table.hasTools
        case .resourcesList, .resourceTemplatesList, .resourcesRead: self.table.hasResources
        case .promptsList, .promptsGet: self.table.hasPrompts
        case .complete: self.table.hasCompletions
        case .listen: !self.announces.isEmpty
        case .subscribe, .unsubscribe: self.table.announces.contains(.resourceUpdates)
        case .discover, .initialize, .ping, .setLevel, .initialized, .cancelled, .rootsListChanged: true
        case .other: false
        }
    }

    /// Starts a request that has passed its era's checks.
    private func start(_ operation: Operation) throws(Refusal) -> Dispatch {
        guard self.offers(operation.method),
            operation.isModern || (operation.method != .discover && operation.method != .listen)
        else { throw Refusal(200, .methodNotFound, "The method is not served.") }
        if operation.isModern {
            let bytes = operation.bytes
            let level = operation.params.meta.logLevel
            guard !level.isPresent || LogLevel(level, in: bytes.span) != nil else {
                throw Refusal(
                    200, .invalidParams, "_meta[\"io.modelcontextprotocol/logLevel\"] is none of the log levels.")
            }
        }
        if let server = self.relayed, let carried = try self.relay(operation, to: server) { return carried }
        switch operation.method {
        case .toolsCall: return try self.callTool(operation)
        case .toolsList: return try self.list(self.table.toolLists, operation)
        case .resourcesList: return try self.listResources(operation)
        case .resourceTemplatesList: return try self.list(self.table.templateLists, operation)
        case .resourcesRead: return try self.readResource(operation)
        case .promptsList: return try self.list(self.table.promptLists, operation)
        case .promptsGet: return try self.getPrompt(operation)
        case .complete: return try self.complete(operation)
        case .discover: return .reply(self.finish(operation) { $0.raw(self.table.discovery) })
        case .initialize: return .reply(try self.initialize(operation))
        case .listen: return try self.listen(operation)
        case .ping: return .reply(self.finish(operation) { $0.raw("{}") })
        case .setLevel: return .reply(try self.setLevel(operation))
        case .subscribe, .unsubscribe: return .reply(try self.subscribe(operation))
        case .initialized, .cancelled, .rootsListChanged, .other:
            throw Refusal(200, .methodNotFound, "This method is a notification, not a request.")
        }
    }

    func list(_ list: EncodedList, _ operation: Operation) throws(Refusal) -> Dispatch {
        do {
            let bytes = operation.bytes
            let page = try list.page(operation.params.cursor, in: bytes.span, for: operation.revision)
            return .reply(self.finish(operation) { $0.raw(page) })
        } catch {
            throw Refusal(200, error.code, error.message)
        }
    }

    // MARK: Answers

    /// The answer that carries a result, and its entry in the metrics.
    /// - Parameter error: The kind of failure that the result reports, if it does.
    func finish(
        _ operation: Operation, tool: ToolMeter? = nil, error: String? = nil, capacity: Int = 256,
        _ writeResult: (inout JSONWriter) -> Void
    ) -> Reply {
        var writer = JSONWriter(capacity: capacity)
        writer.raw("{\"jsonrpc\":\"2.0\",\"id\":")
        writer.raw(operation.bytes[operation.envelope.id.sourceRange])
        writer.raw(",\"result\":")
        writeResult(&writer)
        writer.raw("}")
        self.record(operation, tool: tool, error: error)
        return Reply(status: 200, body: writer.bytes)
    }

    /// The answer that carries an error, and its entry in the metrics.
    func fail(_ operation: Operation, tool: ToolMeter? = nil, _ refusal: Refusal) -> Reply {
        self.record(operation, tool: tool, error: "\(refusal.error.code.rawValue)")
        return self.refuse(refusal, id: operation.envelope.id, in: operation.bytes)
    }

    func record(_ operation: Operation, tool: ToolMeter?, error: String?) {
        self.metrics.record(
            operation.method, tool: tool, error: error,
            nanoseconds: self.environment.monotonicNanoseconds() - operation.startNanoseconds)
    }

    /// An error answer; without an id when the message had none that could be read.
    package func refuse(_ refusal: Refusal, id: JSONSlice = JSONSlice(), in bytes: [UInt8] = []) -> Reply {
        var writer = JSONWriter()
        writer.raw("{\"jsonrpc\":\"2.0\",")
        if id.isPresent {
            writer.raw("\"id\":")
            writer.raw(bytes[id.sourceRange])
            writer.raw(",")
        }
        writer.raw("\"error\":")
        writer.beginObject()
        writer.key("code")
        writer.integer(refusal.error.code.rawValue)
        writer.member("message", refusal.error.message)
        writer.member("data", refusal.error.data)
        writer.endObject()
        writer.raw("}")
        return Reply(status: refusal.status, body: writer.bytes, retryAfterSeconds: refusal.retryAfterSeconds)
    }

    /// Refuses a message that is not looked at, with its id if it is a request.
    package func refuse(_ refusal: Refusal, messageAt start: Int, of bytes: [UInt8]) -> Reply {
        // What is no message is refused without an id.
        guard let envelope = try? Envelope.parse(bytes.span, from: start), envelope.shape == .request else {
            return self.refuse(refusal)
        }
        return self.refuse(refusal, id: envelope.id, in: bytes)
    }

    /// The refusal for an error that a handler threw; what is not meant for the client is logged, not sent.
    func refusal(for error: any Error, of operation: Operation, name: String) -> Refusal {
        switch error {
        case let error as MCPError:
            switch error.code {
            case .resourceNotFound where operation.isModern:
                return Refusal(200, .invalidParams, error.message, data: error.data)
            // In the modern era with a status of its own; the legacy era has no such code.
            case .missingClientCapability where operation.isModern:
                return Refusal(400, error.code, error.message, data: error.data)
            case .missingClientCapability: return Refusal(200, .invalidRequest, error.message, data: error.data)
            default: return Refusal(200, error.code, error.message, data: error.data)
            }
        case let error as ToolError: return Refusal(200, .internalError, error.message)
        case let error as StateError: return Refusal(error)
        case let error as EngineError: return Refusal(StateError(error))
        case let error as DownstreamError: return Refusal(error)
        case is CancellationError:
            return operation.output.withLock { $0.memoryRefusal }
                ?? Refusal(200, .internalError, "The call was cancelled.")
        default:
            self.environment.logger.error(
                "handler failed",
                metadata: [
                    "method": "\(operation.method.name)", "name": "\(name)", "error": "\(String(reflecting: error))",
                ])
            return Refusal(200, .internalError, "The server failed at this call; its log says why.")
        }
    }

    /// Admits a call that runs off the event loop.
    func runLater(
        _ operation: Operation, mayRunOnLoop: Bool = false, _ body: @escaping @Sendable () async -> Reply
    ) throws(Refusal) -> Dispatch {
        // A batch waits for its calls, so that they must not wait for others that wait for their batches.
        let wait = try self.gate.enter(
            operation.message, now: Instant(nanoseconds: operation.startNanoseconds), mayWait: operation.batch == nil)
        self.hold(operation)
        return .call(
            PendingCall(dispatcher: self, operation: operation, wait: wait, mayRunOnLoop: mayRunOnLoop, body: body))
    }

    /// A call has returned.
    func leave(_ operation: Operation, at stage: PendingCall.Stage) {
        if stage >= .begun { self.brake.ended() }
        if stage >= .admitted { self.gate.leave(operation.message) }
        self.letGo(operation, operation)
    }

    /// What was cancelled for lack of memory.
    package struct CancelledCall: Sendable {
        package let method: String
        package let name: String
        /// What it held, as far as is known.
        package let heldBytes: Int
    }

    /// Cancels the running call that holds most memory, with an error that says so.
    ///
    /// - Parameter bytesMin: What it holds at least, where that is known.
    /// - Returns: `nil` when there is none that holds so much and was not cancelled before.
    package func cancelLargestCall(holding bytesMin: Int) -> CancelledCall? {
        guard let (operation, bytes) = self.handlers.largestCall(),
            bytes >= bytesMin || self.environment.heapBytesOfThread == nil,
            operation.cancel(
                for: Refusal(
                    503, .internalError,
                    "The server was short of memory, and this call held most of it, so it was cancelled. Ask for less.",
                    retryAfterSeconds: 5))
        else { return nil }
        return CancelledCall(method: operation.method.name.description, name: operation.name, heldBytes: bytes)
    }

    /// A call holds so many bytes of the heap. It is cancelled when that is more than one call may, or much while hardly any
    /// memory is left.
    private static func note(
        _ held: Int, _ operation: Operation, _ brake: MemoryBrake, _ limits: CallLimits, _ logger: Logger
    ) {
        guard held > MemoryBrake.littleMax else { return }
        brake.noteHeld(held, by: operation)
        let refusal: Refusal
        if let most = limits.memoryMax ?? brake.callMax, held > most.bytes {
            refusal = Refusal(
                200, .internalError,
                "This call took more memory than one call may, \(most.roundedText), and was cancelled. Ask for less.")
        } else if brake.isNearlyOut() {
            refusal = Refusal(
                503, .internalError,
                """
                The server is short of memory, and this call held much of it, so it was cancelled. Ask for less, or try \
                again in a few seconds.
                """, retryAfterSeconds: 5)
        } else {
            return
        }
        guard operation.cancel(for: refusal) else { return }
        logger.warning(
            "a call was cancelled for the memory that it took",
            metadata: [
                "method": "\(operation.method.name)", "name": "\(operation.name)",
                "held": "\(ByteCount(held).roundedText)",
            ])
    }

    /// Forgets what nobody came back for, and refuses what has waited for too long. Called once a second by a transport.
    package func sweep() {
        self.held.sweep(now: self.environment.wallTime())
        let now = Instant(nanoseconds: self.environment.monotonicNanoseconds())
        self.gate.expire(now: now)
        self.brake.expire(now: now)
    }

    /// What the client can do: on this request (modern), or by its session's `initialize` (legacy).
    func capabilities(of operation: Operation) -> ClientCapabilities {
        if !operation.isModern { return operation.session?.capabilities ?? [] }
        let bytes = operation.bytes
        return ClientCapabilities(operation.params.meta.clientCapabilities, in: bytes.span)
    }
}
