import Synchronization

/// What one run of a handler has asked its client, and what it knows already.
final class Interview: Sendable {
    /// A question that has no answer yet.
    struct Asked: Sendable {
        let key: String
        let method: ClientMethod
        let params: JSONObject
    }

    private struct State {
        var answers: JSONObject
        var asked: [Asked] = []
    }

    /// What the names begin with of what runs keep for each other.
    static let keptPrefix = "torpor/"
    /// The most answers that a client may bring at once.
    static let answersMax = 100

    /// Names all runs that belong together.
    let run: UInt128
    /// Of the state that the client brought: see ``RequestState/round``.
    let round: UInt32
    private let state: Mutex<State>

    /// - Parameter answers: By key: what the client has answered so far.
    init(run: UInt128, round: UInt32 = 0, answers: JSONObject) {
        self.run = run
        self.round = round
        self.state = Mutex(State(answers: answers))
    }

    func answer(to key: String) -> JSONValue? { self.state.withLock { $0.answers[key] } }

    func keep(_ answer: JSONValue, to key: String) { self.state.withLock { $0.answers[key] = answer } }

    func ask(_ question: Asked) {
        self.state.withLock { state in
            guard !state.asked.contains(where: { $0.key == question.key }) else { return }
            state.asked.append(question)
        }
    }

    /// The questions without an answer, and the answers so far.
    var standing: (asked: [Asked], answers: JSONObject) { self.state.withLock { ($0.asked, $0.answers) } }
}

/// Ends a run whose client has to answer first. Nothing for handlers to catch.
struct InputRequired: Error {}

/// A handler asked its client something after it had begun what must not happen twice.
///
/// From 2026-07-28 on a handler runs again from its beginning when the answer has come, so everything before a question
/// happens once more. It is refused in both eras, so that it is noticed in the first.
public struct MisplacedQuestion: Error, Sendable, CustomStringConvertible {
    /// The question's key.
    public let key: String
    /// What the handler had begun.
    public let action: String

    public var description: String {
        "the question \"\(self.key)\" comes after \"\(self.action)\", which would happen twice; ask first"
    }
}

extension Dispatcher {
    /// What a client brought with a request: the answers of earlier rounds and of this one.
    /// - Returns: `nil` when it brought none, which is the rule.
    /// - Throws: for a state that is not ours, altered, expired, or of another principal or request, and for answers
    ///   that are none.
    func interview(for operation: Operation) throws(Refusal) -> Interview? {
        let params = operation.params
        guard operation.isModern, params.requestState.isPresent || params.inputResponses.isPresent else { return nil }
        let bytes = operation.bytes
        var run = self.environment.randomBits()
        var round: UInt32 = 0
        var answers = JSONObject()
        if params.requestState.isPresent {
            guard let text = params.requestState.string(in: bytes.span),
                let state = RequestState.open(text, with: self.sessions.keys),
                state.owner == OwnerDigest(operation.message.principal),
                state.request == RequestState.digest(of: operation)
            else { throw Refusal(200, .invalidParams, "The requestState is not one that this request was given.") }
            guard self.environment.wallTime() < state.expiry else {
                throw Refusal(200, .invalidParams, "The requestState has expired. Make the request again without it.")
            }
            run = state.run
            round = state.round
            answers = state.answers
        }
        if params.inputResponses.isPresent {
            guard params.inputResponses.kind == .object,
                case .object(let responses) = JSONValue(in: bytes.span, params.inputResponses.range)
            else { throw Refusal(200, .invalidParams, "The member inputResponses must be an object.") }
            // Each is looked up among the others, and this runs on the event loop.
            guard responses.count <= Interview.answersMax else {
                throw Refusal(
                    200, .invalidParams, "The member inputResponses holds more than \(Interview.answersMax) answers.")
            }
            for response in responses.members {
                guard case .object = response.value else {
                    throw Refusal(
                        200, .invalidParams,
                        "The member inputResponses[\"\(response.name.prefix(80))\"] must be an object.")
                }
                // What a run has kept for the next one is no answer that a client could give.
                if answers[response.name] == nil, !response.name.hasPrefix(Interview.keptPrefix) {
                    answers[response.name] = response.value
                }
            }
        }
        return Interview(run: run, round: round, answers: answers)
    }

    /// Asks the client, or finds what it has answered before.
    func ask<Answer>(_ operation: Operation, _ key: String, _ question: Question<Answer>) async throws -> Answer {
        guard let answer = try self.knownAnswer(operation, key, question) else {
            guard operation.isModern else { return try await self.askNow(operation, key, question) }
            throw InputRequired()
        }
        return answer
    }

    /// The answer to a question, if there is one; otherwise notes, in the modern era, that it was asked.
    func knownAnswer<Answer>(_ operation: Operation, _ key: String, _ question: Question<Answer>) throws -> Answer? {
        precondition(!key.isEmpty && key.utf8.count <= 128, "a question's key has 1 to 128 bytes")
        try self.checkMayAsk(operation, key, question)
        let interview = self.currentInterview(operation)
        if let answer = interview.answer(to: key) { return try self.read(answer, key, question, operation) }
        if operation.isModern {
            interview.ask(.init(key: key, method: question.method, params: question.params(operation.revision)))
        }
        return nil
    }

    /// What the run has asked so far; begun at the first question, or at the first step that must not happen twice.
    func currentInterview(_ operation: Operation) -> Interview {
        operation.output.withLock { output in
            if let interview = output.interview { return interview }
            let interview = Interview(run: self.environment.randomBits(), answers: [:])
            output.interview = interview
            return interview
        }
    }

    private func checkMayAsk<Answer>(_ operation: Operation, _ key: String, _ question: Question<Answer>) throws {
        if let action = operation.output.withLock({ $0.unrepeatable }) {
            throw MisplacedQuestion(key: key, action: action)
        }
        if Step.isRunning { throw MisplacedQuestion(key: key, action: "a step that happens once") }
        guard [.toolsCall, .promptsGet, .resourcesRead].contains(operation.method) else {
            throw MCPError(
                .internalError, "The client can be asked while a tool, a prompt or a resource is served, not here.")
        }
        guard operation.revision >= question.since else {
            throw ToolError(
                "This needs to ask the user in a way that the client's protocol revision, \(operation.revision.rawValue), does not have."
            )
        }
        let declared = self.capabilities(of: operation)
        guard declared.isSuperset(of: question.needs) else {
            throw MCPError.missing(question.needs.subtracting(declared))
        }
    }

    private func read<Answer>(
        _ answer: JSONValue, _ key: String, _ question: Question<Answer>, _ operation: Operation
    ) throws -> Answer {
        do {
            return try question.read(answer)
        } catch let error as UnusableAnswer {
            let message = "The answer to the question \"\(key)\" cannot be used: \(error.reason)."
            throw operation.isModern ? MCPError.invalidParams(message) as any Error : ToolError(message)
        }
    }

    // MARK: The legacy era

    /// Sends the client a request and waits for its answer (2025-11-25, elicitation; sampling; roots).
    private func askNow<Answer>(_ operation: Operation, _ key: String, _ question: Question<Answer>) async throws
        -> Answer
    {
        guard let session = operation.session, let stream = self.stream(of: operation) else {
            throw ToolError(
                "This needs to ask the client, which works only in a session whose client accepts event streams.")
        }
        let number = self.environment.randomNumber()
        let pending = PendingAnswer()
        do throws(Refusal) {
            try self.held.add(pending, number: number, to: session)
        } catch {
            throw ToolError(error.error.message)
        }
        defer { self.held.takeQuestion(number, of: session.id) }
        let id = SealedName(worker: self.environment.worker, number: number)
            .text(for: .question, in: session.id, by: self.sessions.keys)
        try await self.send(
            Self.request(id: id, question.method, question.params(operation.revision)), over: stream)
        let answer: PendingAnswer.Answer
        do {
            answer = try await pending.value()
        } catch {
            // The client need not go on with it (2025-11-25, cancellation).
            stream.offer(Self.cancellation(of: id))
            throw error
        }
        switch answer {
        case .result(let result):
            let value = try self.read(result, key, question, operation)
            operation.output.withLock { $0.interview }?.keep(result, to: key)
            return value
        case .error(let code, let message):
            throw ToolError("The client did not answer the question \"\(key)\": \(message) (\(code)).")
        case .gone: throw ToolError("The session ended before its client answered the question \"\(key)\".")
        }
    }

    /// Sends a message of a call, waiting while its client is slow.
    func send(_ message: [UInt8], over stream: MessageStream) async throws {
        guard message.count <= self.streams.messageMax.bytes else {
            throw ToolError(
                "A message to the client takes \(message.count) bytes; the limit is \(self.streams.messageMax).")
        }
        do {
            try await stream.send(message)
        } catch MessageStream.Refusal.closed {
            throw CancellationError()
        } catch MessageStream.Refusal.overloaded {
            throw ToolError("The server holds as many unread messages as it may. Try again.")
        }
    }

    private static func request(id: String, _ method: ClientMethod, _ params: JSONObject) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.raw("{\"jsonrpc\":\"2.0\",\"id\":\"")
        writer.raw(Array(id.utf8))
        writer.raw("\",\"method\":\"")
        writer.raw(Array(method.rawValue.utf8))
        writer.raw("\"")
        if !params.isEmpty {
            writer.raw(",\"params\":")
            var object = JSONWriter()
            object.value(.object(params))
            writer.raw(object.bytes)
        }
        writer.raw("}")
        return writer.bytes
    }

    private static func cancellation(of id: String) -> [UInt8] {
        Array(
            #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\#(id)","reason":"The call that asked has ended."}}"#
                .utf8)
    }

    // MARK: The modern era

    /// The answer to a request whose handler asked something: `input_required`, if it did.
    func inputRequired(_ operation: Operation) -> Reply? {
        guard operation.isModern, let interview = operation.output.withLock({ $0.interview }) else { return nil }
        let (asked, answers) = interview.standing
        guard !asked.isEmpty else { return nil }
        let state = RequestState(
            run: interview.run, expiry: self.environment.wallTime() + self.streams.answerWithin,
            owner: OwnerDigest(operation.message.principal), request: RequestState.digest(of: operation),
            round: interview.round > 0 || operation.output.withLock(\.hasDoneSteps) ? interview.round + 1 : 0,
            answers: answers)
        guard let sealed = state.sealed(by: self.sessions.keys, salt: self.environment.randomBits()) else {
            return self.fail(
                operation,
                Refusal(
                    200, .internalError,
                    "What the client has answered so far takes more than \(RequestState.textBytesMax) bytes to carry along."
                ))
        }
        return self.finish(operation, capacity: 1_024) { writer in
            writer.beginObject()
            writer.key("inputRequests")
            writer.beginObject()
            for question in asked {
                writer.key(question.key)
                writer.beginObject()
                writer.member("method", question.method.rawValue)
                writer.member("params", .object(question.params))
                writer.endObject()
            }
            writer.endObject()
            writer.member("requestState", sealed)
            writer.raw(self.table.inputRequiredEnd)
        }
    }
}

extension MCPError {
    /// The client lacks what a call needs.
    static func missing(_ capabilities: ClientCapabilities) -> MCPError {
        MCPError(
            .missingClientCapability, "The client does not offer what this needs: \(capabilities.names).",
            data: ["requiredCapabilities": .object(capabilities.json)])
    }
}
