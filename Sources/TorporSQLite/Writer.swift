import CSQLite
import TorporCore
import TorporStore

/// Writes a database: the one connection that does, on a thread of its own.
///
/// It also copies the log into the database, between commits and never beside one; see docs/decisions/0021-sqlite.md.
final class Writer: Worker {
    /// What is known of a store once it is open.
    struct Opening: Sendable {
        var path: String
        var identity: UInt128
        var isCheckDue: Bool
    }

    let configuration: SQLiteConfiguration
    let shared: SharedState
    /// Holds the lock. `nil` before the store is open.
    private var file: StoreFile?
    /// `nil` after a failure, until the next operation.
    private(set) var connection: WriterConnection?

    init(configuration: SQLiteConfiguration, shared: SharedState) {
        self.configuration = configuration
        self.shared = shared
    }

    private var path: String { self.file?.path ?? self.configuration.path }

    // MARK: Opening and closing

    /// - Parameter identity: Of the store, if it is new.
    func open(identity: UInt128) -> Result<Opening, SQLiteStoreError> {
        do throws(SQLiteStoreError) {
            try SQLiteLibrary.check()
            let file = try StoreFile(self.configuration)
            self.file = file
            let connection = try Self.translate(file.path) { () throws(SQLiteFailure) in
                try self.connect(to: file.path)
            }
            let format = try Self.translate(file.path) { () throws(SQLiteFailure) in try Schema.found(in: connection) }
            try Self.check(format, path: file.path)
            return .success(
                try Self.translate(file.path) { () throws(SQLiteFailure) in
                    try self.begin(connection, format, path: file.path, identity: identity)
                })
        } catch {
            self.connection = nil
            self.file = nil
            return .failure(error)
        }
    }

    private static func translate<R>(
        _ path: String, _ body: () throws(SQLiteFailure) -> R
    ) throws(SQLiteStoreError) -> R {
        do throws(SQLiteFailure) {
            return try body()
        } catch {
            throw SQLiteStoreError(error, path: path)
        }
    }

    private static func check(_ format: Schema.Found, path: String) throws(SQLiteStoreError) {
        switch format {
        case .nothing, .format(...Schema.format): return
        case .format(let newer):
            throw SQLiteStoreError(
                .newerFormat,
                """
                \(path) has format \(newer), and this program knows formats up to \(Schema.format): it was written by a \
                newer version, which is needed to open it
                """)
        case .foreign:
            throw SQLiteStoreError(
                .foreignDatabase, "\(path) is a database of another program: name another file")
        }
    }

    /// Makes the schema or migrates it, and begins a new incarnation: durable on return.
    private func begin(
        _ connection: Connection, _ format: Schema.Found, path: String, identity: UInt128
    ) throws(SQLiteFailure) -> Opening {
        try Self.configure(connection, self.configuration)
        try connection.execute("BEGIN IMMEDIATE")
        do throws(SQLiteFailure) {
            if case .format(let number) = format {
                try Schema.migrate(connection, from: number)
            } else {
                try Schema.migrate(connection, from: 0)
                try connection.withStatement("INSERT INTO meta (name, value) VALUES (?1, ?2)") {
                    statement throws(SQLiteFailure) in
                    try statement.bind(1, MetaName.identity.rawValue)
                    try statement.bind(2, identity)
                    try statement.run()
                }
            }
            let writer = try WriterConnection(connection)
            let stoppedUncleanly = try Self.meta(.isOpen, connection) == 1
            let wasCheckDue = try Self.meta(.isCheckDue, connection) == 1
            let isCheckDue = stoppedUncleanly || wasCheckDue
            try writer.setMeta(.isCheckDue, isCheckDue ? 1 : 0)
            try writer.setMeta(.isOpen, 1)
            try writer.setMeta(.incarnation, self.shared.incarnation)
            try connection.execute("DELETE FROM epochs")
            let identity = try connection.withStatement("SELECT value FROM meta WHERE name = 'identity'") {
                row throws(SQLiteFailure) in
                try row.step() ? row.number(0) : nil
            }
            guard let identity else { throw .foreignRow }
            try connection.execute("COMMIT")
            self.connection = writer
            if stoppedUncleanly { self.shared.report(.stoppedUncleanly) }
            return Opening(path: path, identity: identity, isCheckDue: isCheckDue)
        } catch {
            connection.rollBack()
            throw error
        }
    }

    private static func meta(_ name: MetaName, _ connection: Connection) throws(SQLiteFailure) -> Int64? {
        try connection.integer("SELECT value FROM meta WHERE name = '\(name.rawValue)'")
    }

    private func connect(to path: String) throws(SQLiteFailure) -> Connection {
        try Connection(
            path: path, isReader: false, busyMilliseconds: self.configuration.busyMilliseconds,
            cacheBytes: self.configuration.writerCacheBytes)
    }

    /// What a connection that writes is set to, once it is known to be to one of our databases.
    private static func configure(
        _ connection: Connection, _ configuration: SQLiteConfiguration
    ) throws(SQLiteFailure) {
        // Has an effect on an empty database only.
        try connection.execute("PRAGMA page_size = \(LogSize.pageBytes)")
        try connection.withStatement("PRAGMA journal_mode = WAL") { row throws(SQLiteFailure) in
            guard try row.step(), row.text(0) == "wal" else {
                throw SQLiteFailure(code: SQLITE_CANTOPEN, text: "its file system allows no write-ahead log")
            }
        }
        // The log is synced at each commit, so that a loss of power takes nothing that was acknowledged.
        try connection.execute("PRAGMA synchronous = FULL")
        try connection.execute("PRAGMA wal_autocheckpoint = 0")
        try connection.execute("PRAGMA journal_size_limit = \(4 * configuration.checkpointBytes)")
        // What is removed is overwritten where that costs no write of its own.
        try connection.execute("PRAGMA secure_delete = FAST")
    }

    /// The connection, made anew after a failure.
    func ready() -> Result<WriterConnection, StoreError> {
        if let connection = self.connection { return .success(connection) }
        do throws(SQLiteFailure) {
            let connection = try self.connect(to: self.path)
            try Self.configure(connection, self.configuration)
            let writer = try WriterConnection(connection)
            // A failed sync leaves the log in doubt, even where it can be read: it is copied and emptied, so that no
            // later commit lies behind a hole.
            var result = sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
            result &= 0xFF
            guard result == SQLITE_OK || result == SQLITE_BUSY else { throw SQLiteFailure(of: connection.handle) }
            self.connection = writer
            return .success(writer)
        } catch {
            return .failure(StoreError(.unavailable, "\(self.path) cannot be opened again: \(error.text)"))
        }
    }

    /// The connection cannot be relied on any more.
    func drop(after failure: SQLiteFailure) {
        self.connection = nil
        self.shared.report(.connectionFailed(failure.text))
    }

    func end() {
        defer {
            self.connection = nil
            self.file = nil
        }
        guard self.file != nil, case .success(let connection) = self.ready() else { return }
        do throws(SQLiteFailure) {
            try connection.setMeta(.isOpen, 0)
        } catch {
            // The next start takes it for an unclean stop, which costs a check.
            return self.shared.report(.connectionFailed(error.text))
        }
        sqlite3_wal_checkpoint_v2(connection.connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
    }

    // MARK: Small changes

    /// Acquires a unit again; see ``StateStore/acquire(_:after:)``.
    func acquire(_ unit: UnitID, after former: Fence) -> Result<Fence, StoreError> {
        let fence = self.shared.fences[unit]
        guard fence == former else { return .success(fence) }
        return self.change { connection throws(SQLiteFailure) in
            try connection.setEpoch.bind(1, TaggedNumber(unit))
            try connection.setEpoch.bind(2, fence.epoch + 1)
            try connection.setEpoch.run()
        }.map {
            self.shared.raise(unit, to: fence.epoch + 1)
            return Fence(incarnation: fence.incarnation, epoch: fence.epoch + 1)
        }
    }

    func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) -> Result<Void, StoreError> {
        self.change { connection throws(SQLiteFailure) in
            try connection.quarantine.bind(1, id.bits)
            try connection.quarantine.bind(2, isQuarantined ? 1 : 0)
            try connection.quarantine.run()
        }
    }

    /// The check has passed: the next start owes none.
    func checkPassed() -> Result<Void, StoreError> {
        self.change { connection throws(SQLiteFailure) in try connection.setMeta(.isCheckDue, 0) }
    }

    /// Carries out `body` as a transaction.
    private func change(_ body: (WriterConnection) throws(SQLiteFailure) -> Void) -> Result<Void, StoreError> {
        let connection: WriterConnection
        switch self.ready() {
        case .success(let ready): connection = ready
        case .failure(let error): return .failure(error)
        }
        var isCommitting = false
        do throws(SQLiteFailure) {
            try connection.begin.run()
            try body(connection)
            isCommitting = true
            try connection.commit.run()
            self.checkpointIfDue()
            return .success(())
        } catch {
            connection.connection.rollBack()
            let text = "\(self.path) cannot be written: \(error.text)"
            switch error.meaning {
            case .locked, .full: return .failure(StoreError(.unavailable, text))
            case .unwritable:
                return .failure(
                    error.isDamage
                        ? StoreError(.corruptRecord, SQLiteStoreError.damage(self.path, error))
                        : StoreError(.unavailable, text))
            case .ofTheObject, .other:
                self.drop(after: error)
                return .failure(StoreError(isCommitting ? .outcomeUnknown : .unavailable, text))
            }
        }
    }

    // MARK: Checkpoints

    var restDelay: Duration? {
        self.connection?.log.hasGrown == true ? self.configuration.checkpointDelay : nil
    }

    func rest() { self.checkpoint(SQLITE_CHECKPOINT_PASSIVE) }

    /// Copies the log when it has become long.
    func checkpointIfDue() {
        guard let log = self.connection?.log, log.bytes >= self.configuration.checkpointBytes,
            log.bytes >= log.nextCheckpoint
        else { return }
        // Readers that are never all gone at once would let the log grow: from some length on they are waited for.
        let isLong = log.bytes >= 4 * self.configuration.checkpointBytes
        self.checkpoint(isLong ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE)
    }

    func checkpoint(_ mode: Int32) {
        guard let connection = self.connection else { return }
        var frames: Int32 = 0
        var copied: Int32 = 0
        let handle = connection.connection.handle
        let result = sqlite3_wal_checkpoint_v2(handle, nil, mode, &frames, &copied) & 0xFF
        let isBusy = result == SQLITE_BUSY
        connection.log.wasCopied(
            wholly: result == SQLITE_OK && copied == frames,
            beginsAnew: mode != SQLITE_CHECKPOINT_PASSIVE && result == SQLITE_OK,
            nextAfter: self.configuration.checkpointBytes)
        if isBusy { self.shared.check.interrupt() }
        guard result == SQLITE_OK || isBusy else {
            return self.shared.report(.checkpointFailed(SQLiteFailure(of: handle).text))
        }
    }
}

extension SQLiteFailure {
    /// What follows from a failure to write.
    enum Meaning {
        /// By another program; nothing has changed.
        case locked
        /// Nothing has changed.
        case full
        /// Read-only or damaged; nothing has changed.
        case unwritable
        /// One value is to blame.
        case ofTheObject
        /// Nothing has changed, unless it was the commit that failed.
        case other
    }

    var meaning: Meaning {
        switch self.kind {
        case SQLITE_BUSY, SQLITE_LOCKED: .locked
        case SQLITE_FULL: .full
        case SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_PERM, SQLITE_AUTH: .unwritable
        case SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH: .ofTheObject
        default: .other
        }
    }
}
