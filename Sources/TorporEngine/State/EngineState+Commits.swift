import TorporCore
import TorporStore

/// Changes taken out of memory for a commit, not yet in their stored form.
struct CapturedBatch {
    struct Object {
        let number: UInt32
        var change: ObjectChange
        /// What it adds to what its account has stored.
        var delta: AccountDelta
    }
    struct Value {
        var object: Int
        var key: Range<Int>
        /// `nil` when the value is removed.
        var value: Range<Int>?
        var expiry: WallTime?
    }

    var objects: [Object] = []
    /// Of all objects, one after the other.
    var values: [Value] = []
    /// What the ranges lie in.
    var bytes: [UInt8] = []
}

/// Memory for commits, set aside from the start: what frees memory must not need any.
struct CommitReserve {
    /// For what is taken out of memory, and for its stored form.
    var captured: [UInt8] = []
    var sealed: [UInt8] = []

    /// - Parameter bytes: The most that one batch takes. Pages that no batch has used yet take no memory.
    init(bytes: Int) {
        self.captured.reserveCapacity(bytes)
        self.sealed.reserveCapacity(bytes + bytes / 8)
    }
}

/// Who is to be woken, and how, once the lock is released.
struct Wakes {
    /// Who has been granted the use of an object has its number, and gives it back when nobody is there to use it.
    private(set) var list: [(parked: Parked, wake: Wake, granted: UInt32?)] = []

    mutating func add(_ parked: [Parked], _ wake: Wake, granting number: UInt32? = nil) {
        for parked in parked { self.list.append((parked, wake, number)) }
    }
}

extension EngineState {
    /// What a commit, or a change that stands for one, says of the store.
    mutating func commitEnded(_ pass: CircuitBreaker.Pass, _ outcome: CircuitBreaker.Outcome, now: Instant) {
        _ = self.commitBreaker.ended(pass, outcome, now: now, jitter: StoreBreakers.jitter)
    }

    // MARK: Taking a batch

    /// Takes changes for a commit, up to so many bytes of keys and values, but at least one object's.
    mutating func take(into batch: inout CapturedBatch, now: Instant) {
        let bytesMax = self.limits.batchMax.bytes
        self.commits.beginBatch(now: now)
        while batch.bytes.count < bytesMax, batch.objects.count < self.limits.batchObjectsMax,
            let number = self.commits.takeNext()
        {
            let name = self.active[number]!.name  // What is dirty is active.
            guard let fence = self.ownership.fence(of: UnitID(name.account, name.id)) else {
                self.commits.held(number)
                continue
            }
            self.capture(number, fence, into: &batch)
        }
    }

    private mutating func capture(_ number: UInt32, _ fence: Fence, into batch: inout CapturedBatch) {
        let head = self.records.head(number)
        let (base, revision) = self.active[number]!.versions.commitStarted()
        let object = self.active[number]!  // What is dirty is active.
        if let expiry = object.newExpiry { head.pointee.expiry = expiry }
        let header = RecordHeader(
            id: object.name.id, kind: object.name.kind, name: object.name.name, account: object.name.account,
            fence: fence, revision: revision, commit: 0, valueCount: Int(head.pointee.valueCount),
            byteCount: head.pointee.byteCount, created: head.pointee.created, expiry: head.pointee.expiry)
        let first = batch.values.count
        var change = ObjectChange(header: header, base: base, action: .delete)
        if let deletion = object.deletion {
            change.tombstone = deletion.tombstone.map { Tombstone(session: object.name.id, until: $0) }
        } else {
            self.captureValues(number, into: &batch)
            // Those that were set again are not to be removed.
            for key in object.removedKeys.sorted(by: { $0.lexicographicallyPrecedes($1) })
            where !self.records.find(number, key).isThere {
                let start = batch.bytes.count
                batch.bytes += key
                batch.values.append(.init(object: batch.objects.count, key: start..<batch.bytes.count, value: nil))
            }
            change.action = .write(first..<batch.values.count)
        }
        batch.objects.append(.init(number: number, change: change, delta: object.pending))
        self.active[number]!.removedKeys = []
        self.active[number]!.pending = AccountDelta()
        self.active[number]!.newExpiry = nil
    }

    private mutating func captureValues(_ number: UInt32, into batch: inout CapturedBatch) {
        for index in 0..<Int(self.records.head(number).pointee.valueCount) {
            let entry = self.records.entry(number, at: index)
            guard entry.isDirty else { continue }
            let start = batch.bytes.count
            batch.bytes.append(contentsOf: self.records.keyBytes(entry))
            let middle = batch.bytes.count
            batch.bytes.append(contentsOf: self.records.valueBytes(entry))
            batch.values.append(
                .init(
                    object: batch.objects.count, key: start..<middle, value: middle..<batch.bytes.count,
                    expiry: self.records.expiry(entry)))
            self.records.setDirty(false, number, at: index)
            self.dirtyBytes -= Int(entry.byteCount)
        }
    }

    // MARK: Outcomes

    /// A commit took effect.
    mutating func committed(_ object: CapturedBatch.Object, time: WallTime, wakes: inout Wakes) {
        let number = object.number
        wakes.add(self.active[number]!.versions.committed(), .ready)
        self.commits.ended(number, .committed)
        if case .delete = object.change.action {
            let isStored = object.change.base > .zero
            if isStored { self.deletionCount += 1 }
            self.quota.release(
                objects: object.delta.objects + (isStored ? 1 : 0),
                bytes: object.delta.grown + self.records.head(number).pointee.storedByteCount,
                of: object.change.header.account)
            if let tombstone = object.change.tombstone { self.bury(tombstone, time: time) }
            self.drop(number)
            wakes.add(self.active[number]!.residency.deleted(), .again)
            self.active[number]!.deletion = nil
        } else {
            self.quota.release(objects: 0, bytes: object.delta.shrunk, of: object.change.header.account)
            let head = self.records.head(number)
            head.pointee.revision = self.active[number]!.versions.stored
            head.pointee.storedByteCount = object.change.header.byteCount
            if self.active[number]!.residency.isClosed, self.active[number]!.deletion != nil {
                self.active[number]!.residency.settledBeforeDeletion()
            } else if self.active[number]!.residency.isClosed {
                wakes.add(self.active[number]!.residency.settled(), .ready, granting: number)
            }
        }
        self.rest(number)
    }

    /// A commit took no effect: its changes, and those that came after them, are dropped.
    mutating func refused(_ object: CapturedBatch.Object, _ error: EngineError, wakes: inout Wakes) {
        let number = object.number
        self.commits.ended(number, .dropped)
        self.undo(number, object.delta, error, wakes: &wakes)
    }

    /// Nobody knows whether a commit took effect.
    /// - Returns: The fence under which the unit has to be outdone; `nil` when that is under way.
    mutating func outcomeUnknown(_ object: CapturedBatch.Object) -> Fence? {
        let number = object.number
        self.commits.ended(number, .unknown)
        self.active[number]!.versions.outcomeUnknown()
        self.active[number]!.residency.outcomeUnknown()
        return self.ownership.outcomeUnknown(of: UnitID(object.change.header.account, object.change.header.id))
    }

    /// Drops everything of an object that is not durable.
    private mutating func undo(
        _ number: UInt32, _ sent: AccountDelta, _ error: EngineError, wakes: inout Wakes
    ) {
        let object = self.active[number]!  // What is dirty is active.
        let lost = sent + object.pending
        self.quota.release(objects: lost.objects, bytes: lost.grown, of: object.name.account)
        self.drop(number)
        self.active[number]!.pending = AccountDelta()
        self.active[number]!.removedKeys = []
        self.active[number]!.newExpiry = nil
        self.active[number]!.deletion = nil
        let isRemembered = object.residency.users > 0
        wakes.add(self.active[number]!.versions.dropped(mayBeRemembered: isRemembered), .failed(error))
        wakes.add(self.active[number]!.residency.dropped(), .again)
        self.rest(number)
    }

    /// Tells those who have waited too long for unknown outcomes that these will not be known soon. When the process
    /// stops, they will not be known at all.
    mutating func giveUpWaiting(now: Instant, wakes: inout Wakes) {
        for settlement in self.settlements where settlement.deadline <= now {
            for object in settlement.objects {
                wakes.add(self.active[object.number]!.residency.waitedLongEnough(), .failed(.silence))
                wakes.add(self.active[object.number]!.versions.waitedLongEnough(), .failed(.silence))
            }
        }
        if self.isStopping { self.settlements.removeAll { $0.deadline <= now } }
    }

    /// Everything is over: whoever waits is told so.
    mutating func abandonWaiters(wakes: inout Wakes) {
        for number in self.active.keys.sorted() {
            wakes.add(self.active[number]!.residency.abandoned(), .failed(.stopping))
            wakes.add(self.active[number]!.versions.abandoned(), .failed(.stopping))
        }
    }

    /// The batch is over.
    mutating func endBatch(wakes: inout Wakes) {
        self.commits.endBatch()
        self.letWritersGoOn(wakes: &wakes)
    }

    /// Wakes those who wait for dirty bytes to become fewer, when they have.
    mutating func letWritersGoOn(wakes: inout Wakes) {
        guard self.dirtyBytes < self.limits.memory.dirtyMax.bytes else { return }
        wakes.add(self.roomWaiters, .ready)
        self.roomWaiters = []
    }

    // MARK: Deletion

    /// Begins to delete an object that is in memory, or of which only the header is known.
    ///
    /// - Parameters:
    ///   - header: What the store has of an object that is asleep; `nil` when it has nothing.
    ///   - deletionCount: As it was before the store was asked.
    ///   - waiter: Woken when it is gone, or the deletion could not be stored.
    /// - Returns: `false` when it is not the time, it is not known what its account has stored, or the header may be of
    ///   an object that is gone; then it has to be tried again.
    mutating func delete(
        _ name: ObjectName, _ header: RecordHeader?, deletionCount: Int, tombstone: WallTime?, by waiter: Parked,
        now: Instant, time: WallTime
    ) throws(EngineError) -> Bool {
        guard !self.hasStopped else { throw .stopping }
        var name = name
        if let header { name.account = header.account }
        if let number = self.numbers[name.id], self.records.has(number) {
            // The store may know nothing of it yet.
            guard self.mayReach(number, name) else { throw .missing }
            name.account = self.records.head(number).pointee.account
        }
        guard self.quota.knows(name.account) else { return false }
        // Were it gone already, and the outcome of this deletion unknown, it would seem to have been deleted once more.
        let isInMemory = self.numbers[name.id].map { self.records.has($0) } ?? false
        guard header == nil || isInMemory || deletionCount == self.deletionCount else { return false }
        let number = self.numbers[name.id] ?? self.introduce(name)
        self.activate(number)
        guard self.active[number]!.residency.deletionStarted() else { return false }  // It was activated.
        if !self.records.has(number) {
            do {
                try self.layDown(number, name, header, now: now, time: time)
            } catch {
                _ = self.active[number]!.residency.deleted()
                self.rest(number)
                self.forgetUnused(name.account)
                throw error
            }
        }
        self.active[number]!.deletion = Deletion(tombstone: tombstone)
        let seen = self.changed(number)
        self.active[number]!.versions.wait(waiter, for: seen)
        return true
    }

    /// Lays down a record without values, for an object that is only to be deleted.
    private mutating func layDown(
        _ number: UInt32, _ name: ObjectName, _ header: RecordHeader?, now: Instant, time: WallTime
    ) throws(EngineError) {
        self.active[number]!.name = name  // It was activated.
        let bytes = RecordHead.footprint(valueCount: 0, byteCount: 0)
        try self.reserve(bytes, for: name.account, objectBytes: 0)
        var head = RecordHead(
            id: name.id, kind: name.kind, name: self.number(ofName: name.name), account: name.account,
            created: header?.created ?? time, expiry: header?.expiry ?? time, now: now)
        head.revision = header?.revision ?? .zero
        head.storedByteCount = header?.byteCount ?? 0
        guard self.records.insert(number, head, capacity: 0) else {
            self.unreserve(bytes, of: name.account)
            throw .noAddresses
        }
        self.active[number]!.reservedBytes = bytes
        self.active[number]!.versions.reloaded(head.revision)
        self.becameResident(number, bytes, now: now)
    }

    /// A session is not honoured any more.
    mutating func bury(_ tombstone: Tombstone, time: WallTime) {
        _ = self.tombstones.insert(
            UInt64(truncatingIfNeeded: tombstone.session.bits), expiry: tombstone.until, now: time)
    }

    /// Whether a session has been ended.
    func isBuried(_ session: StateObjectID) -> Bool {
        self.tombstones.contains(UInt64(truncatingIfNeeded: session.bits))
    }

    // MARK: Touching

    /// Notes that an object is used now, and has it stored when its expiry should move.
    mutating func touch(_ number: UInt32, as name: ObjectName, now: Instant, time: WallTime) {
        let head = self.records.head(number)
        head.pointee.lastUse = now
        let expiry = self.limits.expiry(of: name, usedAt: time)
        let object = self.active[number]!  // It is in use.
        if head.pointee.revision == .zero, !object.versions.isDirty {
            head.pointee.expiry = max(head.pointee.expiry, expiry)
        }
        guard !self.hasStopped, head.pointee.revision != .zero || object.versions.isDirty, object.deletion == nil,
            head.pointee.expiry < expiry, object.newExpiry ?? head.pointee.expiry < expiry
        else { return }
        self.active[number]!.newExpiry = expiry
        _ = self.changed(number)
    }
}
