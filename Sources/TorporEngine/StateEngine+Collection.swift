import Synchronization
import TorporCore
import TorporStore

/// What sleeps, what is deleted, and how the store is.
extension StateEngine {
    /// Looks once a second for what is idle, once every ten seconds for what has expired and how the store is, until its
    /// task is cancelled.
    func collectUntilStopped() async {
        var sweeps = 0
        await self.lookAtStore()
        while !Task.isCancelled {
            do { try await self.environment.sleep(.seconds(1)) } catch { return }
            self.evictIdle()
            self.giveMemoryBack()
            sweeps += 1
            if sweeps % 10 == 0 { await self.deleteExpired() }
            if sweeps % 10 == 0 || self.state.withLock({ $0.health.isCommitFailing }) {
                await self.lookAtStore()
                await self.probeStore()
            }
        }
    }

    /// Evicts objects that have been idle for long enough, a bounded number at a time.
    func evictIdle() {
        let now = self.environment.now()
        var count = 0
        var isMore = true
        while isMore {
            isMore = self.changing { state in
                let due = state.idle.advance(to: now, atMost: 1_000)
                for number in due where state.isAtRest(number) {
                    let idleSince = state.records.head(number).pointee.lastUse
                    if idleSince + state.idleTimeout <= now {
                        state.evict(number)
                        count += 1
                    } else {
                        state.idle.schedule(number, at: idleSince + state.idleTimeout)
                    }
                }
                return due.count == 1_000
            }
        }
        if count > 0 { self.observe(.evicted(.idle, count: count)) }
    }

    /// Moves what is left together and gives pages back, in bounded steps.
    package func giveMemoryBack() {
        var isMore = true
        while isMore {
            let (pages, more) = self.state.withLock { state in
                let more = state.records.compact(atMost: 256 << 10)
                return (state.records.takeReleasable(), more)
            }
            if !pages.isEmpty {
                pages.giveBack()
                self.state.withLock { $0.records.finishRelease(pages) }
            }
            isMore = more
        }
    }

    /// Asks the store what it has.
    func lookAtStore() async {
        do {
            let usage = try await self.store.usage()
            self.state.withLock { state in
                state.storeUsage = usage
                // The last tenth of the disk is not for state.
                if let disk = usage.disk { state.isDiskLow = disk.freeBytes < disk.sizeBytes / 10 }
            }
        } catch {
            if error.code != .closed { self.observe(.storeFailed(.usage, error)) }
        }
    }

    /// Finds out whether the store takes changes again, when a commit has failed and nothing waits to be committed: calls
    /// that would change something may go elsewhere until it is known.
    func probeStore() async {
        let isDue = self.state.withLock { state in
            // Where there was no room, a change that needs none proves nothing.
            state.health.isCommitFailing && state.commits.isIdle && !(state.health.isFull && state.isDiskLow)
        }
        let start = self.environment.now()
        guard isDue, case .admitted(let pass) = self.state.withLock({ $0.commitBreaker.admit(now: start) }) else {
            return
        }
        do {
            // A change of nothing: no object has this id.
            try await self.store.setQuarantined(false, StateObjectID(bits: 0))
            let now = self.environment.now()
            self.noteRecovery(
                self.state.withLock { state in
                    state.commitEnded(pass, .success, now: now)
                    return state.health.recovered(now: now)
                })
        } catch {
            let now = self.environment.now()
            self.state.withLock { state in
                state.commitEnded(pass, error.code == .unavailable ? .failure : .unknown, now: now)
                state.health.commitFailed(error.reason, now: now)
            }
            if error.code != .closed { self.observe(.storeFailed(.commit, error)) }
        }
    }

    /// Deletes objects whose retention is over, a bounded number at a time.
    func deleteExpired() async {
        let time = self.environment.wallTime()
        do {
            let headers = try await self.store.expired(at: time, limit: 100)
            for header in headers { await self.deleteExpired(header) }
        } catch {
            self.observe(.storeFailed(.expire, error))
        }
    }

    private func deleteExpired(_ expired: RecordHeader) async {
        let name = ObjectName(expired.id, expired.kind, name: expired.name, account: expired.account)
        let tombstone = self.limits.tombstone(of: expired)
        let time = self.environment.wallTime()
        self.changing { state in
            // One that rests in memory, since its retention is shorter than the idle timeout.
            guard let number = state.numbers[expired.id], state.isAtRest(number),
                state.records.head(number).pointee.expiry <= time
            else { return }
            state.evict(number)
        }
        do {
            let deletionCount = self.state.withLock { $0.deletionCount }
            // Since it was found expired it may have been used, or deleted.
            guard let header = try await self.header(of: expired.id), header.revision == expired.revision else {
                return
            }
            try await self.learnUsage(of: header.account)
            let parked = Parked()
            let (now, time) = (self.environment.now(), self.environment.wallTime())
            let hasStarted = try self.changing { (state) throws(EngineError) in
                // Nobody may have it in use. If it was used since its header was read, and left memory again, it has
                // another revision by now, and the store refuses.
                guard state.numbers[header.id] == nil else {
                    state.forgetUnused(header.account)
                    return false
                }
                let hasStarted = try state.delete(
                    name, header, deletionCount: deletionCount, tombstone: tombstone, by: parked, now: now, time: time)
                if !hasStarted { state.forgetUnused(header.account) }
                return hasStarted
            }
            guard hasStarted else { return }
            self.commitBell.ring()
            _ = try await parked.wait()
            self.observe(.deleted(.retention))
        } catch {
            self.observe(.deletionFailed(expired.id))
        }
    }
}
