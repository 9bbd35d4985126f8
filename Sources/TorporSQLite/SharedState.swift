import Synchronization
import TorporCore

/// What the threads of a store, and its callers, share.
final class SharedState: Sendable {
    /// Of this opening of the store.
    let incarnation: UInt64
    let report: @Sendable (SQLiteStoreEvent) -> Void
    /// The check after an unclean stop; stands in the way of the log while it runs.
    let check = IntegrityCheck()

    private struct Ownership {
        /// Of the units that were acquired again.
        var epochs: [UnitID: UInt64] = [:]
        var isClosed = false
    }
    private let ownership: Mutex<Ownership>

    init(incarnation: UInt64, report: @escaping @Sendable (SQLiteStoreEvent) -> Void) {
        self.incarnation = incarnation
        self.ownership = Mutex(Ownership())
        self.report = report
    }

    /// The fences in force at this moment. Only the writer raises one, so to the writer they stay in force.
    var fences: Fences {
        Fences(incarnation: self.incarnation, epochs: self.ownership.withLock(\.epochs))
    }

    /// The fence of a unit; `nil` once the store is closed.
    func fence(of unit: UnitID) -> Fence? {
        self.ownership.withLock { ownership in
            if ownership.isClosed { return nil }
            return Fences(incarnation: self.incarnation, epochs: ownership.epochs)[unit]
        }
    }

    /// The epoch has been written.
    func raise(_ unit: UnitID, to epoch: UInt64) { self.ownership.withLock { $0.epochs[unit] = epoch } }

    func close() { self.ownership.withLock { $0.isClosed = true } }
}

/// The newest fence of each unit.
struct Fences {
    let incarnation: UInt64
    let epochs: [UnitID: UInt64]

    subscript(unit: UnitID) -> Fence { Fence(incarnation: self.incarnation, epoch: self.epochs[unit] ?? 1) }
}
