// What becomes of children.
extension HostStateMachine {
    /// A child is up: it has its folder, if it has a key, and answers.
    package mutating func started(_ child: ChildNumber, now: Instant) -> [Action] {
        guard self.isWaking(child), let state = self.children[child] else { return [] }
        self.failuresInRow = 0
        self.serverGate.succeeded()
        self.children[child]?.awakeSince = now
        if state.startDuration == nil { self.children[child]?.startDuration = now.since(state.since) }
        guard state.owner != nil else {
            self.spareGate.succeeded()
            self.sparesWaking -= 1
            self.spares.append(child)
            self.enter(.spare, child, now: now)
            return self.serve(now: now) + self.stopUnwantedSpares(now: now)
        }
        self.enter(.idle, child, now: now)
        return self.release(child, now: now) + self.serve(now: now)
    }

    /// A start came to nothing, and nothing is left of it: no process, and no folder that is newer than the stored one.
    /// - Parameters:
    ///   - isOfKey: The key is at fault, as with a folder that cannot be restored: that says nothing about others.
    ///   - jitter: Random, between 0 and 1.
    package mutating func startFailed(
        _ child: ChildNumber, isOfKey: Bool = false, now: Instant, jitter: Double
    ) -> [Action] {
        guard self.isWaking(child) else { return [] }
        let removed = self.remove(child)
        var actions = self.countFailedStart(of: removed, isOfKey: isOfKey, now: now, jitter: jitter)
        if let key = removed.owner?.key {
            self.rest(key, now: now)
        } else {
            self.sparesWaking -= 1
        }
        actions += self.serve(now: now)
        return actions
    }

    /// A child has ended though it was not asked to. One that wakes or stops is not heard of here: its start fails, or
    /// its stop goes on.
    ///
    /// Its calls fail; those that wait for it wait for the next.
    /// - Parameter jitter: Random, between 0 and 1.
    package mutating func childEnded(_ child: ChildNumber, _ ending: HostEnding, now: Instant, jitter: Double)
        -> [Action]
    {
        guard let state = self.children[child] else { return [] }
        switch state.phase {
        case .waking, .stopping: return []
        case .spare:
            self.spares.removeAll { $0 == child }
            self.spareFailed(now: now, jitter: jitter)
        case .idle, .busy:
            guard let key = state.owner?.key else { preconditionFailure("who may have calls has a key") }
            if now.since(state.awakeSince) >= self.limits.steadyMin {
                self.keys[key]?.gate.succeeded()
            } else {
                self.keys[key]?.gate.failed(now: now, jitter: jitter, threshold: 1, limits: self.limits)
            }
        }
        self.figuresNow.endings += 1
        let (failure, reason): (HostFailure, HostStopReason) =
            switch ending {
            case .unexpected: (.childEnded, .ended)
            case .overMemory: (.overMemory, .overMemory)
            }
        return self.failCalls(of: child, failure) + [self.stop(child, reason, now: now)]
    }

    /// A child that was stopped is no more, nor is anything of a start that was under way.
    /// - Parameters:
    ///   - isSaved: Whether the store has its key's folder as it was left, or there is none. Otherwise the folder stays
    ///     where it was, for the next start, and its key is left alone for a while.
    ///   - jitter: Random, between 0 and 1.
    /// - Precondition: It was stopped.
    package mutating func stopped(_ child: ChildNumber, isSaved: Bool, now: Instant, jitter: Double) -> [Action] {
        guard case .stopping(let reason)? = self.children[child]?.phase else {
            preconditionFailure("who has stopped was asked to, and stops once")
        }
        let removed = self.remove(child)
        if !isSaved { self.figuresNow.unsavedFolders += 1 }
        guard let key = removed.owner?.key else { return self.serve(now: now) }
        if !isSaved {
            self.keys[key]?.gate.failed(now: now, jitter: jitter, threshold: 1, limits: self.limits)
        } else if reason.isOrderly {
            self.keys[key]?.gate.succeeded()
        }
        guard self.keys[key]?.calls.isEmpty == false else {
            self.rest(key, now: now)
            return self.serve(now: now)
        }
        return self.wake(key, now: now) + self.serve(now: now)
    }

    /// A key is no more: its session or handle was deleted. Its child is stopped as soon as it has no calls.
    package mutating func retire(_ key: Key, now: Instant) -> [Action] {
        guard case .child(let child)? = self.keys[key]?.phase, let state = self.children[child] else { return [] }
        if state.phase == .idle { return [self.stop(child, .retired, now: now)] }
        self.children[child]?.lastReason = state.lastReason ?? .retired
        return []
    }

    // MARK: The end

    /// No calls are taken any more. Those that wait are refused; children stop as soon as they have no calls.
    ///
    /// Whether all have gone, ``isDrained`` tells; ``abandon(now:)`` is for when it takes too long.
    package mutating func drain(now: Instant) -> [Action] {
        self.isDraining = true
        var actions: [Action] = []
        for id in self.waiting.keys.sorted() {
            guard let call = self.forget(id) else { continue }
            actions.append(.refuse(id, self.refusal(.draining, retryAfter: nil)))
            self.restIfUnwanted(call.key, now: now)
        }
        self.tidyWaiting()
        self.keys = self.keys.filter { $0.value.phase != .asleep }
        self.spares = []
        for child in self.children.keys.sorted() {
            switch self.children[child]?.phase {
            case .waking, .spare, .idle: actions.append(self.stop(child, .drain, now: now))
            case .busy: self.children[child]?.lastReason = .drain
            case .stopping, nil: break
            }
        }
        self.sparesWaking = 0
        return actions
    }

    /// The time to finish has run out: all calls fail, and all children stop.
    /// - Precondition: It drains.
    package mutating func abandon(now: Instant) -> [Action] {
        precondition(self.isDraining, "calls are cut after they were given time")
        var actions: [Action] = []
        for child in self.children.keys.sorted() where self.children[child]?.phase == .busy {
            actions += self.failCalls(of: child, .drained) + [self.stop(child, .drain, now: now)]
        }
        return actions
    }

    // MARK: Steps

    /// Whether the outcome of its start is still of interest.
    private func isWaking(_ child: ChildNumber) -> Bool {
        precondition(child.number <= self.lastChild, "a child was numbered here")
        return self.children[child]?.phase == .waking
    }

    /// Counts a start that failed against its key and, when that is news, against the server; and refuses those who
    /// waited for it.
    mutating func countFailedStart(
        of child: Child, isOfKey: Bool = false, now: Instant, jitter: Double
    ) -> [Action] {
        self.figuresNow.startFailures += 1
        if !isOfKey {
            self.failuresInRow += 1
            self.lastFailure = now
        }
        let wasClosed = self.serverGate.isClosed(now: now)
        var actions: [Action] = []
        // A key that fails again says nothing about others, unless it was the one that was tried for all.
        var isNews = true
        if let key = child.owner?.key {
            self.keys[key]?.gate.failed(now: now, jitter: jitter, threshold: 1, limits: self.limits)
            let gate = self.keys[key]?.gate ?? StartGate()
            isNews = gate.failures == 1 || self.serverGate.isTripped
            actions += self.refuseAll(of: key, .startFailed, retryAfter: gate.remaining(now: now))
        } else {
            self.spareFailed(now: now, jitter: jitter)
        }
        if isNews, !isOfKey {
            self.serverGate.failed(
                now: now, jitter: jitter, threshold: self.limits.serverFailuresMax, limits: self.limits)
        }
        guard !wasClosed, let reopens = self.serverGate.reopens, now < reopens else { return actions }
        self.lookAtGates(by: reopens)
        actions += self.refuseAllWithoutChild(now: now)
        return actions
    }

    private mutating func spareFailed(now: Instant, jitter: Double) {
        self.spareGate.failed(now: now, jitter: jitter, threshold: 1, limits: self.limits)
        if let reopens = self.spareGate.reopens { self.lookAtGates(by: reopens) }
    }

    /// Nobody waits for a start while all fail.
    private mutating func refuseAllWithoutChild(now: Instant) -> [Action] {
        let retryAfter = max(self.serverGate.remaining(now: now), self.limits.backoffMin)
        var actions: [Action] = []
        for id in self.waiting.keys.sorted() {
            guard let key = self.waiting[id]?.key, self.child(of: key) == nil, self.forget(id) != nil else { continue }
            actions.append(.refuse(id, self.refusal(.failing, retryAfter: retryAfter)))
            self.restIfUnwanted(key, now: now)
        }
        self.tidyWaiting()
        return actions
    }

    /// All calls of a child fail, the oldest first.
    private mutating func failCalls(of child: ChildNumber, _ failure: HostFailure) -> [Action] {
        self.placed.filter { $0.value.child == child }.keys.sorted().map { self.fail($0, failure) }
    }

    /// A call fails whose child is not to be used for others.
    mutating func fail(_ id: HostCallID, _ failure: HostFailure) -> Action {
        _ = self.removePlaced(id)
        self.figuresNow.failures[failure, default: 0] += 1
        return .fail(id, failure)
    }
}
