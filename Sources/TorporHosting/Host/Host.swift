import Logging
import Synchronization
package import TorporCore
import TorporProtocol
import TorporUpstream

/// Keeps the children of one hosted server: the shell around ``HostStateMachine``.
///
/// The machine decides under a lock, which also guards who is being started, is up, or is being stopped; what takes time
/// happens in tasks after it was released, which ``end(grace:)`` waits for.
package final class Host: Sendable {
    /// What is told of children.
    enum Event: Sendable {
        /// One is up, for the key that it is told with.
        case started
        case said(UpstreamEvent)
    }

    /// What there is of a child beside what the machine knows.
    private struct Slot {
        /// `nil` for a spare.
        var key: HostKey?
        let launching: Task<any Launched, any Error>
        var launched: (any Launched)?
        /// Its conversation has ended by itself.
        var hasEnded = false
        var isStopping = false
        var calls = 0
    }

    private struct State {
        var machine: HostStateMachine
        var slots: [ChildNumber: Slot] = [:]
        /// The calls that wait, and who makes them.
        var turns: [HostCallID: (turn: HostTurn, key: HostKey)] = [:]
        /// The callers that wait for the child of a key.
        var callers: [HostKey: (first: HostCaller, count: Int)] = [:]
        /// The calls that are held, and what to tell whoever holds one when its child is lost.
        var failing: [HostCallID: (placed: Placed, tell: @Sendable (HostFailure) -> Void)] = [:]
        /// What is to be told once the lock is released.
        var told: [@Sendable () -> Void] = []
        var lastCall: UInt64 = 0
        /// Tasks that start, watch or stop children.
        var taskCount = 0
        var drained: [CheckedContinuation<Void, Never>] = []
        var ticking: Task<Void, Never>?
        /// What was said when the last start failed. For operators: it may come from another client's files.
        var lastFailure: String?
        /// What is said of the start that fails now.
        var failure: String?
    }

    /// How often the machine is told that time passes.
    private static let tick = Duration.milliseconds(250)

    package let name: String
    package let limits: HostLimits
    private let launcher: any Launcher
    private let logger: Logger
    private let now: @Sendable () -> Instant
    private let delegate = Mutex<(@Sendable () -> (any HostDelegate)?)>({ nil })
    private let state: Mutex<State>

    init(
        _ name: String, _ launcher: any Launcher, limits: HostLimits, logger: Logger,
        now: @escaping @Sendable () -> Instant
    ) {
        self.name = name
        self.limits = limits
        self.launcher = launcher
        self.logger = logger
        self.now = now
        self.state = Mutex(State(machine: HostStateMachine(limits: limits)))
    }

    /// Who hears of the children. Not kept.
    func setDelegate(_ delegate: some HostDelegate) {
        self.delegate.withLock { $0 = { [weak delegate] in delegate } }
    }

    private func tell(_ key: HostKey?, _ session: UpstreamSession?, _ event: Event) {
        self.delegate.withLock { $0 }()?.heard(key, session, event)
    }

    // MARK: Figures

    package var figures: HostFigures { self.state.withLock { $0.machine.figures } }

    /// Whether starts fail, and with what.
    package var failure: String? {
        let now = self.now()
        return self.state.withLock { $0.machine.isFailing(now: now) ? $0.lastFailure ?? "starts fail" : nil }
    }

    /// A child as operators see it.
    package struct ChildReport: Sendable {
        package let number: UInt64
        package let key: HostKey?
        package let pid: Int32?
        package let calls: Int
        package let memory: ByteCount?
    }

    /// The children that are up.
    package var children: [ChildReport] {
        let slots = self.state.withLock { $0.slots }
        return slots.sorted { $0.key < $1.key }.compactMap { number, slot in
            slot.launched.map {
                ChildReport(
                    number: number.number, key: slot.key, pid: $0.pid, calls: slot.calls, memory: $0.memory())
            }
        }
    }

    // MARK: Calls

    /// A call that has a child.
    struct Placed: Sendable {
        let id: HostCallID
        let child: ChildNumber
        let launched: any Launched
    }

    /// Waits for the child of a key. Its use is to be ended, by ``end(_:)``.
    /// - Throws: ``Refusal``, `CancellationError`.
    func place(_ caller: HostCaller) async throws -> Placed {
        while true {
            let (id, end) = await self.turn(of: caller)
            switch end {
            case .cancelled: throw CancellationError()
            case .refused(let refusal, let failure): throw Refusal(refusal, at: self.name, failure)
            case .child(let child):
                guard let placed = self.take(child, for: id) else {
                    // It has gone and had not been spoken to: the next one is waited for, once it is known to be gone.
                    try await Task.sleep(for: .milliseconds(10))
                    continue
                }
                guard !Task.isCancelled else {
                    self.end(placed)
                    throw CancellationError()
                }
                return placed
            }
        }
    }

    private func turn(of caller: HostCaller) async -> (HostCallID, HostTurn.End) {
        let key = caller.key
        let now = self.now()
        let turn = HostTurn()
        let (id, early) = self.state.withLock { state -> (HostCallID, HostTurn.End?) in
            state.lastCall += 1
            let id = HostCallID(state.lastCall)
            switch state.machine.call(id, for: key, of: caller.account, now: now) {
            case .use(let child): return (id, .child(child))
            case .refuse(let refusal): return (id, .refused(refusal, nil))
            case .wait(let actions):
                state.turns[id] = (turn, key)
                state.callers[key, default: (caller, 0)].count += 1
                self.apply(actions, &state)
                return (id, nil)
            }
        }
        if let early { return (id, early) }
        let end = await withTaskCancellationHandler {
            await turn.wait()
        } onCancel: {
            let now = self.now()
            var isWaiting = false
            self.change { state in
                guard let actions = state.machine.cancelled(id, now: now) else { return [] }
                _ = Self.endWait(id, &state)
                isWaiting = true
                return actions
            }
            if isWaiting { turn.end(.cancelled) }
        }
        return (id, end)
    }

    /// The call has the child from now on; `nil` when that is up no more.
    private func take(_ child: ChildNumber, for id: HostCallID) -> Placed? {
        let now = self.now()
        var placed: Placed?
        self.change { state in
            guard let slot = state.slots[child], !slot.isStopping, !slot.hasEnded, let launched = slot.launched else {
                return state.machine.callEnded(id, now: now)
            }
            placed = Placed(id: id, child: child, launched: launched)
            state.slots[child]?.calls += 1
            if slot.calls == 0 { launched.setBusy(true) }
            return []
        }
        return placed
    }

    /// The call has ended, whichever way.
    func end(_ placed: Placed) {
        let now = self.now()
        self.change { state in
            state.failing[placed.id] = nil
            Self.leave(placed, &state)
            return state.machine.callEnded(placed.id, now: now)
        }
    }

    private static func leave(_ placed: Placed, _ state: inout State) {
        guard let calls = state.slots[placed.child]?.calls else { return }
        state.slots[placed.child]?.calls = calls - 1
        if calls == 1 { placed.launched.setBusy(false) }
    }

    /// The call waits for its client's answer, and keeps its child until then.
    /// - Parameter failing: Told when it is given up before that; then the call has ended.
    func hold(_ placed: Placed, failing: @escaping @Sendable (HostFailure) -> Void) throws(Refusal) {
        let now = self.now()
        var refusal: HostRefusal?
        var isGone = false
        self.change { state in
            switch state.machine.hold(placed.id, now: now) {
            case .hold(let actions):
                state.failing[placed.id] = (placed, failing)
                return actions
            case .refuse(let reason): refusal = reason
            case .gone: isGone = true
            }
            return []
        }
        if let refusal { throw Refusal(refusal, at: self.name, nil) }
        if isGone { throw .childGone(self.name) }
    }

    /// The client's answer has come.
    /// - Returns: `false` when the call was given up before.
    func resume(_ placed: Placed) -> Bool {
        self.state.withLock { state in
            state.failing[placed.id] = nil
            return state.machine.resume(placed.id) != .gone
        }
    }

    /// Nothing of a key is needed any more. Its child stops when its calls have ended.
    func retire(_ key: HostKey) {
        let now = self.now()
        self.change { $0.machine.retire(key, now: now) }
    }

    /// Memory is short: ends children that nobody uses.
    /// - Returns: How many there were to end.
    package func relieve(atMost count: Int) -> Int {
        let now = self.now()
        var ended = 0
        self.change { state in
            let actions = state.machine.relieve(atMost: count, now: now)
            ended = actions.count
            return actions
        }
        return ended
    }

    // MARK: Life

    /// Begins to keep children. ``end(grace:)`` is to follow.
    func begin() { self.state.withLock { $0.ticking = Task { await self.passTime() } } }

    /// Lets calls end that have a child, and ends all children. On return none is left, and all folders are saved that
    /// could be.
    /// - Parameter grace: How long calls may take; then they fail.
    func end(grace: Duration) async {
        await self.stopAll(grace: grace)
        let ticking = self.state.withLock { $0.ticking }
        ticking?.cancel()
        await ticking?.value
    }

    private func passTime() async {
        // Cancelled when no child is left.
        while (try? await Task.sleep(for: Self.tick)) != nil {
            let now = self.now()
            self.change { $0.machine.tick(now: now, jitter: .random(in: 0...1)) }
        }
    }

    private func stopAll(grace: Duration) async {
        let now = self.now()
        self.change { $0.machine.drain(now: now) }
        let deadline = Task {
            guard (try? await Task.sleep(for: grace)) != nil else { return }  // Cancelled when all have ended.
            let now = self.now()
            self.change { $0.machine.abandon(now: now) }
        }
        await withCheckedContinuation { continuation in
            let isDrained = self.state.withLock { state in
                if !Self.isDone(state) { state.drained.append(continuation) }
                return Self.isDone(state)
            }
            if isDrained { continuation.resume() }
        }
        deadline.cancel()
        await deadline.value
    }

    private static func isDone(_ state: borrowing State) -> Bool {
        guard state.taskCount == 0 else { return false }
        return state.machine.isDrained
    }

    // MARK: Steps

    /// Lets something happen, and sees to what follows.
    private func change(_ event: (inout State) -> [HostStateMachine.Action]) {
        let (told, drained) = self.state.withLock { state in
            self.apply(event(&state), &state)
            let isDone = Self.isDone(state)
            defer {
                state.told = []
                if isDone { state.drained = [] }
            }
            return (state.told, isDone ? state.drained : [])
        }
        for tell in told { tell() }
        for continuation in drained { continuation.resume() }
    }

    /// Does what the machine said. Nothing here waits.
    private func apply(_ actions: [HostStateMachine.Action], _ state: inout State) {
        for action in actions {
            switch action {
            case .use(let call, let child): Self.endWait(call, &state)?.end(.child(child))
            case .refuse(let call, let refusal):
                Self.endWait(call, &state)?.end(.refused(refusal, refusal.reason == .startFailed ? state.failure : nil))
            case .fail(let call, let failure):
                guard let (placed, tell) = state.failing.removeValue(forKey: call) else { continue }
                Self.leave(placed, &state)
                state.told.append { tell(failure) }
            case .start(let child, let key, isSpare: true): self.give(child, to: key, &state)
            case .start(let child, let key, isSpare: false): self.start(child, for: key, &state)
            case .startSpare(let child): self.start(child, for: nil, &state)
            case .stop(let child, let reason): self.stop(child, reason, &state)
            }
        }
    }

    /// A call does not wait any more.
    private static func endWait(_ call: HostCallID, _ state: inout State) -> HostTurn? {
        guard let (turn, key) = state.turns.removeValue(forKey: call) else { return nil }
        if let count = state.callers[key]?.count {
            if count == 1 { state.callers[key] = nil } else { state.callers[key]?.count = count - 1 }
        }
        return turn
    }

    private func start(_ child: ChildNumber, for key: HostKey?, _ state: inout State) {
        let order = LaunchOrder(caller: key.flatMap { state.callers[$0]?.first }, events: { self.heard($0, of: child) })
        let launcher = self.launcher
        let launching = Task { try await launcher.launch(order) }
        state.slots[child] = Slot(key: key, launching: launching)
        self.follow(&state) {
            let result = await launching.result
            await self.prepare(child, result)
            self.launched(child, result)
        }
    }

    /// A spare is somebody's from now on.
    private func give(_ child: ChildNumber, to key: HostKey, _ state: inout State) {
        state.slots[child]?.key = key
        let now = self.now()
        let session = state.slots[child]?.launched?.session
        self.follow(&state) {
            var hasEnded = false
            self.change { state in
                hasEnded = state.slots[child]?.hasEnded ?? false
                return state.machine.started(child, now: now)
            }
            if let session { self.tell(key, session, .started) }
            if hasEnded { self.ended(child) }
        }
    }

    /// What its predecessor was told holds on before its first call.
    private func prepare(_ child: ChildNumber, _ result: Result<any Launched, any Error>) async {
        guard case .success(let launched) = result, let key = self.state.withLock({ $0.slots[child]?.key }) else {
            return
        }
        await self.delegate.withLock { $0 }()?.prepare(launched.session, for: key)
    }

    private func launched(_ child: ChildNumber, _ result: Result<any Launched, any Error>) {
        let now = self.now()
        var hasEnded = false
        self.change { state in
            // Whoever stops it takes what came of it.
            guard state.slots[child]?.isStopping == false else { return [] }
            switch result {
            case .success(let launched):
                state.slots[child]?.launched = launched
                hasEnded = state.slots[child]?.hasEnded ?? false
                state.lastFailure = nil
                return state.machine.started(child, now: now)
            case .failure(let error):
                let message = (error as? LaunchError)?.message ?? "It could not be started."
                self.logger.warning(
                    "a child could not be started", metadata: ["server": "\(self.name)", "reason": "\(message)"])
                state.slots[child] = nil
                state.lastFailure = message
                // Whoever waited for this start is told of it.
                state.failure = message
                let actions = state.machine.startFailed(
                    child, isOfKey: (error as? LaunchError)?.isOfKey ?? false, now: now, jitter: .random(in: 0...1))
                self.apply(actions, &state)
                state.failure = nil
                return []
            }
        }
        if case .success(let launched) = result {
            self.tell(self.state.withLock { $0.slots[child]?.key }, launched.session, .started)
        }
        if hasEnded { self.ended(child) }
    }

    private func stop(_ child: ChildNumber, _ reason: HostStopReason, _ state: inout State) {
        guard let slot = state.slots[child] else { preconditionFailure("what is stopped was started") }
        state.slots[child]?.isStopping = true
        self.follow(&state) {
            slot.launching.cancel()
            var isSaved = true
            // A start that was given up has left nothing.
            if let launched = try? await slot.launching.value { isSaved = await launched.stop() }
            self.logger.debug(
                "a child has stopped",
                metadata: ["server": "\(self.name)", "reason": "\(reason.rawValue)", "saved": "\(isSaved)"])
            let now = self.now()
            self.change { state in
                state.slots[child] = nil
                return state.machine.stopped(child, isSaved: isSaved, now: now, jitter: .random(in: 0...1))
            }
        }
    }

    private func heard(_ event: UpstreamEvent, of child: ChildNumber) {
        let (key, launched) = self.state.withLock { state in
            if case .ended = event { state.slots[child]?.hasEnded = true }
            return (state.slots[child]?.key, state.slots[child]?.launched)
        }
        if case .ended = event {
            if launched != nil { self.ended(child) }
        } else {
            self.tell(key, launched?.session, .said(event))
        }
    }

    /// A child that was up has ended by itself.
    private func ended(_ child: ChildNumber) {
        self.state.withLock { state in
            guard let slot = state.slots[child], !slot.isStopping, let launched = slot.launched else { return }
            self.follow(&state) {
                let end = await launched.untilEnded()
                self.logger.warning(
                    "a child has ended by itself",
                    metadata: ["server": "\(self.name)", "how": "\(end.text)", "pid": "\(launched.pid ?? 0)"])
                let now = self.now()
                self.change { state in
                    guard state.slots[child]?.isStopping == false else { return [] }
                    return state.machine.childEnded(child, end.ending, now: now, jitter: .random(in: 0...1))
                }
            }
        }
    }

    /// Runs something that takes time; ``end(grace:)`` waits for it.
    private func follow(_ state: inout State, _ body: @escaping @Sendable () async -> Void) {
        state.taskCount += 1
        Task {
            await body()
            self.change { state in
                state.taskCount -= 1
                return []
            }
        }
    }
}

/// Hears of the children of a ``Host``.
protocol HostDelegate: AnyObject, Sendable {
    /// A child is up and has had no call yet.
    func prepare(_ session: UpstreamSession, for key: HostKey) async
    func heard(_ key: HostKey?, _ session: UpstreamSession?, _ event: Host.Event)
}
