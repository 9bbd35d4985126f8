// Which key gets a child next, and who makes room for it.
extension HostStateMachine {
    /// Some calls of a key without a child wait: it stands in line for a start, or backs off, or they are refused.
    mutating func wake(_ key: Key, now: Instant) -> [Action] {
        guard let state = self.keys[key], !state.calls.isEmpty else { preconditionFailure("a key wakes for a call") }
        if let retryAfter = self.failing(state.gate, now: now) {
            let refusals = self.refuseAll(of: key, .failing, retryAfter: retryAfter)
            self.rest(key, now: now)
            return refusals
        }
        if let reopens = state.gate.reopens, now < reopens {
            self.keys[key]?.phase = .backingOff
            self.lookAtGates(by: reopens)
        } else {
            self.keys[key]?.phase = .queued(self.roomLine.append(key, of: state.account))
        }
        return []
    }

    /// Starts what may be started, has stopped who makes room for the rest, and keeps spares.
    mutating func serve(now: Instant) -> [Action] {
        self.nextRoom = nil
        guard !self.isDraining else { return [] }
        var actions: [Action] = []
        while self.mayStart(now: now), let key = self.nextToStart() { actions.append(self.start(key, now: now)) }
        actions += self.makeRoom(now: now)
        actions += self.startSpares(now: now)
        return actions
    }

    /// For how long nobody should wait for a start of a key with this gate; `nil` when it is worth waiting.
    func failing(_ gate: StartGate?, now: Instant) -> Duration? {
        if self.serverGate.isTripped, self.startsRetryAfter == nil, !self.mayStart(now: now) {
            return max(self.serverGate.remaining(now: now), self.limits.backoffMin)
        }
        guard let gate, gate.isClosed(now: now) else { return nil }
        let remaining = gate.remaining(now: now)
        let isHopeless = gate.failures >= self.limits.keyFailuresMax || remaining >= self.limits.queueTimeout
        return isHopeless ? remaining : nil
    }

    /// After failures of many keys, one start at a time is tried.
    private func mayStart(now: Instant) -> Bool {
        guard self.startsRetryAfter == nil else { return false }
        return !self.serverGate.isTripped || (!self.serverGate.isClosed(now: now) && self.figuresNow.waking == 0)
    }

    private mutating func nextToStart() -> Key? {
        guard !self.spares.isEmpty || self.children.count < self.limits.childrenMax else { return nil }
        let (accounts, accountMax) = (self.accounts, self.limits.accountChildrenMax)
        return self.roomLine.popNext { accounts[$0]?.children ?? 0 < accountMax }
    }

    private mutating func start(_ key: Key, now: Instant) -> Action {
        guard let account = self.keys[key]?.account else { preconditionFailure("who stands in line is known") }
        let isSpare = !self.spares.isEmpty
        let child = isSpare ? self.spares.removeFirst() : self.newChild(now: now)
        self.children[child]?.owner = (key, account)
        self.children[child]?.lastReason = self.limits.isPerCall ? .callEnded : nil
        if isSpare {
            self.enter(.waking, child, now: now)
            self.figuresNow.sparesTaken += 1
        }
        self.count(account) { $0.children += 1 }
        self.keys[key]?.phase = .child(child)
        self.sparesWanted = self.limits.sparesMax
        return .start(child, key, isSpare: isSpare)
    }

    private mutating func newChild(now: Instant) -> ChildNumber {
        self.lastChild += 1
        let (number, stamp) = (ChildNumber(self.lastChild), self.newStamp())
        self.children[number] = Child(phase: .waking, stamp: stamp, since: now, awakeSince: now)
        self.wakingAges.append(Stay(subject: number, stamp: stamp))
        self.figuresNow.waking += 1
        self.figuresNow.starts += 1
        return number
    }

    // MARK: Making room

    /// Has as many idle children stopped as are missing for the keys that wait, the coldest first, of those that may be.
    private mutating func makeRoom(now: Instant) -> [Action] {
        guard !self.roomLine.isEmpty, self.figuresNow.idle > 0, self.mayStart(now: now) else { return [] }
        var waiting: [(account: Account, keys: Int)] = []
        self.roomLine.forEachCaller { waiting.append(($0, $1)) }
        // Only one is tried after failures of many.
        let keysMax = self.serverGate.isTripped ? 1 : Int.max
        var actions: [Action] = []
        var demand = 0
        for (account, keys) in waiting where demand < keysMax {
            let wanted = min(keys, keysMax)
            let state = self.accounts[account] ?? AccountState()
            var possible = self.limits.accountChildrenMax - state.children + state.stopping
            while possible < wanted, let victim = self.dispensable(of: account, now: now) {
                actions.append(self.stop(victim, .room, now: now))
                possible += 1
            }
            demand += min(wanted, possible)
        }
        var supply =
            self.limits.childrenMax - self.children.count + self.figuresNow.stopping + self.sparesWaking
        while supply < demand, let victim = self.dispensable(now: now) {
            actions.append(self.stop(victim, .room, now: now))
            supply += 1
        }
        return actions
    }

    /// The child that has been idle for longest, of those that may be stopped for others to start. When there is none, notes
    /// when there may be.
    /// - Parameter account: Whose; `nil` for anybody's.
    private mutating func dispensable(of account: Account? = nil, now: Instant) -> ChildNumber? {
        var coldest: (child: ChildNumber, stamp: UInt64)?
        var next: Instant?
        for (number, child) in self.children where child.phase == .idle {
            guard account == nil || child.owner?.account == account else { continue }
            let since = self.dispensableSince(child)
            guard since <= now else {
                next = min(next ?? since, since)
                continue
            }
            if child.stamp < coldest?.stamp ?? .max { coldest = (number, child.stamp) }
        }
        if coldest == nil, let next { self.nextRoom = min(self.nextRoom ?? next, next) }
        return coldest?.child
    }

    /// From when on an idle child may be stopped for others to start. To stop it costs another start if its key comes
    /// back, to keep it costs those who wait: it stays for as long as the start took, which is at most twice the cost of
    /// whichever would have been right. One that has had its turn does not stay.
    private func dispensableSince(_ child: Child) -> Instant {
        let lingers = min(child.startDuration ?? .zero, self.limits.lingerMax)
        return max(child.since, min(child.since + lingers, child.awakeSince + self.limits.turnMax))
    }

    /// The child that has been idle for longest.
    mutating func coldestIdle() -> ChildNumber? {
        while let stay = self.idleAges.first {
            if self.children[stay.subject]?.stamp == stay.stamp { return stay.subject }
            _ = self.idleAges.popFirst()
        }
        return nil
    }

    /// Memory is short, or is not any more. While it is, no child is started; calls that need one are refused, but for
    /// those that wait for it already.
    /// - Parameter retryAfter: When who is refused may try again; `nil`: children are started.
    package mutating func refuseStarts(retryAfter: Duration?, now: Instant) -> [Action] {
        self.startsRetryAfter = retryAfter
        return self.serve(now: now)
    }

    /// A child that ``relieve(atMost:now:)`` would end.
    package struct Candidate: Hashable, Sendable {
        package let child: ChildNumber
        package let isSpare: Bool
        /// Since when nobody uses it.
        package let since: Instant
    }

    /// Whom ``relieve(atMost:now:)`` would end first.
    package mutating func nextToRelieve() -> Candidate? {
        guard let child = self.spares.last ?? self.coldestIdle(), let since = self.children[child]?.since else {
            return nil
        }
        return Candidate(child: child, isSpare: !self.spares.isEmpty, since: since)
    }

    /// Memory is short: ends children that nobody uses, spares first, then those that were idle for longest. No spares are
    /// started until the next call wakes a key.
    /// - Parameter countMax: How many.
    package mutating func relieve(atMost countMax: Int, now: Instant) -> [Action] {
        self.sparesWanted = 0
        var actions: [Action] = []
        while actions.count < countMax, let child = self.spares.popLast() ?? self.coldestIdle() {
            actions.append(self.stop(child, .memory, now: now))
        }
        return actions
    }

    // MARK: Spares

    /// Starts children ahead where nobody waits for the room that they take.
    private mutating func startSpares(now: Instant) -> [Action] {
        var actions: [Action] = []
        while self.spares.count + self.sparesWaking < self.sparesWanted, self.roomLine.isEmpty,
            self.children.count < self.limits.childrenMax, self.mayStart(now: now), !self.spareGate.isClosed(now: now)
        {
            self.sparesWaking += 1
            actions.append(.startSpare(self.newChild(now: now)))
        }
        return actions
    }

    /// Ends spares that came up after ``relieve(atMost:now:)``.
    mutating func stopUnwantedSpares(now: Instant) -> [Action] {
        var actions: [Action] = []
        while self.spares.count > self.sparesWanted, let spare = self.spares.popLast() {
            actions.append(self.stop(spare, .memory, now: now))
        }
        return actions
    }

    // MARK: Rest

    /// A key without a child that nobody waits for: it is forgotten, unless its failures matter still.
    mutating func rest(_ key: Key, now: Instant) {
        guard let reopens = self.keys[key]?.gate.reopens, now < reopens + self.limits.backoffMax else {
            self.keys[key] = nil
            return
        }
        self.keys[key]?.phase = .asleep
        self.lookAtGates(by: reopens + self.limits.backoffMax)
        let keysMax = self.limits.childrenMax + self.limits.queuedMax + HostLimits.failingKeysMax
        if self.keys.count > keysMax { self.forgetOldestGate() }
    }

    /// Lets a key rest when its last call has left.
    mutating func restIfUnwanted(_ key: Key, now: Instant) {
        guard let state = self.keys[key], state.calls.isEmpty else { return }
        switch state.phase {
        case .queued(let ticket):
            _ = self.roomLine.remove(ticket)
            self.rest(key, now: now)
        case .backingOff: self.rest(key, now: now)
        case .asleep, .child: break
        }
    }

    mutating func lookAtGates(by instant: Instant) { self.nextGate = min(self.nextGate ?? instant, instant) }

    private mutating func forgetOldestGate() {
        var oldest: (key: Key, reopens: Instant)?
        for (key, state) in self.keys where state.phase == .asleep {
            guard let reopens = state.gate.reopens, reopens < oldest?.reopens ?? Instant(nanoseconds: .max) else {
                continue
            }
            oldest = (key, reopens)
        }
        if let oldest { self.keys[oldest.key] = nil }
    }
}
