package import TorporCore

/// Where state objects lie while they are asleep: the port that every adapter keeps the promises of.
///
/// `TorporStoreTestKit` has a named case for each promise, and a model that random operations are held against; every
/// adapter passes both.
///
/// **Failure domain.** What was committed survives what the adapter names as its failure domain: for SQLite the end of
/// the process and the loss of power.
///
/// **Order.** Commits take effect one after the other. An operation that begins after a commit has returned sees it.
///
/// **Cancellation.** A reading that a cancelled task begins throws `.unavailable`; one that is under way is carried out.
/// `acquire`, `commit` and `setQuarantined` are carried out, and waited for, all the same.
///
/// **Values are opaque.** Keys are 1 to ``StoreLimits/keyMax`` bytes, any bytes, and unique within an object. Stored
/// forms may be empty.
///
/// **What stays.** The kind, name, account and time of creation of an object are those of its first commit.
package protocol StateStore: Sendable {
    /// Random, made with the store: names it in what clients bring back.
    var identity: UInt128 { get }

    /// What makes this opening of the store different from every other. Fences of earlier ones are refused. The epochs of
    /// all units begin at 1 with it.
    var incarnation: UInt64 { get }

    /// Makes this process the owner of a unit.
    ///
    /// With `former` it is acquired again, with a higher epoch: durable on return, so that whatever was written under
    /// the former fence and has not taken effect never will. When `former` is no longer the fence in force, that has
    /// happened already, and the one in force is returned. Without `former` it is the one in force; no write is made
    /// where the whole store has one owner.
    /// - Throws: ``StoreError/Code/unavailable``: nothing has changed. ``StoreError/Code/outcomeUnknown``: acquire again.
    func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence

    /// Reads an object and its account's usage, as of one moment.
    /// - Parameter admit: Asked once, with the header, before any value is read; may be called on any thread, and must
    ///   not wait. Answers whether there is room.
    /// - Throws: ``StoreError/Code/unavailable``; ``StoreError/Code/corruptRecord`` for what cannot be read or is
    ///   quarantined; ``StoreError/Code/newerFormat``.
    func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult

    /// Carries out a batch, and tells what became of each object, in the order of the batch.
    ///
    /// An object is checked before anything of it is written: its fence must be its unit's newest, and the stored
    /// revision its base. A refused object changes nothing and keeps no other from being committed. A committed one is
    /// durable on return. Counts and sizes of accounts change with it, in the same commit.
    ///
    /// Refused as unacceptable are a key or a name beyond ``StoreLimits``, a value larger than the store takes (at least
    /// 64 MiB), and an object of another account. To delete what is not there, with base zero, is committed and leaves
    /// the tombstone. A quarantined object can be written and deleted; written, it stays quarantined.
    /// - Throws: ``StoreError/Code/unavailable``: nothing was sent; the same batch may be tried again.
    func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome]

    /// The header of an object; `nil` when there is none.
    func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader?

    /// Headers in the order of their ids, beginning behind `last`.
    ///
    /// Objects that come or go meanwhile may be missed or listed; all others are listed once.
    /// - Parameter limit: At most so many, 1 to ``StoreLimits/pageMax``; fewer than asked for means that there are no
    ///   more.
    func headers(after last: StateObjectID?, matching filter: RecordFilter, limit: Int) async throws(StoreError)
        -> [RecordHeader]

    /// Headers whose expiry is at or before `time`, the earliest first.
    /// - Parameter limit: At most so many, 1 to ``StoreLimits/pageMax``.
    func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader]

    /// Tombstones in the order in which they were left, beginning behind the first `count`.
    ///
    /// At most ``StoreLimits/tombstonesMax`` are kept; beyond that the oldest are forgotten, and those past their time at
    /// any moment. What is forgotten between two calls moves the others up.
    /// - Parameter limit: At most so many, 1 to ``StoreLimits/pageMax``; fewer than asked for means that there are no
    ///   more.
    func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone]

    /// Marks an object that could not be read, so that loads fail at once; or takes the mark off. Durable on return;
    /// nothing happens where there is no such object.
    /// - Throws: ``StoreError/Code/unavailable``: nothing has changed. ``StoreError/Code/outcomeUnknown``: set it again.
    func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError)

    /// What an account has stored; nothing for one that is not known.
    func usage(of account: AccountID) async throws(StoreError) -> AccountUsage

    /// What is stored in all, and the room that is left.
    func usage() async throws(StoreError) -> StoreUsage

    /// Ends what is under way and closes the store. Later operations throw ``StoreError/Code/closed``. Closing twice is
    /// closing once.
    func close() async
}

/// What came of reading an object.
package enum LoadResult: Sendable {
    case found(Record)
    case missing
    /// There was no room for it; no value was read.
    case notAdmitted(RecordHeader)

    package var isFound: Bool {
        if case .found = self { true } else { false }
    }
}

/// Which headers are wanted. All conditions must be met.
package struct RecordFilter: Sendable, Equatable {
    package var kind: ObjectKind?
    package var name: String?
    package var account: AccountID?

    package init(kind: ObjectKind? = nil, name: String? = nil, account: AccountID? = nil) {
        self.kind = kind
        self.name = name
        self.account = account
    }

    package func matches(_ header: RecordHeader) -> Bool {
        (self.kind ?? header.kind) == header.kind && (self.name ?? header.name) == header.name
            && (self.account ?? header.account) == header.account
    }
}

/// What is stored in all.
package struct StoreUsage: Sendable, Equatable {
    /// Of all accounts together.
    package var total: AccountUsage
    /// Of all anonymous accounts together.
    package var anonymous: AccountUsage
    /// What the stored forms take, after compression.
    package var storedBytes: Int
    /// What the store's files take; zero where there are none.
    package var fileBytes: Int
    /// What the file system has left for them, and its size; `nil` where there are no files.
    package var disk: DiskSpace?

    package init(
        total: AccountUsage, anonymous: AccountUsage, storedBytes: Int, fileBytes: Int = 0, disk: DiskSpace? = nil
    ) {
        self.total = total
        self.anonymous = anonymous
        self.storedBytes = storedBytes
        self.fileBytes = fileBytes
        self.disk = disk
    }
}

package struct DiskSpace: Sendable, Equatable {
    package var freeBytes: Int
    package var sizeBytes: Int

    package init(freeBytes: Int, sizeBytes: Int) {
        self.freeBytes = freeBytes
        self.sizeBytes = sizeBytes
    }
}
