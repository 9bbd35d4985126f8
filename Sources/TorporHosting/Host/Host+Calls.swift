import Synchronization
import Torpor
import TorporCore
import TorporProtocol
import TorporUpstream

// Calls, from their wait for a child to their end.
extension Host {
    /// How a call's wait for its child has ended.
    enum WaitEnd: Sendable {
        case child(ChildNumber)
        /// With what the start said that failed for it.
        case refused(HostRefusal, String?)
        /// Nobody wants it any more.
        case cancelled
    }

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

    private func turn(of caller: HostCaller) async -> (HostCallID, WaitEnd) {
        let key = caller.key
        let now = self.now()
        let turn = Turn<WaitEnd>()
        let (id, early) = self.state.withLock { state -> (HostCallID, WaitEnd?) in
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
            var cancelled: Turn<WaitEnd>?
            self.change { state in
                guard let actions = state.machine.cancelled(id, now: now) else { return [] }
                cancelled = Self.endWait(id, &state)
                return actions
            }
            cancelled?.end(.cancelled)
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

    static func leave(_ placed: Placed, _ state: inout State) {
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

    /// Nothing of a key is needed any more, and neither is what is kept for it, which is removed after its child has
    /// stopped, when its calls have ended. Returns at once; ``end(grace:)`` waits for it.
    func forget(_ caller: HostCaller) {
        let now = self.now()
        self.change { state in
            state.forgotten[caller.key] = caller
            self.removeForgotten(caller.key, &state)
            return state.machine.retire(caller.key, now: now)
        }
    }

    /// Removes what is kept for a key that nobody comes back for, unless it has a child, which ends before.
    func removeForgotten(_ key: HostKey?, _ state: inout State) {
        guard let key, let caller = state.forgotten[key], state.machine.child(of: key) == nil else { return }
        state.forgotten[key] = nil
        let launcher = self.launcher
        self.follow(&state) { await launcher.remove(caller) }
    }

    /// A call does not wait any more.
    static func endWait(_ call: HostCallID, _ state: inout State) -> Turn<WaitEnd>? {
        guard let (turn, key) = state.turns.removeValue(forKey: call) else { return nil }
        if let count = state.callers[key]?.count {
            if count == 1 { state.callers[key] = nil } else { state.callers[key]?.count = count - 1 }
        }
        return turn
    }
}
