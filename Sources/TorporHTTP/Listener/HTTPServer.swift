public import Logging
import NIOCore
package import NIOPosix
public import ServiceLifecycle
import Synchronization
public import Torpor
import TorporAllocator

/// Serves an ``MCPServer`` over Streamable HTTP: every revision of the protocol on one endpoint.
///
///     try await HTTPServer(server).run()
///
/// `run()` listens until its task is cancelled or, as part of a `ServiceGroup`, a graceful shutdown begins; then it
/// drains: takes no new connections, closes idle ones, lets running calls end within the grace period, and answers the
/// rest with an error that invites a retry. Nothing it started outlives `run()`, except handlers that ignore their
/// cancellation.
public final class HTTPServer: Service {
    /// What the server does now, for metrics and health checks.
    public struct Statistics: Sendable {
        public let connections: Int
        /// Calls that run off the event loops.
        public let runningCalls: Int
        /// Calls that wait for their turns, or while memory is short.
        public let queuedCalls: Int
        /// Bytes of large requests that are arriving and large answers that are not read.
        public let bufferedBytes: Int
        /// Streams that are open, or that a client may come back for.
        public let streams: Int
        /// Bytes of messages that wait in streams or are kept for clients that come back.
        public let streamBytes: Int
        /// Sessions that hold anything in memory: preferences, streams, running calls.
        public let heldSessions: Int
        /// Sessions that were ended before their time and are still remembered for it.
        public let endedSessions: Int
        public let isListening: Bool
        public let isDraining: Bool
    }

    let listener: ListenerState
    private let sessions: SessionAuthority
    private let sessionLifetime: Duration
    /// Keeps the process within its memory.
    package let governor: MemoryGovernor
    /// `nil`: it makes its own.
    private let eventLoops: MultiThreadedEventLoopGroup?
    private let monitor: ProgressMonitor?
    private let companion: (any ServerCompanion)?
    private let onListening: (@Sendable (Int) -> Void)?
    private let listening = Atomic<Bool>(false)

    /// - Parameters:
    ///   - authentication: Who may call. Beyond loopback it is required, unless the configuration allows anonymous
    ///     callers there.
    ///   - keys: The keys that seal session ids. Default: made anew, so that sessions end with the process.
    ///   - state: Where the server's state is kept; the listener runs it. Default: in memory, for a server that declares
    ///     any.
    ///   - sessionLifetime: How long a session that keeps no state is honoured. Default 24 h.
    ///   - onListening: Called with the port once the listener accepts connections.
    public convenience init(
        _ server: MCPServer, configuration: HTTPConfiguration = HTTPConfiguration(),
        authentication: Authentication = .none,
        keys: SealingKeys = .perProcess(), sessionLifetime: Duration = .seconds(86_400),
        limits: CallLimits = CallLimits(), streams: StreamLimits = StreamLimits(), state: StateService? = nil,
        logger: Logger = Logger(label: "torpor"), onListening: (@Sendable (Int) -> Void)? = nil
    ) {
        self.init(
            server, configuration: configuration, authentication: authentication, keys: keys,
            sessionLifetime: sessionLifetime,
            limits: limits, streams: streams, state: state,
            environment: DispatcherEnvironment(logger: logger, coreCount: HTTPConfiguration.coreCount), monitor: nil,
            onListening: onListening)
    }

    /// - Parameters:
    ///   - memory: How memory is measured and given back; `nil`: as on this machine.
    ///   - companion: Runs around the listener.
    ///   - eventLoops: What it listens on, and others may use; whoever made it shuts it down afterwards. `nil`: it makes
    ///     its own.
    ///   - monitor: Gets a heartbeat of each event loop, once a second.
    package init(
        _ server: MCPServer, configuration: HTTPConfiguration, authentication: Authentication, keys: SealingKeys,
        sessionLifetime: Duration, limits: CallLimits, streams: StreamLimits, state: StateService?,
        environment: DispatcherEnvironment, memory: MemoryGovernor.Environment? = nil,
        companion: (any ServerCompanion)? = nil, eventLoops: MultiThreadedEventLoopGroup? = nil,
        monitor: ProgressMonitor?,
        onListening: (@Sendable (Int) -> Void)?
    ) {
        let state = server.stateService(state)
        self.sessions = SessionAuthority(keys: keys, lifetime: sessionLifetime, service: state)
        self.sessionLifetime = sessionLifetime
        let dispatcher = Dispatcher(
            server: server, sessions: self.sessions, limits: limits, streams: streams, state: state,
            environment: environment)
        self.listener = ListenerState(
            dispatcher: dispatcher, configuration: configuration, authentication: authentication,
            logger: environment.logger)
        self.governor = MemoryGovernor(
            dispatcher,
            environment: memory
                ?? MemoryGovernor.Environment(
                    limit: configuration.memoryLimit, children: companion?.children, trim: { Allocator.trim() }),
            logger: environment.logger)
        self.companion = companion
        self.eventLoops = eventLoops
        self.monitor = monitor
        self.onListening = onListening
    }

    /// Seals with the first of `keys` from now on; sessions sealed by none of them are unknown.
    public func replaceKeys(_ keys: SealingKeys) {
        self.sessions.replaceKeys(keys)
        for mounted in self.listener.mounted { mounted.sessions.replaceKeys(keys) }
    }

    /// Who opens and checks the sessions of a further server.
    func makeSessions(salt: UInt128) -> SessionAuthority {
        SessionAuthority(
            keys: self.sessions.keys, lifetime: self.sessionLifetime, service: self.listener.dispatcher.state,
            salt: salt)
    }

    /// The path of the main endpoint.
    package var path: String { self.listener.configuration.path }

    /// See ``HandlerPool/progress``.
    package var handlerProgress: (steps: UInt64, hasWork: Bool) { self.listener.dispatcher.handlers.progress }

    public var statistics: Statistics {
        let mounted = self.listener.mounted
        let dispatchers = self.listener.dispatchers
        // Calls and bytes of streams are counted together for all.
        let first = self.listener.dispatcher
        return Statistics(
            connections: self.listener.gate.count, runningCalls: first.runningCallCount,
            queuedCalls: first.queuedCallCount, bufferedBytes: self.listener.buffers.usedBytes,
            streams: dispatchers.reduce(0) { $0 + $1.streamCount }, streamBytes: first.streamBytes,
            heldSessions: dispatchers.reduce(0) { $0 + $1.heldSessionCount },
            endedSessions: mounted.reduce(self.sessions.tombstoneCount) { $0 + $1.sessions.tombstoneCount },
            isListening: self.listening.load(ordering: .relaxed), isDraining: self.listener.isDraining)
    }

    /// Listens until shut down.
    /// - Throws: ``HTTPServerError`` when it cannot listen, would let strangers in, or calls had to be cut short at the
    ///   end.
    public func run() async throws {
        let configuration = self.listener.configuration
        if case .none = self.listener.authentication.kind, !configuration.isLoopback,
            !configuration.allowsAnonymousBeyondLoopback
        {
            throw HTTPServerError(
                code: .unsafeConfiguration,
                description:
                    "listening at \(configuration.host) would let anybody in: use --auth token-file=PATH, or --insecure if that is meant"
            )
        }
        guard let state = self.listener.dispatcher.state else { return try await self.serveAccompanied() }
        try await state.run { try await self.serveAccompanied() }
    }

    private func serveAccompanied() async throws {
        guard let companion = self.companion else { return try await self.serve() }
        try await companion.run { try await self.serve() }
    }

    private func serve() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.governor.run() }
            defer { tasks.cancelAll() }
            try await self.listen()
        }
    }

    private func listen() async throws {
        if let eventLoops { return try await self.serve(on: eventLoops) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: self.listener.configuration.eventLoopCount)
        do {
            try await self.serve(on: group)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func serve(on group: MultiThreadedEventLoopGroup) async throws {
        let loops = try await self.makeLoops(group)
        let channel = try await self.bind(group, loops)
        self.listening.store(true, ordering: .relaxed)
        let configuration = self.listener.configuration
        let port = channel.localAddress?.port ?? configuration.port
        self.listener.logger.info(
            "listening",
            metadata: ["url": "\(configuration.scheme)://\(configuration.host):\(port)\(configuration.path)"])
        self.onListening?(port)
        let shortage = await self.untilShutdown()
        self.listening.store(false, ordering: .relaxed)
        try await self.drain(channel, loops)
        if let shortage { throw HTTPServerError(code: .outOfMemory, description: shortage) }
    }

    private func makeLoops(_ group: MultiThreadedEventLoopGroup) async throws -> [ObjectIdentifier: NIOLoopBound<
        ConnectionLoop
    >] {
        var loops: [ObjectIdentifier: NIOLoopBound<ConnectionLoop>] = [:]
        let (callTicks, buffers, listener) = (self.listener.callTicks, self.listener.buffers, self.listener)
        for (index, eventLoop) in group.makeIterator().enumerated() {
            let heartbeat = self.monitor?.beat(
                for: "event loop \(index)", at: UInt64(SystemTime.monotonicNanoseconds()))
            let sweep: @Sendable () -> Void = { for dispatcher in listener.dispatchers { dispatcher.sweep() } }
            loops[ObjectIdentifier(eventLoop)] = try await eventLoop.flatSubmit {
                let loop = ConnectionLoop(
                    eventLoop, callTicks: callTicks, buffers: buffers, heartbeat: heartbeat,
                    sweep: index == 0 ? sweep : nil)
                let bound = NIOLoopBound(loop, eventLoop: eventLoop)
                return loop.start().map { bound }
            }.get()
        }
        return loops
    }

    /// `TCP_USER_TIMEOUT` of Linux: how long sent bytes may stay unacknowledged. In milliseconds.
    private static let acknowledgementTimeout = ChannelOptions.Types.SocketOption(
        level: .tcp, name: NIOBSDSocket.Option(rawValue: 18))

    private func bind(
        _ group: MultiThreadedEventLoopGroup, _ loops: [ObjectIdentifier: NIOLoopBound<ConnectionLoop>]
    ) async throws -> any Channel {
        let listener = self.listener
        let configuration = listener.configuration
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // A client that has vanished without a word does not acknowledge what it is sent; the kernel gives up on it
            // then, not after a quarter of an hour.
            .childChannelOption(
                Self.acknowledgementTimeout, value: configuration.writeTimeout.wholeMilliseconds
            )
            // What an unread connection may hold beside the answer that is counted: as much as is never counted.
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 8 << 10, high: 16 << 10))
            // What one read may bring beyond the limit at which reading stops.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops[ObjectIdentifier(channel.eventLoop)]?.value else {
                        preconditionFailure("a connection runs on one of the listener's event loops")
                    }
                    try ConnectionPipeline.install(on: channel, listener, loop)
                }
            }
        do {
            return try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
        } catch {
            throw HTTPServerError(
                code: .cannotBind,
                description:
                    "cannot listen at \(configuration.host):\(configuration.port) (\(error)); choose another with --host and --port"
            )
        }
    }

    /// Returns when a graceful shutdown begins, the task is cancelled, or memory cannot be had back.
    /// - Returns: In the last case why.
    private func untilShutdown() async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask {
                // Throws when cancelled, which is the other way to be told to stop.
                try? await gracefulShutdown()
                return nil
            }
            group.addTask { await self.governor.untilDrain() }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private func drain(_ channel: any Channel, _ loops: [ObjectIdentifier: NIOLoopBound<ConnectionLoop>]) async throws {
        let configuration = self.listener.configuration
        self.listener.beginDraining()
        // Cancellation only shortens the delay.
        try? await Task.sleep(for: configuration.effectiveDrainDelay)
        // A listener that failed is closed already.
        try? await channel.close().get()
        let drained = loops.values.map { bound in bound.eventLoop.flatSubmit { bound.value.drain() } }
        let deadline = TimeAmount.milliseconds(Int64(configuration.gracePeriod.wholeMilliseconds))
        let isDrained = await Self.wait(for: drained, atMost: deadline, on: channel.eventLoop)
        // Clients that stay although they were told everything are no calls.
        let cut = isDrained ? 0 : self.statistics.runningCalls
        if !isDrained {
            for bound in loops.values { try await bound.eventLoop.submit { bound.value.cutShort() }.get() }
            // What was cut short is told so; give the sockets a moment to take it.
            _ = await Self.wait(for: drained, atMost: .seconds(1), on: channel.eventLoop)
        }
        for bound in loops.values { try await bound.eventLoop.submit { bound.value.stop() }.get() }
        guard cut > 0 else { return }
        throw HTTPServerError(
            code: .drainTimedOut,
            description:
                "\(cut) calls were still running after the grace period of \(configuration.gracePeriod.text) and were answered 503"
        )
    }

    private static func wait(
        for futures: [EventLoopFuture<Void>], atMost limit: TimeAmount, on eventLoop: any EventLoop
    ) async -> Bool {
        let promise = eventLoop.makePromise(of: Bool.self)
        let timer = eventLoop.scheduleTask(in: limit) { promise.succeed(false) }
        EventLoopFuture.andAllComplete(futures, on: eventLoop).whenComplete { _ in
            timer.cancel()
            promise.succeed(true)
        }
        // The promise only ever succeeds.
        return (try? await promise.futureResult.get()) ?? false
    }
}
