package import TorporCore

/// Changes of several state objects that go to the store together; each object has its own outcome.
package struct CommitBatch: Sendable {
    /// Random; tells afterwards whether it was this commit that wrote a record.
    package var id: UInt128
    package var time: WallTime
    /// No object twice.
    package var objects: [ObjectChange]
    /// The values that change, all objects' one after the other.
    package var values: [StoredValue]
    /// What the ranges of `values` lie in.
    package var bytes: [UInt8]

    package init(
        id: UInt128, time: WallTime, objects: [ObjectChange], values: [StoredValue] = [], bytes: [UInt8] = []
    ) {
        self.id = id
        self.time = time
        self.objects = objects
        self.values = values
        self.bytes = bytes
    }
}

/// What becomes of one object in a commit.
package struct ObjectChange: Sendable {
    package enum Action: Sendable, Equatable {
        /// The values in this range of ``CommitBatch/values`` are stored or removed; the others stay. No key twice.
        case write(Range<Int>)
        /// The object and all its values go.
        case delete
    }

    /// The header as it is after the commit; `commit` and `isQuarantined` are the store's to fill in. Of a deletion only
    /// the id, the account and the fence count.
    package var header: RecordHeader
    /// The revision that this one replaces; zero when there must be no such object yet.
    package var base: Revision
    package var action: Action
    /// Left behind in the same commit.
    package var tombstone: Tombstone?

    package init(header: RecordHeader, base: Revision, action: Action, tombstone: Tombstone? = nil) {
        self.header = header
        self.base = base
        self.action = action
        self.tombstone = tombstone
    }
}

/// What the store did with one object of a batch.
package enum CommitOutcome: Sendable, Equatable {
    /// It is durable.
    case committed
    /// Nothing of it was written.
    case refused(CommitRefusal)
    /// It may have been written, or be written yet: acquire the unit again, then read.
    case unknown
}

/// Why a store refused to commit an object.
package struct CommitRefusal: Sendable, Equatable {
    package enum Reason: String, Sendable {
        /// The stored revision is not the one to be replaced.
        case revisionMismatch
        /// The fence is not the newest of its unit.
        case fenced
        /// There is no room on the disk, or in the database.
        case full
        /// The store cannot be written: its file is read-only, or it is damaged.
        case unwritable
        /// The store does not take this object, whatever is tried.
        case unacceptable
    }

    package var reason: Reason
    /// What happened, for operators; without keys, values or names of callers.
    package var text: String

    package init(_ reason: Reason, _ text: String) {
        self.reason = reason
        self.text = text
    }
}
