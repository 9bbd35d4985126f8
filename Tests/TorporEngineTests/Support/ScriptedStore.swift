import Synchronization
import TorporCore
import TorporEngine
import TorporStore

/// A store in memory that does what a test tells it to: hold commits back, refuse them, lose their answers.
final class ScriptedStore: StateStore {
    enum Fault: Sendable {
        /// Nothing is sent.
        case unavailable
        /// Every object is refused.
        case refused(CommitRefusal.Reason)
        /// The objects with these ids are refused.
        case refusedObjects([StateObjectID], CommitRefusal.Reason)
        /// It is carried out, and no answer comes.
        case unknownButDone
        /// It is not carried out, and no answer comes.
        case unknownAndLost
    }

    struct Object: Sendable {
        var header: RecordHeader
        var values: [[UInt8]: [UInt8]]
    }

    struct State {
        var objects: [StateObjectID: Object] = [:]
        var tombstones: [Tombstone] = []
        var epochs: [UnitID: UInt64] = [:]
        /// One for each commit to come; beyond them commits succeed.
        var commitFaults: [Fault] = []
        var loadFaults: [StoreError] = []
        var acquireFaults: [StoreError] = []
        var quarantineFaults: [StoreError] = []
        /// Commits wait until they are let go.
        var holdsCommits = false
        var heldCommits: [CheckedContinuation<Void, Never>] = []
        var holdsLoads = false
        var heldLoads: [CheckedContinuation<Void, Never>] = []
        var arrivals: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var batches: [[StateObjectID]] = []
        var loadCount = 0
        var disk: DiskSpace?
        var isClosed = false
    }

    let identity: UInt128 = 1
    let incarnation: UInt64 = 2
    let state = Mutex(State())

    // MARK: What a test does

    func script(_ faults: Fault...) { self.state.withLock { $0.commitFaults += faults } }

    func scriptQuarantine(_ fault: StoreError) { self.state.withLock { $0.quarantineFaults.append(fault) } }

    func holdCommits() { self.state.withLock { $0.holdsCommits = true } }

    /// Lets all held commits go, and holds no more.
    func releaseCommits() {
        let held = self.state.withLock { state in
            state.holdsCommits = false
            defer { state.heldCommits = [] }
            return state.heldCommits
        }
        for commit in held { commit.resume() }
    }

    func holdLoads() { self.state.withLock { $0.holdsLoads = true } }

    func releaseLoads() {
        let held = self.state.withLock { state in
            state.holdsLoads = false
            defer { state.heldLoads = [] }
            return state.heldLoads
        }
        for load in held { load.resume() }
    }

    /// Waits until so many operations are held.
    func arrival(ofHeld count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                if state.heldCommits.count + state.heldLoads.count >= count { return true }
                state.arrivals.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func tellArrivals() {
        let arrived = self.state.withLock { state in
            let held = state.heldCommits.count + state.heldLoads.count
            defer { state.arrivals.removeAll { $0.count <= held } }
            return state.arrivals.filter { $0.count <= held }
        }
        for arrival in arrived { arrival.continuation.resume() }
    }

    func values(of id: StateObjectID) -> [String: [UInt8]]? {
        self.state.withLock { state in
            state.objects[id].map { object in
                Dictionary(uniqueKeysWithValues: object.values.map { (String(decoding: $0, as: UTF8.self), $1) })
            }
        }
    }

    // MARK: StateStore

    func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence {
        let result = self.state.withLock { state -> Result<Fence, StoreError> in
            if !state.acquireFaults.isEmpty { return .failure(state.acquireFaults.removeFirst()) }
            if former != nil { state.epochs[unit, default: 1] += 1 }
            return .success(Fence(incarnation: self.incarnation, epoch: state.epochs[unit, default: 1]))
        }
        return try result.get()
    }

    func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult {
        if self.state.withLock({ $0.holdsLoads }) {
            await withCheckedContinuation { continuation in
                self.state.withLock { $0.heldLoads.append(continuation) }
                self.tellArrivals()
            }
        }
        let result = self.state.withLock { state -> Result<Object?, StoreError> in
            state.loadCount += 1
            if !state.loadFaults.isEmpty { return .failure(state.loadFaults.removeFirst()) }
            return .success(state.objects[id])
        }
        guard let object = try result.get() else { return .missing }
        guard admit(object.header) else { return .notAdmitted(object.header) }
        var record = Record(
            header: object.header, usage: self.usageNow(of: object.header.account), values: [], bytes: [])
        for (key, value) in object.values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            record.append(key, value)
        }
        return .found(record)
    }

    func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome] {
        if self.state.withLock({ $0.holdsCommits }) {
            await withCheckedContinuation { continuation in
                self.state.withLock { $0.heldCommits.append(continuation) }
                self.tellArrivals()
            }
        }
        let result = self.state.withLock { state -> Result<[CommitOutcome], StoreError> in
            let fault = state.commitFaults.isEmpty ? nil : state.commitFaults.removeFirst()
            if case .unavailable? = fault { return .failure(StoreError(.unavailable, "scripted")) }
            state.batches.append(batch.objects.map(\.header.id))
            return .success(batch.objects.map { Self.carryOut($0, of: batch, fault, &state) })
        }
        return try result.get()
    }

    private static func carryOut(
        _ change: ObjectChange, of batch: CommitBatch, _ fault: Fault?, _ state: inout State
    ) -> CommitOutcome {
        let id = change.header.id
        switch fault {
        case .refused(let reason): return .refused(CommitRefusal(reason, "scripted"))
        case .refusedObjects(let ids, let reason) where ids.contains(id):
            return .refused(CommitRefusal(reason, "scripted"))
        case .unknownAndLost: return .unknown
        default: break
        }
        guard change.header.fence.epoch == state.epochs[UnitID(change.header.account, id), default: 1] else {
            return .refused(CommitRefusal(.fenced, "stale epoch"))
        }
        guard (state.objects[id]?.header.revision ?? .zero) == change.base else {
            return .refused(CommitRefusal(.revisionMismatch, "stale base"))
        }
        switch change.action {
        case .delete: state.objects[id] = nil
        case .write(let range):
            var object = state.objects[id] ?? Object(header: change.header, values: [:])
            object.header = change.header
            object.header.commit = batch.id
            for value in batch.values[range] {
                object.values[Array(batch.bytes[value.key])] = value.stored.map { Array(batch.bytes[$0]) }
            }
            precondition(object.values.count == change.header.valueCount, "the header counts the values")
            state.objects[id] = object
        }
        if let tombstone = change.tombstone { state.tombstones.append(tombstone) }
        if case .unknownButDone? = fault { return .unknown }
        return .committed
    }

    func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader? {
        self.state.withLock { $0.objects[id]?.header }
    }

    func headers(after last: StateObjectID?, matching filter: RecordFilter, limit: Int) async throws(StoreError)
        -> [RecordHeader]
    {
        let headers = self.state.withLock { $0.objects.values.map(\.header) }
        let wanted = headers.filter { header in filter.matches(header) && last.map { $0 < header.id } ?? true }
        return Array(wanted.sorted { $0.id < $1.id }.prefix(limit))
    }

    func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader] {
        let headers = self.state.withLock { $0.objects.values.map(\.header) }
        return Array(headers.filter { $0.expiry <= time }.sorted { $0.expiry < $1.expiry }.prefix(limit))
    }

    func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone] {
        Array(self.state.withLock { $0.tombstones }.dropFirst(count).prefix(limit))
    }

    func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError) {
        let fault = self.state.withLock { state -> StoreError? in
            if !state.quarantineFaults.isEmpty { return state.quarantineFaults.removeFirst() }
            state.objects[id]?.header.isQuarantined = isQuarantined
            return nil
        }
        if let fault { throw fault }
    }

    private func usageNow(of account: AccountID) -> AccountUsage {
        self.state.withLock { state in
            let headers = state.objects.values.map(\.header).filter { $0.account == account }
            return AccountUsage(objects: headers.count, bytes: headers.reduce(0) { $0 + $1.byteCount })
        }
    }

    func usage(of account: AccountID) async throws(StoreError) -> AccountUsage { self.usageNow(of: account) }

    func usage() async throws(StoreError) -> StoreUsage {
        self.state.withLock { state in
            let headers = state.objects.values.map(\.header)
            let anonymous = headers.filter(\.account.isAnonymous)
            return StoreUsage(
                total: AccountUsage(objects: headers.count, bytes: headers.reduce(0) { $0 + $1.byteCount }),
                anonymous: AccountUsage(objects: anonymous.count, bytes: anonymous.reduce(0) { $0 + $1.byteCount }),
                storedBytes: 0, disk: state.disk)
        }
    }

    func close() async { self.state.withLock { $0.isClosed = true } }
}

/// Stores values as they are, with their expiry in front.
struct PlainCodec: ValueCodec {
    func seal(
        _ raw: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, expiry: WallTime?,
        into stored: inout [UInt8]
    ) {
        withUnsafeBytes(of: expiry?.milliseconds ?? 0) { stored.append(contentsOf: $0) }
        stored.append(contentsOf: raw)
    }

    func open(
        _ stored: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, into raw: inout [UInt8]
    ) throws(StoreError) -> WallTime? {
        raw.append(contentsOf: stored[8...])
        let milliseconds = stored.loadUnaligned(as: Int64.self)
        return milliseconds == 0 ? nil : WallTime(milliseconds: milliseconds)
    }
}
