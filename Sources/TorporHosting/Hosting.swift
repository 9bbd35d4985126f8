import Glibc
package import Logging
package import NIOCore
import Synchronization
import Torpor
package import TorporChildren
import TorporCore
package import TorporEngine
import TorporJSON
import TorporProtocol
import TorporUpstream
import TorporUpstreamHTTP

/// All hosted servers of a process, and what they share: the warden of their processes, and the place of their folders.
package final class Hosting: ServerCompanion {
    /// What the hosted servers of a process share.
    package struct Settings: Sendable {
        /// Where folders lie while children run in them.
        package var folderPath: String
        /// How long what is kept for a client is kept without a use, unless a server is set otherwise. Default 7 days.
        package var retention = Duration.seconds(7 * 86_400)
        /// How long one call may take, unless a server is set otherwise. Default 10 min.
        package var callTimeout = Duration.seconds(600)
        /// Torpor's environment.
        package var environment: [String: String]
        /// Where launchers such as `npx` keep what they fetch; `nil`: each child for itself.
        package var cachePath: String?
        /// Files of Torpor that children in sandboxes do not see, absolute paths.
        package var hiddenPaths: [String] = []
        /// Whether every caller is an authenticated principal: then none needs a handle.
        package var hasPrincipals = false
        /// How long children may take for calls that run when the server stops. Default 5 s: the listener has waited
        /// for them before.
        package var grace = Duration.seconds(5)

        package init(folderPath: String, environment: [String: String]) {
            self.folderPath = folderPath
            self.environment = environment
        }
    }

    struct State {
        var servers: [HostedServer] = []
        var areas: [String: FolderArea] = [:]
        /// What remote servers are reached by; made for the first of them.
        var client: HTTPUpstreamClient?
        var isRunning = false
        var hasEnded = false
        /// What is asked of all servers while memory is short.
        var idleFactor = 1.0
        var startsRetryAfter: Duration?
    }

    /// How often folders are stored that could not be before.
    private static let sweepInterval = Duration.seconds(60)

    package let settings: Settings
    package let warden: Warden
    /// What goes on beside the servers, to the end.
    package let tasks = TaskScope()
    /// Servers that have been replaced, and end when their calls have.
    private let retiring = TaskScope()
    private let engine: StateEngine
    private let eventLoops: any EventLoopGroup
    private let logger: Logger
    let state = Mutex(State())

    /// Takes milliseconds: starts the warden.
    /// - Throws: ``HostingError``.
    package init(
        _ settings: Settings, engine: StateEngine, eventLoops: any EventLoopGroup, logger: Logger
    ) throws(HostingError) {
        self.settings = settings
        self.eventLoops = eventLoops
        self.logger = logger
        self.engine = engine
        do throws(ChildError) {
            self.warden = try Warden.start()
        } catch {
            throw HostingError("Processes cannot be started: \(error.description)")
        }
    }

    /// The hosted servers there are now.
    package var servers: [HostedServer] { self.state.withLock { $0.servers } }

    // MARK: Servers

    /// A server as it is set. It is not kept yet: see ``replace(_:)``.
    /// - Throws: ``HostingError``, when a setting cannot be used here.
    package func server(_ settings: HostedServerSettings) throws(HostingError) -> HostedServer {
        var options = HostedServer.Options()
        options.scope = settings.scope
        options.hasPrincipals = self.settings.hasPrincipals
        options.limits = settings.limits
        options.callTimeout = settings.callTimeout ?? self.settings.callTimeout
        options.handleLifetime = self.settings.retention
        options.includedTools = settings.includedTools.map { Set($0) }
        options.excludedTools = Set(settings.excludedTools)
        return HostedServer(
            settings.name, try self.launcher(of: settings), options: options, logger: self.logger)
    }

    private func launcher(of settings: HostedServerSettings) throws(HostingError) -> any Launcher {
        switch settings.connection {
        case .command(let command):
            return ChildLauncher(
                settings.name, command, startTimeout: settings.limits.startTimeout,
                retention: self.settings.retention, warden: self.warden,
                area: try self.area(of: settings.name), eventLoops: self.eventLoops,
                environment: self.settings.environment, caches: self.settings.cachePath,
                hidden: self.settings.hiddenPaths, logger: self.logger)
        case .remote(let remote):
            do throws(UpstreamError) {
                return try RemoteLauncher(
                    settings.name, remote, startTimeout: settings.limits.startTimeout, client: { self.client },
                    eventLoops: self.eventLoops)
            } catch {
                throw HostingError("\(settings.name): \(error.message)")
            }
        }
    }

    private var client: HTTPUpstreamClient {
        let eventLoops = self.eventLoops
        return self.state.withLock { state in
            if let client = state.client { return client }
            let client = HTTPUpstreamClient(group: eventLoops)
            state.client = client
            return client
        }
    }

    /// Where the folders of a server lie. A server that is set anew has the place that it had; how large they may be
    /// holds from when it begins.
    private func area(of name: String) throws(HostingError) -> FolderArea {
        if let area = self.state.withLock({ $0.areas[name] }) { return area }
        // An error is that of the place within, which says what to do.
        mkdir(self.settings.folderPath, 0o700)
        do throws(FolderError) {
            let area = try FolderArea(
                "\(self.settings.folderPath)/\(name)", store: FolderStore(self.engine))
            self.state.withLock { $0.areas[name] = area }
            return area
        } catch {
            throw HostingError("\(name): \(error.reason)")
        }
    }

    /// Folders that are on the disk: open, and left.
    package var folderCounts: (open: Int, left: Int) {
        self.state.withLock { $0.areas }.values.reduce((0, 0)) { sum, area in
            let counts = area.counts
            return (sum.0 + counts.open, sum.1 + counts.left)
        }
    }

    /// Keeps these servers from now on. The children of those that are no longer among them end, when their calls have.
    package func replace(_ servers: [HostedServer]) {
        let (begun, ended) = self.state.withLock { state -> ([HostedServer], [HostedServer]) in
            guard !state.hasEnded else { return ([], []) }
            let ended = state.servers.filter { old in !servers.contains { $0 === old } }
            let begun = state.isRunning ? servers.filter { new in !state.servers.contains { $0 === new } } : []
            state.servers = servers
            return (begun, ended)
        }
        for server in begun { self.begin(server) }
        // Calls that run go on.
        let grace = self.settings.callTimeout
        for server in ended { self.retiring.begin { await server.end(grace: grace) } }
    }

    private func begin(_ server: HostedServer) {
        let (factor, retryAfter) = self.state.withLock { ($0.idleFactor, $0.startsRetryAfter) }
        server.host.shortenIdle(to: factor)
        if server.host.keepsProcesses { server.host.refuseStarts(retryAfter: retryAfter) }
        server.begin()
        // So that it is known early whether it starts at all, and nobody waits for its lists later.
        server.readLists()
    }

    // MARK: Life

    package func run(_ serve: @Sendable () async throws -> Void) async throws {
        self.logger.info("children are kept", metadata: ["cap": "\(self.warden.cap.description)"])
        let servers = self.state.withLock { state in
            state.isRunning = true
            return state.servers
        }
        for server in servers { self.begin(server) }
        self.tasks.begin { await self.sweep() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await serve())
        } catch {
            result = .failure(error)
        }
        await self.end()
        try result.get()
    }

    /// Ends all children, saves their folders, and ends the warden.
    private func end() async {
        let servers = self.state.withLock { state in
            state.isRunning = false
            state.hasEnded = true
            defer { state.servers = [] }
            return state.servers
        }
        await self.tasks.end()
        let grace = self.settings.grace
        await withDiscardingTaskGroup { group in
            for server in servers { group.addTask { await server.end(grace: grace) } }
        }
        await self.retiring.finish()
        await self.warden.close()
        // Nothing is open any more that could be closed badly.
        try? await self.state.withLock { $0.client.take() }?.shutdown()
    }

    /// Saves the folders that a killed process has left.
    private func sweep() async {
        repeat {
            for area in self.state.withLock({ $0.areas }).values where area.counts.left > 0 { await self.sweep(area) }
            // Cancelled at the end; then what is left is swept at the next start.
        } while (try? await Task.sleep(for: Self.sweepInterval)) != nil
    }

    private func sweep(_ area: FolderArea) async {
        do throws(FolderError) {
            for swept in try await area.sweep() {
                switch swept.end {
                case .saved(let report):
                    self.logger.info(
                        "a folder that was left behind is stored", metadata: ["files": "\(report.files)"])
                case .unfinished: break
                case .failed(let error):
                    self.logger.error(
                        "a folder that was left behind could not be stored", metadata: ["reason": "\(error.reason)"])
                }
            }
        } catch {
            // Stopped; what is left is swept at the next start.
        }
    }
}

/// Why a server cannot be hosted as it is set.
package struct HostingError: Error, Sendable, CustomStringConvertible {
    /// What is wrong, and where.
    package let description: String

    package init(_ description: String) { self.description = description }
}
