import CSQLite
import TorporCore
import TorporStore

/// Reads a database, on a thread of its own.
///
/// Each method is one short transaction, or several in turn: a long one would keep the log from beginning anew.
final class Reader: Worker {
    /// Headers looked at in one transaction.
    private static let chunk = 4_096

    private let path: String
    private let configuration: SQLiteConfiguration
    /// `nil` before it is needed, and after a failure.
    private var connection: ReaderConnection?

    init(path: String, configuration: SQLiteConfiguration) {
        self.path = path
        self.configuration = configuration
    }

    var restDelay: Duration? { nil }
    func rest() {}
    func end() { self.connection = nil }

    func load(_ id: StateObjectID, admit: (RecordHeader) -> Bool) -> Result<LoadResult, StoreError> {
        let result = self.read { connection throws(SQLiteFailure) -> Result<LoadResult, StoreError> in
            let row = connection.record
            defer { row.reset() }
            try row.bind(1, id.bits)
            // Both statements see one moment: a transaction lasts while any of a connection's statements is under way.
            guard try row.step() else { return .success(.missing) }
            guard let header = HeaderRow.read(row) else { throw .foreignRow }
            if header.isQuarantined { return .failure(.quarantined) }
            guard admit(header) else { return .success(.notAdmitted(header)) }
            let usage = AccountUsage(
                objects: Int(row.integer(HeaderRow.end)), bytes: Int(row.integer(HeaderRow.end + 1)))

            var values: [StoredValue] = []
            var bytes: [UInt8] = []
            values.reserveCapacity(min(header.valueCount, 1 << 16))
            // Most keys are short.
            bytes.reserveCapacity(min(HeaderRow.storedBytes(row) + values.capacity * 16, 1 << 30))
            let valueRow = connection.values
            defer { valueRow.reset() }
            try valueRow.bind(1, HeaderRow.number(row))
            while try valueRow.step() {
                let start = bytes.count
                bytes.append(contentsOf: valueRow.bytes(0))
                let middle = bytes.count
                bytes.append(contentsOf: valueRow.bytes(1))
                values.append(StoredValue(key: start..<middle, stored: middle..<bytes.count))
            }
            return .success(.found(Record(header: header, usage: usage, values: values, bytes: bytes)))
        }
        return result.flatMap(\.self)
    }

    func header(of id: StateObjectID) -> Result<RecordHeader?, StoreError> {
        self.read { connection throws(SQLiteFailure) in
            try Self.headers(connection.header) { row throws(SQLiteFailure) in try row.bind(1, id.bits) }.first
        }
    }

    func headers(
        after last: StateObjectID?, matching filter: RecordFilter, limit: Int
    ) -> Result<[RecordHeader], StoreError> {
        self.read { connection throws(SQLiteFailure) in
            var found: [RecordHeader] = []
            var last = last
            while true {
                let chunk = try Self.headers(connection.headers) { row throws(SQLiteFailure) in
                    // An empty blob comes before every id.
                    if let last {
                        try row.bind(1, last.bits)
                    } else {
                        try row.bindInPlace(1, .init(start: nil, count: 0))
                    }
                    try row.bind(2, Self.chunk)
                }
                for header in chunk where filter.matches(header) {
                    found.append(header)
                    if found.count == limit { return found }
                }
                if chunk.count < Self.chunk { return found }
                last = chunk.last?.id
            }
        }
    }

    func expired(at time: WallTime, limit: Int) -> Result<[RecordHeader], StoreError> {
        self.read { connection throws(SQLiteFailure) in
            try Self.headers(connection.expired) { row throws(SQLiteFailure) in
                try row.bind(1, time.milliseconds)
                try row.bind(2, limit)
            }
        }
    }

    func tombstones(skipping count: Int, limit: Int) -> Result<[Tombstone], StoreError> {
        self.read { connection throws(SQLiteFailure) in
            let row = connection.tombstones
            defer { row.reset() }
            try row.bind(1, count)
            try row.bind(2, limit)
            var found: [Tombstone] = []
            while try row.step() {
                guard let session = row.number(0) else { throw .foreignRow }
                let until = WallTime(milliseconds: row.integer(1))
                found.append(Tombstone(session: StateObjectID(bits: session), until: until))
            }
            return found
        }
    }

    func usage(of account: AccountID) -> Result<AccountUsage, StoreError> {
        self.read { connection throws(SQLiteFailure) in
            let row = connection.account
            defer { row.reset() }
            try row.bind(1, TaggedNumber(account))
            guard try row.step() else { return AccountUsage() }
            return AccountUsage(objects: Int(row.integer(0)), bytes: Int(row.integer(1)))
        }
    }

    func usage() -> Result<StoreUsage, StoreError> {
        self.read { connection throws(SQLiteFailure) in
            let row = connection.totals
            defer { row.reset() }
            guard try row.step() else { throw .foreignRow }
            return StoreUsage(
                total: AccountUsage(objects: Int(row.integer(0)), bytes: Int(row.integer(1))),
                anonymous: AccountUsage(objects: Int(row.integer(2)), bytes: Int(row.integer(3))),
                storedBytes: Int(row.integer(4)),
                fileBytes: (StoreFile.size(self.path) ?? 0) + (StoreFile.size(self.path + "-wal") ?? 0),
                disk: StoreFile.disk(of: self.path))
        }
    }

    /// Runs `body` with a connection, and says what its failures mean.
    private func read<R>(_ body: (ReaderConnection) throws(SQLiteFailure) -> R) -> Result<R, StoreError> {
        do throws(SQLiteFailure) {
            let connection = try self.open()
            return .success(try body(connection))
        } catch {
            guard !error.isDamage else {
                return .failure(StoreError(.corruptRecord, SQLiteStoreError.damage(self.path, error)))
            }
            // The next reading begins with a new connection.
            if !error.isBusy { self.connection = nil }
            return .failure(StoreError(.unavailable, "\(self.path) cannot be read: \(error.text)"))
        }
    }

    /// The headers that a statement finds.
    private static func headers(
        _ row: Statement, bind: (Statement) throws(SQLiteFailure) -> Void
    ) throws(SQLiteFailure) -> [RecordHeader] {
        defer { row.reset() }
        try bind(row)
        var found: [RecordHeader] = []
        while try row.step() {
            guard let header = HeaderRow.read(row) else { throw .foreignRow }
            found.append(header)
        }
        return found
    }

    private func open() throws(SQLiteFailure) -> ReaderConnection {
        if let connection = self.connection { return connection }
        let connection = try ReaderConnection(path: self.path, configuration: self.configuration)
        self.connection = connection
        return connection
    }
}

/// A connection for reading, and its statements.
private final class ReaderConnection {
    let connection: Connection
    let record, values, header, headers, expired, tombstones, account, totals: Statement

    init(path: String, configuration: SQLiteConfiguration) throws(SQLiteFailure) {
        self.connection = try Connection(
            path: path, isReader: true, busyMilliseconds: configuration.busyMilliseconds,
            cacheBytes: configuration.readerCacheBytes)
        self.record = try self.connection.prepare(
            """
            SELECT \(HeaderRow.columns), a.objects, a.bytes FROM objects o LEFT JOIN accounts a USING (account)
            WHERE o.id = ?1
            """)
        self.values = try self.connection.prepare(
            "SELECT key, stored FROM object_values WHERE object = ?1 ORDER BY key")
        self.header = try self.connection.prepare("SELECT \(HeaderRow.columns) FROM objects o WHERE o.id = ?1")
        self.headers = try self.connection.prepare(
            "SELECT \(HeaderRow.columns) FROM objects o WHERE o.id > ?1 ORDER BY o.id LIMIT ?2")
        self.expired = try self.connection.prepare(
            "SELECT \(HeaderRow.columns) FROM objects o WHERE o.expiry <= ?1 ORDER BY o.expiry LIMIT ?2")
        self.tombstones = try self.connection.prepare(
            """
            SELECT session, until FROM tombstones
            WHERE number >= (SELECT min(number) FROM tombstones) + ?1 ORDER BY number LIMIT ?2
            """)
        self.account = try self.connection.prepare("SELECT objects, bytes FROM accounts WHERE account = ?1")
        self.totals = try self.connection.prepare(
            "SELECT objects, bytes, anonymous_objects, anonymous_bytes, stored_bytes FROM totals WHERE number = 1")
    }
}
