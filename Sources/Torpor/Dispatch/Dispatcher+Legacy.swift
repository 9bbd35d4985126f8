extension Dispatcher {
    /// Answers `initialize`: agrees on a revision and hands out a sealed session id. Nothing is kept.
    func initialize(_ operation: Operation) throws(Refusal) -> Reply {
        guard operation.session == nil else {
            throw Refusal(
                400, .invalidRequest, "This session is initialized already; send initialize without Mcp-Session-Id.")
        }
        let bytes = operation.bytes
        let handshake = try Handshake(operation.params, in: bytes.span)
        var reply = self.finish(operation, capacity: 1_024) { writer in
            writer.raw("{\"protocolVersion\":\"")
            writer.raw(Array(handshake.revision.rawValue.utf8))
            writer.raw("\"")
            writer.raw(self.table.introduction(for: handshake.revision))
        }
        reply.sessionID = self.sessions.open(
            handshake, principal: operation.message.principal, id: self.environment.randomBits(),
            now: self.environment.wallTime())
        return reply
    }

    /// The session that a message names; `nil` when it names none.
    /// - Throws: 404 for any id that is not honoured, whatever the reason.
    func legacySession(_ message: IncomingMessage) throws(Refusal) -> SessionToken? {
        guard let range = message.headers.sessionID else { return nil }
        guard
            let session = self.sessions.session(
                Array(message.bytes[range]), principal: message.principal, now: self.environment.wallTime())
        else { throw .sessionNotFound }
        return session
    }

    /// Accepts a notification: 202 without a body, or the refusal of a session that is not honoured.
    func acceptNotification(_ message: IncomingMessage, _ envelope: Envelope) -> Reply {
        if envelope.params.meta.isModern { return Reply(status: 202) }
        do {
            _ = try self.legacySession(message)
            return Reply(status: 202)
        } catch {
            return self.refuse(error)
        }
    }

    /// Accepts an answer of a client. The server asks nothing yet, so there is nothing it could answer; a session is
    /// needed all the same (2025-11-25, transports).
    func acceptResponse(_ message: IncomingMessage) -> Reply {
        do {
            guard try self.legacySession(message) != nil else {
                return self.refuse(
                    Refusal(400, .invalidRequest, "An answer needs the Mcp-Session-Id of the session that was asked."))
            }
            return Reply(status: 202)
        } catch {
            return self.refuse(error)
        }
    }

    /// Ends the session that an HTTP DELETE names (2025-11-25, transports, session management).
    package func endSession(_ message: IncomingMessage) -> Reply {
        do throws(Refusal) {
            guard let session = try self.legacySession(message) else {
                return self.refuse(Refusal(400, .invalidRequest, "DELETE ends a session; it needs Mcp-Session-Id."))
            }
            let now = self.environment.wallTime()
            guard self.sessions.end(session, now: now) else { throw Refusal.sessionNotFound }
            OperationMetrics.recordSession(now.since(session.created))
            return Reply(status: 204)
        } catch {
            return self.refuse(error)
        }
    }

    /// Answers an HTTP GET: no stream is offered; an id that is not honoured is told so first.
    package func refuseStream(_ message: IncomingMessage) -> Reply {
        do {
            _ = try self.legacySession(message)
            return self.refuse(Refusal(405, .invalidRequest, "This endpoint offers no stream to GET; use POST."))
        } catch {
            return self.refuse(error)
        }
    }
}

extension Refusal {
    /// Unknown, forged, expired, ended or another principal's: all alike.
    static let sessionNotFound = Refusal(
        404, .sessionNotFound, "There is no such session. Start again with initialize, without Mcp-Session-Id.")
}
