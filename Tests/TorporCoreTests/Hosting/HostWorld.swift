import Testing
import TorporTestSupport

@testable import TorporCore

/// What a host's machine has to do with: children that start, fail, end and stop as chance has it, and callers that come
/// and go. Knows what every call and child is up to, and holds the machine to its promises after each step.
final class HostWorld {
    typealias Machine = HostStateMachine

    enum Call {
        case waiting(key: Int, since: Instant)
        case running(ChildNumber)
        case held(ChildNumber, since: Instant)
    }

    struct Child {
        enum Phase { case waking, up, stopping }
        var phase = Phase.waking
        var key: Int?
        var account: Int?
        var phaseSince: Instant
        /// When its last call ended.
        var idleSince: Instant?
    }

    let seed: UInt64
    let limits: HostLimits
    var random: SeededGenerator
    var machine: Machine
    var now = Instant(nanoseconds: 0)
    /// Those that have no end yet.
    var calls: [HostCallID: Call] = [:]
    var accounts: [HostCallID: Int] = [:]
    var children: [ChildNumber: Child] = [:]
    var lastCall: UInt64 = 0
    var isDraining = false
    /// While false, starts succeed, folders are saved, and no child ends by itself.
    var hasFaults = true
    /// How many calls ended how, so that a trial can be seen to try everything.
    var ends: [String: Int] = [:]

    init(seed: UInt64) {
        self.seed = seed
        var random = SeededGenerator(seed: seed)
        let childrenMax = Int.random(in: 1...6, using: &random)
        let queuedMax = Int.random(in: 1...30, using: &random)
        let heldMax = Int.random(in: 0...4, using: &random)
        self.limits = HostLimits(
            childrenMax: childrenMax,
            accountChildrenMax: Bool.random(using: &random)
                ? childrenMax : Int.random(in: 1...childrenMax, using: &random),
            callsMax: Int.random(in: 1...4, using: &random), queuedMax: queuedMax,
            accountQueuedMax: Int.random(in: 1...queuedMax, using: &random),
            queueTimeout: .seconds(Int.random(in: 5...40, using: &random)),
            idleTimeout: .seconds(Int.random(in: 5...60, using: &random)),
            startTimeout: .seconds(Int.random(in: 5...40, using: &random)),
            sparesMax: Bool.random(using: &random) ? 0 : Int.random(in: 0..<childrenMax, using: &random),
            isPerCall: Int.random(in: 0..<5, using: &random) == 0,
            keyFailuresMax: Int.random(in: 1...4, using: &random),
            serverFailuresMax: Int.random(in: 1...6, using: &random), heldMax: heldMax,
            accountHeldMax: Int.random(in: 0...heldMax, using: &random),
            holdTimeout: .seconds(Int.random(in: 5...60, using: &random)))
        self.random = random
        self.machine = Machine(limits: self.limits)
        self.tick()
    }

    // MARK: Steps

    func step() {
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0..<6: self.newCall()
        case 6..<9: self.endCall()
        case 9..<13: self.moveChild()
        case 13: self.cancelCall()
        case 14: self.holdCall()
        case 15: self.resumeCall()
        case 16 where self.hasFaults: self.endChild()
        case 17 where Int.random(in: 0..<4, using: &self.random) == 0: self.retireOrRelieve()
        default: self.passTime(.milliseconds(Int.random(in: 0...8_000, using: &self.random)))
        }
        self.check()
    }

    func newCall(key: Int? = nil) {
        self.lastCall += 1
        let id = HostCallID(self.lastCall)
        // Keys for one call are used once.
        let key =
            key ?? (self.limits.isPerCall ? Int(self.lastCall) + 100 : Int.random(in: 0..<10, using: &self.random))
        let account = key % 4
        self.accounts[id] = account
        switch self.machine.call(id, for: HostKey(key), of: .principal(UInt128(account)), now: self.now) {
        case .use(let child):
            self.calls[id] = .waiting(key: key, since: self.now)
            self.do([.use(id, child)])
        case .wait(let actions):
            self.calls[id] = .waiting(key: key, since: self.now)
            self.do(actions)
        case .refuse(let refusal): self.ends[refusal.reason.rawValue, default: 0] += 1
        }
    }

    func endCall() {
        guard let id = self.randomCall(where: { if case .running = $0 { true } else { false } }),
            case .running(let child) = self.calls.removeValue(forKey: id)
        else { return }
        self.ends["ended", default: 0] += 1
        self.noteIdle(child)
        self.do(self.machine.callEnded(id, now: self.now))
    }

    private func cancelCall() {
        guard let id = self.randomCall(where: { _ in true }), let call = self.calls[id] else { return }
        let isWaiting = if case .waiting = call { true } else { false }
        let actions = self.machine.cancelled(id, now: self.now)
        #expect((actions != nil) == isWaiting, "seed \(self.seed)")
        guard let actions else { return }
        self.calls[id] = nil
        self.ends["cancelled", default: 0] += 1
        self.do(actions)
    }

    private func holdCall() {
        guard let id = self.randomCall(where: { if case .running = $0 { true } else { false } }),
            case .running(let child) = self.calls[id]
        else { return }
        let held = self.calls.filter { if case .held = $0.value { true } else { false } }
        let ofAccount = held.count { self.accounts[$0.key] == self.accounts[id] }
        switch self.machine.hold(id, now: self.now) {
        case .hold(let actions):
            #expect(held.count < self.limits.heldMax && ofAccount < self.limits.accountHeldMax, "seed \(self.seed)")
            self.calls[id] = .held(child, since: self.now)
            self.do(actions)
        case .refuse:
            #expect(held.count >= self.limits.heldMax || ofAccount >= self.limits.accountHeldMax, "seed \(self.seed)")
        case .gone: Issue.record("seed \(self.seed): it has a child")
        }
    }

    private func resumeCall() {
        guard let id = self.randomCall(where: { if case .held = $0 { true } else { false } }),
            case .held(let child, _) = self.calls[id]
        else { return }
        #expect(self.machine.resume(id) == .use(child), "seed \(self.seed)")
        self.calls[id] = .running(child)
    }

    /// Brings a start or a stop to its end.
    /// - Returns: Whether there was one.
    @discardableResult
    func moveChild() -> Bool {
        let moving = self.children.filter { $0.value.phase != .up }.keys.sorted()
        guard let child = moving.randomElement(using: &self.random), let state = self.children[child] else {
            return false
        }
        let isWell = !self.hasFaults || Int.random(in: 0..<4, using: &self.random) > 0
        let jitter = Double.random(in: 0...1, using: &self.random)
        switch state.phase {
        case .waking where isWell:
            self.children[child]?.phase = .up
            self.children[child]?.phaseSince = self.now
            self.children[child]?.idleSince = self.now
            self.do(self.machine.started(child, now: self.now))
        case .waking:
            self.children[child] = nil
            self.do(self.machine.startFailed(child, now: self.now, jitter: jitter))
        case .stopping:
            self.children[child] = nil
            self.do(self.machine.stopped(child, isSaved: isWell, now: self.now, jitter: jitter))
        case .up: break
        }
        return true
    }

    private func endChild() {
        guard let child = self.children.keys.sorted().randomElement(using: &self.random) else { return }
        let ending: HostEnding = Bool.random(using: &self.random) ? .overMemory : .unexpected
        let isUp = self.children[child]?.phase == .up
        let actions = self.machine.childEnded(
            child, ending, now: self.now, jitter: Double.random(in: 0...1, using: &self.random))
        #expect(actions.isEmpty != isUp, "seed \(self.seed)")
        self.do(actions)
        #expect(!isUp || self.callCount(of: child) == 0, "seed \(self.seed)")
    }

    private func retireOrRelieve() {
        if Bool.random(using: &self.random) {
            self.do(self.machine.retire(HostKey(Int.random(in: 0..<10, using: &self.random)), now: self.now))
        } else if Int.random(in: 0..<4, using: &self.random) == 0 {
            // Mostly there is memory.
            let isShort = Int.random(in: 0..<3, using: &self.random) == 0
            self.do(self.machine.refuseStarts(retryAfter: isShort ? .seconds(5) : nil, now: self.now))
        } else {
            self.do(self.machine.relieve(atMost: Int.random(in: 0...3, using: &self.random), now: self.now))
        }
    }

    /// Memory is not short any more, if it was.
    func endShortage() { self.do(self.machine.refuseStarts(retryAfter: nil, now: self.now)) }

    /// Lets time pass, from one moment at which the machine wants to be told to the next.
    func passTime(_ duration: Duration) {
        let end = self.now + duration
        while let next = self.machine.nextTick(), next <= end {
            #expect(next >= self.now, "seed \(self.seed)")
            // Nothing is due a moment before.
            if next > self.now {
                self.now = Instant(nanoseconds: next.nanoseconds - 1)
                #expect(self.machine.tick(now: self.now, jitter: 0).isEmpty, "seed \(self.seed)")
            }
            self.now = next
            self.tick()
        }
        self.now = end
        #expect(self.machine.tick(now: self.now, jitter: 0).isEmpty, "seed \(self.seed)")
    }

    func tick() {
        self.do(self.machine.tick(now: self.now, jitter: Double.random(in: 0...1, using: &self.random)))
        // Whatever is due was done.
        #expect(self.machine.nextTick() ?? self.now + .seconds(1) > self.now, "seed \(self.seed)")
        self.check()
    }

    func drain() {
        self.isDraining = true
        self.do(self.machine.drain(now: self.now))
        #expect(!self.calls.values.contains { if case .waiting = $0 { true } else { false } }, "seed \(self.seed)")
    }

    func abandon() {
        self.do(self.machine.abandon(now: self.now))
        #expect(self.calls.isEmpty, "seed \(self.seed)")
    }

    // MARK: Actions

    private func `do`(_ actions: [Machine.Action]) { for action in actions { self.do(action) } }

    private func `do`(_ action: Machine.Action) {
        switch action {
        case .use(let id, let child):
            guard case .waiting(let key, let since) = self.calls[id] else { return self.fault("it waited", action) }
            #expect(self.children[child]?.key == key && self.children[child]?.phase == .up, "seed \(self.seed)")
            #expect(since + self.limits.queueTimeout >= self.now, "seed \(self.seed)")
            self.calls[id] = .running(child)
            self.children[child]?.idleSince = nil
            let running = self.calls.values.count { if case .running(child) = $0 { true } else { false } }
            #expect(running <= self.limits.callsMax, "seed \(self.seed)")
        case .refuse(let id, let refusal):
            guard case .waiting(_, let since) = self.calls.removeValue(forKey: id) else {
                return self.fault("it waited", action)
            }
            let isTime: Set<HostRefusal.Reason> = [.busy, .noRoom, .memory, .wakingTooLong, .stoppingTooLong]
            if isTime.contains(refusal.reason) {
                #expect(since + self.limits.queueTimeout == self.now, "seed \(self.seed)")
            }
            self.ends[refusal.reason.rawValue, default: 0] += 1
        case .fail(let id, let failure):
            switch self.calls.removeValue(forKey: id) {
            case .running(let child), .held(let child, _): self.noteIdle(child)
            case .waiting, nil: self.fault("it had a child", action)
            }
            self.ends[failure.rawValue, default: 0] += 1
        case .start(let child, let hostKey, let isSpare):
            let key = hostKey.number
            #expect(self.machine.startsRetryAfter == nil, "seed \(self.seed): a start without memory")
            #expect(!self.children.values.contains { $0.key == key }, "seed \(self.seed): two children of a key")
            if isSpare {
                #expect(self.children[child]?.phase == .up && self.children[child]?.key == nil, "seed \(self.seed)")
            } else {
                #expect(self.children[child] == nil, "seed \(self.seed)")
            }
            self.children[child] = Child(key: key, account: key % 4, phaseSince: self.now)
            #expect(
                self.calls.values.contains { if case .waiting(key, _) = $0 { true } else { false } },
                "seed \(self.seed)")
            let ofAccount = self.children.values.count { $0.account == key % 4 }
            #expect(ofAccount <= self.limits.accountChildrenMax, "seed \(self.seed)")
        case .startSpare(let child):
            #expect(self.children[child] == nil, "seed \(self.seed)")
            self.children[child] = Child(phaseSince: self.now)
        case .stop(let child, let reason):
            guard let state = self.children[child], state.phase != .stopping else {
                return self.fault("it was there", action)
            }
            #expect(self.callCount(of: child) == 0, "seed \(self.seed): a child with calls is stopped")
            if reason == .idle {
                #expect(state.idleSince.map { $0 + self.limits.idleTimeout } == self.now, "seed \(self.seed)")
            }
            if reason == .startTimeout {
                #expect(state.phase == .waking && state.phaseSince + self.limits.startTimeout == self.now)
            }
            self.children[child]?.phase = .stopping
            self.ends["stop " + reason.rawValue, default: 0] += 1
        }
    }

    private func fault(_ reason: Comment, _ action: Machine.Action) {
        Issue.record("seed \(self.seed): \(reason), but \(String(describing: action))")
    }

    // MARK: Checks

    private func callCount(of child: ChildNumber) -> Int {
        self.calls.values.count {
            switch $0 {
            case .running(child), .held(child, _): true
            default: false
            }
        }
    }

    private func noteIdle(_ child: ChildNumber) {
        if self.callCount(of: child) == 0 { self.children[child]?.idleSince = self.now }
    }

    private func randomCall(where isOne: (Call) -> Bool) -> HostCallID? {
        self.calls.filter { isOne($0.value) }.keys.sorted().randomElement(using: &self.random)
    }

    func check() {
        let figures = self.machine.figures
        var expected = (waiting: 0, running: 0, held: 0)
        var waitingOfAccounts: [Int: Int] = [:]
        for (id, call) in self.calls {
            switch call {
            case .waiting(_, let since):
                expected.waiting += 1
                waitingOfAccounts[self.accounts[id] ?? -1, default: 0] += 1
                #expect(since + self.limits.queueTimeout >= self.now, "seed \(self.seed): a call starves")
            case .running: expected.running += 1
            case .held: expected.held += 1
            }
        }
        #expect(
            (figures.waiting, figures.running, figures.held) == expected
                && expected.waiting <= self.limits.queuedMax && expected.held <= self.limits.heldMax
                && waitingOfAccounts.values.allSatisfy { $0 <= self.limits.accountQueuedMax }, "seed \(self.seed)")
        let up = self.children.filter { $0.value.phase == .up }
        let busy = up.keys.count { self.callCount(of: $0) > 0 }
        let spare = up.values.count { $0.key == nil }
        #expect(
            self.children.count <= self.limits.childrenMax && figures.children == self.children.count
                && figures.waking == self.children.values.count { $0.phase == .waking }
                && figures.stopping == self.children.values.count { $0.phase == .stopping }
                && figures.spare == spare && figures.busy == busy && figures.idle == up.count - busy - spare,
            "seed \(self.seed)")
    }

    /// Whether somebody waits whose key has no child, or has one that is not too busy.
    var someCallWaits: Bool {
        self.calls.values.contains { if case .waiting = $0 { true } else { false } }
    }
}
