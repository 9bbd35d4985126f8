extension HostStateMachine {
    package enum CallAction: Hashable, Sendable {
        /// The call has this child.
        case use(ChildNumber)
        /// The call waits until an action tells what became of it; these are to be done now.
        case wait([Action])
        /// The call is not made.
        case refuse(HostRefusal)
    }

    /// A call wants the child of a key.
    /// - Parameters:
    ///   - id: Given to no other call.
    ///   - account: Who makes the call. Who makes the first of a key has the child counted.
    package mutating func call(_ id: HostCallID, for key: Key, of account: Account, now: Instant) -> CallAction {
        precondition(self.waiting[id] == nil && self.placed[id] == nil, "every call has an id of its own")
        guard !self.isDraining else { return .refuse(self.refusal(.draining, retryAfter: nil)) }
        let state = self.keys[key]
        // Nobody is overtaken: as long as a child has a place, no call waits for it.
        if case .child(let child)? = state?.phase, self.hasPlace(child) {
            self.place(id, of: account, with: child, now: now)
            return .use(child)
        }
        if let refusal = self.refusalToWait(for: key, state, of: account, now: now) { return .refuse(refusal) }

        var newState = state ?? KeyState(account: account)
        if newState.calls.isEmpty { newState.account = account }
        let ticket = newState.calls.append(id, of: account)
        self.keys[key] = newState
        self.waiting[id] = WaitingCall(key: key, account: account, since: now, ticket: ticket)
        self.waitingAges.append(id)
        self.count(account) { $0.waiting += 1 }
        switch newState.phase {
        case .asleep: return .wait(self.wake(key, now: now) + self.serve(now: now))
        case .backingOff where !newState.gate.isClosed(now: now):
            return .wait(self.wake(key, now: now) + self.serve(now: now))
        case .backingOff, .queued, .child: return .wait([])
        }
    }

    /// Who makes a call does not wait for it any more.
    /// - Returns: `nil` when the call does not wait any more: it has a child, or an end.
    package mutating func cancelled(_ id: HostCallID, now: Instant) -> [Action]? {
        guard let call = self.forget(id) else { return nil }
        self.restIfUnwanted(call.key, now: now)
        self.tidyWaiting()
        return self.serve(now: now)
    }

    /// A call has ended that had a child. Does nothing when a `fail` has ended it before.
    package mutating func callEnded(_ id: HostCallID, now: Instant) -> [Action] {
        guard let call = self.removePlaced(id) else { return [] }
        return self.release(call.child, now: now)
    }

    // MARK: Holding

    package enum HoldAction: Hashable, Sendable {
        /// The call is held. These are to be done now.
        case hold([Action])
        /// The call goes on running; it is to be ended.
        case refuse(HostRefusal)
        /// A `fail` has ended the call.
        case gone
    }

    /// A call waits for its client's answer, which comes with another request, and keeps its child in use until then. It
    /// does not count as one of those that the child runs.
    /// - Precondition: It is not held.
    package mutating func hold(_ id: HostCallID, now: Instant) -> HoldAction {
        guard let call = self.placed[id] else { return .gone }
        precondition(call.hold == nil, "a call is held once at a time")
        guard self.figuresNow.held < self.limits.heldMax else {
            return .refuse(self.refusal(.heldFull, retryAfter: self.limits.backoffMin))
        }
        guard self.accounts[call.account]?.held ?? 0 < self.limits.accountHeldMax else {
            return .refuse(self.refusal(.accountHeldFull, retryAfter: self.limits.backoffMin))
        }
        let stamp = self.newStamp()
        self.placed[id]?.hold = (stamp, now)
        self.heldAges.append(Stay(subject: id, stamp: stamp))
        self.count(call.account) { $0.held += 1 }
        self.figuresNow.held += 1
        self.figuresNow.running -= 1
        self.children[call.child]?.held += 1
        self.children[call.child]?.running -= 1
        return .hold(self.release(call.child, now: now))
    }

    package enum ResumeAction: Hashable, Sendable {
        /// The call runs on with its child, even if that has as many calls as it runs at once.
        case use(ChildNumber)
        /// A `fail` has ended the call.
        case gone
    }

    /// The answer to a held call has come.
    /// - Precondition: It is held, or was until it failed.
    package mutating func resume(_ id: HostCallID) -> ResumeAction {
        guard let call = self.placed[id] else { return .gone }
        precondition(call.hold != nil, "what is resumed was held")
        self.placed[id]?.hold = nil
        self.endHold(call)
        self.figuresNow.running += 1
        self.children[call.child]?.running += 1
        return .use(call.child)
    }

    // MARK: Steps

    /// Whether one call more may use the child.
    private func hasPlace(_ child: ChildNumber) -> Bool {
        guard let state = self.children[child] else { preconditionFailure("a child is known") }
        switch state.phase {
        case .idle, .busy: return state.running < self.limits.callsMax
        case .waking, .spare, .stopping: return false
        }
    }

    private mutating func place(_ id: HostCallID, of account: Account, with child: ChildNumber, now: Instant) {
        self.placed[id] = PlacedCall(child: child, account: account)
        self.figuresNow.running += 1
        self.children[child]?.running += 1
        if self.children[child]?.phase != .busy { self.enter(.busy, child, now: now) }
    }

    /// Why a call may not wait for the key's child; `nil` when it may.
    private mutating func refusalToWait(
        for key: Key, _ state: KeyState?, of account: Account, now: Instant
    ) -> HostRefusal? {
        switch state?.phase {
        case nil, .asleep, .backingOff:
            if let retryAfter = self.startsRetryAfter { return self.refusal(.memory, retryAfter: retryAfter) }
            if let retryAfter = self.failing(state?.gate, now: now) {
                return self.refusal(.failing, retryAfter: retryAfter)
            }
        case .queued, .child: break
        }
        if self.waiting.count >= self.limits.queuedMax {
            return self.refusal(.queueFull, retryAfter: self.limits.backoffMin)
        }
        if self.accounts[account]?.waiting ?? 0 >= self.limits.accountQueuedMax {
            return self.refusal(.accountQueueFull, retryAfter: self.limits.backoffMin)
        }
        return nil
    }

    /// Gives the child's places that are free to calls that wait; without any it is idle, or stops.
    mutating func release(_ child: ChildNumber, now: Instant) -> [Action] {
        guard let state = self.children[child], let key = state.owner?.key else {
            preconditionFailure("who has calls has a key")
        }
        var actions: [Action] = []
        while self.hasPlace(child), let id = self.keys[key]?.calls.popNext() {
            guard let call = self.waiting.removeValue(forKey: id) else { preconditionFailure("who waits is known") }
            self.count(call.account) { $0.waiting -= 1 }
            self.place(id, of: call.account, with: child, now: now)
            actions.append(.use(id, child))
        }
        self.tidyWaiting()
        return actions + self.idleIfUnused(child, now: now)
    }

    private mutating func idleIfUnused(_ child: ChildNumber, now: Instant) -> [Action] {
        guard let state = self.children[child], state.running == 0, state.held == 0 else { return [] }
        if let reason = state.lastReason { return [self.stop(child, reason, now: now)] }
        if state.phase != .idle { self.enter(.idle, child, now: now) }
        return self.serve(now: now)
    }

    /// Takes out a call that has a child.
    mutating func removePlaced(_ id: HostCallID) -> PlacedCall? {
        guard let call = self.placed.removeValue(forKey: id) else { return nil }
        if call.hold != nil {
            self.endHold(call)
        } else {
            self.figuresNow.running -= 1
            self.children[call.child]?.running -= 1
        }
        return call
    }

    private mutating func endHold(_ call: PlacedCall) {
        self.figuresNow.held -= 1
        self.children[call.child]?.held -= 1
        self.count(call.account) { $0.held -= 1 }
        let placed = self.placed
        self.heldAges.tidy(meaningful: self.figuresNow.held) { placed[$0.subject]?.hold?.stamp == $0.stamp }
    }

    /// Takes out a call that waits.
    mutating func forget(_ id: HostCallID) -> WaitingCall? {
        guard let call = self.waiting.removeValue(forKey: id) else { return nil }
        _ = self.keys[call.key]?.calls.remove(call.ticket)
        self.count(call.account) { $0.waiting -= 1 }
        return call
    }

    /// Refuses all calls that wait for the key, the oldest first.
    mutating func refuseAll(of key: Key, _ reason: HostRefusal.Reason, retryAfter: Duration?) -> [Action] {
        let ids = (self.keys[key]?.calls.removeAll() ?? []).sorted()
        defer { self.tidyWaiting() }
        return ids.map { id in
            guard let call = self.waiting.removeValue(forKey: id) else { preconditionFailure("who waits is known") }
            self.count(call.account) { $0.waiting -= 1 }
            return .refuse(id, self.refusal(reason, retryAfter: retryAfter))
        }
    }

    mutating func tidyWaiting() {
        let waiting = self.waiting
        self.waitingAges.tidy(meaningful: waiting.count) { waiting[$0] != nil }
    }
}
