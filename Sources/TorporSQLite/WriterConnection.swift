import CSQLite
import TorporCore

/// The connection that writes, and its statements.
final class WriterConnection {
    let connection: Connection
    let log: LogSize

    let begin, commit: Statement
    let header, insertHeader, updateHeader, updateHeaderAndExpiry, deleteHeader, quarantine: Statement
    let value, insertValue, updateValue, deleteValue, deleteValues: Statement
    let changeAccount, deleteAccount, changeTotals: Statement
    let firstTombstones, insertTombstone, deleteTombstones: Statement
    let setEpoch, setMeta: Statement

    /// - Parameter connection: To a database that has been migrated.
    init(_ connection: Connection) throws(SQLiteFailure) {
        self.connection = connection
        self.log = LogSize(of: connection)
        self.begin = try connection.prepare("BEGIN IMMEDIATE")
        self.commit = try connection.prepare("COMMIT")
        self.header = try connection.prepare(
            "SELECT number, account, revision, byte_count, stored_bytes, expiry FROM objects WHERE id = ?1")
        self.insertHeader = try connection.prepare(
            """
            INSERT INTO objects (incarnation, epoch, revision, commit_id, value_count, byte_count, stored_bytes, expiry,
                id, kind, name, account, created, is_quarantined)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0)
            """)
        let update = """
            UPDATE objects SET incarnation = ?1, epoch = ?2, revision = ?3, commit_id = ?4, value_count = ?5,
                byte_count = ?6, stored_bytes = ?7
            """
        // The index on expiry is touched whenever the column is named.
        self.updateHeader = try connection.prepare("\(update) WHERE number = ?9")
        self.updateHeaderAndExpiry = try connection.prepare("\(update), expiry = ?8 WHERE number = ?9")
        self.deleteHeader = try connection.prepare("DELETE FROM objects WHERE number = ?1")
        self.quarantine = try connection.prepare("UPDATE objects SET is_quarantined = ?2 WHERE id = ?1")
        self.value = try connection.prepare(
            "SELECT number, length(stored) FROM object_values WHERE object = ?1 AND key = ?2")
        self.insertValue = try connection.prepare(
            "INSERT INTO object_values (object, key, stored) VALUES (?1, ?2, ?3)")
        self.updateValue = try connection.prepare("UPDATE object_values SET stored = ?2 WHERE number = ?1")
        self.deleteValue = try connection.prepare("DELETE FROM object_values WHERE number = ?1")
        self.deleteValues = try connection.prepare("DELETE FROM object_values WHERE object = ?1")
        self.changeAccount = try connection.prepare(
            """
            INSERT INTO accounts (account, objects, bytes) VALUES (?1, ?2, ?3)
            ON CONFLICT (account) DO UPDATE SET objects = objects + ?2, bytes = bytes + ?3
            """)
        self.deleteAccount = try connection.prepare("DELETE FROM accounts WHERE account = ?1 AND objects = 0")
        self.changeTotals = try connection.prepare(
            """
            UPDATE totals SET objects = objects + ?1, bytes = bytes + ?2, anonymous_objects = anonymous_objects + ?3,
                anonymous_bytes = anonymous_bytes + ?4, stored_bytes = stored_bytes + ?5
            """)
        self.firstTombstones = try connection.prepare(
            "SELECT number, until FROM tombstones ORDER BY number LIMIT ?1")
        self.insertTombstone = try connection.prepare("INSERT INTO tombstones (session, until) VALUES (?1, ?2)")
        self.deleteTombstones = try connection.prepare(
            "DELETE FROM tombstones WHERE number <= max(?1, (SELECT max(number) FROM tombstones) - ?2)")
        self.setEpoch = try connection.prepare(
            "INSERT INTO epochs (unit, epoch) VALUES (?1, ?2) ON CONFLICT (unit) DO UPDATE SET epoch = ?2")
        self.setMeta = try connection.prepare(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")
    }

    func setMeta(_ name: MetaName, _ value: UInt64) throws(SQLiteFailure) {
        try self.setMeta.bind(1, name.rawValue)
        try self.setMeta.bind(2, value)
        try self.setMeta.run()
    }
}

/// What the table `meta` holds.
enum MetaName: String {
    case identity
    case incarnation
    /// 1 while a process has the store open; found at the next start when that one was not closed.
    case isOpen = "is_open"
    /// 1 from an unclean stop until a check has passed.
    case isCheckDue = "is_check_due"
}
