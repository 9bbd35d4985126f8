import Glibc
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Torpor
import TorporAllocator
import TorporHosting
import TorporHTTP
import TorporMetrics
import TorporServers
import TorporStorage
import TorporStdio
import UnixSignals

/// The running program: the listener, the admin listener, and what looks after them.
struct ServeProgram {
    let configuration: ServeConfiguration
    let files: ServeFiles
    let registry: MetricsRegistry
    let logger: Logger

    /// Runs until a signal has drained it.
    /// - Throws: when something could not start, or calls had to be cut short.
    func run() async throws {
        if self.configuration.isStdio { return try await self.runOnStandardStreams() }
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: self.configuration.http.eventLoopCount)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await self.listen(on: eventLoops))
        } catch {
            outcome = .failure(error)
        }
        try await eventLoops.shutdownGracefully()
        try outcome.get()
    }

    private var environment: DispatcherEnvironment {
        DispatcherEnvironment(
            logger: self.logger, coreCount: HTTPConfiguration.coreCount, heapBytesOfThread: Allocator.heapBytesOfThread)
    }

    private func listen(on eventLoops: MultiThreadedEventLoopGroup) async throws {
        let monitor = ProgressMonitor()
        let banner = Banner(configuration)
        var listening = self.configuration.http
        listening.tls = self.files.certificate
        let state = try await self.openState()
        // On the same loops, so that a call and its child need not wait for each other's.
        let hosting = try HostingProgram(
            self.configuration, state: state, eventLoops: eventLoops, logger: self.logger)
        let server = hosting?.mainServer ?? self.configuration.server.make(version: torporVersion)
        let reporting = StateReporting(state, in: self.registry, logger: self.logger)
        let http = HTTPServer(
            server, configuration: listening,
            authentication: self.files.authentication, keys: self.files.keys,
            sessionLifetime: self.configuration.sessionLifetime, limits: self.configuration.limits,
            streams: self.configuration.streams, state: state,
            environment: self.environment,
            companion: hosting?.hosting, eventLoops: eventLoops, monitor: monitor,
            onListening: { port in
                banner.print(port: port)
                CodePages.giveBack()
            })
        self.registry.collectProcessMetrics()
        self.exposeStatistics(of: http)
        GovernorReporting.expose(http.governor, in: self.registry)
        if let hosting {
            HostingReporting.expose(hosting.hosting, in: self.registry)
            hosting.mount(on: http)
        }
        // Stopped from the last to the first: health checks answer until the listener has drained.
        var services: [any Service] = []
        if self.configuration.adminPort != 0 { services.append(self.adminListener(http, monitor, reporting, hosting)) }
        services += [
            ProgressHeartbeat(name: "the committer", monitor: monitor) { reporting.operations.committerProgress() },
            PoolHeartbeat(monitor: monitor),
            ProgressHeartbeat(name: "the handlers' threads", monitor: monitor) { http.handlerProgress },
            FileReloader(self.files.watches(replacingKeysOf: http), logger: self.logger),
        ]
        if let hosting { services.append(HostingReloader(program: hosting, http: http)) }
        services.append(http)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) },
                logger: self.quietLogger))
        try await Self.run(group)
    }

    /// Opens the store.
    private func openState() async throws -> StateService {
        let settings = self.configuration.state
        switch self.configuration.store {
        case .memory: return .inMemory(limits: settings.limits)
        case .sqlite(let path):
            return try await .sqlite(
                path, limits: settings.limits, sessionLifetime: self.configuration.sessionLifetime,
                compresses: settings.compresses, logger: self.logger)
        }
    }

    /// Serves one client on standard input and output until it closes its end, or a signal comes.
    private func runOnStandardStreams() async throws {
        let state = try await self.openState()
        let hosting = try HostingProgram(
            self.configuration, state: state, eventLoops: MultiThreadedEventLoopGroup.singleton, logger: self.logger)
        let server = StdioServer(
            hosting?.mainServer ?? self.configuration.server.make(version: torporVersion),
            limits: self.configuration.limits, streams: self.configuration.streams,
            lineMax: self.configuration.http.requestMax, callTimeout: self.configuration.http.callTimeout, state: state,
            environment: self.environment,
            memory: MemoryGovernor.Environment(
                limit: self.configuration.http.memoryLimit, children: hosting?.hosting.children,
                trim: { Allocator.trim() }),
            companion: hosting?.hosting)
        let service = ServiceGroupConfiguration.ServiceConfiguration(
            service: server, successTerminationBehavior: .gracefullyShutdownGroup)
        try await Self.run(
            ServiceGroup(configuration: ServiceGroupConfiguration(services: [service], logger: self.quietLogger)))
    }

    /// Runs the services; the first signal drains, the second ends the process at once.
    private static func run(_ group: ServiceGroup) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                var isDraining = false
                for await _ in signals {
                    if isDraining { exit(130) }
                    isDraining = true
                    await group.triggerGracefulShutdown()
                }
            }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }

    /// The services log each other's beginning and end, also as errors; what matters of it is thrown. Noise below `debug`.
    private var quietLogger: Logger {
        var logger = self.logger
        if logger.logLevel > .debug { logger.logLevel = .critical }
        return logger
    }

    private func adminListener(
        _ http: HTTPServer, _ monitor: ProgressMonitor, _ reporting: StateReporting, _ hosting: HostingProgram?
    ) -> AdminListener {
        let readiness: @Sendable () -> HealthReport = {
            let statistics = http.statistics
            return Health.readiness(
                isListening: statistics.isListening, isDraining: statistics.isDraining,
                storeFaults: reporting.operations.storeFaults() + HostingReporting.faults(hosting?.hosting))
        }
        let started = SystemTime.monotonicNanoseconds()
        return AdminListener(
            configuration: AdminConfiguration(
                host: self.configuration.adminHost, port: self.configuration.adminPort, tokens: self.files.adminTokens),
            sources: AdminSources(
                metricsText: { self.registry.text() },
                liveness: { Health.liveness(monitor, at: UInt64(SystemTime.monotonicNanoseconds())) },
                readiness: readiness,
                operations: AdminOperations(
                    process: { ProcessReport.object(http.statistics, self.configuration) },
                    state: reporting.operations,
                    overview: {
                        OverviewReport.object(
                            self.registry.reading(), readiness(),
                            uptime: .nanoseconds(SystemTime.monotonicNanoseconds() - started),
                            hosted: HostingReporting.list(hosting?.hosting))
                    }, governor: { GovernorReporting.object(http.governor) }, heapProfile: .process)),
            logger: self.quietLogger)
    }

    private func exposeStatistics(of http: HTTPServer) {
        let limits = self.configuration
        self.registry.help(
            "mcp_server_operation_duration_seconds", "Time to answer an operation, by method, tool and kind of error.")
        self.registry.help("mcp_server_session_duration_seconds", "Age of legacy sessions when a client ended them.")
        self.registry.help("torpor_event_loop_lag_seconds", "How late an event loop was, measured once a second.")
        self.registry.help(
            "torpor_loop_deferrals_total", "Requests and answers that waited on an event loop while callers took turns."
        )
        self.registry.collect { scrape in
            let statistics = http.statistics
            scrape.gauge("torpor_connections", help: "Open connections.", Double(statistics.connections))
            scrape.gauge("torpor_connections_limit", help: "Most connections.", Double(limits.http.connectionsMax))
            scrape.gauge(
                "torpor_calls_in_flight", help: "Calls running off the event loops.", Double(statistics.runningCalls))
            scrape.gauge(
                "torpor_queued_calls", help: "Calls that wait for their turns, or while memory is short.",
                Double(statistics.queuedCalls))
            scrape.gauge(
                "torpor_queued_calls_limit", help: "Most such calls.", Double(limits.limits.queuedMax))
            scrape.gauge("torpor_calls_in_flight_limit", help: "Most such calls.", Double(limits.limits.callsMax))
            scrape.gauge(
                "torpor_buffered_bytes", help: "Large requests that are arriving and large answers that are not read.",
                Double(statistics.bufferedBytes))
            scrape.gauge("torpor_buffered_limit_bytes", help: "Most such bytes.", Double(limits.http.buffersMax.bytes))
            scrape.gauge(
                "torpor_streams", help: "Streams that are open, or that a client may come back for.",
                Double(statistics.streams))
            scrape.gauge(
                "torpor_stream_bytes", help: "Messages that wait in streams or are kept for clients that come back.",
                Double(statistics.streamBytes))
            scrape.gauge(
                "torpor_stream_limit_bytes", help: "Most such bytes.", Double(limits.streams.totalMax.bytes))
            scrape.gauge(
                "torpor_sessions_held", help: "Sessions with preferences, streams or running calls in memory.",
                Double(statistics.heldSessions))
            scrape.gauge(
                "torpor_ended_sessions", help: "Sessions ended before their time and still remembered for it.",
                Double(statistics.endedSessions))
        }
    }
}

/// Beats once a second on the pool of tasks, so that `/livez` notices when it is stuck.
struct PoolHeartbeat: Service {
    let monitor: ProgressMonitor

    func run() async throws {
        let heartbeat = self.monitor.beat(
            for: "the thread pool of tasks", at: UInt64(SystemTime.monotonicNanoseconds()))
        defer { heartbeat.end() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                heartbeat.beat(at: UInt64(SystemTime.monotonicNanoseconds()))
                // Cancellation ends the loop above.
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }
}
