import Synchronization

/// What sessions hold in memory: preferences, open and resumable streams, running calls, questions to the client.
///
/// A session is in it only while it holds something; `initialize` alone holds nothing. A channel (stdio) is in it under
/// its own id. Everything is bounded: beyond ``StreamLimits/sessionsMax`` the coldest session that holds nothing but
/// preferences is ended, which its client is told with 404 and mends with `initialize`.
package final class SessionTable: Sendable {
    private struct HeldStream { let stream: MessageStream; let isStandalone: Bool }

    private struct Held {
        let expiry: WallTime
        var lastUse = 0
        var level: LogLevel?
        var uris: Set<String> = []
        /// Its number in the feed.
        var subscriber: UInt64?
        var streams: [UInt64: HeldStream] = [:]
        /// Where everything goes on a channel.
        var output: MessageStream?
        /// Whether a channel has a session, which is told of changed lists unasked.
        var isInitialized = false
        var calls: [RequestKey: any Withdrawable] = [:]
        var questions: [UInt64: PendingAnswer] = [:]

        var isEmpty: Bool {
            self.level == nil && self.uris.isEmpty && self.streams.isEmpty && self.output == nil
                && self.calls.isEmpty && self.questions.isEmpty
        }
        /// Forgets a stream for a new one, if there has to be room and one is not needed: one that has been sent whole,
        /// or that a client has left.
        mutating func makeRoom(_ streamsMax: Int) {
            guard self.streams.count >= streamsMax else { return }
            let spare =
                self.streams.first { $0.value.stream.isDrained }
                ?? self.streams.first { $0.value.isStandalone && !$0.value.stream.isAttached }
            if let spare { self.streams[spare.key] = nil }
        }

        /// Whether it may be ended to make room for another.
        var isCold: Bool { self.streams.isEmpty && self.output == nil && self.calls.isEmpty && self.questions.isEmpty }
    }

    private struct State {
        var sessions: [UInt128: Held] = [:]
        var second = 0
    }

    private let limits: StreamLimits
    private let feed: ChangeFeed
    private let announces: ServerChanges
    /// Ends a session for good: its id is not honoured any more.
    private let forget: @Sendable (UInt128, WallTime) -> Void
    private let state = Mutex(State())

    init(
        limits: StreamLimits, feed: ChangeFeed, announces: ServerChanges,
        forget: @escaping @Sendable (UInt128, WallTime) -> Void
    ) {
        self.limits = limits
        self.feed = feed
        self.announces = announces
        self.forget = forget
    }

    /// The sessions that hold something.
    package var count: Int { self.state.withLock { $0.sessions.count } }
    /// The streams that are open or could be resumed.
    package var streamCount: Int { self.state.withLock { $0.sessions.values.reduce(0) { $0 + $1.streams.count } } }

    // MARK: Preferences

    func level(of session: UInt128) -> LogLevel? { self.state.withLock { $0.sessions[session]?.level } }

    func setLevel(_ level: LogLevel, of session: SessionToken) throws(Refusal) {
        try self.change(session) { $0.level = level }
    }

    /// Adds a URI to those whose changes the session is told.
    func subscribe(_ uri: String, for session: SessionToken) throws(Refusal) {
        let limits = self.limits
        let hasRoom = try self.change(session) { held in
            let bytes = held.uris.reduce(uri.utf8.count) { $0 + $1.utf8.count }
            guard held.uris.contains(uri) || held.uris.count < limits.subscriptionsMax,
                bytes <= limits.subscriptionBytesMax.bytes
            else { return false }
            held.uris.insert(uri)
            return true
        }
        guard hasRoom else {
            throw Refusal(
                200, .invalidParams,
                "The session is subscribed to as many resources as it may, \(limits.subscriptionsMax) or \(limits.subscriptionBytesMax) of URIs; unsubscribe from one first."
            )
        }
    }

    func unsubscribe(_ uri: String, for session: SessionToken) throws(Refusal) {
        try self.change(session) { _ = $0.uris.remove(uri) }
    }

    // MARK: Streams

    /// Holds a stream of a session's call, so that its client can come back for it.
    /// - Returns: `false` when the session holds as many streams as it may; then this one cannot be resumed.
    func hold(_ stream: MessageStream, of session: SessionToken, number: UInt64) -> Bool {
        let streamsMax = self.limits.streamsMax
        // A table without room for the session is a stream that cannot be resumed.
        let isHeld = try? self.change(session) { held in
            held.makeRoom(streamsMax)
            guard held.streams.count < streamsMax else { return false }
            held.streams[number] = HeldStream(stream: stream, isStandalone: false)
            return true
        }
        return isHeld ?? false
    }

    /// Holds a stream that a client opened by GET.
    func open(_ stream: MessageStream, of session: SessionToken, number: UInt64) throws(Refusal) {
        let streamsMax = self.limits.streamsMax
        let isOpen = try self.change(session) { held in
            held.makeRoom(streamsMax)
            guard held.streams.count < streamsMax else { return false }
            held.streams[number] = HeldStream(stream: stream, isStandalone: true)
            return true
        }
        guard isOpen else {
            throw Refusal(
                429, .invalidRequest, "The session has as many streams open as it may, \(streamsMax). Close one first.",
                retryAfterSeconds: 1)
        }
    }

    /// Forgets a stream that nobody has been told of.
    func drop(_ number: UInt64, of session: UInt128) {
        self.changeHeld(session) { $0.streams.removeValue(forKey: number) }
    }

    func stream(_ number: UInt64, of session: UInt128) -> MessageStream? {
        self.state.withLock { $0.sessions[session]?.streams[number]?.stream }
    }

    /// Holds a channel, whose messages all go through one stream.
    func open(_ output: MessageStream, channel: SessionToken) throws(Refusal) {
        try self.change(channel, opensChannel: true) { $0.output = output }
    }

    /// A channel's session has begun.
    func begin(_ channel: SessionToken) throws(Refusal) { try self.change(channel) { $0.isInitialized = true } }

    /// Tells a session of a change: on one of its streams, one that is read if there is one.
    private func deliver(_ change: ServerChange, to session: UInt128) {
        let target = self.state.withLock { state -> (MessageStream, UInt64)? in
            guard let held = state.sessions[session], let subscriber = held.subscriber else { return nil }
            if let output = held.output { return (output, subscriber) }
            let standalone = held.streams.values.filter(\.isStandalone).map(\.stream)
            return (standalone.first(where: \.isAttached) ?? standalone.first).map { ($0, subscriber) }
        }
        guard let (stream, subscriber) = target else { return }
        stream.offer(change.message(), key: ChangeKey(subscriber: subscriber, name: change.name))
    }

    // MARK: Running calls

    /// Holds what a client may cancel by the id of its request.
    /// - Returns: `false` for a second request of the same id, without room for the session, and when its channel has
    ///   closed: then it is not held, and cannot be cancelled.
    @discardableResult
    func add(_ call: any Withdrawable, _ key: RequestKey, to session: SessionToken) -> Bool {
        // A call runs all the same.
        let isHeld = try? self.change(session) { held in
            guard held.calls[key] == nil else { return false }
            held.calls[key] = call
            return true
        }
        return isHeld ?? false
    }

    func remove(_ call: any Withdrawable, _ key: RequestKey, from session: UInt128) {
        self.changeHeld(session) { held in if held.calls[key] === call { held.calls[key] = nil } }
    }

    /// Holds another call under the id of one that is held.
    func replace(_ call: any Withdrawable, with other: any Withdrawable, _ key: RequestKey, of session: UInt128) {
        self.changeHeld(session) { held in if held.calls[key] === call { held.calls[key] = other } }
    }

    /// What runs under an id.
    func call(_ key: RequestKey, of session: UInt128) -> (any Withdrawable)? {
        self.state.withLock { $0.sessions[session]?.calls[key] }
    }

    /// Everything of a session that its client may cancel.
    func calls(of session: UInt128) -> [any Withdrawable] {
        self.state.withLock { $0.sessions[session].map { Array($0.calls.values) } ?? [] }
    }

    // MARK: Questions

    /// Holds a question until its answer comes.
    func add(_ answer: PendingAnswer, number: UInt64, to session: SessionToken) throws(Refusal) {
        let questionsMax = self.limits.questionsMax
        let isHeld = try self.change(session) { held in
            guard held.questions.count < questionsMax else { return false }
            held.questions[number] = answer
            return true
        }
        guard isHeld else {
            throw Refusal(
                200, .internalError,
                "The client has as many questions of this server to answer as it may, \(questionsMax).")
        }
    }

    /// Takes a question out; `nil` when it is not there, or has been answered.
    @discardableResult
    func takeQuestion(_ number: UInt64, of session: UInt128) -> PendingAnswer? {
        self.changeHeld(session) { $0.questions.removeValue(forKey: number) } ?? nil
    }

    // MARK: The end

    /// Ends a session: its questions stay without an answer, its calls are cancelled and answered with an error, its
    /// other streams end.
    func end(_ session: UInt128) {
        let held = self.state.withLock { state in
            let held = state.sessions.removeValue(forKey: session)
            if let subscriber = held?.subscriber { self.feed.unsubscribe(subscriber) }
            return held
        }
        guard let held else { return }
        for question in held.questions.values { question.resolve(.gone) }
        for call in held.calls.values { call.sessionEnded() }
        // A call's stream ends with its answer.
        for held in held.streams.values where held.isStandalone { held.stream.end() }
    }

    /// Forgets the streams that nobody came back for and the sessions that have expired. Called once a second.
    func sweep(now: WallTime) {
        let (expired, forgotten) = self.state.withLock { state -> ([UInt128], [MessageStream]) in
            state.second += 1
            let grace = self.limits.resumeGrace.secondsRoundedUp
            var expired: [UInt128] = []
            var idle: [(session: UInt128, number: UInt64)] = []
            for (id, held) in state.sessions {
                // What runs may end, but for what waits for an answer: that could not come any more.
                if held.expiry <= now, held.calls.isEmpty || !held.questions.isEmpty { expired.append(id) }
                for (number, kept) in held.streams
                where kept.stream.isForgettable(at: state.second, grace: grace, isStandalone: kept.isStandalone) {
                    idle.append((id, number))
                }
            }
            let forgotten = idle.compactMap {
                state.sessions[$0.session]?.streams.removeValue(forKey: $0.number)?.stream
            }
            for session in Set(idle.map(\.session)) { self.settle(session, &state) }
            return (expired, forgotten)
        }
        for id in expired { self.end(id) }
        // Outside the lock: the last reference may go here.
        _ = forgotten
    }

    // MARK: Steps

    /// Changes what a session holds; it is held from now on if it holds something. A channel is held from its opening to
    /// its end, and not again.
    private func change<Result: Sendable>(
        _ session: SessionToken, opensChannel: Bool = false, _ body: (inout Held) -> Result
    ) throws(Refusal) -> Result {
        let isChannel = session.expiry == .distantFuture
        var hasClosed = false
        let (result, victims) = self.state.withLock { state -> (Result?, [(UInt128, WallTime)]) in
            var victims: [(UInt128, WallTime)] = []
            if state.sessions[session.id] == nil {
                hasClosed = isChannel && !opensChannel
                if hasClosed { return (nil, []) }
                if state.sessions.count >= self.limits.sessionsMax {
                    victims = self.makeRoom(&state)
                    if victims.isEmpty { return (nil, []) }
                }
            }
            var held = state.sessions.removeValue(forKey: session.id) ?? Held(expiry: session.expiry)
            let result = body(&held)
            held.lastUse = state.second
            state.sessions[session.id] = held
            self.settle(session.id, &state)
            return (result, victims)
        }
        for (id, expiry) in victims { self.forget(id, expiry) }
        guard !hasClosed else { throw .sessionNotFound }
        guard let result else {
            throw Refusal(
                503, .internalError, "As many sessions are in use as may be, \(self.limits.sessionsMax). Try again.",
                retryAfterSeconds: 5)
        }
        return result
    }

    /// Changes what a session holds, if it holds anything.
    @discardableResult
    private func changeHeld<Result: Sendable>(_ session: UInt128, _ body: (inout Held) -> Result) -> Result? {
        self.state.withLock { state in
            guard var held = state.sessions.removeValue(forKey: session) else { return nil }
            let result = body(&held)
            state.sessions[session] = held
            self.settle(session, &state)
            return result
        }
    }

    /// Keeps the feed in step with what a session wants to hear of, and drops a session that holds nothing.
    private func settle(_ session: UInt128, _ state: inout State) {
        guard let held = state.sessions[session] else { return }
        var filter = ChangeFeed.Filter(uris: held.uris)
        if held.isInitialized || held.streams.values.contains(where: \.isStandalone) {
            filter.kinds = self.announces.intersection(.lists)
        }
        switch (held.subscriber, filter.isEmpty) {
        case (nil, true): break
        case (nil, false):
            let number = self.feed.reserveNumber()
            state.sessions[session]?.subscriber = number
            self.feed.subscribe(number, filter, as: session) { [weak self] change in
                self?.deliver(change, to: session)
            }
        case (let number?, true):
            self.feed.unsubscribe(number)
            state.sessions[session]?.subscriber = nil
        case (let number?, false): self.feed.update(number, filter)
        }
        if held.isEmpty { state.sessions[session] = nil }
    }

    /// Takes out the coldest hundredth of the sessions that hold nothing but preferences.
    private func makeRoom(_ state: inout State) -> [(UInt128, WallTime)] {
        let cold = state.sessions.filter(\.value.isCold).sorted { $0.value.lastUse < $1.value.lastUse }
        let victims = cold.prefix(max(1, self.limits.sessionsMax / 100))
        for (id, held) in victims {
            if let subscriber = held.subscriber { self.feed.unsubscribe(subscriber) }
            state.sessions[id] = nil
        }
        return victims.map { ($0.key, $0.value.expiry) }
    }
}

/// The id of a client's request, for comparison: equal ids are equal however they were written.
struct RequestKey: Hashable, Sendable {
    private let text: [UInt8]
    private let isString: Bool

    /// - Returns: `nil` for what is no id.
    init?(_ slice: JSONSlice, in bytes: Span<UInt8>) {
        switch slice.kind {
        case .string: self.text = Array((slice.string(in: bytes) ?? "").utf8)
        case .number: self.text = slice.range.map { bytes[$0] }
        default: return nil
        }
        self.isString = slice.kind == .string
    }
}

/// Something that a client may cancel.
protocol Withdrawable: AnyObject, Sendable {
    /// Ends it; its client wants no answer.
    func withdraw()
    /// Ends it, since the session that it belongs to has ended.
    func sessionEnded()
}

/// The answer of a client to a question, once it comes.
final class PendingAnswer: Sendable {
    enum Answer: Sendable {
        case result(JSONValue)
        case error(code: Int, message: String)
        /// The session has ended.
        case gone
    }

    private enum State {
        case open
        case awaited(CheckedContinuation<Answer, any Error>)
        case resolved(Answer)
        case cancelled
    }

    private let state = Mutex(State.open)

    /// Waits for the answer.
    /// - Throws: `CancellationError` when the task is cancelled first.
    func value() async throws -> Answer {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Answer, any Error>) in
                let known = self.state.withLock { state -> State? in
                    if case .open = state {
                        state = .awaited(continuation)
                        return nil
                    }
                    return state
                }
                switch known {
                case .resolved(let answer): continuation.resume(returning: answer)
                case .cancelled: continuation.resume(throwing: CancellationError())
                case nil, .open, .awaited: break
                }
            }
        } onCancel: {
            let awaiting = self.state.withLock { state -> CheckedContinuation<Answer, any Error>? in
                defer { state = .cancelled }
                if case .awaited(let continuation) = state { return continuation }
                return nil
            }
            awaiting?.resume(throwing: CancellationError())
        }
    }

    /// The answer has come; later ones change nothing.
    func resolve(_ answer: Answer) {
        let awaiting = self.state.withLock { state -> CheckedContinuation<Answer, any Error>? in
            switch state {
            case .open: state = .resolved(answer)
            case .awaited(let continuation):
                state = .resolved(answer)
                return continuation
            case .resolved, .cancelled: break
            }
            return nil
        }
        awaiting?.resume(returning: answer)
    }
}
