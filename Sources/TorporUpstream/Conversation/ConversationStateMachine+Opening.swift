package import TorporCore
import TorporJSON
package import TorporProtocol

extension ConversationStateMachine {
    /// Finds out which era the server speaks, and agrees on a revision (dual-era clients).
    ///
    /// `server/discover` goes first. A result, or an error that only modern servers know, means a modern server; any
    /// other error means a legacy one, which is then greeted with `initialize`. Silence may be that of a server that
    /// takes long to start: then `initialize` goes out as well, and the first answer that is good for one decides.
    struct Opening: Sendable {
        var probe: RequestNumber?
        var initialize: RequestNumber?
        /// When silence means that the server may be a legacy one.
        var probeEnds: Instant?
        /// When there is no point in waiting any longer.
        let ends: Instant
        let timeLimit: Duration
        /// Whether the probe was answered with what a legacy server answers.
        var hasRefusedProbe = false
        /// Why the handshake failed, while the answer to the probe may still come.
        var refusal: UpstreamError?
        /// The second revision was offered already.
        var hasOfferedAnother = false
        /// A session is begun anew in a conversation that was open.
        var isRenewal = false

        /// Nothing but the probe was sent.
        var isProbingOnly: Bool { self.probe != nil && self.initialize == nil && self.refusal == nil }
    }

    /// Opens the conversation.
    /// - Parameters:
    ///   - known: The era that this server spoke last time: a legacy one is greeted at once, and a modern one that is
    ///     slow is not taken for a legacy one.
    ///   - timeLimit: For all of it.
    package mutating func open(known: ProtocolRevision.Era?, timeLimit: Duration, now: Instant) -> [Action] {
        guard case .idle = self.phase else { preconditionFailure("a conversation is opened once") }
        var opening = Opening(ends: now + timeLimit, timeLimit: timeLimit)
        switch known {
        case .legacy: return self.greet(&opening, .newestLegacy)
        case .modern: return self.probe(&opening)
        case nil:
            opening.probeEnds = now + self.limits.probeTimeLimit
            return self.probe(&opening)
        }
    }

    /// Begins a session anew that the server has forgotten.
    mutating func renew(now: Instant) -> [Action] {
        var opening = Opening(ends: now + .seconds(30), timeLimit: .seconds(30))
        opening.isRenewal = true
        return self.greet(&opening, .newestLegacy)
    }

    // MARK: Sending

    private mutating func probe(_ opening: inout Opening) -> [Action] {
        let number = self.nextNumber()
        opening.probe = number
        self.requests[number] = Request(purpose: .probe)
        var meta = RequestMeta()
        let revision = ProtocolRevision.v2026_07_28
        meta.modern = RequestMeta.modern(revision, identity: self.client.info, capabilities: self.client.capabilities)
        self.phase = .opening(opening)
        let body = MessageWriter.request(number, "server/discover", .none, meta: meta)
        return [.send(UpstreamMessage(.request(number), method: "server/discover", revision: revision, body: body))]
    }

    private mutating func greet(_ opening: inout Opening, _ revision: ProtocolRevision) -> [Action] {
        let number = self.nextNumber()
        opening.initialize = number
        opening.probeEnds = nil
        self.requests[number] = Request(purpose: .initialize)
        self.phase = .opening(opening)
        let params: JSONObject = [
            "protocolVersion": .string(revision.rawValue), "capabilities": .object(self.client.capabilities.json),
            "clientInfo": .object(self.client.info),
        ]
        let body = MessageWriter.request(number, "initialize", .object(params), meta: RequestMeta())
        return [.send(UpstreamMessage(.request(number), method: "initialize", revision: nil, body: body))]
    }

    // MARK: Answers

    /// The server answered the probe or `initialize`.
    mutating func opened(_ number: RequestNumber, by result: Result<JSONObject, MCPError>, now: Instant) -> [Action] {
        guard case .opening(var opening) = self.phase else { preconditionFailure("an opening request outlived it") }
        self.requests[number] = nil
        if number == opening.probe {
            opening.probe = nil
            self.phase = .opening(opening)
            switch result {
            case .success(let discovery): return self.discovered(discovery, &opening, now: now)
            case .failure(let error): return self.probeRefused(error, &opening)
            }
        }
        opening.initialize = nil
        self.phase = .opening(opening)
        switch result {
        case .success(let answer): return self.greeted(answer, &opening, now: now)
        case .failure(let error): return self.greetingRefused(error, &opening)
        }
    }

    private mutating func discovered(_ result: JSONObject, _ opening: inout Opening, now: Instant) -> [Action] {
        guard case .array(let listed)? = result["supportedVersions"] else {
            // Some legacy servers answer whatever they do not know with an empty result.
            return self.takeForLegacy(&opening)
        }
        let revisions = Self.revisions(listed)
        guard let revision = revisions.filter({ $0.era == .modern }).max() else {
            if let legacy = revisions.max(), opening.initialize == nil { return self.greet(&opening, legacy) }
            if opening.initialize != nil { return [] }
            return self.end(Self.noCommonRevision(listed))
        }
        var info = JSONObject()
        if case .object(let sent)? = result["_meta"]?["io.modelcontextprotocol/serverInfo"] { info = sent }
        return self.settle(revision, result, info: info, opening, now: now)
    }

    private mutating func probeRefused(_ error: MCPError, _ opening: inout Opening) -> [Action] {
        switch error.code {
        case .unsupportedProtocolVersion:
            guard case .array(let listed)? = error.data?["supported"] else {
                return self.end(UpstreamError(answer: error))
            }
            guard let legacy = Self.revisions(listed).filter({ $0.era == .legacy }).max() else {
                return self.end(Self.noCommonRevision(listed))
            }
            if opening.initialize != nil { return [] }
            return self.greet(&opening, legacy)
        case .headerMismatch, .missingClientCapability: return self.end(UpstreamError(answer: error))
        default: return self.takeForLegacy(&opening)
        }
    }

    /// The server does not know the probe.
    private mutating func takeForLegacy(_ opening: inout Opening) -> [Action] {
        opening.hasRefusedProbe = true
        self.phase = .opening(opening)
        if let refusal = opening.refusal { return self.end(refusal) }
        return opening.initialize == nil ? self.greet(&opening, .newestLegacy) : []
    }

    private mutating func greeted(_ result: JSONObject, _ opening: inout Opening, now: Instant) -> [Action] {
        guard case .string(let text)? = result["protocolVersion"] else {
            return self.greetingFailed(
                UpstreamError(.protocolFault, "The server answered initialize without a protocolVersion."), &opening)
        }
        guard let revision = ProtocolRevision(rawValue: text), revision.era == .legacy else {
            return self.greetingFailed(Self.noCommonRevision([.string(text)]), &opening)
        }
        var info = JSONObject()
        if case .object(let sent)? = result["serverInfo"] { info = sent }
        return self.settle(revision, result, info: info, opening, now: now)
    }

    private mutating func greetingRefused(_ error: MCPError, _ opening: inout Opening) -> [Action] {
        if case .array(let listed)? = error.data?["supported"], !opening.hasOfferedAnother {
            let revisions = Self.revisions(listed)
            if let legacy = revisions.filter({ $0.era == .legacy }).max() {
                opening.hasOfferedAnother = true
                return self.greet(&opening, legacy)
            }
        }
        return self.greetingFailed(UpstreamError(answer: error), &opening)
    }

    /// The handshake led nowhere. What is left is that the server is a modern one, unless it has denied that.
    private mutating func greetingFailed(_ error: UpstreamError, _ opening: inout Opening) -> [Action] {
        guard !opening.isRenewal, !opening.hasRefusedProbe else { return self.end(error) }
        opening.refusal = error
        if opening.probe == nil { return self.probe(&opening) }
        self.phase = .opening(opening)
        return []
    }

    private mutating func settle(
        _ revision: ProtocolRevision, _ result: JSONObject, info: JSONObject, _ opening: Opening, now: Instant
    ) -> [Action] {
        var capabilities = JSONObject()
        if case .object(let sent)? = result["capabilities"] { capabilities = sent }
        var instructions: String?
        if case .string(let text)? = result["instructions"] { instructions = text }
        var actions: [Action] = []
        for other in [opening.probe, opening.initialize].compactMap({ $0 }) {
            if let request = self.requests[other] {
                actions += self.drop(other, request, reason: "The server has introduced itself.")
            }
        }
        let server = UpstreamServer(
            revision: revision, info: info, capabilities: capabilities, instructions: instructions)
        self.phase = .open(server)
        self.sessions += 1
        if revision.era == .legacy {
            actions.append(
                self.notify(MessageWriter.notification("notifications/initialized"), "notifications/initialized"))
        }
        actions.append(.opened(server))
        if opening.isRenewal { actions.append(.tell(.renewed)) }
        self.listening.lists = server.tellingLists
        return actions + self.reconcileListening(now: now)
    }

    // MARK: No answer

    /// The transport could not bring the probe or `initialize`, or not their answers.
    mutating func openingFailed(
        _ number: RequestNumber, _ purpose: Request.Purpose, _ error: UpstreamError, now: Instant
    ) -> [Action] {
        guard case .opening(var opening) = self.phase else { return [] }
        self.requests[number] = nil
        // Whatever a legacy server has against the probe is no answer of a modern one; that it cannot be reached, or
        // wants credentials, is true for both.
        if purpose == .probe {
            opening.probe = nil
            self.phase = .opening(opening)
            if error.code == .refused || error.code == .protocolFault || error.code == .sessionLost {
                return self.takeForLegacy(&opening)
            }
            return self.end(error)
        }
        opening.initialize = nil
        self.phase = .opening(opening)
        guard error.code == .refused else { return self.end(error) }
        return self.greetingFailed(error, &opening)
    }

    mutating func tickOpening(now: Instant) -> [Action] {
        guard case .opening(var opening) = self.phase else { return [] }
        if opening.ends <= now {
            return self.end(
                opening.refusal
                    ?? UpstreamError(.timedOut, "The server did not introduce itself within \(opening.timeLimit)."))
        }
        guard let probeEnds = opening.probeEnds, probeEnds <= now else { return [] }
        return self.greet(&opening, .newestLegacy)
    }

    private static func revisions(_ listed: [JSONValue]) -> [ProtocolRevision] {
        listed.compactMap { value in
            guard case .string(let text) = value else { return nil }
            return ProtocolRevision(rawValue: text)
        }
    }

    private static func noCommonRevision(_ listed: [JSONValue]) -> UpstreamError {
        let names = listed.prefix(8).compactMap { value -> String? in
            guard case .string(let text) = value else { return nil }
            return String(text.prefix(32))
        }
        let spoken = names.joined(separator: ", ")
        return UpstreamError(.refused, "The server speaks no revision that is known here, but \(spoken).")
    }
}
