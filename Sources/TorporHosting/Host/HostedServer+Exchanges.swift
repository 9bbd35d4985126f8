import Synchronization
import Torpor
import TorporJSON
import TorporProtocol
import TorporUpstream

// Requests of modern clients to legacy servers, which ask while they work.
extension HostedServer {
    private static let heldPrefix = "held:"

    /// A handle that was made for this request is known to its next run, which tells the client of it.
    func keepHandle(_ target: Target, _ request: RelayedRequest) {
        if target.isNew, let handle = target.handle { request.keep(.string(handle.text), as: Target.handleKey) }
    }

    /// Whether questions of the server end this run, so that the request has to outlive it.
    func mayAskBetweenRuns(_ request: RelayedRequest, _ placed: Host.Placed) -> Bool {
        request.isModern && !request.call.clientCapabilities.isEmpty
            && placed.launched.session.server?.revision.era == .legacy
    }

    func exchange(
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
            party: self.party(of: request), wantsProgress: request.wantsProgress,
            in: self.exchanging)
        self.keepHandle(target, request)
        return try await self.follow(exchange, request)
    }

    /// The exchange that an earlier run of the request began; `nil` when none did.
    func heldExchange(of request: RelayedRequest, _ target: Target) throws -> Exchange? {
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

    func resume(_ exchange: Exchange, _ request: RelayedRequest) async throws -> [UInt8] {
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
        while true {
            switch try await self.next(of: exchange) {
            case .answered(let result):
                defer { self.ended(exchange.placed, exchange.caller.key) }
                let answer = try await self.translating(exchange.placed) { try result.get() }
                guard case .string(let handle)? = request.kept(Target.handleKey) else { return Array(answer.result) }
                return Self.tell(handle, in: Array(answer.result))
            case .asked(let number, let method, let params):
                // Who asks is there, however long the client takes to answer.
                self.breaker?.ended(exchange.placed.id, .success)
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
    }

    /// What comes next. A client that does not wait for it has given its request up.
    /// - Throws: `CancellationError`.
    private func next(of exchange: Exchange) async throws -> Exchange.Event {
        do {
            return try await exchange.next()
        } catch {
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
}
