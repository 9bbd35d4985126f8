package import TorporCore
package import TorporStore

/// Something that happened in the engine, for logs and metrics.
package enum EngineEvent: Sendable {
    /// State is served from now on.
    case started(storedObjects: Int, storedBytes: Int)
    /// The store was asked for an object.
    case loaded(LoadEnd, after: Duration)
    /// An object could not be read.
    case loadFailed(StateObjectID, StoreError)
    /// A call did not get, or did not change, what it asked for.
    case refused(EngineError.Code)
    /// A batch has its outcomes; a failure is that of the whole.
    /// - Parameter rawBytes: Its keys and values before compression.
    case committed(CommitBatch, rawBytes: Int, Result<[CommitOutcome], StoreError>, after: Duration)
    case evicted(EvictionReason, count: Int)
    case deleted(DeletionReason)
    case deletionFailed(StateObjectID)
    /// The store did not do what the engine asked for, which will be tried again.
    case storeFailed(StoreTask, StoreError)
    /// The store does everything again that it is asked for, for the first time after so long.
    case storeRecovered(after: Duration)
    /// Everything has ended. Without a fault nothing is uncommitted, and no account has bytes left.
    case closed(uncommittedObjects: Int, remainders: [Int])
}

/// What came of asking the store for an object.
package enum LoadEnd: Sendable, Equatable {
    /// It is in memory.
    case found(bytes: Int)
    /// The store has none.
    case missing
    /// The store has it, and there is no room for it in memory.
    case refused
    /// The store has it, and it cannot be read.
    case unreadable
    /// The store does not answer.
    case unavailable
}

/// What the engine asks of the store, and asks again when it fails.
package enum StoreTask: String, Sendable, CaseIterable {
    case commit
    /// To find out what became of a commit.
    case settle
    /// To look for objects whose retention is over.
    case expire
    /// To read the ended sessions, at the start.
    case tombstones
    /// To say what is stored in all, and how much room is left.
    case usage
}

package enum EvictionReason: String, Sendable, CaseIterable {
    /// Nobody used it for the idle timeout.
    case idle
    /// Room was needed for other state.
    case room
    /// The process was short of memory.
    case pressure
    /// An operator asked for it.
    case operatorRequest = "operator"
    /// Who used it does not need it any more: a page of a folder.
    case done
}

package enum DeletionReason: String, Sendable, CaseIterable {
    /// Nobody used it for the retention.
    case retention
    /// Its client, or a tool, deleted it.
    case client
    case operatorRequest = "operator"
    /// What it held is kept elsewhere by now, or is part of nothing any more.
    case replaced
}
