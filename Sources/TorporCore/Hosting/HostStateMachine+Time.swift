// What time brings.
extension HostStateMachine {
    /// When the next ``tick(now:jitter:)`` may have something to do; `nil` while nothing waits for time to pass.
    package mutating func nextTick() -> Instant? {
        var due: [Instant] = []
        if let (_, call) = self.oldestWaiting() { due.append(call.since + self.limits.queueTimeout) }
        if let (_, since) = self.oldestHeld() { due.append(since + self.limits.holdTimeout) }
        if let (_, child) = self.oldestWaking() { due.append(child.since + self.limits.startTimeout) }
        if let child = self.coldestIdle(), let since = self.children[child]?.since {
            due.append(since + self.idleTimeout)
        }
        if let nextRoom = self.nextRoom { due.append(nextRoom) }
        if let nextGate = self.nextGate { due.append(nextGate) }
        return due.min()
    }

    /// Time has passed. To be called once at the beginning, for the first spares, then at ``nextTick()`` or later, and as
    /// often as one likes.
    /// - Parameter jitter: Random, between 0 and 1.
    package mutating func tick(now: Instant, jitter: Double) -> [Action] {
        var actions = self.expireWaiting(now: now)
        actions += self.expireHeld(now: now)
        actions += self.expireStarts(now: now, jitter: jitter)
        actions += self.openGates(now: now)
        actions += self.stopIdle(now: now)
        actions += self.serve(now: now)
        self.keys.shrinkIfSparse()
        self.waiting.shrinkIfSparse()
        self.placed.shrinkIfSparse()
        self.accounts.shrinkIfSparse()
        return actions
    }

    /// Makes idle children stop sooner, from the next tick on: memory is short.
    /// - Parameter factor: What the idle timeout is multiplied by; 1 for the usual.
    package mutating func shortenIdle(to factor: Double) {
        precondition(factor > 0 && factor <= 1, "an idle timeout gets no longer than it is set")
        self.idleFactor = factor
    }

    private var idleTimeout: Duration {
        .nanoseconds(Int64(Double(self.limits.idleTimeout.wholeNanoseconds) * self.idleFactor))
    }

    // MARK: Calls

    private mutating func expireWaiting(now: Instant) -> [Action] {
        var actions: [Action] = []
        while let (id, call) = self.oldestWaiting(), call.since + self.limits.queueTimeout <= now {
            let reason = self.whatHolds(up: call.key)
            _ = self.forget(id)
            actions.append(.refuse(id, self.refusal(reason, retryAfter: self.limits.backoffMin)))
            self.restIfUnwanted(call.key, now: now)
        }
        self.tidyWaiting()
        return actions
    }

    /// What calls of a key wait for.
    private func whatHolds(up key: Key) -> HostRefusal.Reason {
        switch self.keys[key]?.phase {
        case .backingOff: return .failing
        case .queued: return self.startsRetryAfter == nil ? .noRoom : .memory
        case .child(let child):
            switch self.children[child]?.phase {
            case .waking: return .wakingTooLong
            case .stopping: return .stoppingTooLong
            case .spare, .idle, .busy, nil: return .busy
            }
        case .asleep, nil: preconditionFailure("a key that is asleep has no calls")
        }
    }

    private mutating func expireHeld(now: Instant) -> [Action] {
        var actions: [Action] = []
        while let (id, since) = self.oldestHeld(), since + self.limits.holdTimeout <= now {
            guard let child = self.placed[id]?.child else { preconditionFailure("who is held is known") }
            actions.append(self.fail(id, .heldTooLong))
            actions += self.release(child, now: now)
        }
        return actions
    }

    private mutating func oldestWaiting() -> (id: HostCallID, call: WaitingCall)? {
        while let id = self.waitingAges.first {
            if let call = self.waiting[id] { return (id, call) }
            _ = self.waitingAges.popFirst()
        }
        return nil
    }

    private mutating func oldestHeld() -> (id: HostCallID, since: Instant)? {
        while let stay = self.heldAges.first {
            if let hold = self.placed[stay.subject]?.hold, hold.stamp == stay.stamp {
                return (stay.subject, hold.since)
            }
            _ = self.heldAges.popFirst()
        }
        return nil
    }

    // MARK: Children

    private mutating func expireStarts(now: Instant, jitter: Double) -> [Action] {
        var actions: [Action] = []
        while let (number, child) = self.oldestWaking(), child.since + self.limits.startTimeout <= now {
            if child.owner == nil { self.sparesWaking -= 1 }
            actions += self.countFailedStart(of: child, now: now, jitter: jitter)
            actions.append(self.stop(number, .startTimeout, now: now))
        }
        return actions
    }

    private mutating func oldestWaking() -> (number: ChildNumber, child: Child)? {
        while let stay = self.wakingAges.first {
            if let child = self.children[stay.subject], child.stamp == stay.stamp { return (stay.subject, child) }
            _ = self.wakingAges.popFirst()
        }
        return nil
    }

    private mutating func stopIdle(now: Instant) -> [Action] {
        var actions: [Action] = []
        while let child = self.coldestIdle(), let since = self.children[child]?.since,
            since + self.idleTimeout <= now
        {
            actions.append(self.stop(child, .idle, now: now))
        }
        return actions
    }

    // MARK: Gates

    /// Lets keys whose time to be left alone is over have their start, the first first, and forgets those that have been
    /// quiet since.
    private mutating func openGates(now: Instant) -> [Action] {
        guard let nextGate = self.nextGate, nextGate <= now else { return [] }
        self.nextGate = nil
        var open: [(key: Key, reopens: Instant, first: HostCallID)] = []
        for (key, state) in self.keys {
            guard let reopens = state.gate.reopens else { continue }
            switch state.phase {
            case .backingOff where reopens <= now:
                guard let first = state.calls.oldest else { preconditionFailure("who backs off is waited for") }
                open.append((key, reopens, first))
            case .backingOff: self.lookAtGates(by: reopens)
            case .asleep where reopens + self.limits.backoffMax <= now: self.keys[key] = nil
            case .asleep: self.lookAtGates(by: reopens + self.limits.backoffMax)
            case .queued, .child: break
            }
        }
        for gate in [self.serverGate, self.spareGate] {
            if let reopens = gate.reopens, reopens > now { self.lookAtGates(by: reopens) }
        }
        open.sort { ($0.reopens, $0.first) < ($1.reopens, $1.first) }
        return open.flatMap { self.wake($0.key, now: now) }
    }
}
