import Logging
import TorporCore
import TorporEngine

extension Dispatcher {
    /// Answers `initialize`: agrees on a revision and hands out a sealed session id. Nothing is kept.
    func initialize(_ operation: Operation) throws(Refusal) -> Reply {
        guard operation.session == nil else {
            throw Refusal(
                400, .invalidRequest, "This session is initialized already; send initialize without Mcp-Session-Id.")
        }
        let bytes = operation.bytes
        let handshake = try Handshake(operation.params, in: bytes.span)
        if let channel = operation.message.channel {
            guard channel.begin(handshake) else {
                throw Refusal(400, .invalidRequest, "This session is initialized already.")
            }
            try self.held.begin(channel.holder)
        }
        var reply = self.finish(operation, capacity: 1_024) { writer in
            writer.raw("{\"protocolVersion\":\"")
            writer.raw(Array(handshake.revision.rawValue.utf8))
            writer.raw("\"")
            writer.raw(self.table.introduction(for: handshake.revision))
        }
        if operation.message.channel == nil {
            reply.sessionID = self.sessions.open(
                handshake, principal: operation.message.principal, id: self.environment.randomBits(),
                now: self.environment.wallTime())
        }
        return reply
    }

    /// What the session id is that a message sends; `nil` when it sends none. Opening it takes microseconds: ask once.
    func standing(of message: IncomingMessage) -> SessionAuthority.Standing? {
        guard let range = message.headers.sessionID else { return nil }
        return self.sessions.standing(
            Array(message.bytes[range]), principal: message.principal, now: self.environment.wallTime())
    }

    /// The session of what a message sends; `nil` when it sends none.
    /// - Throws: 404 for any id that is not honoured, whatever the reason.
    func session(of standing: SessionAuthority.Standing?) throws(Refusal) -> SessionToken? {
        switch standing {
        case .honoured(let session): return session
        // Looked for by ``lookUp(_:_:_:_:then:)`` before anything else happens; a stream is asked for again.
        case .old:
            throw Refusal(503, .internalError, "The session is being looked for. Try again.", retryAfterSeconds: 1)
        case .unknown: throw .sessionNotFound
        case nil: return nil
        }
    }

    /// Looks for the state of a session that is older than its lifetime before its message is dispatched; `nil` for any
    /// other message.
    func lookUp(
        _ standing: SessionAuthority.Standing?, _ message: IncomingMessage, _ envelope: Envelope, _ start: Int64,
        then next: @escaping @Sendable () -> Dispatch
    ) throws(Refusal) -> Dispatch? {
        // A request of the modern era has no session, whatever its header says.
        guard let state = self.state, case .old(let session)? = standing, !envelope.params.meta.isModern else {
            return nil
        }
        let ready = { @Sendable () async throws -> Reply? in
            let name = ObjectName(StateObjectID(bits: session.id), .session, account: state.account(of: message))
            guard try await state.engine.exists(name) else { return self.refuse(.sessionNotFound) }
            self.sessions.keepsState(session, now: self.environment.wallTime())
            return nil
        }
        return try self.dispatchLater(message, envelope, start, session: session, until: ready, then: next)
    }

    /// Dispatches a message after something has been waited for, off the event loop. Its client can cancel it meanwhile.
    /// - Parameter ready: Waits; returns the answer of a message that is not dispatched.
    func dispatchLater(
        _ message: IncomingMessage, _ envelope: Envelope, _ start: Int64, session: SessionToken?,
        until ready: @escaping @Sendable () async throws -> Reply?, then next: @escaping @Sendable () -> Dispatch
    ) throws(Refusal) -> Dispatch {
        // A modern client that goes away meanwhile has cancelled it.
        let revision = envelope.params.meta.isModern ? .v2026_07_28 : session?.revision ?? .newestLegacy
        let operation = Operation(
            message: message, envelope: envelope, method: .other, revision: revision, session: session,
            startNanoseconds: start)
        let wait = try self.gate.enter(message, now: Instant(nanoseconds: start))
        self.hold(operation)
        return .call(
            PendingCall(
                dispatcher: self, operation: operation, wait: wait,
                next: {
                    do {
                        if let reply = try await ready() { return .reply(reply) }
                        let dispatch = next()
                        if case .call(let call) = dispatch { self.hand(operation, to: call.operation) }
                        return dispatch
                    } catch {
                        let refusal =
                            error as? Refusal
                            ?? self.refusal(for: error, of: operation, name: "\(operation.method.name)")
                        return .reply(self.refuse(refusal, id: envelope.id, in: message.bytes))
                    }
                }))
    }

    /// The session that a message without an answer belongs to.
    private func session(
        of message: IncomingMessage, _ standing: SessionAuthority.Standing?, batch: Operation?
    ) throws(Refusal) -> SessionToken? {
        if let channel = message.channel { return channel.session }
        if let batch { return batch.session }
        return try self.session(of: standing)
    }

    /// Accepts a notification: 202 without a body, or the refusal of a session that is not honoured.
    func acceptNotification(
        _ message: IncomingMessage, _ envelope: Envelope, _ standing: SessionAuthority.Standing?, batch: Operation?
    ) -> Reply {
        do throws(Refusal) {
            let bytes = message.bytes.span
            // Over HTTP a modern request is cancelled by closing its stream; no notification is defined.
            if envelope.params.meta.isModern, message.channel == nil { return Reply(status: 202) }
            let session = try self.session(of: message, standing, batch: batch)
            switch RequestMethod(envelope.method, in: bytes) {
            case .cancelled:
                if let holder = message.channel?.holder ?? session,
                    let key = RequestKey(envelope.params.member("requestId", in: bytes), in: bytes)
                {
                    self.cancel(key, of: holder, reason: envelope.params.member("reason", in: bytes).string(in: bytes))
                }
            case .rootsListChanged:
                if let session { self.relayed?.relay.rootsChanged(in: session.id) }
            default: break
            }
            return Reply(status: 202)
        } catch {
            return self.refuse(error)
        }
    }

    /// Cancels what runs under an id; unknown and finished ones are ignored (2025-11-25, cancellation).
    private func cancel(_ key: RequestKey, of holder: SessionToken, reason: String?) {
        guard let call = self.held.call(key, of: holder.id) else { return }
        self.environment.logger.debug(
            "request cancelled by its client",
            metadata: ["reason": "\(reason.map { String($0.prefix(200)) } ?? "none")"])
        call.withdraw()
    }

    /// Accepts an answer of a client to a question; one that nobody waits for is ignored.
    func acceptResponse(
        _ message: IncomingMessage, _ envelope: Envelope, _ standing: SessionAuthority.Standing?, batch: Operation?
    ) -> Reply {
        do throws(Refusal) {
            guard let session = try self.session(of: message, standing, batch: batch) else {
                throw Refusal(400, .invalidRequest, "An answer needs the Mcp-Session-Id of the session that was asked.")
            }
            let bytes = message.bytes.span
            if let id = envelope.id.string(in: bytes),
                let name = SealedName(Array(id.utf8), for: .question, in: session.id, by: self.sessions.keys),
                let pending = self.held.takeQuestion(name.number, of: session.id)
            {
                let value = JSONValue(in: bytes, envelope.answer.sourceRange)
                pending.resolve(envelope.isError ? .init(error: value) : .result(value))
            }
            return Reply(status: 202)
        } catch {
            return self.refuse(error)
        }
    }

    /// Answers `logging/setLevel`: from now on the session is sent log messages of that level and above.
    func setLevel(_ operation: Operation) throws(Refusal) -> Reply {
        let bytes = operation.bytes
        guard let level = LogLevel(operation.params.member("level", in: bytes.span), in: bytes.span) else {
            let levels = LogLevel.allCases.map(\.rawValue).joined(separator: ", ")
            throw Refusal(200, .invalidParams, "logging/setLevel needs level, one of \(levels).")
        }
        try self.held.setLevel(level, of: self.session(for: operation))
        return self.finish(operation) { $0.raw("{}") }
    }

    /// Answers `resources/subscribe` and `resources/unsubscribe`.
    func subscribe(_ operation: Operation) throws(Refusal) -> Reply {
        let bytes = operation.bytes
        guard let uri = operation.params.uri.string(in: bytes.span), uri.utf8.count <= Self.uriBytesMax else {
            throw Refusal(
                200, .invalidParams,
                "\(operation.method.name) needs uri, a string of at most \(Self.uriBytesMax) bytes.")
        }
        let session = try self.session(for: operation)
        if operation.method == .subscribe {
            try self.held.subscribe(uri, for: session)
        } else {
            try self.held.unsubscribe(uri, for: session)
        }
        return self.finish(operation) { $0.raw("{}") }
    }

    /// The session whose preferences a request changes.
    private func session(for operation: Operation) throws(Refusal) -> SessionToken {
        guard let session = operation.session else {
            throw Refusal(
                400, .invalidRequest, "\(operation.method.name) changes a session; it needs Mcp-Session-Id.")
        }
        return session
    }

    /// Ends the session that an HTTP DELETE names (2025-11-25, transports, session management).
    ///
    /// Its state goes with it, durably, before the answer.
    package func endSession(_ message: IncomingMessage) -> Dispatch {
        do throws(Refusal) {
            let start = self.environment.monotonicNanoseconds()
            let standing = self.standing(of: message)
            let lookUp = try self.lookUp(standing, message, Envelope(), start) { self.endSession(message) }
            if let lookUp { return lookUp }
            guard let session = try self.session(of: standing) else {
                throw Refusal(400, .invalidRequest, "DELETE ends a session; it needs Mcp-Session-Id.")
            }
            guard let state = self.state else { return .reply(self.end(session, account: .anonymous(0))) }
            let account = state.account(of: message)
            let operation = Operation(
                message: message, envelope: Envelope(), method: .other, revision: session.revision, session: session,
                startNanoseconds: start)
            return try self.runLater(operation) {
                let name = ObjectName(StateObjectID(bits: session.id), .session, account: account)
                do {
                    try await state.engine.delete(name, tombstone: max(session.expiry, self.environment.wallTime()))
                    return self.end(session, account: account)
                } catch {
                    return self.refuse(self.refusal(for: error, of: operation, name: "session"))
                }
            }
        } catch {
            return .reply(self.refuse(error))
        }
    }

    /// Ends what a session holds in memory.
    private func end(_ session: SessionToken, account: AccountID) -> Reply {
        let now = self.environment.wallTime()
        guard self.sessions.end(session, now: now) else { return self.refuse(.sessionNotFound) }
        self.held.end(session.id)
        self.relayed?.relay.sessionEnded(session.id, account: account)
        OperationMetrics.recordSession(now.since(session.created))
        return Reply(status: 204)
    }
}

extension PendingAnswer.Answer {
    /// Reads the `error` of a client's answer.
    fileprivate init(error: JSONValue) {
        let code: Int = if case .number(let number)? = error["code"] { number.int ?? 0 } else { 0 }
        let message: String = if case .string(let text)? = error["message"] { text } else { "no reason given" }
        self = .error(code: code, message: String(message.prefix(1_000)))
    }
}

extension Refusal {
    /// Unknown, forged, expired, ended or another principal's: all alike.
    static let sessionNotFound = Refusal(
        404, .sessionNotFound, "There is no such session. Start again with initialize, without Mcp-Session-Id.")
}
