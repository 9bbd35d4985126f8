import CoreMetrics
import Metrics
import Synchronization
import TorporCore

/// Lets calls run, wait for their turns, or be refused: so many at once, of all callers and of each, and callers take
/// turns. Counts return to zero on every path.
final class CallGate: Sendable {
    private struct State {
        var queue: FairQueue<Caller, Turn<CallWaitEnd>>
        var rates: RateTable<Caller>?
    }

    private let limits: CallLimits
    private let state: Mutex<State>
    private let shed = ShedCounters()
    private let waits = Timer(label: "torpor_call_queue_seconds")
    /// What calls that begin at once are given, so that they allocate nothing.
    private static let noTurn = Turn<CallWaitEnd>()

    init(limits: CallLimits) {
        self.limits = limits
        self.state = Mutex(
            State(
                queue: FairQueue(limits: FairQueueLimits(limits)),
                rates: limits.principalRate.map {
                    RateTable(limits: RateLimits(perSecond: $0.perSecond, burst: $0.burst))
                }))
    }

    /// The calls that run now.
    var runningCount: Int { self.state.withLock { $0.queue.runningTotal } }
    /// The calls that wait for their turns.
    var queuedCount: Int { self.state.withLock { $0.queue.waitingTotal } }

    // MARK: Rates

    /// Counts a message against its sender's rate.
    func count(_ message: IncomingMessage, now: () -> Int64) throws(Refusal) {
        guard self.limits.principalRate != nil else { return }
        let now = Instant(nanoseconds: now())
        let decision = self.state.withLock { $0.rates?.take(Caller(message), now: now) }
        guard case .refused(let wait)? = decision else { return }
        self.shed.rate.increment()
        throw Refusal(
            429, .internalError, "This caller sends more than it may, \(self.limits.principalRate?.text ?? "").",
            retryAfterSeconds: wait.secondsRoundedUp)
    }

    // MARK: Calls

    /// A place in the queue.
    struct Wait {
        let turn: Turn<CallWaitEnd>
        let ticket: FairQueue<Caller, Turn<CallWaitEnd>>.Ticket
        let since: Instant
    }

    /// Counts a call in. One that runs must ``leave(_:)``.
    /// - Parameter mayWait: `false` for a call that another one waits for.
    /// - Returns: What it has to wait for; `nil` when it runs.
    func enter(_ message: IncomingMessage, now: Instant, mayWait: Bool = true) throws(Refusal) -> Wait? {
        let (entry, turn, isFull) = self.state.withLock { state in
            let turn = state.queue.hasRoom ? Self.noTurn : Turn()
            let isFull =
                state.queue.runningTotal >= self.limits.callsMax
                && (state.queue.waitingTotal >= self.limits.queuedMax || !mayWait)
            let entry = state.queue.enter(turn, from: Caller(message), now: now)
            guard case .queued(let ticket) = entry, !mayWait else { return (entry, turn, isFull) }
            _ = state.queue.cancel(ticket)
            return (.refused(.queueFull), turn, isFull)
        }
        switch entry {
        case .start: return nil
        case .queued(let ticket): return Wait(turn: turn, ticket: ticket, since: now)
        case .refused where isFull: throw self.fullRefusal()
        case .refused: throw self.callerFullRefusal()
        }
    }

    /// Waits for a turn, until it has come or the task is cancelled.
    func wait(_ wait: Wait, now: @Sendable () -> Int64) async -> CallWaitEnd {
        let end = await withTaskCancellationHandler {
            await wait.turn.wait()
        } onCancel: {
            // Unless its turn has come meanwhile.
            if self.state.withLock({ $0.queue.cancel(wait.ticket) }) != nil { wait.turn.end(.cancelled) }
        }
        self.waits.recordNanoseconds(now() - wait.since.nanoseconds)
        return end
    }

    /// A call is over before it has waited.
    /// - Returns: Whether it counts as running.
    func giveUp(_ wait: Wait?) -> Bool {
        guard let wait else { return true }
        return self.state.withLock { $0.queue.cancel(wait.ticket) } == nil
    }

    /// Counts a call out that ran, and lets the next one run.
    func leave(_ message: IncomingMessage) {
        let next = self.state.withLock { $0.queue.finished(Caller(message)) }
        next?.item.end(.begun)
    }

    /// Refuses calls that have waited for as long as they may.
    func expire(now: Instant) {
        let expired = self.state.withLock { state in
            state.rates?.forgetFull(now: now, lookingAt: 64)
            return state.queue.expire(now: now)
        }
        for waiting in expired { waiting.item.end(.expired) }
    }

    // MARK: Refusals

    private func fullRefusal() -> Refusal {
        self.shed.calls.increment()
        return Refusal(
            503, .internalError,
            """
            The server runs as many calls as it may, \(self.limits.callsMax), and no more may wait. Try again in a second.
            """,
            retryAfterSeconds: 1)
    }

    private func callerFullRefusal() -> Refusal {
        self.shed.principal.increment()
        return Refusal(
            429, .internalError, "This caller has as many calls running and waiting as it may. Wait for one to end.",
            retryAfterSeconds: 1)
    }

    /// The answer to a call that has waited for as long as it may.
    func expiredRefusal() -> Refusal {
        self.shed.deadline.increment()
        return Refusal(
            503, .internalError,
            "The server is busy: the call waited \(self.limits.queueTimeout.text) for its turn. Try again in a second.",
            retryAfterSeconds: 1)
    }

    /// The answer to a call that waited for memory.
    func shortOfMemoryRefusal() -> Refusal {
        self.shed.memory.increment()
        return Refusal(
            503, .internalError, "The server is short of memory and begins no call now. Try again in a few seconds.",
            retryAfterSeconds: 5)
    }
}

/// How a call's wait to run has ended.
enum CallWaitEnd: Sendable {
    /// It runs from now on, and counts as running.
    case begun
    /// It has waited for as long as it may.
    case expired
    /// Nobody wants it any more.
    case cancelled
}

/// Requests that were refused, by reason.
private struct ShedCounters: Sendable {
    let calls = Self.counter("calls")
    let principal = Self.counter("principal")
    let rate = Self.counter("rate")
    let deadline = Self.counter("deadline")
    let memory = Self.counter("memory")

    private static func counter(_ reason: String) -> Counter {
        Counter(label: "torpor_shed_requests_total", dimensions: [("reason", reason)])
    }
}

extension FairQueueLimits {
    fileprivate init(_ limits: CallLimits) {
        self.init(
            runningMax: limits.callsMax, callerRunningMax: limits.principalCallsMax.map { min($0, limits.callsMax) },
            waitingMax: limits.queuedMax, callerWaitingMax: limits.principalQueuedMax.map { min($0, limits.queuedMax) },
            waitMax: limits.queueTimeout)
    }
}

/// Who is counted: a principal, or the address of an anonymous caller.
package enum Caller: Hashable, Sendable {
    case principal(Principal), address(String), unknown

    init(_ message: IncomingMessage) {
        if let principal = message.principal {
            self = .principal(principal)
        } else {
            self = message.address.map(Caller.address) ?? .unknown
        }
    }
}

/// Counts the open subscriptions of each caller, and refuses those beyond the limit.
final class ListenGate: Sendable {
    private let listensMax: Int
    private let open = Mutex<[Caller: Int]>([:])

    init(listensMax: Int) { self.listensMax = listensMax }

    /// The subscriptions that are open now.
    var count: Int { self.open.withLock { $0.values.reduce(0, +) } }

    /// Counts a subscription in, which must ``leave(_:)``.
    func enter(_ message: IncomingMessage) throws(Refusal) {
        let isAdmitted = self.open.withLock { open in
            guard open[Caller(message), default: 0] < self.listensMax else { return false }
            open[Caller(message), default: 0] += 1
            return true
        }
        guard !isAdmitted else { return }
        throw Refusal(
            429, .internalError, "This caller listens as often as it may, \(self.listensMax) times. Close one first.",
            retryAfterSeconds: 1)
    }

    func leave(_ message: IncomingMessage) {
        self.open.withLock { open in
            guard let count = open[Caller(message)] else { preconditionFailure("a subscription leaves once") }
            open[Caller(message)] = count > 1 ? count - 1 : nil
        }
    }
}
