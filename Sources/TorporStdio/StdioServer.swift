public import Logging
public import ServiceLifecycle
public import Torpor
import TorporAllocator
import TorporCore
import TorporProtocol

/// Serves an ``MCPServer`` to the one client at the other end of standard input and output: one JSON-RPC message a line,
/// every revision of the protocol (2026-07-28 and 2025-11-25, transports, stdio).
///
///     try await StdioServer(server).run()
///
/// Nothing but messages goes to standard output; the logger has to write elsewhere. `run()` returns when the client
/// closes its end, when its task is cancelled, or at a graceful shutdown; calls that run then have a second to end, and
/// the client as long to read what they answer.
public final class StdioServer: Service {
    private let dispatcher: Dispatcher
    private let governor: MemoryGovernor
    private let lineMax: Int
    private let callTimeout: Duration
    private let streams: @Sendable () throws -> ByteStreams
    private let companion: (any ServerCompanion)?

    /// Who calls: whoever started the server, and may open its store. So state outlives the session and the process.
    package static let owner = Principal(subject: "owner", issuer: "stdio")

    /// How long calls may go on, and the client may read, when the input has ended.
    private let farewell: Duration

    /// - Parameters:
    ///   - lineMax: The longest message of the client; a longer one is answered with an error. Default 4 MiB.
    ///   - callTimeout: How long a call may take, its wait for a turn included. Then it is answered with an error, and
    ///     cancelled. Default 10 min.
    ///   - memoryLimit: What the process may take. Near it idle state sleeps sooner, then calls wait; what cannot be
    ///     relieved ends ``run()``. Default: 90 % of the control group's limit, else 75 % of the machine's memory.
    public convenience init(
        _ server: MCPServer, limits: CallLimits = CallLimits(), streams: StreamLimits = StreamLimits(),
        lineMax: ByteCount = .mebibytes(4), callTimeout: Duration = .seconds(600), memoryLimit: ByteCount? = nil,
        state: StateService? = nil, logger: Logger = Logger(label: "torpor")
    ) {
        self.init(
            server, limits: limits, streams: streams, lineMax: lineMax, callTimeout: callTimeout, state: state,
            environment: DispatcherEnvironment(logger: logger),
            memory: MemoryGovernor.Environment(limit: memoryLimit, trim: { Allocator.trim() }))
    }

    /// - Parameters:
    ///   - memory: How memory is measured and given back.
    ///   - companion: Runs around the server.
    ///   - bytes: Where messages come from and go to.
    package init(
        _ server: MCPServer, limits: CallLimits, streams: StreamLimits, lineMax: ByteCount, callTimeout: Duration,
        state: StateService?, environment: DispatcherEnvironment, memory: MemoryGovernor.Environment,
        companion: (any ServerCompanion)? = nil, farewell: Duration = .seconds(1),
        over bytes: @escaping @Sendable () throws -> ByteStreams = { try ByteStreams(input: 0, output: 1) }
    ) {
        precondition(lineMax.bytes > 0, "a line holds at least one byte")
        precondition(callTimeout > .zero, "a call takes time")
        // Questions are named under a key; no session id is ever sealed here.
        let state = server.stateService(state)
        let sessions = SessionAuthority(keys: .perProcess(), lifetime: .seconds(86_400), service: state)
        self.dispatcher = Dispatcher(
            server: server, sessions: sessions, limits: limits, streams: streams, state: state,
            environment: environment)
        self.governor = MemoryGovernor(self.dispatcher, environment: memory, logger: environment.logger)
        self.companion = companion
        self.lineMax = lineMax.bytes
        self.callTimeout = callTimeout
        self.farewell = farewell
        self.streams = bytes
    }

    /// Serves until the client closes its end, a shutdown begins, or memory cannot be had back.
    /// - Throws: ``StdioError`` when standard input or output fails, and for lack of memory.
    public func run() async throws {
        guard let state = self.dispatcher.state else { return try await self.serveAccompanied() }
        try await state.run { try await self.serveAccompanied() }
    }

    private func serveAccompanied() async throws {
        guard let companion = self.companion else { return try await self.serveGoverned() }
        try await companion.run { try await self.serveGoverned() }
    }

    private func serveGoverned() async throws {
        let bytes = try self.streams()
        defer { bytes.close() }
        try await withThrowingTaskGroup(of: String?.self) { tasks in
            tasks.addTask {
                await self.governor.run()
                return nil
            }
            tasks.addTask {
                let shortage = await self.governor.untilDrain()
                // As if the client had closed its end.
                if shortage != nil { bytes.stopReading() }
                return shortage
            }
            try await self.serve(bytes)
            tasks.cancelAll()
            for try await shortage in tasks { if let shortage { throw StdioError(description: shortage) } }
        }
    }

    private func serve(_ bytes: ByteStreams) async throws {
        let channel: MessageChannel
        do throws(Refusal) {
            channel = try self.dispatcher.openChannel(principal: Self.owner)
        } catch {
            preconditionFailure("a server without clients has room for one: \(error.error.message)")
        }
        let calls = CallTasks()
        // Awaited on every way out of here.
        let writing = Task { try await self.write(channel.output, to: bytes) }
        let ticking = Task { await self.passTime(calls) }
        let reading = await withTaskCancellationOrGracefulShutdownHandler {
            await self.serve(channel, bytes, calls)
        } onCancelOrGracefulShutdown: {
            bytes.stopReading()
        }
        self.dispatcher.finishListening(channel)
        // Of its own, since a task that is cancelled cannot wait, and awaited below.
        let leaving = Task {
            // Cancelled when everything has been said and written.
            guard (try? await Task.sleep(for: self.farewell)) != nil else { return }
            calls.cancelAll()
            bytes.stopWriting()
        }
        await calls.drained()
        ticking.cancel()
        self.dispatcher.close(channel)
        // Why it failed, if it did, is thrown below.
        _ = await writing.result
        leaving.cancel()
        await ticking.value
        await leaving.value
        try reading.get()
        try await writing.value
    }

    /// Ends what has taken or waited for too long, once a second.
    private func passTime(_ calls: CallTasks) async {
        // Cancelled at the end.
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            self.dispatcher.sweep()
            calls.timeOut(after: self.callTimeout)
        }
    }

    /// Takes messages until there are no more.
    private func serve(_ channel: MessageChannel, _ bytes: ByteStreams, _ calls: CallTasks) async -> Result<
        Void, any Error
    > {
        var lines = LineReader(lineMax: self.lineMax)
        do {
            while let chunk = try await bytes.read() {
                for line in lines.split(chunk) { try await self.take(line, channel, calls) }
            }
        } catch MessageStream.Refusal.closed {
            // Nobody reads; the writer knows why.
        } catch {
            return .failure(error)
        }
        return .success(())
    }

    private func take(_ line: LineReader.Line, _ channel: MessageChannel, _ calls: CallTasks) async throws {
        guard case .line(let text) = line else {
            let refusal = Refusal(
                400, .invalidRequest, "The message is longer than the limit of \(self.lineMax) bytes.")
            return try await channel.output.send(self.dispatcher.refuse(refusal).body)
        }
        switch self.dispatcher.dispatch(IncomingMessage(bytes: text, principal: Self.owner, channel: channel)) {
        case .reply(let reply):
            if !reply.body.isEmpty { try await channel.output.send(reply.body) }
        case .call(let call):
            calls.start(call) { end in
                guard case .reply(let reply) = end, !reply.body.isEmpty else { return }
                // Fails only when nobody reads any more.
                try? await channel.output.send(reply.body)
            }
        case .stream: break
        }
    }

    /// Writes what the stream holds until it has ended.
    private func write(_ stream: MessageStream, to bytes: ByteStreams) async throws {
        // Without a way out nothing more needs to come in.
        defer { bytes.stopReading() }
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        guard let reader = stream.attach(wake: { signal.yield() }) else {
            preconditionFailure("the stream of a new channel can be read")
        }
        defer { stream.detach(reader) }
        var isWoken = signals.makeAsyncIterator()
        while true {
            switch stream.next(reader) {
            case .message(let entry):
                guard try await bytes.write(entry.message + [UInt8(ascii: "\n")]) else { return }
            case .nothing: guard await isWoken.next() != nil else { return }
            case .ended, .released, .superseded: return
            }
        }
    }
}

/// Standard input or output cannot be used, or there is too little memory to go on.
public struct StdioError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
