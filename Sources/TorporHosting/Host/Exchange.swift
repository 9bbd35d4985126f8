import Synchronization
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

/// A request of a modern client to a legacy server that may ask on the way.
///
/// To the server it is one request. To the client it may be several, since each question ends one and the answer comes
/// with the next. So the request goes on in a task of its own, and each run of the client's request joins it.
final class Exchange: Sendable {
    /// What a run finds.
    enum Event: Sendable {
        case answered(Result<UpstreamAnswer, any Error>)
        /// The server waits for an answer to this question.
        case asked(Int, ClientMethod, JSONObject)
    }

    private struct Question: Sendable {
        let method: ClientMethod
        let params: JSONObject
        let answer: CheckedContinuation<JSONObject, any Error>
    }

    private struct State {
        /// Where what the server says meanwhile goes; `nil` between two runs.
        var request: RelayedRequest?
        var questions: [Int: Question] = [:]
        var lastQuestion = 0
        var outcome: Result<UpstreamAnswer, any Error>?
        var waiting: CheckedContinuation<Event, any Error>?
        var task: Task<Void, Never>?
    }

    /// Names it among all; with the client between two runs.
    let id: UInt128
    let caller: HostCaller
    let placed: Host.Placed
    private let state = Mutex(State())

    init(_ id: UInt128, _ caller: HostCaller, _ placed: Host.Placed) {
        self.id = id
        self.caller = caller
        self.placed = placed
    }

    /// Makes the request. Called once, by the first run.
    func begin(_ request: UpstreamRequest, party: UpstreamParty, wantsProgress: Bool, in scope: TaskScope) {
        let observer = ExchangeObserver(exchange: self, party: party, wantsProgress: wantsProgress)
        let session = self.placed.launched.session
        let task = scope.begin {
            do {
                self.finish(.success(try await session.request(request, observer: observer)))
            } catch {
                self.finish(.failure(error))
            }
        }
        guard let task else { return self.finish(.failure(CancellationError())) }
        self.state.withLock { $0.task = task }
    }

    /// What the server says from now on belongs to this run.
    func attach(_ request: RelayedRequest?) { self.state.withLock { $0.request = request } }

    /// Waits for what comes next: a question without an answer, or the end.
    /// - Throws: `CancellationError`.
    func next() async throws -> Event {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let early = self.state.withLock { state -> Result<Event, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if let event = Self.event(state) { return .success(event) }
                    state.waiting = continuation
                    return nil
                }
                if let early { continuation.resume(with: early) }
            }
        } onCancel: {
            self.take { _ in true }?.resume(throwing: CancellationError())
        }
    }

    private static func event(_ state: borrowing State) -> Event? {
        if let outcome = state.outcome { return .answered(outcome) }
        guard let (number, question) = state.questions.min(by: { $0.key < $1.key }) else { return nil }
        return .asked(number, question.method, question.params)
    }

    private func take(_ isReady: (inout State) -> Bool) -> CheckedContinuation<Event, any Error>? {
        self.state.withLock { state in
            guard isReady(&state) else { return nil }
            defer { state.waiting = nil }
            return state.waiting
        }
    }

    private func finish(_ outcome: Result<UpstreamAnswer, any Error>) {
        self.take { state in
            state.outcome = outcome
            return true
        }?.resume(returning: .answered(outcome))
    }

    /// The client has answered, or cannot be asked that. Does nothing when that was answered before.
    func answer(_ number: Int, _ answer: Result<JSONObject, MCPError>) {
        self.state.withLock { $0.questions.removeValue(forKey: number) }?.answer.resume(with: answer)
    }

    /// Nobody comes back for it: the server is told that the request is cancelled.
    func giveUp() {
        let (task, questions) = self.state.withLock { state in
            defer { state.questions = [:] }
            return (state.task, state.questions)
        }
        for question in questions.values { question.answer.resume(throwing: CancellationError()) }
        task?.cancel()
    }

    fileprivate func ask(_ method: ClientMethod, _ params: JSONObject) async throws -> JSONObject {
        let number = self.state.withLock { state in
            state.lastQuestion += 1
            return state.lastQuestion
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                var isCancelled = false
                let waiting = self.take { state in
                    isCancelled = Task.isCancelled
                    if !isCancelled {
                        state.questions[number] = Question(method: method, params: params, answer: continuation)
                    }
                    return !isCancelled
                }
                waiting?.resume(returning: .asked(number, method, params))
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            self.state.withLock { $0.questions.removeValue(forKey: number) }?
                .answer.resume(throwing: CancellationError())
        }
    }

    fileprivate var request: RelayedRequest? { self.state.withLock { $0.request } }
}

/// Hears what a legacy server says during a modern client's request.
private struct ExchangeObserver: UpstreamObserver {
    let exchange: Exchange
    let party: UpstreamParty
    let wantsProgress: Bool

    func progress(_ params: JSONObject) async { await self.exchange.request?.tell(progress: params) }
    func log(_ params: JSONObject) async { await self.exchange.request?.tell(log: params) }

    func ask(_ method: String, _ params: JSONObject) async throws -> JSONObject {
        try await self.exchange.ask(try ClientMethod(asked: method), params)
    }
}

/// Hears what a server says during a request whose client is asked on its stream, or cannot be asked.
struct CallObserver: UpstreamObserver {
    let request: RelayedRequest
    let party: UpstreamParty
    /// Told when the server asks: it is there, however long the client takes to answer.
    private let asked: @Sendable () -> Void
    private let questions = QuestionCount()

    init(request: RelayedRequest, party: UpstreamParty, asked: @escaping @Sendable () -> Void) {
        self.request = request
        self.party = party
        self.asked = asked
    }

    var wantsProgress: Bool { self.request.wantsProgress }

    func progress(_ params: JSONObject) async { await self.request.tell(progress: params) }
    func log(_ params: JSONObject) async { await self.request.tell(log: params) }

    func ask(_ method: String, _ params: JSONObject) async throws -> JSONObject {
        self.asked()
        // Each question of a call is another one, whatever it asks.
        let key = "\(method)#\(self.questions.next())"
        let question = RelayedRequest.Question(key: key, method: try ClientMethod(asked: method), params: params)
        do {
            guard case .object(let answer)? = try await self.request.ask([question])[key] else {
                throw MCPError(.internalError, "The client's answer is no object.")
            }
            return answer
        } catch let error as ToolError {
            throw MCPError(.internalError, error.message)
        }
    }
}

/// Numbers the questions of a call.
private final class QuestionCount: Sendable {
    private let last = Atomic<Int>(0)

    func next() -> Int { self.last.add(1, ordering: .relaxed).newValue }
}

extension ClientMethod {
    /// - Throws: for what no client answers.
    init(asked method: String) throws {
        guard let known = ClientMethod(rawValue: method) else {
            throw MCPError(.methodNotFound, "Clients do not answer \(method.prefix(80)).")
        }
        self = known
    }
}

extension RelayedRequest {
    /// Passes on how far the server has come.
    fileprivate func tell(progress params: JSONObject) async {
        guard case .number(let number)? = params["progress"], let progress = number.double else { return }
        var total: Double?
        if case .number(let number)? = params["total"] { total = number.double }
        var message: String?
        if case .string(let text)? = params["message"] { message = text }
        // Nobody waits for the call any more.
        try? await self.call.progress(progress, total: total, message)
    }

    /// Passes a log message on, to a client that wants it.
    fileprivate func tell(log params: JSONObject) async {
        guard case .string(let name)? = params["level"], let level = LogLevel(rawValue: name), let data = params["data"]
        else { return }
        var logger: String?
        if case .string(let text)? = params["logger"] { logger = text }
        // Nobody waits for the call any more, or the message is larger than clients are sent.
        try? await self.call.log(level, data, logger: logger)
    }
}
