import TorporCore
import TorporStore

/// What a simulated store has on its disk: it outlives the store's openings. Operations on it are atomic.
// Unchecked: used only on the thread that runs the simulation.
final class DurableState: @unchecked Sendable {
    struct Object {
        var header: RecordHeader
        var values: [[UInt8]: [UInt8]] = [:]
        /// Its bytes cannot be read until somebody repairs it.
        var damage: Damage?
    }
    enum Damage {
        /// Reading it fails.
        case unreadable
        /// It is read, and a value is not what was written.
        case altered
    }

    private(set) var objects: [StateObjectID: Object] = [:]
    /// What objects were before their last change.
    private(set) var former: [StateObjectID: Object] = [:]
    private(set) var tombstones: [Tombstone] = []
    private(set) var incarnation: UInt64 = 0
    private var epochs: [UnitID: UInt64] = [:]
    /// Told of each change when it has been made.
    var observe: (_ before: Object?, _ after: Object?, _ change: ObjectChange) -> Void = { _, _, _ in }
    /// How it is broken.
    private let defect: Defect?

    init(defect: Defect?) { self.defect = defect }

    /// Somebody opens the store: whoever had it open has it no longer.
    func open() {
        self.incarnation += 1
        self.epochs = [:]
    }

    // MARK: Fences

    func fence(of unit: UnitID) -> Fence { Fence(incarnation: self.incarnation, epoch: self.epochs[unit] ?? 1) }

    func outdo(_ unit: UnitID) -> Fence {
        self.epochs[unit, default: 1] += 1
        return self.fence(of: unit)
    }

    // MARK: Commits

    /// Carries out one change of a batch, or nothing of it.
    func apply(_ change: ObjectChange, of batch: CommitBatch) -> CommitOutcome {
        let id = change.header.id
        let before = self.objects[id]
        let account = before?.header.account ?? change.header.account
        if self.defect != .ignoresFences, change.header.fence != self.fence(of: UnitID(account, id)) {
            return .refused(CommitRefusal(.fenced, "The fence is not the newest."))
        }
        guard (before?.header.revision ?? .zero) == change.base else {
            return .refused(CommitRefusal(.revisionMismatch, "Another revision is stored."))
        }
        self.former[id] = before
        switch change.action {
        case .delete: self.objects[id] = nil
        case .write(let range):
            var object = before ?? Object(header: change.header)
            object.header = change.header
            object.header.commit = batch.id
            for value in batch.values[range] {
                let key = Array(batch.bytes[value.key])
                let isTorn = self.defect == .tearsCommits && object.values[key]?.count == value.stored?.count
                if !isTorn { object.values[key] = value.stored.map { Array(batch.bytes[$0]) } }
            }
            self.objects[id] = object
        }
        if let tombstone = change.tombstone, self.defect != .forgetsTombstones { self.tombstones.append(tombstone) }
        self.observe(before, self.objects[id], change)
        return .committed
    }

    // MARK: What others do to it

    /// Another program writes the object, which stays what it was but for its revision.
    func overwrite(_ id: StateObjectID) {
        guard var object = self.objects[id] else { return }
        object.header.revision = object.header.revision.next
        self.objects[id] = object
    }

    func damage(_ id: StateObjectID, _ damage: Damage) { self.objects[id]?.damage = damage }
    func repairAll() { for id in self.objects.keys { self.objects[id]?.damage = nil } }

    // MARK: Reading

    /// In the order of their ids.
    var headers: [RecordHeader] { self.objects.values.map(\.header).sorted { $0.id < $1.id } }

    /// In all.
    var usage: StoreUsage {
        StoreUsage(
            total: self.usage { _ in true }, anonymous: self.usage { $0.account.isAnonymous }, storedBytes: 0)
    }

    func usage(where isCounted: (RecordHeader) -> Bool) -> AccountUsage {
        var usage = AccountUsage()
        for object in self.objects.values where isCounted(object.header) {
            usage.objects += 1
            usage.bytes += object.header.byteCount
        }
        return usage
    }

    /// An object as a store hands it out.
    func record(of object: Object) -> Record {
        let account = object.header.account
        var record = Record(header: object.header, usage: self.usage { $0.account == account }, values: [], bytes: [])
        for (key, value) in object.values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            record.append(key, value)
        }
        if object.damage == .altered, let last = record.values.last?.stored {
            record.bytes[last.lowerBound + 8] ^= 0x40
        }
        return record
    }
}
