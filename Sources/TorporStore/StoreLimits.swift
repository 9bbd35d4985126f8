import TorporCore

/// What every store takes, and what it keeps.
package enum StoreLimits {
    /// Bytes of a key; the least is 1.
    package static let keyMax = 512
    /// Bytes of ``RecordHeader/name``.
    package static let nameMax = 64
    /// Headers or tombstones of one answer.
    package static let pageMax = 10_000
    /// Tombstones that are remembered.
    package static let tombstonesMax = 1_000_000
}

extension CommitBatch {
    /// Why no store takes an object of this batch: its name, or one of its keys, is beyond the limits.
    package func breachOfLimits(in change: ObjectChange) -> CommitRefusal? {
        guard change.header.name.utf8.count <= StoreLimits.nameMax else {
            return CommitRefusal(.unacceptable, "a name is longer than \(StoreLimits.nameMax) bytes")
        }
        guard case .write(let range) = change.action else { return nil }
        let keys = 1...StoreLimits.keyMax
        guard self.values[range].allSatisfy({ keys.contains($0.key.count) }) else {
            return CommitRefusal(.unacceptable, "a key is empty, or longer than \(StoreLimits.keyMax) bytes")
        }
        return nil
    }
}

extension CommitRefusal {
    /// The fence is not the newest of its unit.
    package static let fenced = CommitRefusal(.fenced, "another owner has acquired the object's unit")
    /// The stored revision is not the base.
    package static let revisionMismatch = CommitRefusal(
        .revisionMismatch, "the stored revision is not the one to be replaced")
    /// It is stored under another account.
    package static let foreignAccount = CommitRefusal(.unacceptable, "the object belongs to another account")
}

extension StoreError {
    package static let closed = StoreError(.closed, "the store is closed")
    package static let quarantined = StoreError(.corruptRecord, "the object is quarantined")
    package static let cancelled = StoreError(.unavailable, "the reading was cancelled")
}
