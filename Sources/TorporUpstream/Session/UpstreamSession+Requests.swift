import Synchronization
import TorporCore
package import TorporJSON
import TorporProtocol

extension UpstreamSession {
    /// Makes a request and gives its result as a tree; see ``request(_:observer:)``.
    package func request(
        _ method: String, params: JSONObject = [:], observer: (any UpstreamObserver)? = nil, timeLimit: Duration
    ) async throws -> JSONObject {
        let params = params.isEmpty ? UpstreamParams.none : .object(params)
        return try await self.request(
            UpstreamRequest(method, params, timeLimit: timeLimit), observer: observer
        ).object
    }

    /// Makes a request and gives its answer as it came.
    ///
    /// The `_meta` of the parameters is passed on but for what the protocol defines for the connection between client
    /// and server: revision, client, capabilities, log level and progress token are this side's own. Results are not
    /// looked into: that of a modern server may be `input_required`.
    ///
    /// A request that a server refuses because it has forgotten its session is made once more in a new one.
    /// - Parameter observer: Hears progress and logs, and answers questions, until the answer has come.
    /// - Throws: ``UpstreamError``; `CancellationError` at once when the task is cancelled: the server is told, and
    ///   what it answers is dropped. An observer that is at work then is waited for.
    package func request(
        _ request: UpstreamRequest, observer: (any UpstreamObserver)? = nil
    ) async throws -> UpstreamAnswer {
        do {
            return try await self.requestOnce(request, observer: observer)
        } catch let error as UpstreamError where error.code == .sessionLost {
            return try await self.requestOnce(request, observer: observer)
        }
    }

    private func requestOnce(
        _ request: UpstreamRequest, observer: (any UpstreamObserver)?
    ) async throws -> UpstreamAnswer {
        try Task.checkCancellation()
        let (number, revision) = try await self.reserve()
        let message = self.message(number, request, revision, wantsProgress: observer?.wantsProgress ?? false)
        let call = CallWaiter(self.limits)
        let now = self.timer.now
        let wake = try self.state.withLock { state throws(UpstreamError) in
            try state.machine.begin(
                number, party: observer?.party, wantsProgress: observer?.wantsProgress ?? false,
                timeLimit: request.timeLimit, now: now)
            guard self.transport.send(message) else {
                _ = state.machine.withdraw(number, reason: "", now: now)
                throw UpstreamError(.overloaded, "The server does not read what waits for it already. Try again.")
            }
            state.calls[number] = call
            return Self.wake(at: now + request.timeLimit, &state)
        }
        self.transport.flush()
        if let wake { self.arm(wake) }
        return try await self.follow(call, number, observer)
    }

    private func reserve() async throws -> (RequestNumber, ProtocolRevision) {
        while true {
            switch self.state.withLock({ $0.machine.reserve() }) {
            case .ready(let number, let revision): return (number, revision)
            case .opening:
                _ = try await self.untilOpen()
                try Task.checkCancellation()
            case .ended(let error): throw error
            }
        }
    }

    private func message(
        _ number: RequestNumber, _ request: UpstreamRequest, _ revision: ProtocolRevision, wantsProgress: Bool
    ) -> UpstreamMessage {
        var meta = RequestMeta()
        if wantsProgress { meta.progressToken = number }
        var name: String?
        if revision.era == .modern {
            meta.modern = self.modernMeta
            if let capabilities = request.capabilities, capabilities != self.client.capabilities {
                meta.modern = RequestMeta.modern(
                    revision, identity: self.client.info, capabilities: capabilities)
            }
            meta.logLevel = request.logLevel ?? self.state.withLock { $0.logLevel }
            if self.transport.hasStreams { name = MessageWriter.mirroredName(request.method, request.params) }
        }
        return UpstreamMessage(
            .request(number), method: request.method, name: name, arguments: request.mirrored, revision: revision,
            body: MessageWriter.request(number, request.method, request.params, meta: meta))
    }

    // MARK: Following a request

    /// Waits for the answer, and for what comes before it.
    func follow(
        _ call: CallWaiter, _ number: RequestNumber, _ observer: (any UpstreamObserver)?
    ) async throws -> UpstreamAnswer {
        try await withTaskCancellationHandler {
            while true {
                switch await call.next() {
                case .finished(let outcome): return try self.taken(outcome)
                case .item(.notice(let notice)): await observer?.hear(notice)
                case .item(.ask(let ask)): return try await self.follow(call, from: ask, observer)
                }
            }
        } onCancel: {
            self.withdraw(number, call)
        }
    }

    /// Goes on when the server has asked something: what it asks is answered while it is listened to.
    private func follow(
        _ call: CallWaiter, from first: Ask, _ observer: (any UpstreamObserver)?
    ) async throws -> UpstreamAnswer {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await self.answer(first, of: call, by: observer) }
            while true {
                switch await call.next() {
                case .finished(let outcome):
                    group.cancelAll()
                    return try self.taken(outcome)
                case .item(.notice(let notice)): await observer?.hear(notice)
                case .item(.ask(let ask)): group.addTask { await self.answer(ask, of: call, by: observer) }
                }
            }
        }
    }

    /// Answers a request of the server, unless it is taken back before.
    private func answer(_ ask: Ask, of call: CallWaiter, by observer: (any UpstreamObserver)?) async {
        let result = await withTaskGroup(of: Result<JSONObject, MCPError>?.self) { group in
            group.addTask { await observer?.answer(ask) }
            group.addTask {
                await call.untilTakenBack(ask.number)
                return nil
            }
            let result = await group.next() ?? nil
            group.cancelAll()
            return result
        }
        // One that was taken back is not known any more, and neither is one of a call that is over.
        let answer = result ?? .failure(MCPError(.internalError, "The call that the request belonged to is over."))
        self.carryOut { $0.machine.answerAsk(ask.number, answer, now: self.timer.now) }
    }

    private func withdraw(_ number: RequestNumber, _ call: CallWaiter) {
        guard call.finish(.failure(CancellationError())) else { return }
        self.carryOut { state in
            state.calls[number] = nil
            return state.machine.withdraw(number, reason: "The caller has given up.", now: self.timer.now)
        }
    }

    /// An answer leaves the session.
    private func taken(_ outcome: Result<UpstreamAnswer, any Error>) throws -> UpstreamAnswer {
        let answer = try outcome.get()
        self.leave(answer)
        return answer
    }
}

extension UpstreamObserver {
    fileprivate func hear(_ notice: Notice) async {
        switch notice {
        case .progress(let params): await self.progress(params)
        case .log(let params): await self.log(params)
        }
    }

    fileprivate func answer(_ ask: Ask) async -> Result<JSONObject, MCPError> {
        do {
            return .success(try await self.ask(ask.method, ask.params))
        } catch let error as MCPError {
            return .failure(error)
        } catch is CancellationError {
            return .failure(MCPError(.internalError, "The call that the request belonged to is over."))
        } catch {
            return .failure(MCPError(.internalError, "The client could not answer."))
        }
    }
}
