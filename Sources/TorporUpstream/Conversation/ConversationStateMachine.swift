import DequeModule
package import TorporCore
import TorporJSON
package import TorporProtocol

/// One conversation with a foreign server: who it is, which requests are under way in either direction, and until when.
///
/// Holds no transport, clock or task: the caller passes messages and `now`, and carries out the actions in their order.
/// Whatever the server sends is contained: it ends no more than the request that it belongs to, until
/// ``UpstreamLimits/faultsInARowMax`` faults have come in a row. Every request that was begun ends with exactly one
/// `answer` or `fail`, unless the caller withdraws it.
package struct ConversationStateMachine: Sendable {
    package enum Action: Sendable, Equatable {
        case send(UpstreamMessage)
        /// Nothing more is wanted from the request's own stream, on a transport where requests have such.
        case closeStream(RequestNumber)
        case answer(RequestNumber, UpstreamAnswer)
        case fail(RequestNumber, UpstreamError)
        /// With how many bytes its message had.
        case notice(RequestNumber, Notice, bytes: Int)
        case ask(RequestNumber, Ask)
        /// The server takes its question back; no answer is wanted.
        case cancelAsk(RequestNumber, AskNumber)
        /// Requests can be made from now on.
        case opened(UpstreamServer)
        /// The conversation has ended before it was open.
        case openingFailed(UpstreamError)
        case tell(UpstreamEvent)
        /// The transport is of no more use.
        case close
    }

    enum Phase: Sendable {
        /// Nothing was said yet. Next: `opening`, or `ended`.
        case idle
        /// Who the server is, and of which era, is being found out; also when its session is begun anew. Next: `open`
        /// or `ended`.
        case opening(Opening)
        /// Requests are made. Next: `ended`, or `opening` when the server has forgotten its session.
        case open(UpstreamServer)
        /// Nothing is said any more, for this reason. Last.
        case ended(UpstreamError)
    }

    /// A request of ours that has no answer yet.
    struct Request: Sendable {
        enum Purpose: Sendable, Equatable {
            /// `server/discover`, to learn the server's era.
            case probe
            case initialize
            /// `subscriptions/listen`.
            case listen
            /// Waits for a `listen` that names the resource to be acknowledged; not on the wire itself.
            case subscription(uri: String)
            /// A request of the caller.
            case call
        }

        let purpose: Purpose
        /// In which session it was made; they are counted.
        var session = 0
        /// `nil` for a stream that may stay open.
        var deadline: Instant?
        /// Whose call it is; `nil` when nobody takes part in it.
        var party: UpstreamParty?
        var wantsProgress = false
        /// Questions of the server to this call that have no answer yet.
        var askCount = 0
        /// What was left of its time when the first of them came.
        var timeLeft: Duration?
    }

    /// A request of the server that has no answer yet.
    struct Asked: Sendable {
        /// The text of its id.
        let id: [UInt8]
        let owner: RequestNumber
        /// How long its message was.
        let bytes: Int
    }

    let limits: UpstreamLimits
    let client: UpstreamClient
    /// Whether each request has a stream of its own (HTTP).
    let hasStreams: Bool
    var phase = Phase.idle
    var requests: [RequestNumber: Request] = [:]
    var asks: [AskNumber: Asked] = [:]
    var listening = Listening()
    /// How many sessions were begun.
    var sessions = 0
    private var lastNumber = 0
    private var lastAsk = 0
    /// Requests whose answers nobody waits for any more, the newest last.
    private var withdrawn: Deque<RequestNumber> = []
    private var faultsInARow = 0
    package private(set) var faults = FaultCounts()
    /// Answers that came after their requests were withdrawn, which is no fault.
    package private(set) var lateAnswers = 0

    package init(client: UpstreamClient, limits: UpstreamLimits, hasStreams: Bool) {
        precondition(limits.requestsMax > 0 && limits.asksMax >= 0, "there is room for a request")
        precondition(limits.faultsInARowMax > 0, "the first fault does not end a conversation before it happens")
        self.client = client
        self.limits = limits
        self.hasStreams = hasStreams
    }

    // MARK: Requests

    /// Whether requests can be made.
    package enum Readiness: Sendable, Equatable {
        case ready(RequestNumber, ProtocolRevision)
        /// The session is being begun anew: ask again when it is `opened`, or has ended.
        case opening
        case ended(UpstreamError)
    }

    /// Gives out a number for a request, which may be used or not.
    package mutating func reserve() -> Readiness {
        switch self.phase {
        case .idle, .opening: .opening
        case .open(let server): .ready(self.nextNumber(), server.revision)
        case .ended(let reason): .ended(Self.closed(reason))
        }
    }

    /// A request of the caller goes out under a number that was reserved.
    /// - Parameter party: Who takes part in it; `nil` for a request that the server can ask nothing about.
    /// - Throws: ``UpstreamError/Code/closed`` or ``UpstreamError/Code/overloaded``; then it must not be sent.
    package mutating func begin(
        _ number: RequestNumber, party: UpstreamParty? = nil, wantsProgress: Bool = false, timeLimit: Duration,
        now: Instant
    ) throws(UpstreamError) {
        if case .ended(let reason) = self.phase { throw Self.closed(reason) }
        try self.checkRoom()
        precondition(self.requests[number] == nil, "a number is used once")
        self.requests[number] = Request(
            purpose: .call, session: self.sessions, deadline: now + timeLimit, party: party,
            wantsProgress: wantsProgress)
    }

    /// Nobody waits for the answer any more. No `answer` and no `fail` follows.
    package mutating func withdraw(_ number: RequestNumber, reason: String, now: Instant) -> [Action] {
        guard let request = self.requests[number] else { return [] }
        return self.drop(number, request, reason: reason) + self.reconcileListening(now: now)
    }

    /// The transport could not bring a request to the server, or not its answer back.
    package mutating func requestFailed(_ number: RequestNumber, _ error: UpstreamError, now: Instant) -> [Action] {
        guard let request = self.requests[number] else { return [] }
        switch request.purpose {
        case .probe, .initialize: return self.openingFailed(number, request.purpose, error, now: now)
        case .listen:
            self.requests[number] = nil
            return self.listenEnded(number, error, now: now)
        case .subscription: return []
        case .call:
            let actions = self.end(number, .fail(number, error))
            guard error.code == .sessionLost, case .open(let server) = self.phase, server.revision.era == .legacy,
                request.session == self.sessions
            else { return actions }
            return actions + self.renew(now: now)
        }
    }

    /// The transport has ended, and nothing more will come from it.
    package mutating func transportEnded(_ error: UpstreamError) -> [Action] {
        if case .opening(let opening) = self.phase, opening.isProbingOnly {
            return self.end(
                UpstreamError(
                    .endedAtProbe, "The server went away when it was asked which era it speaks. \(error.message)"))
        }
        return self.end(error)
    }

    /// The caller wants no more of it.
    package mutating func close() -> [Action] {
        if case .ended = self.phase { return [] }
        return self.end(UpstreamError(.ended, "The conversation was closed.")).filter { action in
            if case .tell = action { false } else { true }
        }
    }

    // MARK: Time

    /// When ``tick(now:)`` is due next.
    ///
    /// - Complexity: O(requests under way).
    package var nextDeadline: Instant? {
        var next = self.requests.values.lazy.compactMap(\.deadline).min()
        if case .opening(let opening) = self.phase {
            for instant in [opening.ends, opening.probeEnds].compactMap({ $0 }) { next = min(next ?? instant, instant) }
        }
        if let retry = self.listening.retryAt { next = min(next ?? retry, retry) }
        return next
    }

    /// Ends what is over.
    package mutating func tick(now: Instant) -> [Action] {
        var actions = self.tickOpening(now: now)
        let expired = self.requests.filter { _, request in request.deadline.map { $0 <= now } ?? false }
        for (number, request) in expired.sorted(by: { $0.key < $1.key }) {
            let error = UpstreamError(.timedOut, "The server did not answer within the time limit.")
            actions += self.drop(number, request, reason: "The time limit is over.")
            switch request.purpose {
            case .probe, .initialize: break
            case .listen: actions += self.listenEnded(number, error, now: now)
            case .subscription, .call: actions.append(.fail(number, error))
            }
        }
        if let retry = self.listening.retryAt, retry <= now { self.listening.retryAt = nil }
        return actions + self.reconcileListening(now: now)
    }

    // MARK: Steps

    mutating func nextNumber() -> RequestNumber {
        self.lastNumber += 1
        return RequestNumber(self.lastNumber)
    }

    mutating func nextAsk() -> AskNumber {
        self.lastAsk += 1
        return AskNumber(self.lastAsk)
    }

    func checkRoom() throws(UpstreamError) {
        guard self.requests.count < self.limits.requestsMax else {
            throw UpstreamError(
                .overloaded, "\(self.limits.requestsMax) requests to the server are under way already. Try again.")
        }
    }

    /// The revision that both speak; `nil` until it is known.
    var revision: ProtocolRevision? {
        if case .open(let server) = self.phase { server.revision } else { nil }
    }

    /// Whether the answer to this request may still come, though nobody waits for it.
    func isWithdrawn(_ number: RequestNumber) -> Bool { self.withdrawn.contains(number) }

    mutating func countLateAnswer() { self.lateAnswers += 1 }

    /// A good message: faults before it do not count any more.
    mutating func noteGood() { self.faultsInARow = 0 }

    mutating func fault(_ fault: Fault) -> [Action] {
        self.faults.add(fault)
        self.faultsInARow += 1
        guard self.faultsInARow >= self.limits.faultsInARowMax else { return [] }
        return self.end(
            UpstreamError(
                .protocolFault, "The server sent \(self.faultsInARow) messages in a row that are none of the protocol.")
        )
    }

    /// Forgets a request without telling its caller, and tells the server that its answer is of no use.
    mutating func drop(_ number: RequestNumber, _ request: Request, reason: String) -> [Action] {
        self.requests[number] = nil
        var actions = self.abandonAsks(of: number)
        if case .subscription(let uri) = request.purpose {
            self.listening.forget(uri, unlessWantedBy: self.requests)
            return actions
        }
        self.withdrawn.append(number)
        if self.withdrawn.count > self.limits.requestsMax { self.withdrawn.removeFirst() }
        if self.hasStreams { actions.append(.closeStream(number)) }
        // A modern server takes the end of the stream for it; initialize is never cancelled (2025-11-25, cancellation).
        let isModern = self.revision?.era == .modern
        if request.purpose != .initialize, request.purpose != .probe, !(self.hasStreams && isModern) {
            actions.append(
                self.notify(MessageWriter.cancellation(of: number, reason: reason), "notifications/cancelled"))
        }
        return actions
    }

    /// Ends a call, and what the server asks during it.
    mutating func end(_ number: RequestNumber, _ action: Action) -> [Action] {
        self.requests[number] = nil
        return self.abandonAsks(of: number) + [action]
    }

    /// Answers the questions of a call that is over, which nobody will answer.
    private mutating func abandonAsks(of number: RequestNumber) -> [Action] {
        guard !self.asks.isEmpty else { return [] }
        let error = MCPError(.internalError, "The call that the request belonged to is over.")
        return self.asks.filter { $0.value.owner == number }.sorted { $0.key.value < $1.key.value }.map { ask, asked in
            self.asks[ask] = nil
            return self.reply(asked.id, .failure(error))
        }
    }

    func notify(_ body: [UInt8], _ method: String) -> Action {
        .send(UpstreamMessage(.notification, method: method, revision: self.revision, body: body))
    }

    func reply(_ id: [UInt8], _ result: Result<JSONObject, MCPError>) -> Action {
        .send(UpstreamMessage(.answer, revision: self.revision, body: MessageWriter.answer(to: id, result)))
    }

    /// Ends everything: each request with this error.
    mutating func end(_ error: UpstreamError) -> [Action] {
        var actions: [Action] = []
        let numbers = self.requests.keys.sorted()
        switch self.phase {
        case .ended: return []
        case .idle: actions.append(.openingFailed(error))
        case .opening(let opening):
            actions.append(.openingFailed(error))
            if opening.isRenewal { actions.append(.tell(.ended(error))) }
        case .open: actions.append(.tell(.ended(error)))
        }
        self.phase = .ended(error)
        let lost = UpstreamError(error.code == .closed ? .ended : error.code, error.message)
        let failures = numbers.compactMap { number -> Action? in
            switch self.requests[number]?.purpose {
            case .call, .subscription: .fail(number, lost)
            case .probe, .initialize, .listen, nil: nil
            }
        }
        self.requests = [:]
        self.asks = [:]
        self.listening = Listening()
        // Whoever hears that a request failed can know why already.
        return actions + failures + [.close]
    }

    private static func closed(_ reason: UpstreamError) -> UpstreamError {
        UpstreamError(.closed, "The conversation with the server has ended. \(reason.message)")
    }
}
