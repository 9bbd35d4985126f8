import Logging
import Synchronization
import Torpor
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
    struct Slot {
        /// `nil` for a spare.
        var key: HostKey?
        let launching: Task<any Launched, any Error>
        var launched: (any Launched)?
        /// Its conversation has ended by itself.
        var hasEnded = false
        var isStopping = false
        var calls = 0
    }

    struct State {
        var machine: HostStateMachine
        var slots: [ChildNumber: Slot] = [:]
        /// The calls that wait, and who makes them.
        var turns: [HostCallID: (turn: Turn<WaitEnd>, key: HostKey)] = [:]
        /// The callers that wait for the child of a key.
        var callers: [HostKey: (first: HostCaller, count: Int)] = [:]
        /// The calls that are held, and what to tell whoever holds one when its child is lost.
        var failing: [HostCallID: (placed: Placed, tell: @Sendable (HostFailure) -> Void)] = [:]
        /// What is to be told once the lock is released.
        var told: [@Sendable () -> Void] = []
        /// The keys that nobody comes back for, until what is kept for them is removed.
        var forgotten: [HostKey: HostCaller] = [:]
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

    /// How often the machine is told that time passes, while calls wait and while none does.
    private static let tick = (waiting: Duration.milliseconds(25), otherwise: Duration.milliseconds(250))

    package let name: String
    package let limits: HostLimits
    let launcher: any Launcher
    let logger: Logger
    let now: @Sendable () -> Instant
    let delegate = Mutex<(@Sendable () -> (any HostDelegate)?)>({ nil })
    let state: Mutex<State>

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

    /// Whether its children are processes of this machine, whose memory they take.
    var keepsProcesses: Bool { self.launcher.startsProcesses }

    /// Who hears of the children. Not kept.
    func setDelegate(_ delegate: some HostDelegate) {
        self.delegate.withLock { $0 = { [weak delegate] in delegate } }
    }

    func tell(_ key: HostKey?, _ session: UpstreamSession?, _ event: Event) {
        self.delegate.withLock { $0 }()?.heard(key, session, event)
    }

    // MARK: Figures

    package var figures: HostFigures { self.state.withLock { $0.machine.figures } }

    /// Whether starts are made.
    package var breaker: CircuitBreaker.Standing {
        let now = self.now()
        return self.state.withLock { $0.machine.breaker(now: now) }
    }

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

    /// The conversation with the child of a key; `nil` when none is up.
    func session(of key: HostKey) -> UpstreamSession? {
        self.state.withLock { state in
            state.machine.child(of: key).flatMap { state.slots[$0]?.launched?.session }
        }
    }

    // MARK: Life

    /// Begins to keep children. ``end(grace:)`` is to follow.
    func begin() {
        self.launcher.begin()
        self.state.withLock { $0.ticking = Task { await self.passTime() } }
    }

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
        while (try? await Task.sleep(for: self.figures.waiting > 0 ? Self.tick.waiting : Self.tick.otherwise)) != nil {
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
    func change(_ event: (inout State) -> [HostStateMachine.Action]) {
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
    func apply(_ actions: [HostStateMachine.Action], _ state: inout State) {
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

    /// Runs something that takes time; ``end(grace:)`` waits for it.
    func follow(_ state: inout State, _ body: @escaping @Sendable () async -> Void) {
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
