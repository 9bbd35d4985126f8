import Logging
import Synchronization
import Torpor
import TorporCore
import TorporProtocol

/// Hands messages to a dispatcher as the HTTP listener would, headers included.
final class MemoryTransport: MessageTransport {
    private let dispatcher: Dispatcher
    private let principals: [String]
    /// Calls of clients that are gone.
    private let abandoned = Mutex<[Task<Void, Never>]>([])

    init(_ server: MCPServer, options: TestOptions) {
        let state = server.stateService(options.state)
        let sessions = SessionAuthority(
            keys: options.keys, lifetime: options.sessionLifetime, service: state)
        self.dispatcher = Dispatcher(
            server: server, sessions: sessions, limits: options.limits, streams: options.streams,
            state: state,
            environment: DispatcherEnvironment(
                logger: Logger(label: "torpor.testing") { _ in SwiftLogNoOpLogHandler() }))
        self.principals = options.principals
    }

    /// Runs what keeps the server's state while `body` runs.
    func run<Result: Sendable>(while body: @Sendable () async throws -> Result) async throws -> Result {
        guard let state = self.dispatcher.state else { return try await body() }
        return try await state.run(while: body)
    }

    /// Ends what clients have left behind.
    func stop() async {
        for task in self.abandoned.withLock({ $0 }) {
            task.cancel()
            await task.value
        }
    }

    func exchange<Result: Sendable>(
        _ request: TestRequest, _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
        if !self.principals.isEmpty, request.principal.map({ !self.principals.contains($0) }) ?? true {
            return try await Self.read(Reply(status: 401), headers: ["www-authenticate": "Bearer"], body)
        }
        let message = Self.message(request)
        let dispatch: Dispatch =
            switch request.method {
            case "POST": self.dispatcher.dispatch(message)
            case "DELETE": self.dispatcher.endSession(message)
            case "GET": self.dispatcher.openStream(message)
            default: .reply(Reply(status: 405))
            }
        switch dispatch {
        case .reply(let reply): return try await Self.read(reply, body)
        case .call(let call): return try await self.run(call, body)
        case .stream(let open):
            let signal = Signal()
            guard let reader = open.stream.attach(after: open.after, wake: { signal.raise() }) else {
                return try await Self.read(self.dispatcher.refuseResumption(), body)
            }
            defer {
                open.stream.detach(reader)
                open.listening?.cancel()
            }
            return try await Self.read(open.stream, reader, signal, after: open.after ?? 0, body)
        }
    }

    private func run<Result: Sendable>(
        _ call: PendingCall, _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
        let carrier = MemoryCarrier()
        let task = Task { carrier.ended(await call.run(over: carrier)) }
        carrier.own(task)
        let first = await withTaskCancellationHandler {
            await carrier.first()
        } onCancel: {
            if call.endsWithConnection { task.cancel() }
        }
        switch first {
        case .end(.reply(let reply)):
            await task.value
            return try await Self.read(reply, body)
        case .end: return try await Self.read(Reply(status: 200), body)
        case .stream(let stream):
            let signal = Signal()
            guard let reader = stream.attach(wake: { signal.raise() }) else {
                preconditionFailure("a stream that begins can be read")
            }
            defer {
                stream.detach(reader)
                if call.endsWithConnection { task.cancel() }
                self.abandoned.withLock { $0.append(task) }
            }
            return try await Self.read(stream, reader, signal, after: 0, body)
        }
    }

    private static func read<Result>(
        _ reply: Reply, headers: [String: String] = [:], _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
        var headers = headers
        if let id = reply.sessionID { headers["mcp-session-id"] = id }
        if let seconds = reply.retryAfterSeconds { headers["retry-after"] = "\(seconds)" }
        var rest = reply.body.isEmpty ? [] : [TestEvent(message: try JSONValue(parsing: reply.body))]
        var stream = TestStream(status: reply.status, headers: headers) { rest.popLast() }
        return try await body(&stream)
    }

    private static func read<Result>(
        _ messages: MessageStream, _ reader: UInt32, _ signal: Signal, after: UInt32,
        _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
        let identity = messages.identity
        var priming = identity.flatMap { identity in
            identity.isPrimed
                ? TestEvent(message: nil, id: identity.eventID(after: after), retryMilliseconds: 0) : nil
        }
        var stream = TestStream(status: 200, headers: ["content-type": "text/event-stream"]) {
            if let event = priming {
                priming = nil
                return event
            }
            while true {
                switch messages.next(reader) {
                case .message(let entry):
                    return TestEvent(
                        message: try JSONValue(parsing: entry.message),
                        id: identity?.eventID(after: entry.sequence))
                case .nothing: try await signal.wait()
                case .ended, .superseded: return nil
                case .released(let retryMilliseconds):
                    messages.detach(reader)
                    return TestEvent(message: nil, retryMilliseconds: retryMilliseconds)
                }
            }
        }
        return try await body(&stream)
    }

    /// Lays the headers before the body, as they lie in a request that came over a socket.
    private static func message(_ request: TestRequest) -> IncomingMessage {
        var bytes: [UInt8] = []
        var headers = MessageHeaders()
        for (name, value) in request.headers {
            let trimmed = value.drop { $0 == " " }
            let start = bytes.count
            bytes += Array(trimmed.prefix(trimmed.count - trimmed.reversed().prefix { $0 == " " }.count).utf8)
            switch name.lowercased() {
            case "mcp-protocol-version": headers.protocolVersion = start..<bytes.count
            case "mcp-method": headers.method = start..<bytes.count
            case "mcp-name": headers.name = start..<bytes.count
            case "mcp-session-id": headers.sessionID = start..<bytes.count
            case "last-event-id": headers.lastEventID = start..<bytes.count
            case let name where name.hasPrefix("mcp-param-"):
                let end = bytes.count
                bytes += Array(name.dropFirst("mcp-param-".count).utf8)
                headers.parameters.append(.init(name: end..<bytes.count, value: start..<end))
            default: bytes.removeLast(bytes.count - start)
            }
        }
        let bodyStart = bytes.count
        return IncomingMessage(
            bytes: bytes + request.body, bodyStart: bodyStart, headers: headers, mirrorsHeaders: true,
            acceptsStreams: request.headers["Accept"]?.contains("text/event-stream") ?? false,
            principal: request.principal.map { Principal(subject: $0, issuer: "token-file") })
    }
}

/// Carries what a call says to the test that waits for it.
private final class MemoryCarrier: CallCarrier {
    enum First: Sendable { case stream(MessageStream), end(PendingCall.End) }

    private struct State {
        var first: First?
        var waiting: CheckedContinuation<First, Never>?
        var task: Task<Void, Never>?
    }

    private let state = Mutex(State())

    func own(_ task: Task<Void, Never>) { self.state.withLock { $0.task = task } }

    func open(_ stream: MessageStream, of call: UInt64) { self.resolve(.stream(stream)) }
    func ended(_ end: PendingCall.End) { self.resolve(.end(end)) }
    func cancel(_ call: UInt64) { self.state.withLock { $0.task }?.cancel() }

    private func resolve(_ first: First) {
        let waiting = self.state.withLock { state -> CheckedContinuation<First, Never>? in
            guard state.first == nil else { return nil }
            state.first = first
            return state.waiting
        }
        waiting?.resume(returning: first)
    }

    /// What the call did first: say something, or end.
    func first() async -> First {
        await withCheckedContinuation { continuation in
            let known = self.state.withLock { state in
                if state.first == nil { state.waiting = continuation }
                return state.first
            }
            if let known { continuation.resume(returning: known) }
        }
    }
}

/// Wakes one waiting reader; a signal that came before the wait ends it at once.
private final class Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func raise() { self.continuation.yield() }

    /// - Throws: `CancellationError`.
    func wait() async throws {
        for await _ in self.stream { return }
        throw CancellationError()
    }
}
