import CSQLite
import TorporCore
import TorporStore

/// One attempt to write a batch, in a transaction that is under way.
struct CommitWork {
    let batch: CommitBatch
    private let fences: Fences
    /// Objects that were found out in an earlier attempt.
    private let unacceptable: [Int: CommitRefusal]
    private let tombstonesMax: Int

    /// What will have become of the objects, as far as it is known.
    private(set) var outcomes: [CommitOutcome] = []
    /// The object being written.
    private(set) var current: Int?

    private var accounts: [AccountID: AccountUsage] = [:]
    private var storedBytes = 0
    private var tombstones: [Tombstone] = []

    init(_ batch: CommitBatch, fences: Fences, unacceptable: [Int: CommitRefusal], tombstonesMax: Int) {
        self.batch = batch
        self.fences = fences
        self.unacceptable = unacceptable
        self.tombstonesMax = tombstonesMax
        self.outcomes.reserveCapacity(batch.objects.count)
    }

    mutating func write(to connection: WriterConnection) throws(SQLiteFailure) {
        let batch = self.batch
        for index in batch.objects.indices {
            self.current = index
            let change = batch.objects[index]
            let known = self.unacceptable[index]
            if let refusal = try known != nil ? known : self.write(change, to: connection) {
                self.outcomes.append(.refused(refusal))
                continue
            }
            self.outcomes.append(.committed)
            if let tombstone = change.tombstone { self.tombstones.append(tombstone) }
        }
        self.current = nil
        try self.writeUsage(to: connection)
        try self.writeTombstones(to: connection)
    }

    // MARK: Objects

    /// What is stored of an object, as far as a commit needs it.
    private struct Stored {
        var number: Int64
        var revision: Revision
        var account: AccountID?
        var byteCount: Int
        var storedBytes: Int
        var expiry: WallTime
    }

    /// - Returns: Why nothing of it was written.
    private mutating func write(
        _ change: ObjectChange, to connection: WriterConnection
    ) throws(SQLiteFailure) -> CommitRefusal? {
        if let breach = self.batch.breachOfLimits(in: change) { return breach }
        let header = change.header
        guard self.fences[UnitID(header.account, header.id)] == header.fence else { return .fenced }
        let stored = try Self.stored(header.id, connection)
        guard stored?.revision ?? .zero == change.base else { return .revisionMismatch }
        if let stored, stored.account != header.account { return .foreignAccount }
        switch (change.action, stored) {
        case (.write(let range), let stored):
            try self.store(header, self.batch.values[range], replacing: stored, connection)
        case (.delete, let stored?):
            try connection.deleteValues.bind(1, stored.number)
            try connection.deleteValues.run()
            try connection.deleteHeader.bind(1, stored.number)
            try connection.deleteHeader.run()
            self.storedBytes -= stored.storedBytes
            self.count(AccountUsage(objects: -1, bytes: -stored.byteCount), of: header.account)
        case (.delete, nil): break
        }
        return nil
    }

    private static func stored(
        _ id: StateObjectID, _ connection: WriterConnection
    ) throws(SQLiteFailure) -> Stored? {
        let row = connection.header
        defer { row.reset() }
        try row.bind(1, id.bits)
        guard try row.step() else { return nil }
        return Stored(
            number: row.integer(0), revision: Revision(row.bits(2)), account: row.taggedNumber(1)?.account,
            byteCount: Int(row.integer(3)), storedBytes: Int(row.integer(4)),
            expiry: WallTime(milliseconds: row.integer(5)))
    }

    private mutating func store(
        _ header: RecordHeader, _ values: ArraySlice<StoredValue>, replacing stored: Stored?,
        _ connection: WriterConnection
    ) throws(SQLiteFailure) {
        let change: Int
        if let stored {
            change = try self.replace(values, of: stored.number, connection)
            let statement =
                header.expiry == stored.expiry ? connection.updateHeader : connection.updateHeaderAndExpiry
            try self.bind(header, storedBytes: stored.storedBytes + change, to: statement)
            if header.expiry != stored.expiry { try statement.bind(8, header.expiry.milliseconds) }
            try statement.bind(9, stored.number)
            try statement.run()
        } else {
            change = values.reduce(0) { $0 + ($1.stored?.count ?? 0) }
            try self.insert(header, storedBytes: change, connection)
            try self.insert(values, of: sqlite3_last_insert_rowid(connection.connection.handle), connection)
        }
        self.storedBytes += change
        self.count(
            AccountUsage(objects: stored == nil ? 1 : 0, bytes: header.byteCount - (stored?.byteCount ?? 0)),
            of: header.account)
    }

    private func insert(
        _ header: RecordHeader, storedBytes: Int, _ connection: WriterConnection
    ) throws(SQLiteFailure) {
        let statement = connection.insertHeader
        try self.bind(header, storedBytes: storedBytes, to: statement)
        try statement.bind(8, header.expiry.milliseconds)
        try statement.bind(9, header.id.bits)
        try statement.bind(10, Int(header.kind.rawValue))
        try statement.bind(11, header.name)
        try statement.bind(12, TaggedNumber(header.account))
        try statement.bind(13, header.created.milliseconds)
        try statement.run()
    }

    /// What every commit changes of a header.
    private func bind(
        _ header: RecordHeader, storedBytes: Int, to statement: Statement
    ) throws(SQLiteFailure) {
        try statement.bind(1, header.fence.incarnation)
        try statement.bind(2, header.fence.epoch)
        try statement.bind(3, header.revision.number)
        try statement.bind(4, self.batch.id)
        try statement.bind(5, header.valueCount)
        try statement.bind(6, header.byteCount)
        try statement.bind(7, storedBytes)
    }

    // MARK: Values

    /// The values of an object that is new.
    private func insert(
        _ values: ArraySlice<StoredValue>, of object: Int64, _ connection: WriterConnection
    ) throws(SQLiteFailure) {
        try self.batch.bytes.withUnsafeBufferPointer { bytes throws(SQLiteFailure) in
            for value in values {
                guard let stored = value.stored else { continue }
                try Self.insert(bytes.part(value.key), bytes.part(stored), of: object, connection)
            }
        }
    }

    private static func insert(
        _ key: UnsafeBufferPointer<UInt8>, _ stored: UnsafeBufferPointer<UInt8>, of object: Int64,
        _ connection: WriterConnection
    ) throws(SQLiteFailure) {
        try connection.insertValue.bind(1, object)
        try connection.insertValue.bindInPlace(2, key)
        try connection.insertValue.bindInPlace(3, stored)
        try connection.insertValue.run()
    }

    /// - Returns: By how much the stored forms have grown.
    private func replace(
        _ values: ArraySlice<StoredValue>, of object: Int64, _ connection: WriterConnection
    ) throws(SQLiteFailure) -> Int {
        try self.batch.bytes.withUnsafeBufferPointer { bytes throws(SQLiteFailure) in
            var growth = 0
            for value in values {
                let key = bytes.part(value.key)
                let former = try Self.former(key, of: object, connection)
                growth += (value.stored?.count ?? 0) - (former?.size ?? 0)
                switch (value.stored, former) {
                case (let stored?, let former?):
                    try connection.updateValue.bind(1, former.number)
                    try connection.updateValue.bindInPlace(2, bytes.part(stored))
                    try connection.updateValue.run()
                case (let stored?, nil):
                    try Self.insert(key, bytes.part(stored), of: object, connection)
                case (nil, let former?):
                    try connection.deleteValue.bind(1, former.number)
                    try connection.deleteValue.run()
                case (nil, nil): break
                }
            }
            return growth
        }
    }

    private static func former(
        _ key: UnsafeBufferPointer<UInt8>, of object: Int64, _ connection: WriterConnection
    ) throws(SQLiteFailure) -> (number: Int64, size: Int)? {
        let row = connection.value
        defer { row.reset() }
        try row.bind(1, object)
        try row.bindInPlace(2, key)
        return try row.step() ? (row.integer(0), Int(row.integer(1))) : nil
    }

    // MARK: Usage

    private mutating func count(_ change: AccountUsage, of account: AccountID) {
        guard change != AccountUsage() else { return }
        var sum = self.accounts[account] ?? AccountUsage()
        sum.objects += change.objects
        sum.bytes += change.bytes
        self.accounts[account] = sum
    }

    /// One change for each account, however many of its objects have changed.
    private func writeUsage(to connection: WriterConnection) throws(SQLiteFailure) {
        var total = AccountUsage()
        var anonymous = AccountUsage()
        for (account, change) in self.accounts where change != AccountUsage() {
            total.objects += change.objects
            total.bytes += change.bytes
            if account.isAnonymous {
                anonymous.objects += change.objects
                anonymous.bytes += change.bytes
            }
            let name = TaggedNumber(account)
            try connection.changeAccount.bind(1, name)
            try connection.changeAccount.bind(2, change.objects)
            try connection.changeAccount.bind(3, change.bytes)
            try connection.changeAccount.run()
            if change.objects < 0 {
                try connection.deleteAccount.bind(1, name)
                try connection.deleteAccount.run()
            }
        }
        guard total != AccountUsage() || anonymous != AccountUsage() || self.storedBytes != 0 else { return }
        try connection.changeTotals.bind(1, total.objects)
        try connection.changeTotals.bind(2, total.bytes)
        try connection.changeTotals.bind(3, anonymous.objects)
        try connection.changeTotals.bind(4, anonymous.bytes)
        try connection.changeTotals.bind(5, self.storedBytes)
        try connection.changeTotals.run()
    }

    // MARK: Tombstones

    private func writeTombstones(to connection: WriterConnection) throws(SQLiteFailure) {
        guard !self.tombstones.isEmpty else { return }
        for tombstone in self.tombstones {
            try connection.insertTombstone.bind(1, tombstone.session.bits)
            try connection.insertTombstone.bind(2, tombstone.until.milliseconds)
            try connection.insertTombstone.run()
        }
        // Forgotten twice as fast as they are left; only from the front, so that their numbers have no gaps.
        try connection.deleteTombstones.bind(1, try self.lastPastTombstone(connection))
        try connection.deleteTombstones.bind(2, self.tombstonesMax)
        try connection.deleteTombstones.run()
    }

    /// Up to which number tombstones are past their time, looking at the first few.
    private func lastPastTombstone(_ connection: WriterConnection) throws(SQLiteFailure) -> Int64 {
        let row = connection.firstTombstones
        defer { row.reset() }
        try row.bind(1, 2 * self.tombstones.count)
        var last = Int64.min
        while try row.step(), row.integer(1) <= self.batch.time.milliseconds { last = row.integer(0) }
        return last
    }
}

extension UnsafeBufferPointer<UInt8> {
    fileprivate func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> { .init(rebasing: self[range]) }
}
