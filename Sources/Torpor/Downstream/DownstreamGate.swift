package import CoreMetrics
package import Logging
import Metrics
import Synchronization
package import TorporCore

/// Lets calls to one downstream be made, wait or fail, and tries again what may be tried again. Shared by all calls.
///
/// It holds a ``DownstreamStateMachine`` and carries out what that decides. Each place that was taken is given back on
/// every path, and each call that waits is started or refused once.
package final class DownstreamGate: Sendable {
    typealias Machine = DownstreamStateMachine<Caller, Turn<WaitEnd>>

    /// How a call's wait for its turn has ended.
    enum WaitEnd: Sendable {
        /// It has a place, which is to be given back.
        case started(Machine.Pass)
        case refused(Machine.Refusal)
        /// It has waited for as long as it may.
        case expired
        /// Nobody wants it any more.
        case cancelled
    }

    package let name: String
    package let limits: DownstreamLimits
    private let time: DownstreamTime
    private let metrics: DownstreamMetrics
    private let state: Mutex<State>

    private struct State {
        var machine: Machine
        /// How the breaker stood at the last change.
        var standing = CircuitBreaker.Standing.closed

        func figures(now: Instant) -> Figures {
            Figures(
                running: self.machine.running, waiting: self.machine.waiting,
                breaker: self.machine.standing(now: now))
        }
    }

    package init(
        _ name: String, limits: DownstreamLimits = DownstreamLimits(), time: DownstreamTime = .system,
        metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        let now = time.now()
        self.name = name
        self.limits = limits
        self.time = time
        self.metrics = DownstreamMetrics(name, factory: metrics)
        self.state = Mutex(
            State(
                machine: Machine(
                    bulkhead: limits.bulkhead, breaker: limits.breaker.limits, retries: limits.retries.limits,
                    now: now)))
    }

    /// How it stands now.
    package struct Figures: Hashable, Sendable {
        package var running: Int
        package var waiting: Int
        package var breaker: CircuitBreaker.Standing

        package init(running: Int, waiting: Int, breaker: CircuitBreaker.Standing) {
            self.running = running
            self.waiting = waiting
            self.breaker = breaker
        }
    }

    package var figures: Figures {
        let now = self.time.now()
        return self.state.withLock { $0.figures(now: now) }
    }

    // MARK: Runs

    /// Runs `body`; see ``DownstreamCall/run(isRetryable:judge:_:)``.
    /// - Parameter caller: Whom it is counted for: callers that wait take turns.
    package func run<Value: Sendable>(
        for caller: Caller, isRetryable: Bool, logger: Logger,
        judge: @escaping @Sendable (any Error) -> DownstreamVerdict,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let pass = try await self.enter(caller)
        let isOver = Atomic(false)
        let result = await withTaskGroup(of: Result<Value, any Error>?.self) { group in
            group.addTask { @Sendable in
                do {
                    return .success(
                        try await self.tries(pass, caller, isRetryable, logger, isOver, judge, body))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask { @Sendable in
                // Cancelled when the run has ended, or nobody waits for it any more.
                guard (try? await self.time.sleep(self.limits.durationMax)) != nil else { return nil }
                isOver.store(true, ordering: .releasing)
                return nil
            }
            while let event = await group.next() {
                if let event {
                    group.cancelAll()
                    return event
                }
                if isOver.load(ordering: .acquiring) { group.cancelAll() }
            }
            preconditionFailure("a run has an end")
        }
        return try result.get()
    }

    /// Runs `body` until it has succeeded or may not be tried again.
    private func tries<Value: Sendable>(
        _ pass: Machine.Pass, _ caller: Caller, _ isRetryable: Bool, _ logger: Logger, _ isOver: borrowing Atomic<Bool>,
        _ judge: @Sendable (any Error) -> DownstreamVerdict, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        var pass = pass
        var retries = 0
        while true {
            let begin = self.time.now()
            let failure: any Error
            let verdict: DownstreamVerdict
            do {
                let value = try await body()
                self.ended(pass, .success, since: begin, logger)
                return value
            } catch {
                if isOver.load(ordering: .acquiring) {
                    self.ended(pass, .timedOut, since: begin, logger)
                    throw DownstreamError(timedOut: self.name, after: self.limits.durationMax)
                }
                if Task.isCancelled || error is CancellationError {
                    self.ended(pass, .cancelled, since: begin, logger)
                    throw CancellationError()
                }
                failure = error
                verdict = judge(error)
                self.ended(pass, DownstreamEnd(verdict), since: begin, logger)
            }
            guard isRetryable, let pause = self.pause(before: retries, after: verdict),
                self.change({ machine, now in machine.retry(now: now) })
            else { throw failure }
            retries += 1
            self.metrics.retried()
            do {
                try await self.time.sleep(pause)
                pass = try await self.enter(caller)
            } catch let error {
                // There is no other try: the failure is the answer, unless nobody wants one.
                if error is CancellationError, !isOver.load(ordering: .acquiring) { throw error }
                throw failure
            }
        }
    }

    /// How long to wait before another try; `nil` when there is none.
    private func pause(before retries: Int, after verdict: DownstreamVerdict) -> Duration? {
        let limits = self.limits.retries
        guard retries < limits.perRunMax else { return nil }
        let asked: Duration
        switch verdict {
        case .refused(retryAfter: nil): return nil
        case .refused(let retryAfter?), .failed(let retryAfter?): asked = retryAfter
        case .failed(retryAfter: nil): asked = .zero
        }
        guard asked <= limits.pauseMax else { return nil }
        let doubled = min(limits.pauseMin * (1 << retries), limits.pauseMax)
        return max(asked, doubled * ((1 + self.time.jitter()) / 2))
    }

    // MARK: Places

    /// Takes a place, once there is one.
    /// - Returns: What is to be given back with ``ended(_:_:since:_:)``.
    private func enter(_ caller: Caller) async throws -> Machine.Pass {
        try Task.checkCancellation()
        let turn = Turn<WaitEnd>()
        let entry = self.change { machine, now -> Machine.Entry in
            let entry = machine.enter(turn, from: caller, now: now)
            // Where nobody may wait, it is not for what this caller has waiting.
            if case .refused(.callerQueueFull) = entry, machine.waiting >= self.limits.waitingMax {
                return .refused(.queueFull)
            }
            return entry
        }
        switch entry {
        case .start(let pass): return pass
        case .refused(let refusal): throw self.refused(refusal)
        case .queued(let ticket):
            switch await self.wait(turn, ticket) {
            case .started(let pass):
                guard Task.isCancelled else { return pass }
                self.release(pass, .unknown)
                throw CancellationError()
            case .refused(let refusal): throw self.refused(refusal)
            case .expired:
                self.metrics.refused(.expired)
                throw DownstreamError(expired: self.name, after: self.limits.waitMax)
            case .cancelled: throw CancellationError()
            }
        }
    }

    private func wait(_ turn: Turn<WaitEnd>, _ ticket: Machine.Ticket) async -> WaitEnd {
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    guard (try? await self.time.sleep(self.limits.waitMax)) != nil else { return }
                    self.leaveQueue(turn, ticket, .expired)
                }
                let end = await turn.wait()
                group.cancelAll()
                return end
            }
        } onCancel: {
            self.leaveQueue(turn, ticket, .cancelled)
        }
    }

    /// Ends a wait, unless its turn has come meanwhile.
    private func leaveQueue(_ turn: Turn<WaitEnd>, _ ticket: Machine.Ticket, _ end: WaitEnd) {
        let item = self.change { machine, _ in machine.cancel(ticket) }
        item?.end(end)
    }

    private func ended(_ pass: Machine.Pass, _ end: DownstreamEnd, since begin: Instant, _ logger: Logger) {
        self.metrics.ended(end, after: self.time.now().since(begin))
        guard self.release(pass, end.outcome) else { return }
        logger.warning("a downstream keeps failing and is left alone", metadata: ["downstream": "\(self.name)"])
    }

    /// Gives a place back.
    /// - Returns: Whether the breaker has opened because of it.
    @discardableResult
    private func release(_ pass: Machine.Pass, _ outcome: CircuitBreaker.Outcome) -> Bool {
        let jitter = self.time.jitter()
        let (actions, hasOpened) = self.change { machine, now in
            let openings = machine.openings
            let actions = machine.ended(pass, outcome, now: now, jitter: jitter)
            return (actions, machine.openings > openings)
        }
        for action in actions {
            switch action {
            case .start(let turn, let pass): turn.end(.started(pass))
            case .refuse(let turn, let refusal): turn.end(.refused(refusal))
            }
        }
        return hasOpened
    }

    private func refused(_ refusal: Machine.Refusal) -> DownstreamError {
        self.metrics.refused(DownstreamMetrics.Reason(refusal))
        return switch refusal {
        case .open(let retryAfter): DownstreamError(open: self.name, retryAfter: retryAfter)
        case .queueFull: DownstreamError(queueFull: self.name)
        case .callerQueueFull: DownstreamError(callerQueueFull: self.name)
        }
    }

    /// Changes the machine, and then its gauges by the difference, so that the order in which threads do that is all
    /// the same.
    private func change<Value: Sendable>(_ body: (inout Machine, Instant) -> Value) -> Value {
        let now = self.time.now()
        let (value, before, after) = self.state.withLock { state in
            var before = state.figures(now: now)
            before.breaker = state.standing
            let value = body(&state.machine, now)
            let after = state.figures(now: now)
            state.standing = after.breaker
            return (value, before, after)
        }
        self.metrics.changed(from: before, to: after)
        return value
    }
}
