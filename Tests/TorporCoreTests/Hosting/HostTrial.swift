import TorporCore

extension HostKey: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int) { self.init(value) }

    init(_ value: Int) { self.init(.handle, bits: UInt128(value)) }
    var number: Int { Int(self.bits) }
}

/// A host whose keys and accounts are numbers, at a time in milliseconds that the test moves.
final class HostTrial {
    typealias Machine = HostStateMachine
    typealias Action = Machine.Action

    var machine: Machine
    var milliseconds = 0
    /// What gates add to half of their time: all of it, so that times are round.
    var jitter = 1.0

    init(_ limits: HostLimits = HostLimits()) { self.machine = Machine(limits: limits) }

    var now: Instant { Instant(nanoseconds: Int64(self.milliseconds) * 1_000_000) }
    var nextTickMilliseconds: Int? { self.machine.nextTick().map { Int($0.nanoseconds / 1_000_000) } }

    func call(_ id: UInt64, _ key: Int, of account: Int = 0) -> Machine.CallAction {
        self.machine.call(
            HostCallID(id), for: HostKey(key), of: .principal(UInt128(account)), now: self.now)
    }
    func ended(_ id: UInt64) -> [Action] { self.machine.callEnded(HostCallID(id), now: self.now) }
    func cancelled(_ id: UInt64) -> [Action]? { self.machine.cancelled(HostCallID(id), now: self.now) }
    func hold(_ id: UInt64) -> Machine.HoldAction { self.machine.hold(HostCallID(id), now: self.now) }
    func resume(_ id: UInt64) -> Machine.ResumeAction { self.machine.resume(HostCallID(id)) }

    func started(_ child: ChildNumber) -> [Action] { self.machine.started(child, now: self.now) }
    func startFailed(_ child: ChildNumber) -> [Action] {
        self.machine.startFailed(child, now: self.now, jitter: self.jitter)
    }
    func childEnded(_ child: ChildNumber, _ ending: HostEnding = .unexpected) -> [Action] {
        self.machine.childEnded(child, ending, now: self.now, jitter: self.jitter)
    }
    func stopped(_ child: ChildNumber, isSaved: Bool = true) -> [Action] {
        self.machine.stopped(child, isSaved: isSaved, now: self.now, jitter: self.jitter)
    }

    func retire(_ key: Int) -> [Action] { self.machine.retire(HostKey(key), now: self.now) }
    func relieve(_ countMax: Int) -> [Action] { self.machine.relieve(atMost: countMax, now: self.now) }
    var nextToRelieve: Machine.Candidate? { self.machine.nextToRelieve() }
    func refuseStarts(_ retryAfter: Duration?) -> [Action] {
        self.machine.refuseStarts(retryAfter: retryAfter, now: self.now)
    }
    func drain() -> [Action] { self.machine.drain(now: self.now) }
    func abandon() -> [Action] { self.machine.abandon(now: self.now) }
    var isFailing: Bool { self.machine.isFailing(now: self.now) }

    /// Lets time pass, and ticks at the end of it.
    func pass(milliseconds: Int) -> [Action] {
        self.milliseconds += milliseconds
        return self.machine.tick(now: self.now, jitter: self.jitter)
    }

    /// Brings a key's child up with one call.
    /// - Returns: The child, or `nil` when the call needs more than a start.
    func wake(_ key: Int, with id: UInt64, of account: Int = 0) -> ChildNumber? {
        guard case .wait(let actions) = self.call(id, key, of: account),
            case .start(let child, HostKey(key), _)? = actions.first, actions.count == 1,
            self.started(child) == [.use(HostCallID(id), child)]
        else { return nil }
        return child
    }

    /// Gives a key the child that was started ahead, with one call.
    func takeSpare(_ key: Int, with id: UInt64, _ spare: ChildNumber) -> ChildNumber? {
        guard case .wait(let actions) = self.call(id, key),
            actions.first == .start(spare, HostKey(key), isSpare: true),
            self.started(spare).contains(.use(HostCallID(id), spare))
        else { return nil }
        return spare
    }

    /// Brings a key's child up, and ends its one call.
    func wakeIdle(_ key: Int, with id: UInt64, of account: Int = 0) -> ChildNumber? {
        guard let child = self.wake(key, with: id, of: account), self.ended(id).isEmpty else { return nil }
        return child
    }
}

extension HostStateMachine.CallAction {
    /// The child that is started for the call, when that is all that has to be done.
    var startedChild: ChildNumber? {
        if case .wait(let actions) = self, actions.count == 1, case .start(let child, _, _) = actions[0] {
            child
        } else {
            nil
        }
    }
    var refusal: HostRefusal? { if case .refuse(let refusal) = self { refusal } else { nil } }
}

extension Array where Element == HostTrial.Action {
    /// The child that is started for the key, when that is all that has to be done.
    func started(_ key: Int) -> ChildNumber? {
        if self.count == 1, case .start(let child, HostKey(key), isSpare: false) = self[0] { child } else { nil }
    }

    /// The children that are started ahead, when that is all that has to be done.
    var spares: [ChildNumber]? {
        let spares = self.compactMap { if case .startSpare(let child) = $0 { child } else { nil } }
        return spares.count == self.count ? spares : nil
    }

    /// Which calls are refused, and why; `nil` when something else is to be done.
    func refusals() -> [UInt64: HostRefusal.Reason]? {
        var reasons: [UInt64: HostRefusal.Reason] = [:]
        for action in self {
            guard case .refuse(let id, let refusal) = action else { return nil }
            reasons[id.number] = refusal.reason
        }
        return reasons
    }
}
