import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import Torpor
import TorporHosting
import TorporHTTP
import UnixSignals

/// The hosted servers of the running program: as they are set, and at which endpoints they are served.
final class HostingProgram: Sendable {
    private struct State {
        var settings: [HostedServerSettings]
        /// The endpoints beside the main one, by path.
        var mounts: [Mount] = []
    }

    let hosting: Hosting
    /// Who is served at the main endpoint.
    let mainServer: MCPServer
    private let source: HostingSettings
    private let logger: Logger
    private let state: Mutex<State>
    /// Whether the main endpoint serves several, whose number may change.
    private let merged: MergedServers?

    /// - Parameter eventLoops: Where it talks to children and remote servers. To be shut down after it has ended.
    /// - Returns: `nil` when nothing is hosted.
    /// - Throws: an error that names what cannot be used.
    init?(
        _ configuration: ServeConfiguration, state: StateService, eventLoops: any EventLoopGroup, logger: Logger
    ) throws {
        guard let source = configuration.hosting else { return nil }
        let variables = ProcessEnvironment.all
        let settings = try source.read(variables: variables)
        try Self.checkPaths(of: settings, besides: configuration.http.path)
        guard !settings.isEmpty else { throw HostingError("\(source.name): no server is named, or all are disabled") }
        var shared = Hosting.Settings(folderPath: source.foldersPath, environment: variables)
        shared.retention = configuration.state.retention
        shared.callTimeout = configuration.http.callTimeout
        shared.cachePath = source.foldersPath + "/caches"
        shared.hasPrincipals = configuration.tokenFilePath != nil
        shared.hiddenPaths = configuration.ownPaths
        let hosting = try Hosting(shared, engine: state.engine, eventLoops: eventLoops, logger: logger)
        let servers = try settings.map { try hosting.server($0) }
        hosting.replace(servers)
        self.hosting = hosting
        self.source = source
        self.logger = logger
        let merged = MergedServers(version: torporVersion, tasks: hosting.tasks)
        merged.replace(zip(settings, servers).map { ($0, $1) })
        self.merged = merged
        self.mainServer = MCPServer(merged.relayed)
        self.state = Mutex(State(settings: settings, mounts: Self.mounts(settings, servers)))
    }

    /// - Throws: when two endpoints would have the same path.
    private static func checkPaths(of settings: [HostedServerSettings], besides main: String) throws(HostingError) {
        var taken: [String: String] = [main: "the main endpoint", "/sse": "the transport of 2024-11-05"]
        taken["/sse/messages"] = taken["/sse"]
        for one in settings {
            guard let path = one.path else { continue }
            if let other = taken.updateValue(one.name, forKey: path) {
                throw HostingError("\(one.name): the path \(path) is that of \(other); give it another")
            }
        }
    }

    private static func mounts(_ settings: [HostedServerSettings], _ servers: [HostedServer]) -> [Mount] {
        zip(settings, servers).compactMap { settings, server in
            settings.path.map { Mount(path: $0, server: MCPServer(server.relayedServer(version: torporVersion))) }
        }
    }

    func mount(on http: HTTPServer) { http.mount(self.state.withLock { $0.mounts }) }

    /// Reads the settings again. Servers whose settings are the same stay as they are, with their children; calls that run
    /// go on either way. Settings that cannot be used change nothing.
    func reload(on http: HTTPServer) {
        do {
            let settings = try self.source.read(variables: ProcessEnvironment.all)
            try Self.checkPaths(of: settings, besides: http.path)
            let (old, oldMounts) = self.state.withLock { ($0.settings, $0.mounts) }
            let running = self.hosting.servers
            var servers: [HostedServer] = []
            for one in settings {
                if let index = old.firstIndex(of: one) {
                    servers.append(running[index])
                } else {
                    servers.append(try self.hosting.server(one))
                }
            }
            let mounts = zip(settings, servers).compactMap { settings, server -> Mount? in
                guard let path = settings.path else { return nil }
                if running.contains(where: { $0 === server }), let same = oldMounts.first(where: { $0.path == path }) {
                    return same
                }
                return Mount(path: path, server: MCPServer(server.relayedServer(version: torporVersion)))
            }
            self.state.withLock { $0 = State(settings: settings, mounts: mounts) }
            self.merged?.replace(zip(settings, servers).map { ($0, $1) })
            http.mount(mounts)
            self.hosting.replace(servers)
            self.logger.info(
                "hosted servers are set anew",
                metadata: ["servers": "\(settings.map(\.name).joined(separator: ", "))"])
        } catch {
            self.logger.error(
                "the settings of hosted servers cannot be used; the old ones stay in force",
                metadata: ["error": "\(error)"])
        }
    }
}

/// The servers that share the main endpoint.
private final class MergedServers: Sendable {
    let relayed: RelayedServer
    private let relay: MergedRelay

    init(version: String, tasks: TaskScope) {
        self.relay = MergedRelay(version: version, tasks: tasks)
        self.relayed = self.relay.relayedServer()
    }

    /// Those without a path of their own; one alone needs no prefix.
    func replace(_ servers: [(HostedServerSettings, HostedServer)]) {
        let common = servers.filter { $0.0.path == nil }
        self.relay.replace(
            common.map { settings, server in
                MergedRelay.Part(
                    server, prefix: settings.prefix ?? (common.count == 1 ? "" : "\(settings.name)_"))
            })
    }
}

/// Reads the settings of hosted servers again when the program is sent SIGHUP.
struct HostingReloader: Service {
    let program: HostingProgram
    let http: HTTPServer

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        await cancelWhenGracefulShutdown {
            for await _ in signals { self.program.reload(on: self.http) }
        }
    }
}
