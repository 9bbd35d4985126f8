import Synchronization
import TorporCore
import TorporStore

/// The work in the background.
extension StateEngine {
    /// Commits changes, settles unknown outcomes, evicts and deletes what nobody uses, until its task is cancelled or
    /// ``stop()`` is called.
    ///
    /// Then no call begins any more; everything that has changed is committed, and on return the store is closed.
    /// - Returns: Whether all of it was committed, and every account reads zero.
    package func run() async -> Bool {
        let stored = self.state.withLock { $0.storeUsage.total }
        self.observe(.started(storedObjects: stored.objects, storedBytes: stored.bytes))
        await self.learnTombstones()
        return await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.settleUntilStopped() }
                group.addTask { await self.collectUntilStopped() }
                await self.commitUntilStopped()
                group.cancelAll()
                self.settleBell.ring()
                await group.waitForAll()
            }
            return await self.close()
        } onCancel: {
            self.stop()
        }
    }

    /// Begins the end: no call begins any more, and ``run()`` returns when everything is committed.
    package func stop() {
        let waiters = self.state.withLock { state in
            state.isStopping = true
            state.commits.hurry()
            defer {
                state.roomWaiters = []
                state.tombstoneWaiters = []
            }
            return state.roomWaiters + state.tombstoneWaiters
        }
        for parked in waiters { parked.wake(.failed(.stopping)) }
        self.commitBell.ring()
    }

    /// Evicts everything, closes the store, and sees that nothing was forgotten.
    private func close() async -> Bool {
        var wakes = Wakes()
        let (uncommitted, remainders) = self.changing { state in
            state.abandonWaiters(wakes: &wakes)
            while state.evictNext() {}
            return (state.active.count, state.ledger.remainders.map(\.bytes))
        }
        self.wake(wakes)
        await self.store.close()
        self.observe(.closed(uncommittedObjects: uncommitted, remainders: remainders))
        return uncommitted == 0 && remainders.isEmpty
    }

    /// Learns which sessions have ended, again and again until the store can be read or the process stops.
    private func learnTombstones() async {
        var count = 0
        let pageMax = 10_000
        while !self.state.withLock({ $0.isStopping }) {
            do {
                let page = try await self.store.tombstones(skipping: count, limit: pageMax)
                let time = self.environment.wallTime()
                self.state.withLock { state in for tombstone in page { state.bury(tombstone, time: time) } }
                count += page.count
                if page.count < pageMax { return self.wakeTombstoneWaiters(nil) }
            } catch {
                self.observe(.storeFailed(.tombstones, error))
                self.wakeTombstoneWaiters(EngineError(error))
                do { try await self.environment.sleep(.seconds(1)) } catch { return }
            }
        }
    }

    /// - Parameter error: Why they are not known; `nil` when they are.
    private func wakeTombstoneWaiters(_ error: EngineError?) {
        var wakes = Wakes()
        self.state.withLock { state in
            state.knowsTombstones = error == nil
            wakes.add(state.tombstoneWaiters, error.map { .failed($0) } ?? .again)
            state.tombstoneWaiters = []
        }
        self.wake(wakes)
    }

    // MARK: Commits

    private func commitUntilStopped() async {
        // A batch is over when it has its size, so the last object of it may exceed that.
        var reserve = CommitReserve(bytes: self.limits.batchMax.bytes + self.limits.memory.objectMax.bytes)
        while true {
            let now = self.environment.now()
            let (step, hasEnded) = self.state.withLock { state in
                state.commitSteps &+= 1
                // Also what changes while the process stops waits for no interval.
                if state.isStopping { state.commits.hurry() }
                return (state.commits.next(now: now), state.stopIfDone())
            }
            switch step {
            case .send: await self.commit(&reserve)
            case .wait where hasEnded: return
            case .wait(until: let due?): await self.wait(until: due)
            case .wait(until: nil): await self.commitBell.wait()
            }
        }
    }

    /// Waits for a moment, or for the bell.
    private func wait(until due: Instant) async {
        let pause = due.since(self.environment.now())
        await withTaskGroup(of: Void.self) { group in
            // Cancelled when the bell rings first.
            group.addTask {
                do { try await self.environment.sleep(pause) } catch { return }
                self.commitBell.ring()
            }
            await self.commitBell.wait()
            group.cancelAll()
        }
    }

    /// Takes one batch and commits it.
    private func commit(_ reserve: inout CommitReserve) async {
        let now = self.environment.now()
        var batch = CapturedBatch()
        swap(&batch.bytes, &reserve.captured)
        self.state.withLock { $0.take(into: &batch, now: now) }
        var commit = CommitBatch(id: self.environment.randomBits(), time: self.environment.wallTime(), objects: [])
        swap(&commit.bytes, &reserve.sealed)
        self.codec.seal(batch, into: &commit)
        let rawBytes = batch.bytes.count
        swap(&batch.bytes, &reserve.captured)
        reserve.captured.removeAll(keepingCapacity: true)
        await self.carryOut(batch, commit, rawBytes: rawBytes, since: now)
        swap(&commit.bytes, &reserve.sealed)
        reserve.sealed.removeAll(keepingCapacity: true)
    }

    private func carryOut(_ batch: CapturedBatch, _ commit: CommitBatch, rawBytes: Int, since now: Instant) async {
        guard !batch.objects.isEmpty else { return self.finish(batch) { _, _, _ in } }
        let end = await self.send(commit)
        let time = self.environment.wallTime()
        let deadline = self.environment.now() + self.limits.unavailableMax
        var settlements: [Settlement] = []
        self.finish(batch) { state, index, wakes in
            let object = batch.objects[index]
            switch end {
            case .failure(let error): state.refused(object, EngineError(error), wakes: &wakes)
            case .success(let outcomes):
                switch outcomes[index] {
                case .committed: state.committed(object, time: time, wakes: &wakes)
                case .refused(let refusal): state.refused(object, EngineError(refusal), wakes: &wakes)
                case .unknown:
                    Settlement.add(
                        object, of: commit.id, after: state.outcomeUnknown(object), deadline: deadline, to: &settlements
                    )
                }
            }
        }
        self.observe(
            .committed(commit, rawBytes: rawBytes, end, after: self.environment.now().since(now)))
        if !settlements.isEmpty {
            let now = self.environment.now()
            self.state.withLock { [settlements] state in
                state.settlements += settlements
                state.health.settlementsBegan(settlements.count, now: now)
            }
            self.settleBell.ring()
        }
    }

    /// Gives every object of a batch its outcome, and wakes who waited.
    private func finish(_ batch: CapturedBatch, _ body: (inout EngineState, Int, inout Wakes) -> Void) {
        var wakes = Wakes()
        self.changing { state in
            for index in batch.objects.indices { body(&state, index, &wakes) }
            state.endBatch(wakes: &wakes)
        }
        self.wake(wakes)
    }

    /// Sends a batch, again and again while the store cannot be reached, each time that its breaker lets it through.
    private func send(_ batch: CommitBatch) async -> Result<[CommitOutcome], StoreError> {
        let deadline = self.environment.now() + self.limits.unavailableMax
        while true {
            guard let pass = await self.admittedCommit() else {
                // The process stops, and what cannot be stored now is not stored.
                return .failure(StoreError(.unavailable, "The store could not be reached before the server stopped."))
            }
            do {
                let outcomes = try await self.store.commit(batch)
                let now = self.environment.now()
                self.noteRecovery(
                    self.state.withLock { state in
                        state.commitEnded(pass, .success, now: now)
                        return state.health.committed(outcomes, now: now)
                    })
                return .success(outcomes)
            } catch {
                let now = self.environment.now()
                self.state.withLock { state in
                    state.commitSteps &+= 1
                    state.commitEnded(pass, error.code == .unavailable ? .failure : .unknown, now: now)
                    state.health.commitFailed(error.reason, now: now)
                }
                self.observe(.storeFailed(.commit, error))
                let mayWait = self.limits.durability != .acknowledged || now < deadline
                guard error.code == .unavailable, mayWait else { return .failure(error) }
            }
        }
    }

    /// Waits until the store may be sent a commit.
    /// - Returns: `nil` when the task was cancelled meanwhile.
    private func admittedCommit() async -> CircuitBreaker.Pass? {
        while true {
            let now = self.environment.now()
            switch self.state.withLock({ $0.commitBreaker.admit(now: now) }) {
            case .admitted(let pass): return pass
            case .refused(let retryAfter):
                do { try await self.environment.sleep(retryAfter) } catch { return nil }
            }
        }
    }

    func noteRecovery(_ duration: Duration?) {
        if let duration { self.observe(.storeRecovered(after: duration)) }
    }

    // MARK: Unknown outcomes

    private func settleUntilStopped() async {
        var pause = Duration.milliseconds(10)
        while true {
            let next = self.state.withLock { state -> Settlement? in
                guard !state.settlements.isEmpty else { return nil }
                state.isSettling = true
                return state.settlements.removeFirst()
            }
            guard var settlement = next else {
                if self.state.withLock({ $0.hasStopped }) { return }
                await self.settleBell.wait()
                continue
            }
            do {
                try await self.trySettling(&settlement)
                pause = .milliseconds(10)
            } catch {
                self.observe(.storeFailed(.settle, error))
                await self.postpone(settlement, by: pause)
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    /// Puts a settlement behind the others, which may be luckier. Who has waited too long for any of them is told so.
    private func postpone(_ settlement: Settlement, by pause: Duration) async {
        let now = self.environment.now()
        var wakes = Wakes()
        self.state.withLock { state in
            state.settlements.append(settlement)
            state.isSettling = false
            state.giveUpWaiting(now: now, wakes: &wakes)
        }
        self.wake(wakes)
        self.commitBell.ring()
        // Cancelled: the process stops, and what cannot be found out now is not found out.
        do { try await self.environment.sleep(pause) } catch {
            self.state.withLock { $0.settlements = [] }
            self.commitBell.ring()
        }
    }

    /// Finds out what became of a commit: acquires the unit again, so that nothing of the commit can happen any more, and
    /// reads.
    private func trySettling(_ settlement: inout Settlement) async throws(StoreError) {
        if let former = settlement.former {
            let (unit, fence) = (settlement.unit, try await self.store.acquire(settlement.unit, after: former))
            self.state.withLock { state in
                _ = state.ownership.acquired(unit, fence)
                state.resumeHeld(of: unit)
            }
            // Once is enough: to acquire it again would outdo the fence just won.
            settlement.former = nil
        } else if self.state.withLock({ [unit = settlement.unit] in $0.ownership.fence(of: unit) == nil }) {
            throw StoreError(.unavailable, "The unit has not been acquired again yet.")
        }
        var headers: [RecordHeader?] = []
        for object in settlement.objects { headers.append(try await self.store.header(of: object.change.header.id)) }
        let time = self.environment.wallTime()
        let now = self.environment.now()
        var wakes = Wakes()
        let recovery = self.changing { [settlement] state in
            for (object, header) in zip(settlement.objects, headers) {
                if settlement.hasTakenEffect(on: object, header) {
                    state.committed(object, time: time, wakes: &wakes)
                } else if header == nil, let tombstone = object.change.tombstone {
                    // Whether the tombstone of a session without an object was left nobody can see. Were it there, what the
                    // session kept from now on would be lost at the next start.
                    state.bury(tombstone, time: time)
                    state.refused(object, .silence, wakes: &wakes)
                } else {
                    state.refused(object, .changeLost, wakes: &wakes)
                }
            }
            state.letWritersGoOn(wakes: &wakes)
            state.isSettling = false
            return state.health.settlementEnded(now: now)
        }
        self.wake(wakes)
        self.noteRecovery(recovery)
        self.commitBell.ring()
    }
}

/// An unknown outcome that has to be found out.
struct Settlement {
    let unit: UnitID
    let commit: UInt128
    /// The fence to be outdone; `nil` when another settlement does it, or it is done.
    var former: Fence?
    /// When those who wait have waited long enough.
    let deadline: Instant
    var objects: [CapturedBatch.Object]

    static func add(
        _ object: CapturedBatch.Object, of commit: UInt128, after former: Fence?, deadline: Instant,
        to settlements: inout [Settlement]
    ) {
        let unit = UnitID(object.change.header.account, object.change.header.id)
        if let index = settlements.firstIndex(where: { $0.unit == unit }) {
            settlements[index].objects.append(object)
        } else {
            settlements.append(
                Settlement(unit: unit, commit: commit, former: former, deadline: deadline, objects: [object]))
        }
    }

    /// Whether the commit was carried out, by what the store has now.
    func hasTakenEffect(on object: CapturedBatch.Object, _ header: RecordHeader?) -> Bool {
        switch object.change.action {
        case .write: header?.commit == self.commit
        // Of a deletion that only leaves a tombstone nothing can be seen: the session is ended, and whoever asked for it
        // asks again, so that it stays so.
        case .delete: header == nil && object.change.base > .zero
        }
    }
}
