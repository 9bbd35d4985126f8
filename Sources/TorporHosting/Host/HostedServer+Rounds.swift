import Logging
import Torpor
import TorporJSON
import TorporProtocol
import TorporUpstream

// Requests, in as many rounds as a modern server asks for.
extension HostedServer {
    /// Whose call it is, to a server that many callers share. Who cannot be told from others is nobody else.
    func party(of request: RelayedRequest) -> UpstreamParty {
        if let session = request.session { return UpstreamParty("session \(String(session, radix: 36))") }
        guard request.call.principal != nil else { return UpstreamParty("call \(String(self.random(), radix: 36))") }
        return UpstreamParty("principal \(String(request.callerBits, radix: 36))")
    }

    /// Makes a request, in as many rounds as a modern server asks for.
    func converse(
        _ request: RelayedRequest, _ target: Target, _ placed: Host.Placed
    ) async throws -> [UInt8] {
        let session = placed.launched.session
        let observer = CallObserver(request: request, party: self.party(of: request)) {
            self.breaker?.ended(placed.id, .success)
        }
        try await self.setLevel(request, session)
        var round = Round(kept: request)
        while true {
            let answer = try await self.translating(placed) {
                try await self.send(
                    self.upstreamRequest(request, target, round), for: request, target, over: session, observer)
            }
            guard session.server?.revision.era == .modern, let asked = Asked(answer) else {
                return Array(answer.result)
            }
            round = try await self.ask(asked, after: round, request, target)
        }
    }

    func upstreamRequest(_ request: RelayedRequest, _ target: Target, _ round: Round) -> UpstreamRequest {
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
    func setLevel(_ request: RelayedRequest, _ session: UpstreamSession) async throws {
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
    struct Round {
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
}
