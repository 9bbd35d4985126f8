package import TorporCore
import DequeModule
import Synchronization

/// Keeps state objects in memory: every promise of ``StateStore`` but durability, for tests and for servers that may
/// forget.
///
/// What it keeps are copies, outside of every memory limit but those on stored bytes. Listing headers and looking for
/// expired ones takes O(objects) time.
package final class MemoryStore: StateStore {
    package let identity: UInt128
    package let incarnation: UInt64
    private let tombstonesMax: Int
    /// `nil` once it is closed.
    private let contents: Mutex<Contents?>

    /// - Parameter tombstonesMax: Tombstones that are remembered.
    package init(
        identity: UInt128 = .random(in: 1 ... .max), incarnation: UInt64 = .random(in: 1 ... .max),
        tombstonesMax: Int = StoreLimits.tombstonesMax
    ) {
        self.identity = identity
        self.incarnation = incarnation
        self.tombstonesMax = tombstonesMax
        self.contents = Mutex(Contents())
    }

    package func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence {
        try self.withContents { contents in
            let fence = self.fence(of: unit, in: contents)
            guard fence == former else { return fence }
            contents.epochs[unit] = fence.epoch + 1
            return self.fence(of: unit, in: contents)
        }
    }

    private func fence(of unit: UnitID, in contents: Contents) -> Fence {
        Fence(incarnation: self.incarnation, epoch: contents.epochs[unit] ?? 1)
    }

    package func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult {
        let found: (object: StoredObject, usage: AccountUsage)? = try self.read { contents throws(StoreError) in
            guard let object = contents.objects[id] else { return nil }
            guard !object.header.isQuarantined else { throw .quarantined }
            return (object, contents.accounts[object.header.account] ?? AccountUsage())
        }
        guard let (object, usage) = found else { return .missing }
        guard admit(object.header) else { return .notAdmitted(object.header) }
        return .found(object.record(usage: usage))
    }

    package func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome] {
        try self.withContents { contents in
            let outcomes = batch.objects.map { change in
                if let refusal = self.refusal(of: change, in: batch, contents) { return CommitOutcome.refused(refusal) }
                contents.apply(change, of: batch)
                return .committed
            }
            contents.forgetTombstones(above: self.tombstonesMax, at: batch.time)
            return outcomes
        }
    }

    private func refusal(of change: ObjectChange, in batch: CommitBatch, _ contents: Contents) -> CommitRefusal? {
        if let breach = batch.breachOfLimits(in: change) { return breach }
        let header = change.header
        guard header.fence == self.fence(of: UnitID(header.account, header.id), in: contents) else { return .fenced }
        let stored = contents.objects[header.id]?.header
        guard stored?.revision ?? .zero == change.base else { return .revisionMismatch }
        guard stored?.account ?? header.account == header.account else { return .foreignAccount }
        return nil
    }

    package func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader? {
        try self.read { $0.objects[id]?.header }
    }

    package func headers(
        after last: StateObjectID?, matching filter: RecordFilter, limit: Int
    ) async throws(StoreError) -> [RecordHeader] {
        try self.read { contents in
            let found = contents.objects.values.lazy.map(\.header).filter { header in
                (last.map { $0 < header.id } ?? true) && filter.matches(header)
            }
            return Array(found.sorted { $0.id < $1.id }.prefix(limit))
        }
    }

    package func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader] {
        try self.read { contents in
            let found = contents.objects.values.lazy.map(\.header).filter { $0.expiry <= time }
            return Array(found.sorted { $0.expiry < $1.expiry }.prefix(limit))
        }
    }

    package func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone] {
        try self.read { Array($0.tombstones.dropFirst(count).prefix(limit)) }
    }

    package func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError) {
        try self.withContents { $0.objects[id]?.header.isQuarantined = isQuarantined }
    }

    package func usage(of account: AccountID) async throws(StoreError) -> AccountUsage {
        try self.read { $0.accounts[account] ?? AccountUsage() }
    }

    package func usage() async throws(StoreError) -> StoreUsage {
        try self.read { StoreUsage(total: $0.total, anonymous: $0.anonymous, storedBytes: $0.storedBytes) }
    }

    package func close() async { self.contents.withLock { $0 = nil } }

    private func read<R: Sendable>(_ body: (inout Contents) throws(StoreError) -> R) throws(StoreError) -> R {
        guard !Task.isCancelled else { throw .cancelled }
        return try self.withContents(body)
    }

    private func withContents<R: Sendable>(_ body: (inout Contents) throws(StoreError) -> R) throws(StoreError) -> R {
        try self.contents.withLock { contents throws(StoreError) in
            guard var open = contents.take() else { throw .closed }
            defer { contents = open }
            return try body(&open)
        }
    }
}

/// What a ``MemoryStore`` holds.
private struct Contents {
    var objects: [StateObjectID: StoredObject] = [:]
    var accounts: [AccountID: AccountUsage] = [:]
    var total = AccountUsage()
    var anonymous = AccountUsage()
    var storedBytes = 0
    /// Of units whose epoch is not 1.
    var epochs: [UnitID: UInt64] = [:]
    var tombstones: Deque<Tombstone> = []

    mutating func apply(_ change: ObjectChange, of batch: CommitBatch) {
        let header = change.header
        // Taken out, so that changing it copies nothing.
        var object = self.objects.removeValue(forKey: header.id)
        self.storedBytes -= object?.storedBytes ?? 0
        let before = object.map { AccountUsage(objects: 1, bytes: $0.header.byteCount) } ?? AccountUsage()
        switch change.action {
        case .write(let range):
            if object == nil {
                object = StoredObject(header: header)
            } else {
                object?.replaceHeader(by: header)
            }
            object?.header.commit = batch.id
            for value in batch.values[range] { object?.apply(value, of: batch.bytes) }
        case .delete:
            object = nil
        }
        self.storedBytes += object?.storedBytes ?? 0
        let after = object.map { AccountUsage(objects: 1, bytes: $0.header.byteCount) } ?? AccountUsage()
        self.objects[header.id] = object
        self.count(before, after, of: header.account)
        if let tombstone = change.tombstone { self.tombstones.append(tombstone) }
    }

    private mutating func count(_ before: AccountUsage, _ after: AccountUsage, of account: AccountID) {
        let change = AccountUsage(objects: after.objects - before.objects, bytes: after.bytes - before.bytes)
        var usage = self.accounts[account] ?? AccountUsage()
        usage.add(change)
        self.accounts[account] = usage.objects == 0 ? nil : usage
        self.total.add(change)
        if account.isAnonymous { self.anonymous.add(change) }
    }

    mutating func forgetTombstones(above max: Int, at time: WallTime) {
        while let oldest = self.tombstones.first, self.tombstones.count > max || oldest.until <= time {
            self.tombstones.removeFirst()
        }
    }
}

/// One object as a ``MemoryStore`` holds it.
private struct StoredObject {
    var header: RecordHeader
    /// In the order of their keys.
    private var values: [(key: [UInt8], stored: [UInt8])] = []
    private(set) var storedBytes = 0

    init(header: RecordHeader) {
        self.header = header
        self.header.isQuarantined = false
    }

    /// Takes over what may change of a header.
    mutating func replaceHeader(by header: RecordHeader) {
        self.header.fence = header.fence
        self.header.revision = header.revision
        self.header.valueCount = header.valueCount
        self.header.byteCount = header.byteCount
        self.header.expiry = header.expiry
    }

    mutating func apply(_ value: StoredValue, of bytes: [UInt8]) {
        let key = Array(bytes[value.key])
        let position = self.position(of: key)
        let isThere = position < self.values.count && self.values[position].key == key
        if isThere { self.storedBytes -= self.values[position].stored.count }
        guard let stored = value.stored.map({ Array(bytes[$0]) }) else {
            if isThere { self.values.remove(at: position) }
            return
        }
        self.storedBytes += stored.count
        if isThere {
            self.values[position].stored = stored
        } else {
            self.values.insert((key, stored), at: position)
        }
    }

    /// Where the first key lies that is not less than `key`.
    private func position(of key: [UInt8]) -> Int {
        var low = 0
        var high = self.values.count
        while low < high {
            let middle = (low + high) / 2
            if self.values[middle].key.lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func record(usage: AccountUsage) -> Record {
        var record = Record(header: self.header, usage: usage, values: [], bytes: [])
        record.bytes.reserveCapacity(self.storedBytes + self.values.reduce(0) { $0 + $1.key.count })
        record.values.reserveCapacity(self.values.count)
        for (key, stored) in self.values { record.append(key, stored) }
        return record
    }
}

extension AccountUsage {
    fileprivate mutating func add(_ change: AccountUsage) {
        self.objects += change.objects
        self.bytes += change.bytes
    }
}
