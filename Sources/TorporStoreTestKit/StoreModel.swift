import TorporCore
import TorporStore

/// What a store holds, in the simplest way: what random operations are held against.
struct StoreModel {
    struct Object {
        var header: RecordHeader
        var values: [[UInt8]: [UInt8]]
    }

    private(set) var objects: [StateObjectID: Object] = [:]
    private(set) var tombstones: [Tombstone] = []
    private var epochs: [UnitID: UInt64] = [:]
    private var incarnation: UInt64
    private let tombstonesMax: Int

    init(incarnation: UInt64, tombstonesMax: Int) {
        self.incarnation = incarnation
        self.tombstonesMax = tombstonesMax
    }

    mutating func reopened(incarnation: UInt64) {
        self.incarnation = incarnation
        self.epochs = [:]
    }

    /// The store has answered that this is the fence in force.
    mutating func acquired(_ unit: UnitID, _ fence: Fence) { self.epochs[unit] = fence.epoch }

    func fence(of unit: UnitID) -> Fence? {
        self.epochs[unit].map { Fence(incarnation: self.incarnation, epoch: $0) }
    }

    mutating func quarantine(_ isQuarantined: Bool, _ id: StateObjectID) {
        self.objects[id]?.header.isQuarantined = isQuarantined
    }

    /// Carries out a commit of one object.
    /// - Returns: Why it is refused; `nil` when it is committed.
    mutating func commit(_ draft: ObjectDraft, id: UInt128, time: WallTime) -> CommitRefusal.Reason? {
        guard draft.fence == self.fence(of: draft.unit) else { return .fenced }
        let stored = self.objects[draft.id]
        guard (stored?.header.revision ?? .zero) == draft.base else { return .revisionMismatch }
        if let stored, stored.header.account != draft.account { return .unacceptable }
        if let values = draft.values {
            var object = stored ?? Object(header: CommitBatch([draft]).objects[0].header, values: [:])
            object.header.fence = draft.fence
            object.header.revision = draft.revision
            object.header.commit = id
            object.header.valueCount = draft.valueCount
            object.header.byteCount = draft.byteCount
            object.header.expiry = draft.expiry
            for (key, stored) in values { object.values[key] = stored }
            self.objects[draft.id] = object
        } else {
            self.objects[draft.id] = nil
        }
        if let tombstone = draft.tombstone { self.tombstones.append(tombstone) }
        return nil
    }

    /// Beyond the bound the oldest are forgotten.
    mutating func forgetTombstones() {
        self.tombstones.removeFirst(max(0, self.tombstones.count - self.tombstonesMax))
    }

    func usage(where isCounted: (RecordHeader) -> Bool) -> AccountUsage {
        let counted = self.objects.values.map(\.header).filter(isCounted)
        return AccountUsage(objects: counted.count, bytes: counted.reduce(0) { $0 + $1.byteCount })
    }

    var storedBytes: Int {
        self.objects.values.reduce(0) { sum, object in sum + object.values.values.reduce(0) { $0 + $1.count } }
    }

    var headers: [RecordHeader] { self.objects.values.map(\.header).sorted { $0.id < $1.id } }
}
