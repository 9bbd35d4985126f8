package import TorporCore
package import TorporJSON
package import TorporProtocol

extension ConversationStateMachine {
    /// The longest id of a request of the server, in bytes.
    private static var idBytesMax: Int { 256 }

    /// The server makes a request. It is handed to the call that it belongs to, or answered here.
    mutating func asked(_ envelope: Envelope, _ message: IncomingMessage, now: Instant) -> [Action] {
        let id = Array(message.bytes[envelope.id.sourceRange])
        guard let method = envelope.method.string(in: message.bytes.span), id.count <= Self.idBytesMax,
            !self.asks.values.contains(where: { $0.id == id })
        else { return self.fault(.unexpectedRequest) }
        // From 2026-07-28 on servers make no requests, and clients send no answers.
        guard self.revision?.era != .modern else { return self.fault(.unexpectedRequest) }
        self.noteGood()
        if method == "ping" { return [self.reply(id, .success([:]))] }
        let params = Self.params(envelope, message)
        if let refusal = self.refusal(of: method, params) { return [self.reply(id, .failure(refusal))] }
        guard let owner = self.concerned(by: message.stream), var request = self.requests[owner] else {
            return [
                self.reply(
                    id,
                    .failure(MCPError(.internalError, "No call is under way that this request could belong to.")))
            ]
        }
        let bytes = self.asks.values.reduce(message.bytes.count) { $0 + $1.bytes }
        guard self.asks.count < self.limits.asksMax, bytes <= self.limits.askBytesMax else {
            return [
                self.reply(id, .failure(MCPError(.internalError, "Too many requests are under way already.")))
            ]
        }
        let number = self.nextAsk()
        self.asks[number] = Asked(id: id, owner: owner, bytes: message.bytes.count)
        request.askCount += 1
        if request.askCount == 1, let deadline = request.deadline {
            // Whoever is asked takes their time; the server's own does not run meanwhile.
            request.timeLeft = deadline.since(now)
            request.deadline = now + self.limits.askedTimeMax
        }
        self.requests[owner] = request
        return [.ask(owner, Ask(number: number, method: method, params: params))]
    }

    /// Why the client cannot be asked this at all.
    private func refusal(of method: String, _ params: JSONObject) -> MCPError? {
        let needs: ClientCapabilities
        switch method {
        case "roots/list": needs = .roots
        case "sampling/createMessage": needs = .sampling
        case "elicitation/create":
            let isURL = params["mode"] == "url"
            needs = isURL ? .elicitationURL : .elicitationForm
            if !self.client.capabilities.contains(needs),
                !self.client.capabilities.isDisjoint(with: [.elicitationForm, .elicitationURL])
            {
                return .invalidParams("The client does not offer this mode of elicitation.")
            }
        default: return MCPError(.methodNotFound, "The client does not serve this method.")
        }
        guard self.client.capabilities.contains(needs) else {
            return MCPError(.methodNotFound, "The client has not declared the capability for this method.")
        }
        return nil
    }

    /// A call has answered what the server asked.
    package mutating func answerAsk(
        _ number: AskNumber, _ result: Result<JSONObject, MCPError>, now: Instant
    ) -> [Action] {
        guard let asked = self.asks[number] else { return [] }
        return self.settle(number, asked, now: now) + [self.reply(asked.id, result)]
    }

    /// A question is over; its call's time runs on when it was the last.
    mutating func settle(_ number: AskNumber, _ asked: Asked, now: Instant) -> [Action] {
        self.asks[number] = nil
        guard var request = self.requests[asked.owner] else { return [] }
        request.askCount -= 1
        if request.askCount == 0, let left = request.timeLeft {
            request.deadline = now + left
            request.timeLeft = nil
        }
        self.requests[asked.owner] = request
        return []
    }
}
