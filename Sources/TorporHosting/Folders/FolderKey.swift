package import TorporCore
import TorporEngine

/// Whose folder it is, and how long it is kept.
package struct FolderKey: Hashable, Sendable {
    /// The state object that holds the folder's index. Whoever made it up sees to it that nobody else has it.
    package let id: StateObjectID
    /// Of the account, in two words; see ``StateObjectID``.
    private let accountBits: StateObjectID
    private let isAnonymous: Bool
    /// For so long at least it is kept when nobody saves or restores it.
    package let retention: Duration

    package init(id: StateObjectID, account: AccountID, retention: Duration) {
        precondition(retention > .zero, "a folder is kept for a while")
        self.id = id
        self.accountBits = StateObjectID(bits: account.bits)
        self.isAnonymous = account.isAnonymous
        self.retention = retention
    }

    /// Whose storage it takes.
    package var account: AccountID {
        self.isAnonymous ? .anonymous(self.accountBits.bits) : .principal(self.accountBits.bits)
    }

    /// The object of the index.
    var indexName: ObjectName { ObjectName(self.id, .folder, account: self.account, retention: self.retention) }

    /// The object of a page.
    ///
    /// It is kept for twice as long as the index, which is used more often: no index outlives one of its pages.
    func pageName(_ page: UInt64) -> ObjectName {
        ObjectName(
            self.pageID(page), .folder, name: Self.pageObjectName, account: self.account, retention: self.retention * 2)
    }

    static let pageObjectName = "page"

    /// A digest of the index's id and the page's number.
    private func pageID(_ page: UInt64) -> StateObjectID {
        var bytes: [UInt8] = []
        withUnsafeBytes(of: self.id.bits.littleEndian) { bytes += $0 }
        withUnsafeBytes(of: page.littleEndian) { bytes += $0 }
        let high = XXH64.hash(bytes.span.bytes, seed: 0)
        let low = XXH64.hash(bytes.span.bytes, seed: 1)
        return StateObjectID(bits: UInt128(high) << 64 | UInt128(low))
    }
}
