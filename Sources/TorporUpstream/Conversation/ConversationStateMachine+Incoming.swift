package import TorporCore
import TorporJSON
import TorporProtocol

extension ConversationStateMachine {
    /// A message of the server has arrived.
    package mutating func received(_ message: IncomingMessage, now: Instant) -> [Action] {
        switch self.phase {
        case .idle: preconditionFailure("a server is heard after the conversation was opened")
        case .ended: return []
        case .opening, .open: break
        }
        switch message.content {
        case .notJSON: return self.fault(.notJSON)
        case .tooLong(let answered): return self.tooLong(answered, now: now)
        case .message(let envelope):
            guard message.bytes.count <= self.limits.messageMax else {
                return self.tooLong(envelope.shape == .response ? self.number(envelope.id, message) : nil, now: now)
            }
            return self.take(envelope, message, now: now)
        }
    }

    private mutating func take(_ envelope: Envelope, _ message: IncomingMessage, now: Instant) -> [Action] {
        switch envelope.shape {
        case .response: return self.answered(envelope, message, now: now)
        case .request: return self.asked(envelope, message, now: now)
        case .notification: return self.notified(envelope, message, now: now)
        case .batch:
            // Only this revision has batches; a server may answer with one whatever it was sent.
            guard self.revision == .v2025_03_26 else { return self.fault(.notMessage) }
            var actions: [Action] = []
            for element in Envelope.elements(message.bytes.span, from: 0) {
                let part = IncomingMessage(Array(message.bytes[element.sourceRange]), stream: message.stream)
                guard case .message(let envelope) = part.content, envelope.shape != .batch else {
                    actions += self.fault(.notMessage)
                    continue
                }
                actions += self.take(envelope, part, now: now)
            }
            return actions
        case .invalid:
            // What cannot be understood is answered without an id, and nothing but the probe is under way then.
            if case .opening(let opening) = self.phase, opening.isProbingOnly, let probe = opening.probe,
                envelope.isError
            {
                let error = Self.error(envelope.answer, message) ?? MCPError(.invalidRequest, "No reason was given.")
                return self.fault(.notMessage) + self.opened(probe, by: .failure(error), now: now)
            }
            return self.fault(.notMessage)
        }
    }

    private mutating func tooLong(_ answered: RequestNumber?, now: Instant) -> [Action] {
        let actions = self.fault(.tooLong)
        guard let answered, self.requests[answered] != nil else { return actions }
        let error = UpstreamError(
            .tooLarge, "The server's answer is larger than the limit of \(self.limits.messageMax) bytes.")
        return actions + self.requestFailed(answered, error, now: now)
    }

    // MARK: Answers

    private func number(_ id: JSONSlice, _ message: IncomingMessage) -> RequestNumber? {
        guard id.kind == .number else { return nil }
        return JSONText.integer(in: message.bytes.span, id.range, as: Int.self).map(RequestNumber.init)
    }

    private mutating func answered(_ envelope: Envelope, _ message: IncomingMessage, now: Instant) -> [Action] {
        guard let number = self.number(envelope.id, message) else { return self.fault(.unknownAnswer) }
        guard let request = self.requests[number] else {
            guard self.isWithdrawn(number) else { return self.fault(.unknownAnswer) }
            self.noteGood()
            self.countLateAnswer()
            return []
        }
        let answer = envelope.answer
        if envelope.isError {
            guard let error = Self.error(answer, message) else { return self.badAnswer(number, now: now) }
            self.noteGood()
            switch request.purpose {
            case .call: return self.end(number, .fail(number, UpstreamError(answer: error)))
            case .probe, .initialize: return self.opened(number, by: .failure(error), now: now)
            case .listen:
                self.requests[number] = nil
                return self.listenEnded(number, UpstreamError(answer: error), now: now)
            case .subscription: return self.fault(.unknownAnswer)
            }
        }
        guard answer.kind == .object else { return self.badAnswer(number, now: now) }
        self.noteGood()
        let result = UpstreamAnswer(bytes: message.bytes, range: answer.range)
        switch request.purpose {
        case .call: return self.end(number, .answer(number, result))
        case .probe, .initialize: return self.opened(number, by: .success(result.object), now: now)
        case .listen:
            self.requests[number] = nil
            return self.listenEnded(number, nil, now: now)
        case .subscription: return self.fault(.unknownAnswer)
        }
    }

    private mutating func badAnswer(_ number: RequestNumber, now: Instant) -> [Action] {
        let error = UpstreamError(
            .protocolFault, "The server's answer is neither a result nor an error of the protocol.")
        return self.fault(.badAnswer) + self.requestFailed(number, error, now: now)
    }

    private static func error(_ slice: JSONSlice, _ message: IncomingMessage) -> MCPError? {
        guard slice.kind == .object, case .object(let error) = JSONValue(in: message.bytes.span, slice.range),
            case .number(let number)? = error["code"], let code = number.int
        else { return nil }
        var text = ""
        if case .string(let sent)? = error["message"] { text = sent }
        return MCPError(MCPError.Code(rawValue: code), text, data: error["data"])
    }

    // MARK: Notifications

    private mutating func notified(_ envelope: Envelope, _ message: IncomingMessage, now: Instant) -> [Action] {
        let bytes = message.bytes.span
        guard let method = envelope.method.string(in: bytes) else { return self.fault(.notMessage) }
        let actions: [Action]?
        switch method {
        case "notifications/progress": actions = self.progressed(envelope, message)
        case "notifications/message": actions = self.logged(Self.params(envelope, message), message)
        case "notifications/tools/list_changed": actions = [.tell(.listChanged(.tools))]
        case "notifications/prompts/list_changed": actions = [.tell(.listChanged(.prompts))]
        case "notifications/resources/list_changed":
            actions = [.tell(.listChanged(.resources)), .tell(.listChanged(.resourceTemplates))]
        case "notifications/resources/updated":
            actions = envelope.params.uri.string(in: bytes).map { [.tell(.updated(uri: $0))] }
        case "notifications/cancelled":
            actions = self.cancelled(envelope.params.member("requestId", in: bytes), message, now: now)
        case "notifications/subscriptions/acknowledged":
            actions = self.acknowledged(Self.params(envelope, message), now: now)
        default: actions = [.tell(.notification(method, Self.params(envelope, message)))]
        }
        guard let actions else { return self.fault(.badNotification) }
        self.noteGood()
        return actions
    }

    static func params(_ envelope: Envelope, _ message: IncomingMessage) -> JSONObject {
        guard envelope.params.source.kind == .object,
            case .object(let params) = JSONValue(in: message.bytes.span, envelope.params.source.range)
        else { return [:] }
        return params
    }

    /// - Returns: `nil` when there is no token that could be one of ours.
    private func progressed(_ envelope: Envelope, _ message: IncomingMessage) -> [Action]? {
        let token = envelope.params.member("progressToken", in: message.bytes.span)
        guard let number = self.number(token, message) else { return nil }
        // Progress may cross the end of its request on the way, so that of no known request is no fault.
        guard let request = self.requests[number], request.wantsProgress else { return [] }
        var params = Self.params(envelope, message)
        params["progressToken"] = nil
        return [.notice(number, .progress(params), bytes: message.bytes.count)]
    }

    private func logged(_ params: JSONObject, _ message: IncomingMessage) -> [Action] {
        if let number = self.concerned(by: message.stream) {
            return [.notice(number, .log(params), bytes: message.bytes.count)]
        }
        return [.tell(.log(params))]
    }

    /// The request that a message without a name for it belongs to: the one on whose stream it came, or the only one
    /// under way, or the newest when all are of one party. `nil` otherwise: it must not reach a stranger.
    func concerned(by stream: RequestNumber?) -> RequestNumber? {
        if let stream {
            guard let request = self.requests[stream], request.purpose == .call else { return nil }
            return request.party == nil ? nil : stream
        }
        var newest: (number: RequestNumber, party: UpstreamParty)?
        for (number, request) in self.requests where request.purpose == .call {
            guard let party = request.party, newest == nil || newest?.party == party else { return nil }
            if newest.map({ $0.number < number }) ?? true { newest = (number, party) }
        }
        return newest?.number
    }

    /// The server takes a request of its own back, or ends a subscription.
    private mutating func cancelled(_ id: JSONSlice, _ message: IncomingMessage, now: Instant) -> [Action]? {
        guard id.isPresent else { return nil }
        let text = Array(message.bytes[id.sourceRange])
        if let (ask, asked) = self.asks.first(where: { $0.value.id == text }) {
            return self.settle(ask, asked, now: now) + [.cancelAsk(asked.owner, ask)]
        }
        if let number = self.number(id, message), self.requests[number]?.purpose == .listen {
            self.requests[number] = nil
            return self.listenEnded(number, nil, now: now)
        }
        return []
    }
}
