import TorporCore

/// A change of one value.
struct ValueChange {
    /// The value; `nil` removes it.
    var bytes: [UInt8]?
    var expiry: WallTime?

    /// What the value adds to its object, with its key.
    func byteCount(keyCount: Int) -> Int {
        guard let bytes else { return 0 }
        return keyCount + bytes.count + (self.expiry == nil ? 0 : 8)
    }
}

extension EngineState {
    // MARK: Reading

    /// What a call sees of an object that it has in use; `nil` when that has left memory.
    func seen(_ number: UInt32) -> SeenRevision? {
        guard let object = self.active[number], object.residency.isResident else { return nil }
        return object.versions.seen
    }

    /// A value, copied out; `nil` when there is none, or its time is over.
    func value(_ number: UInt32, _ key: [UInt8], time: WallTime) -> [UInt8]? {
        self.stored(number, key, time: time)?.bytes
    }

    /// A value and from when on it is no longer there.
    func stored(_ number: UInt32, _ key: [UInt8], time: WallTime) -> (bytes: [UInt8], expiry: WallTime?)? {
        let (index, isThere) = self.records.find(number, key)
        guard isThere else { return nil }
        let entry = self.records.entry(number, at: index)
        let expiry = self.records.expiry(entry)
        if let expiry, expiry <= time { return nil }
        return (Array(self.records.valueBytes(entry)), expiry)
    }

    /// The keys that begin with `prefix`, in order, behind `last`.
    func keys(_ number: UInt32, prefix: [UInt8], after last: [UInt8]?, limit: Int, time: WallTime) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        var (index, isThere) = self.records.find(number, last ?? prefix)
        if last != nil, isThere { index += 1 }
        let count = Int(self.records.head(number).pointee.valueCount)
        while index < count, keys.count < limit {
            let entry = self.records.entry(number, at: index)
            let key = self.records.keyBytes(entry)
            guard key.starts(with: prefix) else { break }
            if self.records.expiry(entry).map({ $0 > time }) ?? true { keys.append(Array(key)) }
            index += 1
        }
        return keys
    }

    // MARK: Writing

    /// Carries out changes of one object, all of them or none. Values whose time is over go with them.
    /// - Parameter memoryMax: What the object takes at most, beside the limit of all objects.
    /// - Returns: What a call has seen that made them.
    mutating func apply(
        _ changes: [(key: [UInt8], change: ValueChange)], to number: UInt32, memoryMax: ByteCount?, time: WallTime
    ) throws(EngineError) -> SeenRevision {
        guard !self.hasStopped else { throw .stopping }
        var changes = changes
        if changes.contains(where: { $0.change.bytes == nil }) {
            // To remove what is not there changes nothing.
            changes.removeAll { $0.change.bytes == nil && !self.records.find(number, $0.key).isThere }
        }
        guard !changes.isEmpty else { return self.active[number]!.versions.seen }  // It is in use.
        let sweepTime = self.records.head(number).pointee.sweepTime
        guard sweepTime <= time else { return try self.carryOut(changes, in: number, memoryMax: memoryMax) }
        let (keys, next) = self.records.expiredKeys(number, at: time)
        let changed = Set(changes.map(\.key))
        changes += keys.filter { !changed.contains($0) }.map { ($0, ValueChange(bytes: nil, expiry: nil)) }
        // Not again at once, however many values end one after the other.
        self.records.head(number).pointee.sweepTime = max(next, time + .seconds(1))
        do {
            return try self.carryOut(changes, in: number, memoryMax: memoryMax)
        } catch {
            self.records.head(number).pointee.sweepTime = sweepTime
            throw error
        }
    }

    private mutating func carryOut(
        _ changes: [(key: [UInt8], change: ValueChange)], in number: UInt32, memoryMax: ByteCount?
    ) throws(EngineError) -> SeenRevision {
        let head = self.records.head(number).pointee
        let growth = self.growth(changes, of: number)
        let isNew = head.revision == .zero && !self.active[number]!.versions.isDirty
        let delta = AccountDelta(objects: isNew ? 1 : 0, grown: max(0, growth.bytes), shrunk: max(0, -growth.bytes))
        if isNew, self.admission != .everything { throw .newStateRefused }
        if self.isDiskLow, delta.objects > 0 || delta.grown > 0 { throw .diskLow }
        do {
            try self.quota.reserve(
                objects: delta.objects, bytes: delta.grown, for: head.account,
                values: (before: Int(head.valueCount), added: growth.values))
        } catch {
            throw EngineError(error)
        }
        do {
            try self.makeRoom(for: growth, in: number, head, memoryMax: memoryMax)
            try self.install(changes, in: number)
        } catch {
            self.settleFootprint(number)
            self.quota.release(objects: delta.objects, bytes: delta.grown, of: head.account)
            throw error
        }
        self.settleFootprint(number)
        self.active[number]!.pending = self.active[number]!.pending + delta
        return self.changed(number)
    }

    /// Reserves the memory by which an object grows.
    private mutating func makeRoom(
        for growth: (values: Int, bytes: Int), in number: UInt32, _ head: RecordHead, memoryMax: ByteCount?
    ) throws(EngineError) {
        let footprint = RecordHead.footprint(
            valueCount: Int(head.valueCount) + growth.values, byteCount: head.byteCount + growth.bytes)
        let former = self.active[number]!.reservedBytes
        guard footprint > former else { return }
        if let memoryMax, footprint > memoryMax.bytes {
            throw EngineError(
                LedgerRefusal(
                    level: .object, limit: memoryMax, used: ByteCount(former), needed: ByteCount(footprint - former)))
        }
        try self.reserve(footprint - former, for: head.account, objectBytes: former)
        self.active[number]!.reservedBytes = footprint
    }

    /// Gives back what is reserved and not needed.
    private mutating func settleFootprint(_ number: UInt32) {
        let head = self.records.head(number).pointee
        let footprint = RecordHead.footprint(valueCount: Int(head.valueCount), byteCount: head.byteCount)
        let former = self.active[number]!.reservedBytes
        if footprint < former { self.unreserve(former - footprint, of: head.account) }
        self.active[number]!.reservedBytes = footprint
        self.order.resize(number, bytes: footprint)
    }

    /// The object has a change that the store lacks.
    mutating func changed(_ number: UInt32) -> SeenRevision {
        self.commits.changed(number)
        return self.active[number]!.versions.changed()  // What changes is in use.
    }

    /// Makes an object that the store does not have, in use by who makes it.
    /// - Returns: `nil` when it is not known what its account has stored.
    mutating func create(_ name: ObjectName, now: Instant, time: WallTime) throws(EngineError) -> (
        UInt32, SeenRevision
    )? {
        guard !self.isStopping else { throw .stopping }
        guard self.quota.knows(name.account) else { return nil }
        precondition(self.numbers[name.id] == nil, "a new object has a new name")
        guard !self.isDiskLow else { throw .diskLow }
        do {
            try self.quota.reserve(objects: 1, bytes: 0, for: name.account)
        } catch {
            self.forgetUnused(name.account)
            throw EngineError(error)
        }
        let number = self.introduce(name)
        _ = self.active[number]!.residency.requested(by: Parked())  // It was introduced.
        do {
            _ = try self.loadedNothing(number, name, now: now, time: time)
        } catch {
            self.quota.release(objects: 1, bytes: 0, of: name.account)
            _ = self.loadFailed(number)
            throw error
        }
        self.active[number]!.pending.objects = 1
        return (number, self.changed(number))
    }

    /// The next who waits to update an object.
    mutating func passTurn(_ number: UInt32) -> Parked? {
        guard let next = self.active[number]!.turn.passed() else {  // Who has the turn has it in use.
            self.rest(number)
            return nil
        }
        return next
    }

    /// The last key that begins with `prefix`; `nil` when none does.
    func lastKey(_ number: UInt32, prefix: [UInt8]) -> [UInt8]? {
        let (index, isThere) = self.records.find(number, prefix + [UInt8](repeating: 0xFF, count: 9))
        let last = isThere ? index : index - 1
        guard last >= 0 else { return nil }
        let key = self.records.keyBytes(self.records.entry(number, at: last))
        return key.starts(with: prefix) ? Array(key) : nil
    }

    func size(_ number: UInt32) -> ObjectSize {
        let head = self.records.head(number).pointee
        return ObjectSize(values: Int(head.valueCount), bytes: head.byteCount)
    }

    private func growth(_ changes: [(key: [UInt8], change: ValueChange)], of number: UInt32) -> (
        values: Int, bytes: Int
    ) {
        var values = 0
        var bytes = 0
        for (key, change) in changes {
            let (index, isThere) = self.records.find(number, key)
            if isThere {
                bytes -= Int(self.records.entry(number, at: index).byteCount)
                values -= 1
            }
            if change.bytes != nil {
                bytes += change.byteCount(keyCount: key.count)
                values += 1
            }
        }
        return (values, bytes)
    }

    /// Lays the new values down before any old one goes, so that nothing has changed when there is no place.
    private mutating func install(_ changes: [(key: [UInt8], change: ValueChange)], in number: UInt32)
        throws(EngineError)
    {
        var written: [([UInt8], ValueEntry)] = []
        for (key, change) in changes {
            guard let bytes = change.bytes else { continue }
            guard let entry = self.records.write(key, bytes, expiry: change.expiry, isDirty: true, for: number) else {
                for (_, entry) in written { self.records.discard(entry) }
                throw .noAddresses
            }
            written.append((key, entry))
        }
        guard self.records.makeRoom(number, for: written.count) else {
            for (_, entry) in written { self.records.discard(entry) }
            throw .noAddresses
        }
        for (key, entry) in written {
            self.dirtyBytes += Int(entry.byteCount)
            self.dirtyBytes -= self.records.install(entry, in: number, under: key)?.dirtyBytes ?? 0
        }
        for (key, change) in changes where change.bytes == nil {
            let (index, isThere) = self.records.find(number, key)
            guard isThere else { continue }
            let entry = self.records.removeValue(number, at: index)
            self.dirtyBytes -= entry.dirtyBytes
            self.active[number]!.removedKeys.insert(key)
        }
    }
}
