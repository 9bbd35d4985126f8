import Dispatch
package import Logging
import Synchronization
package import TorporCore
import TorporEngine

/// Measures the process a few times a second, decides by ``GovernorStateMachine`` what to do about its memory, and does it.
///
/// Each rung of the ladder is a line in the log when it is entered, with the figures that led to it.
package final class MemoryGovernor: Sendable {
    /// What the governor takes from outside.
    package struct Environment: Sendable {
        package var meter: MemoryMeter
        /// Gives back to the system what the allocator keeps for use again; returns how many bytes. May take a second for
        /// each 10 GiB.
        package var trim: @Sendable () -> Int
        /// The children of hosted servers, if there are any.
        package var children: (any GovernedChildren)?
        package var now: @Sendable () -> Instant
        /// Suspends for so long; throws `CancellationError`.
        package var sleep: @Sendable (Duration) async throws -> Void

        package init(
            meter: MemoryMeter, trim: @escaping @Sendable () -> Int, children: (any GovernedChildren)? = nil,
            now: @escaping @Sendable () -> Instant = { Instant(nanoseconds: SystemTime.monotonicNanoseconds()) },
            sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
        ) {
            self.meter = meter
            self.trim = trim
            self.children = children
            self.now = now
            self.sleep = sleep
        }

        /// The memory of this machine.
        /// - Parameter limit: What the process may take; `nil`: what its control group leaves it, or most of the machine's.
        package init(
            limit: ByteCount?, children: (any GovernedChildren)? = nil, trim: @escaping @Sendable () -> Int
        ) {
            self.init(meter: .machine(explicit: limit, children: children), trim: trim, children: children)
        }
    }

    /// Between two readings while nothing presses.
    static let calmInterval = Duration.seconds(1)
    /// Between two readings while memory is more than half full, or anything is done about it.
    static let busyInterval = Duration.milliseconds(250)

    private struct State {
        var machine: GovernorStateMachine
        /// What children were told last.
        var startsRetryAfter: Duration?
        var drainReason: String?
        var drainWaiter: CheckedContinuation<String?, Never>?
        var hasEnded = false
    }

    private let dispatcher: Dispatcher
    private let environment: Environment
    private let logger: Logger
    private let state: Mutex<State>

    package init(
        _ dispatcher: Dispatcher, limits: GovernorLimits = GovernorLimits(), environment: Environment, logger: Logger
    ) {
        self.dispatcher = dispatcher
        self.environment = environment
        self.logger = logger
        self.state = Mutex(State(machine: GovernorStateMachine(limits: limits, now: environment.now())))
        dispatcher.brake.arm(environment.meter)
    }

    /// How it stands.
    package var report: GovernorReport { self.state.withLock { $0.machine.report } }

    /// Where the limit comes from.
    package var limitSource: String { self.environment.meter.source }

    /// Measures and acts until its task is cancelled.
    package func run() async {
        self.logger.info(
            "memory is governed",
            metadata: [
                "limit": "\(self.environment.meter.limit?.roundedText ?? "none")", "source": "\(self.limitSource)",
            ])
        while !Task.isCancelled {
            await self.pass()
            let pressure = self.report.pressure.value
            let isBusy = pressure >= 0.5 || self.report.rung > .calm
            do { try await self.environment.sleep(isBusy ? Self.busyInterval : Self.calmInterval) } catch { break }
        }
        self.takeDrainWaiter { $0.hasEnded = true }?.resume(returning: nil)
    }

    /// Waits until the process has to end for lack of memory.
    /// - Returns: Why; `nil` when the governor, or this task, has ended without that.
    package func untilDrain() async -> String? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known = self.state.withLock { state -> String?? in
                    if let reason = state.drainReason { return .some(reason) }
                    if state.hasEnded || Task.isCancelled { return .some(nil) }
                    precondition(state.drainWaiter == nil, "one task waits for the drain")
                    state.drainWaiter = continuation
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            self.takeDrainWaiter { _ in }?.resume(returning: nil)
        }
    }

    private func takeDrainWaiter(_ change: (inout State) -> Void) -> CheckedContinuation<String?, Never>? {
        self.state.withLock { state in
            change(&state)
            defer { state.drainWaiter = nil }
            return state.drainWaiter
        }
    }

    /// One reading, and what follows from it.
    func pass() async {
        let (now, readings) = (self.environment.now(), self.readings())
        let decision = self.state.withLock { $0.machine.read(readings, now: now) }
        if let change = decision.change { self.note(change) }
        self.dispatcher.state?.engine.admit(decision.admission)
        self.admitChildren(decision)
        for action in decision.actions { await self.carryOut(action) }
        // Memory may have been given back since the last pass.
        self.dispatcher.brake.release()
    }

    private func readings() -> PressureReadings {
        let meter = self.environment.meter
        let engine = self.dispatcher.state?.engine
        let (held, resident) = engine?.memoryUse ?? (0, 0)
        return PressureReadings(
            stateBusy: ByteCount(held), stateIdle: ByteCount(max(0, resident - held)),
            stateMax: engine?.limits.memory.residentMax ?? ByteCount(1), memoryUsed: meter.used() ?? ByteCount(0),
            memoryMax: meter.limit, stall: meter.stall(), children: self.childReadings())
    }

    private func childReadings() -> ChildReadings {
        guard let children = self.environment.children else { return ChildReadings() }
        // Asked for only while children may be ended for it.
        let mayEnd = self.state.withLock { $0.machine.rung > .calm }
        return ChildReadings(
            used: children.memoryUsed, leaving: mayEnd ? children.memoryLeaving : ByteCount(0),
            idleCount: children.idleCount)
    }

    private func admitChildren(_ decision: GovernorDecision) {
        guard let children = self.environment.children else { return }
        let retryAfter = decision.admission.admitsChildren ? nil : decision.retryAfter
        let isNew = self.state.withLock { state in
            defer { state.startsRetryAfter = retryAfter }
            return state.startsRetryAfter != retryAfter
        }
        if isNew { children.refuseStarts(retryAfter: retryAfter) }
    }

    private func carryOut(_ action: GovernorAction) async {
        switch action {
        case .shortenIdle(let factor): self.freed(self.shortenIdle(by: factor), by: .shortenIdle)
        case .evict(let bytes):
            let freed = self.dispatcher.state?.engine.evict(bytes: bytes) ?? 0
            self.dispatcher.state?.engine.giveMemoryBack()
            self.freed(freed, by: .evictColdest)
        case .endChildren(let bytes, let countMax): self.endChildren(bytes: bytes, atMost: countMax)
        case .trim: self.freed(await self.trim(), by: .trim)
        case .cancelLargest: self.freed(self.cancelLargest(), by: .cancelLargest)
        case .drain(let reason):
            self.dispatcher.brake.refuseAll()
            self.takeDrainWaiter { $0.drainReason = $0.drainReason ?? reason }?.resume(returning: reason)
        }
    }

    private func endChildren(bytes: Int, atMost countMax: Int) {
        guard let ended = self.environment.children?.endIdle(bytes: bytes, atMost: countMax), ended.count > 0 else {
            return
        }
        self.state.withLock { $0.machine.endedChildren(ended.count, freeing: ended.bytes) }
        self.logger.info(
            "children that nobody uses are ended for lack of memory",
            metadata: [
                "children": "\(ended.count)", "held": "\(ByteCount(ended.bytes).roundedText)",
                "reason": "\(self.report.pressure.reason)",
            ])
    }

    private func shortenIdle(by factor: Double) -> Int {
        self.environment.children?.shortenIdle(to: factor)
        guard let engine = self.dispatcher.state?.engine else { return 0 }
        let freed = engine.shortenIdleTimeout(to: factor < 1 ? engine.limits.idleTimeout * factor : nil)
        engine.giveMemoryBack()
        return freed
    }

    /// Off the pool of tasks: it may take a while.
    private func trim() async -> Int {
        let trim = self.environment.trim
        return await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .utility).async { continuation.resume(returning: trim()) }
        }
    }

    private func cancelLargest() -> Int {
        // To cancel what holds little would cost somebody a call, and relieve nothing.
        let least = (self.environment.meter.limit?.bytes ?? 0) / 256
        guard let cancelled = self.dispatcher.cancelLargestCall(holding: least) else { return 0 }
        self.logger.warning(
            "a call was cancelled for lack of memory",
            metadata: [
                "method": "\(cancelled.method)", "name": "\(cancelled.name)",
                "held": "\(ByteCount(cancelled.heldBytes).roundedText)",
            ])
        return max(1, cancelled.heldBytes)
    }

    private func freed(_ bytes: Int, by rung: GovernorRung) {
        self.state.withLock { $0.machine.freed(bytes, by: rung) }
    }

    private func note(_ change: GovernorChange) {
        let level: Logger.Level =
            switch change.to {
            case .calm, .shortenIdle, .evictColdest, .trim: .info
            case .refuseNewState, .refuseLoads, .cancelLargest: .warning
            case .drain: .error
            }
        self.logger.log(
            level: change.to < change.from ? .info : level, "memory pressure changed what is done about it",
            metadata: ["from": "\(change.from.rawValue)", "to": "\(change.to.rawValue)", "reason": "\(change.reason)"])
    }
}
