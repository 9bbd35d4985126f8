package import Logging
import Synchronization
package import Torpor
package import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

/// A foreign server under management: carries requests to the children of a ``Host``.
package final class HostedServer: Relay, HostDelegate {
    /// How a hosted server is kept.
    package struct Options: Sendable {
        package var scope = HostedServerSettings.Scope.session
        /// Whether every caller is an authenticated principal: then none needs a handle.
        package var hasPrincipals = false
        package var limits = HostLimits()
        /// How long a child may take for a request. Default 10 min.
        package var callTimeout = Duration.seconds(600)
        /// How long a handle is honoured after it was given out. Default 7 days.
        package var handleLifetime = Duration.seconds(7 * 86_400)
        /// The tools that clients get to see; `nil` for all.
        package var includedTools: Set<String>?
        /// The tools that clients do not get to see.
        package var excludedTools: Set<String> = []
        /// How long lists are believed before they are looked at again when a child starts. Default 5 min.
        package var listsLifetime = Duration.seconds(300)

        package init() {}

        /// Whether clients get to see a tool.
        func offers(tool: String) -> Bool {
            (self.includedTools?.contains(tool) ?? true) && !self.excludedTools.contains(tool)
        }
    }

    /// Hears of what a server offers.
    struct Listener: Sendable {
        let offered: @Sendable (Catalogue) -> Void
        /// With whom it concerns; see ``RelayedServer/announceUpdate(of:to:)``.
        let updated: @Sendable (String, Set<StateObjectID>) -> Void
    }

    struct State {
        /// What the server offers, once it has said so.
        var catalogue: Catalogue?
        /// The arguments of its tools that go into headers, too; see ``mirroredParameters(of:)``.
        var mirrored: [String: [MirroredParameter]] = [:]
        /// Whoever listens has been told of it: who waits for that must not come before them.
        var hasOffered = false
        /// Hear what it offers, and which of its resources have changed.
        var listeners: [Listener] = []
        /// Lists are being read.
        var isReading = false
        /// A change was heard of while they were.
        var isStale = false
        var readAt: Instant?
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var lastWaiting: UInt64 = 0
        /// They are read again after a while.
        var willRead = false
        /// Failures to read the lists in a row.
        var failures = 0
        var failure: Refusal?
        /// What clients are held for between two rounds of questions.
        var exchanges: [UInt128: Exchange] = [:]
        var subscriptions = ResourceSubscriptions()
        /// Children are being told of what is released.
        var isReleasing = false
        var sessionEnds = SessionEnds()
    }

    package let name: String
    package let host: Host
    let options: Options
    let logger: Logger
    let now: @Sendable () -> Instant
    let wallTime: @Sendable () -> WallTime
    let sleep: @Sendable (Duration) async throws -> Void
    let random: @Sendable () -> UInt128
    let state = Mutex(State())
    /// Where one place answers all callers: a remote server, or a process that all share. `nil` where each key has a process
    /// of its own: what ends or hangs there is that key's alone.
    package let breaker: CallBreaker?
    /// What looks for sessions whose time is over.
    private let sweeping = TaskScope()
    /// What reads lists and subscribes: ended before the children are.
    let chores = TaskScope()
    /// Requests that outlive a run of their client's: they end with the children.
    let exchanging = TaskScope()

    package init(
        _ name: String, _ launcher: any Launcher, options: Options = Options(), logger: Logger,
        now: @escaping @Sendable () -> Instant = { Instant(nanoseconds: SystemTime.monotonicNanoseconds()) },
        wallTime: @escaping @Sendable () -> WallTime = SystemTime.wallTime,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        random: @escaping @Sendable () -> UInt128 = { UInt128.random(in: .min ... .max) }
    ) {
        self.name = name
        self.options = options
        self.logger = logger
        self.now = now
        self.wallTime = wallTime
        self.sleep = sleep
        self.random = random
        self.host = Host(name, launcher, limits: options.limits, logger: logger, now: now)
        self.breaker =
            options.scope == .shared || !launcher.startsProcesses ? CallBreaker(name, logger: logger, now: now) : nil
        self.host.setDelegate(self)
    }

    /// What clients are served who see this server alone.
    package func relayedServer(version: String) -> RelayedServer {
        let server = RelayedServer(self, name: self.name, version: version)
        self.listen(
            Listener(offered: { server.offer($0) }, updated: { server.announceUpdate(of: $0, to: $1) }))
        return server
    }

    /// Tells `listener` from now on, and of what is offered already.
    func listen(_ listener: Listener) {
        let catalogue = self.state.withLock { state in
            state.listeners.append(listener)
            return state.catalogue
        }
        if let catalogue { listener.offered(catalogue) }
    }

    /// What the server offers, once it has said so.
    package var catalogue: Catalogue? { self.state.withLock { $0.catalogue } }

    /// Begins to keep children. ``end(grace:)`` is to follow.
    package func begin() {
        self.host.begin()
        self.sweeping.begin {
            // Cancelled at the end.
            while (try? await Task.sleep(for: .seconds(1))) != nil { self.endSessions(by: self.wallTime()) }
        }
    }

    /// Ends all children; see ``Host/end(grace:)``.
    package func end(grace: Duration) async {
        await self.sweeping.end()
        await self.chores.end()
        await self.host.end(grace: grace)
        await self.exchanging.end()
        // Nobody is told anything any more.
        self.state.withLock { $0.listeners = [] }
    }

    // MARK: Requests

    package func answer(_ request: RelayedRequest) async throws -> [UInt8] {
        if request.method == .toolsCall, let name = request.name { try self.checkOffered(name) }
        let target = try self.target(of: request)
        if target.caller.key.kind == .session { self.noteEnd(of: request, account: target.caller.account) }
        if request.method == .subscribe || request.method == .unsubscribe {
            return try await self.changeSubscription(request, target.caller)
        }
        if let exchange = try self.heldExchange(of: request, target) { return try await self.resume(exchange, request) }
        let placed = try await self.place(target.caller)
        // An exchange ends the call by itself.
        if self.mayAskBetweenRuns(request, placed) { return try await self.exchange(request, target, placed) }
        defer { self.ended(placed, target.caller.key) }
        let result = try await self.converse(request, target, placed)
        return target.isNew ? Self.tell(target.handle, in: result) : result
    }

    /// - Throws: for a tool that clients do not get to see.
    private func checkOffered(_ tool: String) throws {
        guard self.options.offers(tool: tool) else {
            throw MCPError.invalidParams("There is no tool of this name.")
        }
    }

    /// Waits for the child of a client's key, unless the server is left alone. Its use is to be ended, by ``ended(_:_:)``.
    /// - Throws: ``Refusal``, `CancellationError`.
    func place(_ caller: HostCaller) async throws -> Host.Placed {
        // Nobody waits for what will be refused; and what is failing by the time that there is a place is not called.
        try self.breaker?.check()
        let placed = try await self.host.place(caller)
        do {
            try self.breaker?.admit(placed.id)
        } catch {
            self.ended(placed, caller.key)
            throw error
        }
        return placed
    }

    func ended(_ placed: Host.Placed, _ key: HostKey) {
        self.breaker?.ended(placed.id, .unknown)
        self.host.end(placed)
        if key.kind == .call { self.host.retire(key) }
    }

    // MARK: Errors

    /// Makes of what went wrong what the client is told.
    func translating<Result>(
        _ placed: Host.Placed, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            let result = try await body()
            self.breaker?.ended(placed.id, .success)
            return result
        } catch let error as UpstreamError {
            self.breaker?.failed(placed.id, in: placed.child, error)
            switch error.code {
            case .answered:
                guard let answer = error.answer, answer.code != .missingClientCapability || answer.data != nil,
                    answer.code != .headerMismatch
                else {
                    // As its own error it would lack what that has to say (2026-07-28, errors), or be about headers
                    // that are not the client's.
                    throw MCPError(.internalError, error.message)
                }
                throw answer
            case .ended, .closed:
                let end = await placed.launched.untilEnded()
                throw Refusal(
                    200, .internalError,
                    "The process of \(self.name) \(end.text), and this call with it. \(end.advice)",
                    data: ["server": .string(self.name), "reason": end.ending == .overMemory ? "overMemory" : "ended"])
            case .overloaded, .unavailable, .sessionLost:
                throw Refusal(503, .internalError, "\(self.name): \(error.message)", retryAfterSeconds: 1)
            default: throw Refusal(200, .internalError, "\(self.name): \(error.message)")
            }
        }
    }

    func text(of error: any Error) -> String {
        switch error {
        case let error as UpstreamError: error.message
        case let error as LaunchError: error.message
        case let error as MCPError: error.message
        default: "\(error)"
        }
    }
}
