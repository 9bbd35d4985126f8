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
        let updated: @Sendable (String) -> Void
    }

    private struct State {
        /// What the server offers, once it has said so.
        var catalogue: Catalogue?
        /// Hear what it offers, and which of its resources have changed.
        var listeners: [Listener] = []
        /// Lists are being read.
        var isReading = false
        /// A change was heard of while they were.
        var isStale = false
        var readAt: Instant?
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var lastWaiting: UInt64 = 0
        /// Reads the lists again after a while.
        var retry: Task<Void, Never>?
        /// Failures to read the lists in a row.
        var failures = 0
        var hasEnded = false
        var failure: Refusal?
        /// What clients are held for between two rounds of questions.
        var exchanges: [UInt128: Exchange] = [:]
        /// The resources that the callers of a key are subscribed to, and who is.
        var subscriptions: [HostKey: [String: Set<StateObjectID>]] = [:]
        var subscriptionCount = 0
    }

    /// Subscriptions of all keys together.
    private static let subscriptionsMax = 100_000
    /// Resources that the callers of one key are subscribed to.
    private static let urisMax = 1_000
    /// How long lists are not read again because of a change, after they were read.
    private static let changeInterval = Duration.seconds(2)
    /// How long after a failure they are read again, at first; it doubles up to a minute.
    private static let retryMin = Duration.seconds(5)

    package let name: String
    package let host: Host
    let options: Options
    private let logger: Logger
    private let now: @Sendable () -> Instant
    private let random: @Sendable () -> UInt128
    private let state = Mutex(State())

    package init(
        _ name: String, _ launcher: any Launcher, options: Options = Options(), logger: Logger,
        now: @escaping @Sendable () -> Instant = { Instant(nanoseconds: SystemTime.monotonicNanoseconds()) },
        random: @escaping @Sendable () -> UInt128 = { UInt128.random(in: .min ... .max) }
    ) {
        self.name = name
        self.options = options
        self.logger = logger
        self.now = now
        self.random = random
        self.host = Host(name, launcher, limits: options.limits, logger: logger, now: now)
        self.host.setDelegate(self)
    }

    /// What clients are served who see this server alone.
    package func relayedServer(version: String) -> RelayedServer {
        let server = RelayedServer(self, name: self.name, version: version)
        self.listen(
            Listener(offered: { server.offer($0) }, updated: { server.announceUpdate(of: $0) }))
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
    package func begin() { self.host.begin() }

    /// Ends all children; see ``Host/end(grace:)``.
    package func end(grace: Duration) async {
        let retry = self.state.withLock { state in
            state.hasEnded = true
            return state.retry
        }
        retry?.cancel()
        await self.host.end(grace: grace)
        // Nobody is told anything any more.
        self.state.withLock { $0.listeners = [] }
    }

    // MARK: What the server offers

    package func prepareOffer() { self.readLists() }

    package func untilOffered() async throws {
        guard self.catalogue == nil else { return }
        self.readLists()
        let number = self.state.withLock { state in
            state.lastWaiting += 1
            return state.lastWaiting
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = self.state.withLock { state in
                    guard state.isReading, !Task.isCancelled else { return true }
                    state.waiting[number] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiting.removeValue(forKey: number) }?.resume()
        }
        try Task.checkCancellation()
        if let failure = self.state.withLock({ $0.catalogue == nil ? $0.failure : nil }) { throw failure }
    }

    /// Reads the server's lists, in a task of its own, unless that is being done.
    package func readLists() {
        self.state.withLock { state in
            guard !state.isReading, !state.hasEnded else { return }
            state.isReading = true
            state.isStale = false
            Task { await self.readListsNow() }
        }
    }

    /// A child says that a list has changed: they are read again, but not all the time.
    private func listsChanged() {
        let now = self.now()
        let wait = self.state.withLock { state -> Duration? in
            if state.isReading { state.isStale = true }
            guard !state.isReading, let readAt = state.readAt else { return nil }
            return max(.zero, Self.changeInterval - now.since(readAt))
        }
        if let wait { self.readLists(after: wait) }
    }

    /// Reads the lists after a while, unless that is going to happen already.
    private func readLists(after wait: Duration) {
        self.state.withLock { state in
            guard state.retry == nil, !state.hasEnded else { return }
            state.retry = Task {
                // Cancelled at the end.
                guard (try? await Task.sleep(for: wait)) != nil else { return }
                self.state.withLock { $0.retry = nil }
                self.readLists()
            }
        }
    }

    private func readListsNow() async {
        var failure: Refusal?
        do {
            let catalogue = try await self.withCatalogueChild { try await Catalogue(of: $0, server: self) }
            let listeners = self.state.withLock { state in
                state.catalogue = catalogue
                return state.listeners
            }
            for listener in listeners { listener.offered(catalogue) }
        } catch let refusal as Refusal {
            failure = refusal
        } catch {
            failure = Refusal(
                503, .internalError, "\(self.name) does not say what it offers: \(self.text(of: error)).",
                retryAfterSeconds: 5)
            self.logger.warning(
                "a hosted server does not say what it offers",
                metadata: ["server": "\(self.name)", "reason": "\(self.text(of: error))"])
        }
        let (waiting, wait) = self.state.withLock { state -> ([CheckedContinuation<Void, Never>], Duration?) in
            state.isReading = false
            state.failure = failure
            state.readAt = self.now()
            state.failures = failure == nil ? 0 : min(state.failures + 1, 10)
            defer { state.waiting = [:] }
            let retry = failure == nil ? nil : min(.seconds(60), Self.retryMin * (1 << (state.failures - 1)))
            return (Array(state.waiting.values), retry ?? (state.isStale ? Self.changeInterval : nil))
        }
        for continuation in waiting { continuation.resume() }
        if let wait { self.readLists(after: wait) }
    }

    /// A child that may be asked for its lists; one that is started for that alone ends right after.
    private func withCatalogueChild<Result>(_ body: (UpstreamSession) async throws -> Result) async throws -> Result {
        let key = self.options.scope == .shared ? HostKey.shared : HostKey(.call, bits: self.random())
        let placed = try await self.host.place(HostCaller(key, account: .anonymous(0)))
        defer {
            self.host.end(placed)
            if key.kind == .call { self.host.retire(key) }
        }
        return try await body(placed.launched.session)
    }

    /// A number that nobody else has.
    func randomBits() -> UInt128 { self.random() }

    func heard(_ key: HostKey?, _ session: UpstreamSession?, _ event: Host.Event) {
        switch event {
        case .started:
            let now = self.now()
            let isOld = self.state.withLock { state in
                state.readAt.map { now.since($0) > self.options.listsLifetime } ?? false
            }
            if isOld { self.readLists() }
        case .said(let event): self.heard(key, session, event)
        }
    }

    private func heard(_ key: HostKey?, _ session: UpstreamSession?, _ event: UpstreamEvent) {
        switch event {
        // One that was started for its lists has told them.
        case .listChanged: if key?.kind != .call { self.listsChanged() }
        case .updated(let uri):
            for listener in self.state.withLock({ $0.listeners }) { listener.updated(uri) }
        case .log(let params):
            // Of no call, so nobody's: for the operator.
            self.logger.debug(
                "a hosted server says",
                metadata: ["server": "\(self.name)", "message": "\(params["data"]?.text.prefix(1_000) ?? "")"])
        case .renewed:
            if let key, let session { Task { await self.prepare(session, for: key) } }
        case .notification, .ended: break
        }
    }

    // MARK: Requests

    package func answer(_ request: RelayedRequest) async throws -> [UInt8] {
        if request.method == .toolsCall, let name = request.name { try self.checkOffered(name) }
        let target = try self.target(of: request)
        if request.method == .subscribe || request.method == .unsubscribe {
            return try await self.changeSubscription(request, target.caller)
        }
        if let exchange = try self.heldExchange(of: request, target) { return try await self.resume(exchange, request) }
        let placed = try await self.host.place(target.caller)
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

    private func ended(_ placed: Host.Placed, _ key: HostKey) {
        self.host.end(placed)
        if key.kind == .call { self.host.retire(key) }
    }

    /// Whose call it is, to a server that many callers share. Who cannot be told from others is nobody else.
    private func party(of request: RelayedRequest) -> UpstreamParty {
        if let session = request.session { return UpstreamParty("session \(String(session, radix: 36))") }
        guard request.call.principal != nil else { return UpstreamParty("call \(String(self.random(), radix: 36))") }
        return UpstreamParty("principal \(String(request.callerBits, radix: 36))")
    }

    /// Makes a request, in as many rounds as a modern server asks for.
    private func converse(
        _ request: RelayedRequest, _ target: Target, _ placed: Host.Placed
    ) async throws -> [UInt8] {
        let session = placed.launched.session
        let observer = CallObserver(request: request, party: self.party(of: request))
        try await self.setLevel(request, session)
        var round = Round(kept: request)
        while true {
            let answer = try await self.translating(placed) {
                try await session.request(
                    self.upstreamRequest(request, target, round), observer: observer)
            }
            guard session.server?.revision.era == .modern, let asked = Asked(answer) else {
                return Array(answer.result)
            }
            round = try await self.ask(asked, after: round, request, target)
        }
    }

    private func upstreamRequest(_ request: RelayedRequest, _ target: Target, _ round: Round) -> UpstreamRequest {
        var params = UpstreamParams.text(
            request.forwardedParams(arguments: target.arguments))
        if round.number > 0, case .text(let text) = params,
            case .object(var object) = JSONValue(in: text.span, 0..<text.count)
        {
            object["requestState"] = round.state
            object["inputResponses"] = .object(round.answers)
            params = .object(object)
        }
        var upstream = UpstreamRequest(
            request.method.name.description, params, timeLimit: self.options.callTimeout)
        upstream.capabilities = request.call.clientCapabilities
        upstream.logLevel = request.askedLogLevel
        return upstream
    }

    /// A legacy server is told the level that the client wants, when it is another than it was told last.
    private func setLevel(_ request: RelayedRequest, _ session: UpstreamSession) async throws {
        guard let level = request.askedLogLevel, session.server?.revision.era == .legacy,
            session.server?.capabilities["logging"] != nil, session.logLevel != level
        else { return }
        do {
            try await session.setLevel(level, timeLimit: .seconds(10))
        } catch let error as UpstreamError {
            self.logger.debug(
                "a hosted server takes no log level", metadata: ["server": "\(self.name)", "reason": "\(error.code)"])
        }
    }

    // MARK: Modern servers that ask

    /// A modern server's question, as its result says it.
    private struct Asked {
        let requests: JSONObject
        let state: JSONValue?

        /// `nil` for any other result.
        init?(_ answer: UpstreamAnswer) {
            let object = answer.object
            guard object["resultType"] == "input_required" else { return nil }
            if case .object(let requests)? = object["inputRequests"] {
                self.requests = requests
            } else {
                self.requests = [:]
            }
            self.state = object["requestState"]
        }
    }

    /// Where a request stands that a modern server has asked for more.
    private struct Round {
        var number = 0
        var state: JSONValue?
        var answers: JSONObject = [:]

        /// The most questions of a round.
        static let questionsMax = 100
        static let key = "round"

        init() {}

        /// As an earlier run of the client's request kept it.
        init(kept request: RelayedRequest) {
            guard case .object(let kept)? = request.kept(Self.key), case .number(let number)? = kept["round"] else {
                return
            }
            self.number = number.int ?? 0
            self.state = kept["state"]
            guard case .array(let names)? = kept["names"] else { return }
            for (index, name) in names.enumerated() {
                if case .string(let name) = name { self.answers[name] = request.answer(to: self.key(of: index)) }
            }
        }

        /// What the client calls a question of the round. The server's own name may be of any length.
        func key(of index: Int) -> String { "\(self.number):\(index)" }
    }

    private func ask(_ asked: Asked, after round: Round, _ request: RelayedRequest, _ target: Target) async throws
        -> Round
    {
        guard round.number < 100 else {
            throw Refusal(200, .internalError, "\(self.name) asks for ever.")
        }
        let members = asked.requests.members
        guard members.count <= Round.questionsMax else {
            throw Refusal(200, .internalError, "\(self.name) asks more than \(Round.questionsMax) questions at once.")
        }
        var next = Round()
        next.number = round.number + 1
        next.state = asked.state
        if request.isModern {
            var kept: JSONObject = ["round": .number(JSONNumber(next.number))]
            kept["state"] = asked.state
            kept["names"] = .array(members.map { .string($0.name) })
            request.keep(.object(kept), as: Round.key)
            self.keepHandle(target, request)
        }
        let questions = try members.enumerated().map { index, member in
            guard case .string(let method)? = member.value["method"] else {
                throw Refusal(200, .internalError, "\(self.name) asks without saying what.")
            }
            var params = JSONObject()
            if case .object(let object)? = member.value["params"] { params = object }
            return RelayedRequest.Question(
                key: next.key(of: index), method: try ClientMethod(asked: method), params: params)
        }
        let answers = try await request.ask(questions)
        for (index, member) in members.enumerated() { next.answers[member.name] = answers[next.key(of: index)] }
        return next
    }

    // MARK: Legacy servers that ask modern clients

    private static let heldPrefix = "held:"

    /// A handle that was made for this request is known to its next run, which tells the client of it.
    private func keepHandle(_ target: Target, _ request: RelayedRequest) {
        if target.isNew, let handle = target.handle { request.keep(.string(handle.text), as: Target.handleKey) }
    }

    /// Whether questions of the server end this run, so that the request has to outlive it.
    private func mayAskBetweenRuns(_ request: RelayedRequest, _ placed: Host.Placed) -> Bool {
        request.isModern && !request.call.clientCapabilities.isEmpty
            && placed.launched.session.server?.revision.era == .legacy
    }

    private func exchange(
        _ request: RelayedRequest, _ target: Target, _ placed: Host.Placed
    ) async throws -> [UInt8] {
        let exchange = Exchange(self.random(), target.caller, placed)
        do {
            try await self.setLevel(request, placed.launched.session)
        } catch {
            self.ended(placed, target.caller.key)
            throw error
        }
        exchange.begin(
            self.upstreamRequest(request, target, Round()),
            party: self.party(of: request), wantsProgress: request.wantsProgress)
        self.keepHandle(target, request)
        return try await self.follow(exchange, request)
    }

    /// The exchange that an earlier run of the request began; `nil` when none did.
    private func heldExchange(of request: RelayedRequest, _ target: Target) throws -> Exchange? {
        guard let key = request.answeredKeys.first(where: { $0.hasPrefix(Self.heldPrefix) }),
            let id = UInt128(key.dropFirst(Self.heldPrefix.count).prefix { $0 != ":" }, radix: 36)
        else { return nil }
        let caller = self.state.withLock { $0.exchanges[id]?.caller.key }
        let isTheirs = caller == target.caller.key || (caller?.kind == .call && target.caller.key.kind == .call)
        guard isTheirs, let exchange = self.takeBack(id) else {
            throw Refusal(
                200, .invalidParams, "\(self.name) does not wait for this answer any more. Make the request again.")
        }
        return exchange
    }

    private func resume(_ exchange: Exchange, _ request: RelayedRequest) async throws -> [UInt8] {
        let prefix = "\(Self.heldPrefix)\(String(exchange.id, radix: 36)):"
        for key in request.answeredKeys where key.hasPrefix(prefix) {
            guard let number = Int(key.dropFirst(prefix.count)), case .object(let answer)? = request.answer(to: key)
            else {
                continue
            }
            exchange.answer(number, .success(answer))
        }
        return try await self.follow(exchange, request)
    }

    /// Waits for the server's answer, or until it asks.
    private func follow(_ exchange: Exchange, _ request: RelayedRequest) async throws -> [UInt8] {
        exchange.attach(request)
        defer { exchange.attach(nil) }
        do {
            while true {
                switch try await exchange.next() {
                case .answered(let result):
                    defer { self.ended(exchange.placed, exchange.caller.key) }
                    let answer = try await self.translating(exchange.placed) { try result.get() }
                    guard case .string(let handle)? = request.kept(Target.handleKey) else {
                        return Array(answer.result)
                    }
                    return Self.tell(handle, in: Array(answer.result))
                case .asked(let number, let method, let params):
                    let key = "\(Self.heldPrefix)\(String(exchange.id, radix: 36)):\(number)"
                    let question = RelayedRequest.Question(key: key, method: method, params: params)
                    try self.hold(exchange)
                    let known: Result<JSONObject, MCPError>
                    do {
                        // Without an answer this run ends; the next one goes on.
                        guard case .object(let answer)? = try request.known(question) else {
                            throw RelayedRequest.inputRequired
                        }
                        known = .success(answer)
                    } catch let error as MCPError {
                        // The client cannot be asked that, which is the server's to know.
                        known = .failure(error)
                    }
                    guard self.takeBack(exchange.id) != nil else { throw Refusal.childGone(self.name) }
                    exchange.answer(number, known)
                }
            }
        } catch let error as CancellationError {
            exchange.giveUp()
            self.ended(exchange.placed, exchange.caller.key)
            throw error
        }
    }

    /// Goes on with an exchange that was held; `nil` when it was given up.
    private func takeBack(_ id: UInt128) -> Exchange? {
        guard let exchange = self.state.withLock({ $0.exchanges.removeValue(forKey: id) }),
            self.host.resume(exchange.placed)
        else { return nil }
        return exchange
    }

    /// Keeps an exchange for the next run of its request.
    private func hold(_ exchange: Exchange) throws(Refusal) {
        self.state.withLock { $0.exchanges[exchange.id] = exchange }
        do throws(Refusal) {
            try self.host.hold(exchange.placed) { _ in
                self.state.withLock { $0.exchanges[exchange.id] = nil }
                exchange.giveUp()
                if exchange.caller.key.kind == .call { self.host.retire(exchange.caller.key) }
            }
        } catch {
            self.state.withLock { $0.exchanges[exchange.id] = nil }
            exchange.giveUp()
            self.ended(exchange.placed, exchange.caller.key)
            throw error
        }
    }

    // MARK: Subscriptions

    private func changeSubscription(_ request: RelayedRequest, _ caller: HostCaller) async throws -> [UInt8] {
        // In two words; see ``StateObjectID``.
        let session = request.session.map { StateObjectID(bits: $0) }
        guard let uri = request.uri, let session, caller.key.kind != .call else {
            throw Refusal(400, .invalidRequest, "A subscription belongs to a session; it needs Mcp-Session-Id.")
        }
        let isNew = request.method == .subscribe
        if isNew, !self.mayNote(uri, caller.key) {
            throw Refusal(
                503, .internalError, "\(self.name) has as many subscriptions as it may.", retryAfterSeconds: 60)
        }
        let placed = try await self.host.place(caller)
        defer { self.ended(placed, caller.key) }
        let upstream = placed.launched.session
        try await self.translating(placed) {
            if isNew {
                try await upstream.subscribe(to: uri, timeLimit: self.options.callTimeout)
            } else if self.isLast(session, of: uri, caller.key) {
                try await upstream.unsubscribe(from: uri, timeLimit: self.options.callTimeout)
            }
        }
        self.note(uri, isNew, session, caller.key)
        return Array("{}".utf8)
    }

    private func mayNote(_ uri: String, _ key: HostKey) -> Bool {
        self.state.withLock { state in
            state.subscriptionCount < Self.subscriptionsMax
                && (state.subscriptions[key]?[uri] != nil || state.subscriptions[key]?.count ?? 0 < Self.urisMax)
        }
    }

    private func isLast(_ subscriber: StateObjectID, of uri: String, _ key: HostKey) -> Bool {
        self.state.withLock { ($0.subscriptions[key]?[uri] ?? []).subtracting([subscriber]).isEmpty }
    }

    private func note(_ uri: String, _ isSubscribed: Bool, _ subscriber: StateObjectID, _ key: HostKey) {
        self.state.withLock { state in
            if isSubscribed {
                if state.subscriptions[key, default: [:]][uri, default: []].insert(subscriber).inserted {
                    state.subscriptionCount += 1
                }
                return
            }
            guard state.subscriptions[key]?[uri]?.remove(subscriber) != nil else { return }
            state.subscriptionCount -= 1
            if state.subscriptions[key]?[uri]?.isEmpty == true { state.subscriptions[key]?[uri] = nil }
            if state.subscriptions[key]?.isEmpty == true { state.subscriptions[key] = nil }
        }
    }

    package func listens(to uris: Set<String>, _ request: RelayedRequest) -> @Sendable () -> Void {
        // Who has no child that others have as well hears of nothing.
        guard let target = try? self.target(of: request), target.caller.key.kind != .call, !target.isNew else {
            return {}
        }
        let (subscriber, key) = (StateObjectID(bits: self.random()), target.caller.key)
        let over = IsOver()
        Task {
            // A child that cannot be reached tells nothing; the client's own requests say why.
            guard let placed = try? await self.host.place(target.caller) else { return }
            defer { self.ended(placed, key) }
            for uri in uris where !over.value && self.mayNote(uri, key) {
                do {
                    try await placed.launched.session.subscribe(to: uri, timeLimit: .seconds(10))
                } catch {
                    return
                }
                self.note(uri, true, subscriber, key)
            }
            if over.value { for uri in uris { self.note(uri, false, subscriber, key) } }
        }
        return {
            over.set()
            for uri in uris { self.note(uri, false, subscriber, key) }
        }
    }

    /// A child has started: what its predecessor was told holds on.
    func prepare(_ session: UpstreamSession, for key: HostKey) async {
        for uri in self.state.withLock({ $0.subscriptions[key]?.keys.sorted() ?? [] }) {
            // A server that refuses what it took before has changed.
            try? await session.subscribe(to: uri, timeLimit: .seconds(10))
        }
    }

    package func sessionEnded(_ session: UInt128) {
        let subscriber = StateObjectID(bits: session)
        self.state.withLock { state in
            for (key, uris) in state.subscriptions {
                for (uri, subscribers) in uris where subscribers.contains(subscriber) {
                    state.subscriptionCount -= 1
                    state.subscriptions[key]?[uri]?.remove(subscriber)
                    if state.subscriptions[key]?[uri]?.isEmpty == true { state.subscriptions[key]?[uri] = nil }
                }
                if state.subscriptions[key]?.isEmpty == true { state.subscriptions[key] = nil }
            }
        }
        self.host.retire(HostKey(.session, bits: session))
    }

    // MARK: Errors

    /// Makes of what went wrong what the client is told.
    private func translating<Result>(
        _ placed: Host.Placed, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch let error as UpstreamError {
            switch error.code {
            case .answered:
                guard let answer = error.answer, answer.code != .missingClientCapability || answer.data != nil else {
                    // As its own error it would lack what that has to say (2026-07-28, errors).
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

    private func text(of error: any Error) -> String {
        switch error {
        case let error as UpstreamError: error.message
        case let error as LaunchError: error.message
        case let error as MCPError: error.message
        default: "\(error)"
        }
    }
}

/// Whether a subscription is over that is being begun.
private final class IsOver: Sendable {
    private let flag = Atomic<Bool>(false)

    var value: Bool { self.flag.load(ordering: .relaxed) }
    func set() { self.flag.store(true, ordering: .relaxed) }
}
