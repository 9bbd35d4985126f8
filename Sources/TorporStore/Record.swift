package import TorporCore

/// What a store knows of a state object without reading its values.
package struct RecordHeader: Sendable, Equatable {
    package var id: StateObjectID
    package var kind: ObjectKind
    /// Which declared state a handle's object holds; empty for the other kinds. At most 64 bytes.
    package var name: String
    package var account: AccountID
    /// Under which it was last written.
    package var fence: Fence
    package var revision: Revision
    /// The commit that wrote this revision.
    package var commit: UInt128
    package var valueCount: Int
    /// What keys and values take as they lie in memory, before compression.
    package var byteCount: Int
    package var created: WallTime
    /// From when on it may be deleted; moves with use.
    package var expiry: WallTime
    /// It could not be read; loads fail until an operator has looked at it.
    package var isQuarantined: Bool

    package init(
        id: StateObjectID, kind: ObjectKind, name: String, account: AccountID, fence: Fence, revision: Revision,
        commit: UInt128, valueCount: Int, byteCount: Int, created: WallTime, expiry: WallTime,
        isQuarantined: Bool = false
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.account = account
        self.fence = fence
        self.revision = revision
        self.commit = commit
        self.valueCount = valueCount
        self.byteCount = byteCount
        self.created = created
        self.expiry = expiry
        self.isQuarantined = isQuarantined
    }
}

/// A state object as it was read: its header, and its values in one run of bytes.
package struct Record: Sendable {
    package var header: RecordHeader
    /// What the object's account has stored in all, read at the same moment.
    package var usage: AccountUsage
    /// In the order of their keys, byte by byte.
    package var values: [StoredValue]
    /// What the ranges of `values` lie in.
    package var bytes: [UInt8]

    package init(header: RecordHeader, usage: AccountUsage, values: [StoredValue], bytes: [UInt8]) {
        self.header = header
        self.usage = usage
        self.values = values
        self.bytes = bytes
    }

    /// Adds a value behind all others.
    /// - Parameter key: Comes after the keys that are there, byte by byte.
    package mutating func append(_ key: [UInt8], _ stored: [UInt8]) {
        let start = self.bytes.count
        self.bytes += key
        let middle = self.bytes.count
        self.bytes += stored
        self.values.append(StoredValue(key: start..<middle, stored: middle..<self.bytes.count))
    }
}

/// One value of a record or of a commit: its key, and its stored form, which the store does not look into.
package struct StoredValue: Sendable, Equatable {
    package var key: Range<Int>
    /// `nil` in a commit: the value is removed.
    package var stored: Range<Int>?

    package init(key: Range<Int>, stored: Range<Int>?) {
        self.key = key
        self.stored = stored
    }
}

/// What an account, or everybody, has stored.
package struct AccountUsage: Sendable, Equatable {
    package var objects: Int
    /// The sum of ``RecordHeader/byteCount``.
    package var bytes: Int

    package init(objects: Int = 0, bytes: Int = 0) {
        self.objects = objects
        self.bytes = bytes
    }
}

/// A session that was deleted before its token became too old.
package struct Tombstone: Sendable, Equatable {
    package var session: StateObjectID
    /// Until when it is remembered.
    package var until: WallTime

    package init(session: StateObjectID, until: WallTime) {
        self.session = session
        self.until = until
    }
}
