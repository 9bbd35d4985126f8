/// Turns memory pressure into actions: a ladder of rungs, climbed one at a time. Holds no clock and reads nothing: the
/// caller measures, tells, carries out what is decided, and tells what that freed.
///
/// **Up**: one rung a pass at most, so that the milder action is under way before the harder one. **Down**: one rung
/// after ``GovernorLimits/calmPassesMin`` passes in a row below the rung's exit. So there are never more than two
/// changes for each `calmPassesMin` passes, beyond the seven of one climb; and while pressure swings by less than lies
/// between a rung's entry and exit, there are none.
///
/// **Work** in a pass is bounded. An action is not repeated while its outcome is not known, nor once it has freed next
/// to nothing twice, until pressure has been below its rung's exit, or there is something new that it could free.
///
/// **Sources** do not all reach the top. Cancelling calls and draining are for memory that nothing else gives back:
/// - *memory* may go all the way. A leak, which no eviction relieves, ends in an exit that says so.
/// - *state* goes as far as refusing loads. It is dirty bytes that wait for a slow store, and objects in use: writers
///   wait already, callers finish by themselves, and its cap holds whatever happens. Cancelling calls would commit
///   nothing sooner, and a restart would find the same store.
/// - *stall* goes as far as that too while memory itself is below ``GovernorLimits/stallMemoryMin``: then a neighbour
///   presses the machine. Above, it is our own doing, and may go all the way.
/// - *children* of hosted servers count as memory, and go as far as no more of them being started and no loads: what
///   they take is taken out of the last two rungs. Cancelling calls here gives back nothing of theirs, each is within
///   its own cap, and at the limit the kernel ends children before this process.
///
/// **The end** comes when pressure stays at ``GovernorLimits/drainEntry`` for ``GovernorLimits/drainPassesMin`` passes,
/// eviction and trimming free nothing any more, and calls were cancelled in vain; or, for twice as many passes,
/// whatever is freed comes back as fast. It is final.
package struct GovernorStateMachine: Sendable {
    package let limits: GovernorLimits

    package private(set) var rung = GovernorRung.calm
    package private(set) var pressure: Pressure
    private var since: Instant
    private var reason = "nothing was measured yet"
    private var changes = RungCounts()
    private var freedBytes = RungCounts()
    private var endedChildren = 0

    /// Passes since the start.
    private var pass = 0
    /// Passes in a row at or below the exit of the rung.
    private var calmPasses = 0
    /// How long pressure has been where it ends in a drain; see ``GovernorLimits/drainPassesMin``.
    private var hotPasses = 0
    private var eviction = GovernorEffort()
    private var trimming = GovernorEffort()
    private var cancelling = GovernorEffort()

    package init(limits: GovernorLimits = GovernorLimits(), now: Instant) {
        self.limits = limits
        self.since = now
        let nothing = ByteCount(0)
        self.pressure = Pressure(
            PressureReadings(
                stateBusy: nothing, stateIdle: nothing, stateMax: nothing, memoryUsed: nothing, memoryMax: nil),
            limits: limits)
    }

    /// Who is let in.
    package var admission: GovernorAdmission {
        if self.rung >= .refuseLoads { return .noLoads }
        return self.rung >= .refuseNewState ? .noNewState : .everything
    }

    package var report: GovernorReport {
        GovernorReport(
            pressure: self.pressure, rung: self.rung, admission: self.admission, reason: self.reason,
            since: self.since, changes: self.changes, freedBytes: self.freedBytes, endedChildren: self.endedChildren)
    }

    // MARK: Passes

    /// The process was measured.
    /// - Complexity: O(1).
    package mutating func read(_ readings: PressureReadings, now: Instant) -> GovernorDecision {
        self.pass += 1
        self.pressure = Pressure(readings, limits: self.limits)
        self.renewEfforts()
        self.countHotPass()
        let change = self.nextStep()
        if let change {
            self.rung = change.to
            self.since = now
            self.reason = change.reason
            self.changes[change.to] += 1
            self.calmPasses = 0
            if change.from == .cancelLargest, change.to < change.from { self.cancelling.renew() }
        }
        let admission = self.admission
        return GovernorDecision(
            rung: self.rung, change: change, actions: self.actions(after: change), admission: admission,
            retryAfter: admission == .everything ? nil : self.limits.retryAfter)
    }

    /// The action of a rung was carried out, and freed so many bytes.
    ///
    /// Told once for each ``GovernorAction/evict(bytes:)``, ``GovernorAction/trim`` and
    /// ``GovernorAction/cancelLargest``; at any time for what shorter idle timeouts freed.
    /// - Parameter bytes: For a cancelled call, what it held as far as is known, and at least 1; 0 when there was none.
    /// - Precondition: The action was asked for, and not told of yet.
    package mutating func freed(_ bytes: Int, by rung: GovernorRung) {
        precondition(bytes >= 0, "what was freed is not negative")
        let readings = self.pressure.readings
        switch rung {
        case .shortenIdle: break
        case .evictColdest: self.eviction.ended(freed: bytes, level: readings.stateIdle.bytes)
        case .trim: self.trimming.ended(freed: bytes, level: readings.memoryUsed.bytes)
        case .cancelLargest: self.cancelling.ended(freed: bytes, level: 0)
        case .calm, .refuseNewState, .refuseLoads, .drain: preconditionFailure("\(rung.rawValue) frees nothing")
        }
        self.freedBytes[rung] += bytes
    }

    /// So many children of a ``GovernorAction/endChildren(bytes:countMax:)`` are being ended, which take so many bytes.
    package mutating func endedChildren(_ count: Int, freeing bytes: Int) {
        precondition(count >= 0 && bytes >= 0, "what was ended is not negative")
        self.endedChildren += count
        self.freedBytes[.evictColdest] += bytes
    }

    // MARK: Pressure

    /// What eviction, trimming and cancelling could relieve.
    private var relievable: Double { max(self.pressure.memory, self.pressure.stall) }

    /// The worst of the sources that reach a rung.
    private func pressure(at rung: GovernorRung) -> Double {
        guard rung > .refuseLoads else { return self.pressure.value }
        let own = self.pressure.memoryBesideChildren
        return own < self.limits.stallMemoryMin ? own : max(own, self.pressure.stall)
    }

    /// The numbers of the worst of the sources that reach a rung.
    private func reason(at rung: GovernorRung) -> String {
        guard rung > .refuseLoads else { return self.pressure.reason }
        return self.pressure.reason(
            of: self.pressure.memoryBesideChildren >= self.pressure(at: rung) ? .memory : .stall)
    }

    /// What shares are taken of. In bytes.
    private var wholeBytes: Double {
        Double((self.pressure.readings.memoryMax ?? self.pressure.readings.stateMax).bytes)
    }

    /// What an action has to free to be worth repeating. In bytes.
    private var worthwhileBytes: Int { max(1, Int(self.wholeBytes * self.limits.worthwhileShare)) }

    private mutating func countHotPass() {
        let pressure = self.pressure(at: .drain)
        if pressure >= self.limits.drainEntry {
            self.hotPasses += pressure >= 1 ? 3 : 1
        } else {
            self.hotPasses = pressure <= self.limits.cancelLargest.exit ? 0 : max(0, self.hotPasses - 1)
        }
    }

    // MARK: The ladder

    private mutating func nextStep() -> GovernorChange? {
        if let above = self.rung.above, let reason = self.reasonToEnter(above) {
            return GovernorChange(from: self.rung, to: above, reason: reason)
        }
        guard let step = self.limits.step(self.rung), let below = self.rung.below else { return nil }
        guard self.pressure(at: self.rung) <= step.exit else {
            self.calmPasses = 0
            return nil
        }
        self.calmPasses += 1
        guard self.calmPasses >= self.limits.calmPassesMin else { return nil }
        let exit = step.exit.percentText
        let reason = "pressure at most \(exit) for \(self.calmPasses) passes (\(self.reason(at: self.rung)))"
        return GovernorChange(from: self.rung, to: below, reason: reason)
    }

    /// Why the next rung is entered now; `nil` when it is not.
    private func reasonToEnter(_ rung: GovernorRung) -> String? {
        guard rung != .drain else { return self.reasonToDrain() }
        let pressure = self.pressure(at: rung)
        guard let entry = self.limits.step(rung)?.entry, pressure >= entry else { return nil }
        if rung == .cancelLargest {
            guard self.isReliefSpent || self.hotPasses >= self.limits.cancelHotPassesMin else { return nil }
        }
        return "pressure \(pressure.percentText) reached \(entry.percentText) (\(self.reason(at: rung)))"
    }

    /// Whether eviction and trimming have freed nothing lately, or have nothing to free, and no child is left to end.
    private var isReliefSpent: Bool {
        let children = self.pressure.readings.children
        guard children.idleCount == 0, children.leaving.bytes < self.worthwhileBytes else { return false }
        let isEvictionSpent =
            self.eviction.isSpent
            || !self.eviction.isPending && self.pressure.readings.stateIdle.bytes < self.worthwhileBytes
        return isEvictionSpent && self.trimming.isSpent
    }

    /// Whether as many calls were cancelled as may be, or there were none, and the last has had its time to end.
    private var isCancellingSpent: Bool {
        !self.cancelling.isPending && (self.cancelling.tries >= self.limits.cancelsMax || self.cancelling.isSpent)
            && self.cancelling.hasSettled(pass: self.pass, passesMin: self.limits.cancelPassesMin)
    }

    private func reasonToDrain() -> String? {
        let pressure = self.pressure(at: .drain)
        guard pressure >= self.limits.drainEntry, self.hotPasses >= self.limits.drainPassesMin else { return nil }
        // What frees something, but no more than comes back, or does not end, is waited for only so long.
        let hasWaited = self.hotPasses >= 2 * self.limits.drainPassesMin
        guard self.isCancellingSpent || hasWaited && self.cancelling.isPending else { return nil }
        guard self.isReliefSpent || hasWaited else { return nil }
        let calls = self.cancelling.tries == 1 ? "one call" : "\(self.cancelling.tries) calls"
        return """
            pressure stays at \(pressure.percentText) (\(self.reason(at: .drain))), and evicting, trimming and \
            cancelling \(calls) did not relieve it: ending in good order before the kernel does otherwise
            """
    }

    // MARK: Actions

    private mutating func renewEfforts() {
        let readings = self.pressure.readings
        if self.relievable <= self.limits.evictColdest.exit {
            self.eviction.renew()
        } else {
            self.eviction.retry(ifGrownBy: self.worthwhileBytes, level: readings.stateIdle.bytes)
        }
        if self.relievable <= self.limits.trim.exit {
            self.trimming.renew()
        } else {
            let change = max(1, Int(self.wholeBytes * self.limits.evictShareMax))
            self.trimming.retry(ifChangedBy: change, level: readings.memoryUsed.bytes)
        }
    }

    private mutating func actions(after change: GovernorChange?) -> [GovernorAction] {
        var actions: [GovernorAction] = []
        if change?.from == .calm { actions.append(.shortenIdle(to: self.limits.idleFactor)) }
        if change?.to == .calm { actions.append(.shortenIdle(to: 1)) }
        if self.rung >= .evictColdest { actions += self.evictions() }
        if self.rung >= .trim, self.relievable > self.limits.trim.exit,
            self.trimming.isReady(pass: self.pass, passesMin: self.limits.trimPassesMin)
        {
            self.trimming.started(pass: self.pass, worthwhile: self.worthwhileBytes)
            actions.append(.trim)
        }
        if self.rung == .cancelLargest, self.pressure(at: .cancelLargest) >= self.limits.cancelLargest.entry,
            self.cancelling.tries < self.limits.cancelsMax,
            self.cancelling.isReady(pass: self.pass, passesMin: self.limits.cancelPassesMin)
        {
            self.cancelling.started(pass: self.pass, worthwhile: 1)
            actions.append(.cancelLargest)
        }
        if change?.to == .drain { actions.append(.drain(reason: self.reason)) }
        return actions
    }

    /// What brings memory to the exit of eviction, as far as one pass goes: by state, which costs least to have back, and
    /// by children for what that leaves.
    ///
    /// Ending children is no ``GovernorEffort``: what it will free is known, and those that are on their way out are
    /// taken into account, so that no more are ended than it takes.
    private mutating func evictions() -> [GovernorAction] {
        let (readings, exit) = (self.pressure.readings, self.limits.evictColdest.exit)
        let passMax = min(max(1, Int(self.wholeBytes * self.limits.evictShareMax)), self.limits.evictPassMax.bytes)
        // How much less would end a stall nobody knows.
        var needed = self.pressure.stall > exit ? passMax : 0
        if let memoryMax = readings.memoryMax {
            needed = max(needed, readings.memoryUsed.bytes - Int((Double(memoryMax.bytes) * exit).rounded()))
        }
        needed -= readings.children.leaving.bytes
        var actions: [GovernorAction] = []
        let evictable = min(needed, passMax, readings.stateIdle.bytes)
        if evictable > 0, self.eviction.isReady(pass: self.pass) {
            self.eviction.started(pass: self.pass, worthwhile: max(1, min(evictable / 2, self.worthwhileBytes)))
            actions.append(.evict(bytes: evictable))
            needed -= evictable
        }
        if needed > 0, readings.children.idleCount > 0 {
            actions.append(
                .endChildren(
                    bytes: needed, countMax: min(self.limits.endChildrenPassMax, readings.children.idleCount)))
        }
        return actions
    }
}
