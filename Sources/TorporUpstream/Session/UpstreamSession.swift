import TorporCore
import TorporJSON
package import TorporProtocol
import Synchronization

/// A conversation with a foreign MCP server of any revision, as its client.
///
/// Everything is bounded by ``UpstreamLimits``, and whatever the server does wrong ends as an ``UpstreamError`` of the
/// requests that it concerns. Requests are made by any number of tasks at once; each holds nothing but its own.
package final class UpstreamSession: Sendable {
    struct State {
        var machine: ConversationStateMachine
        var calls: [RequestNumber: CallWaiter] = [:]
        /// Who waits for the conversation to open, or to be open again.
        var openers: [Int: CheckedContinuation<Result<UpstreamServer, UpstreamError>, Never>] = [:]
        var lastOpener = 0
        /// What the last handshake, or the end, came to.
        var opened: Result<UpstreamServer, UpstreamError>?
        var logLevel: LogLevel?
        /// When the timer wakes next.
        var wakesAt: Instant?
        /// Bytes of answers that were not taken.
        var untakenBytes = 0
        var isReading = true
    }

    let transport: any UpstreamTransport
    let timer: any UpstreamTimer
    let limits: UpstreamLimits
    let client: UpstreamClient
    /// What every request to a modern server says of this side.
    let modernMeta: [UInt8]
    let events: @Sendable (UpstreamEvent) -> Void
    let state: Mutex<State>

    private init(
        _ transport: any UpstreamTransport, as client: UpstreamClient, limits: UpstreamLimits,
        timer: any UpstreamTimer, events: @escaping @Sendable (UpstreamEvent) -> Void
    ) {
        self.transport = transport
        self.timer = timer
        self.limits = limits
        self.client = client
        self.modernMeta = RequestMeta.modern(.v2026_07_28, identity: client.info, capabilities: client.capabilities)
        self.events = events
        self.state = Mutex(
            State(
                machine: ConversationStateMachine(client: client, limits: limits, hasStreams: transport.hasStreams)))
    }

    /// Opens a conversation: finds out which era the server speaks, and agrees with it on a revision.
    ///
    /// On return requests can be made. The session lives, and holds on to its transport, until it is closed or has
    /// ended.
    /// - Parameters:
    ///   - transport: Belongs to the session from now on; it is closed when opening fails.
    ///   - known: The era that this server spoke before. That of a legacy server spares it a question that some do not
    ///     survive.
    ///   - timeLimit: For the server to introduce itself, start included.
    ///   - events: Hears what belongs to no request, in order. Called on whatever thread the transport runs; must not
    ///     wait.
    /// - Throws: ``UpstreamError``: ``UpstreamError/Code/endedAtProbe`` when a legacy server should be started anew and
    ///   opened as such. `CancellationError`. The transport is closed then.
    package static func open(
        over transport: some UpstreamTransport, as client: UpstreamClient, known: ProtocolRevision.Era? = nil,
        timeLimit: Duration, limits: UpstreamLimits = UpstreamLimits(), timer: any UpstreamTimer,
        events: @escaping @Sendable (UpstreamEvent) -> Void = { _ in }
    ) async throws -> UpstreamSession {
        let session = UpstreamSession(transport, as: client, limits: limits, timer: timer, events: events)
        // Decided before anything can come, and carried out when there is something to send over.
        let begin = session.state.withLock {
            $0.machine.open(known: known, timeLimit: timeLimit, now: session.timer.now)
        }
        transport.open(session)
        session.carryOut { _ in begin }
        return try await withTaskCancellationHandler {
            do {
                _ = try await session.untilOpen()
            } catch {
                // Cancelled is what it is, whatever it came to meanwhile.
                try Task.checkCancellation()
                throw error
            }
            try Task.checkCancellation()
            return session
        } onCancel: {
            session.close()
        }
    }

    // MARK: What is known of the server

    /// What the server last said of itself; what it said before when it has ended.
    package var server: UpstreamServer? { self.state.withLock { try? $0.opened?.get() } }  // `nil` once it has failed

    /// What the server did that the protocol does not have.
    package var faults: FaultCounts { self.state.withLock { $0.machine.faults } }

    /// The level of log messages that the server was told last, if it was told any.
    package var logLevel: LogLevel? { self.state.withLock { $0.logLevel } }

    /// Requests that have no answer yet.
    package var requestsUnderWay: Int { self.state.withLock { $0.calls.count } }

    /// Whether arguments of tools are sent in headers, too, where their schemas say so: to a modern server over HTTP.
    package var mirrorsArguments: Bool { self.transport.hasStreams && self.server?.revision.era == .modern }

    // MARK: The end

    /// Ends the conversation; requests under way fail with ``UpstreamError/Code/ended``. Never waits.
    package func close() { self.carryOut { $0.machine.close() } }

    /// Returns when the transport is closed. To be called after ``close()``, or after the event that tells of the end.
    package func closed() async { await self.transport.closed() }

    // MARK: Steps

    /// Waits until requests can be made.
    func untilOpen() async throws(UpstreamError) -> UpstreamServer {
        let number = self.state.withLock { state in
            state.lastOpener += 1
            return state.lastOpener
        }
        let result: Result<UpstreamServer, UpstreamError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known = self.state.withLock { state -> Result<UpstreamServer, UpstreamError>? in
                    if case .opening = state.machine.reserve(), !Task.isCancelled {
                        state.openers[number] = continuation
                        return nil
                    }
                    return state.opened ?? .failure(Self.givenUp)
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            self.state.withLock { $0.openers.removeValue(forKey: number) }?.resume(returning: .failure(Self.givenUp))
        }
        return try result.get()
    }

    private static let givenUp = UpstreamError(.ended, "Nobody waits any more for the server to introduce itself.")

    /// Lets the machine decide, and does what it says.
    func carryOut(_ decide: (inout State) -> [ConversationStateMachine.Action]) {
        let (work, wake) = self.state.withLock { state in
            let actions = decide(&state)
            // The rule, and nothing that comes due.
            let isAnswer = if actions.count == 1, case .answer = actions[0] { true } else { false }
            let work = self.prepare(actions, &state)
            return (work, isAnswer ? nil : self.nextWake(&state))
        }
        self.perform(work)
        if let wake { self.arm(wake) }
    }

    /// What is left to do when the lock is released.
    enum Work {
        case finish(CallWaiter, Result<UpstreamAnswer, any Error>)
        case notice(CallWaiter, Notice, bytes: Int)
        case ask(CallWaiter, Ask)
        case takeBack(CallWaiter, AskNumber)
        case opened(
            [CheckedContinuation<Result<UpstreamServer, UpstreamError>, Never>], Result<UpstreamServer, UpstreamError>)
        case begin(UpstreamServer)
        case tell(UpstreamEvent)
        case closeStream(RequestNumber)
        case setReading(Bool)
        case flush
        case close
    }

    /// Messages are handed to the transport under the lock, so that their order is that of the decisions: a request
    /// goes before what cancels it. The transport only takes them then.
    func prepare(_ actions: [ConversationStateMachine.Action], _ state: inout State) -> [Work] {
        var work: [Work] = []
        for action in actions {
            switch action {
            case .send(let message):
                // What is not a call can be left out: a full pipe to a server that does not read ends by time.
                _ = self.transport.send(message)
                work.append(.flush)
            case .closeStream(let number): work.append(.closeStream(number))
            case .answer(let number, let answer):
                guard let call = state.calls.removeValue(forKey: number) else { continue }
                state.untakenBytes += answer.bytes.count
                if state.isReading, state.untakenBytes > self.limits.untakenBytesMax {
                    state.isReading = false
                    work.append(.setReading(false))
                }
                work.append(.finish(call, .success(answer)))
            case .fail(let number, let error):
                guard let call = state.calls.removeValue(forKey: number) else { continue }
                work.append(.finish(call, .failure(error)))
            case .notice(let number, let notice, let bytes):
                if let call = state.calls[number] { work.append(.notice(call, notice, bytes: bytes)) }
            case .ask(let number, let ask):
                if let call = state.calls[number] { work.append(.ask(call, ask)) }
            case .cancelAsk(let number, let ask):
                if let call = state.calls[number] { work.append(.takeBack(call, ask)) }
            case .opened(let server):
                work.append(.begin(server))
                work.append(self.release(.success(server), &state))
            case .openingFailed(let error): work.append(self.release(.failure(error), &state))
            case .tell(let event):
                if case .ended(let error) = event { work.append(self.release(.failure(error), &state)) }
                work.append(.tell(event))
            case .close: work.append(.close)
            }
        }
        return work
    }

    private func release(_ result: Result<UpstreamServer, UpstreamError>, _ state: inout State) -> Work {
        state.opened = result
        let openers = Array(state.openers.values)
        state.openers = [:]
        return .opened(openers, result)
    }

    func perform(_ work: [Work]) {
        for work in work {
            switch work {
            case .flush: self.transport.flush()
            case .finish(let call, let outcome):
                // Given up by its caller just now, who does not take it.
                if !call.finish(outcome), case .success(let answer) = outcome { self.leave(answer) }
            case .notice(let call, let notice, let bytes): call.add(notice, bytes: bytes)
            case .ask(let call, let ask): call.add(ask)
            case .takeBack(let call, let ask): call.takeBack(ask)
            case .opened(let openers, let result): for opener in openers { opener.resume(returning: result) }
            case .begin(let server): self.transport.opened(server)
            case .tell(let event): self.events(event)
            case .closeStream(let number): self.transport.closeStream(of: number)
            case .setReading(let isReading): self.transport.setReading(isReading)
            case .close: self.transport.close()
            }
        }
    }

    /// An answer is not held here any more.
    func leave(_ answer: UpstreamAnswer) {
        let resumes = self.state.withLock { state in
            state.untakenBytes -= answer.bytes.count
            guard !state.isReading, state.untakenBytes <= self.limits.untakenBytesMax / 2 else { return false }
            state.isReading = true
            return true
        }
        if resumes { self.transport.setReading(true) }
    }

    // MARK: Time

    /// When the timer has to be set, because something is due before it wakes.
    private func nextWake(_ state: inout State) -> Instant? {
        guard let due = state.machine.nextDeadline else { return nil }
        return Self.wake(at: due, &state)
    }

    static func wake(at due: Instant, _ state: inout State) -> Instant? {
        if let wakesAt = state.wakesAt, wakesAt <= due { return nil }
        state.wakesAt = due
        return due
    }

    func arm(_ instant: Instant) {
        self.timer.wake(at: instant) { [weak self] in self?.woken(at: instant) }
    }

    private func woken(at instant: Instant) {
        self.carryOut { state in
            // An earlier wake-up was asked for after this one, and this is the one that counts no more.
            guard state.wakesAt == instant else { return [] }
            state.wakesAt = nil
            return state.machine.tick(now: self.timer.now)
        }
    }
}

extension UpstreamSession: UpstreamReceiver {
    package func received(_ message: IncomingMessage) {
        self.carryOut { $0.machine.received(message, now: self.timer.now) }
    }

    package func requestFailed(_ request: RequestNumber, _ error: UpstreamError) {
        self.carryOut { $0.machine.requestFailed(request, error, now: self.timer.now) }
    }

    package func ended(_ error: UpstreamError) { self.carryOut { $0.machine.transportEnded(error) } }
}
