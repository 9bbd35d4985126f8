import CSQLite

/// One connection to a database. Used by one thread at a time.
final class Connection {
    let handle: OpaquePointer
    private var statements: [Statement] = []

    /// - Parameters:
    ///   - path: An absolute path of a file that exists; or a URI, `file:…`.
    ///   - busyMilliseconds: How long to wait for other connections.
    ///   - cacheBytes: What cached pages may take.
    init(path: String, isReader: Bool, busyMilliseconds: Int, cacheBytes: Int) throws(SQLiteFailure) {
        var handle: OpaquePointer?
        // No mutexes: whoever has the connection is alone with it.
        let flags = (isReader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK, let handle else {
            let failure = SQLiteFailure(of: handle)
            sqlite3_close(handle)
            throw failure
        }
        self.handle = handle
        sqlite3_extended_result_codes(handle, 1)
        // By default SQLite sets 120 KB aside for each connection.
        torpor_sqlite3_set_lookaside(handle, 256, 128)
        sqlite3_busy_timeout(handle, Int32(busyMilliseconds))
        // From here on a failure ends in `deinit`, which closes it.
        try self.execute("PRAGMA cache_size = -\(max(1, cacheBytes >> 10))")
        try self.execute("PRAGMA temp_store = MEMORY")
        try self.execute("PRAGMA trusted_schema = OFF")
        try self.execute("PRAGMA mmap_size = 0")
        if isReader { try self.execute("PRAGMA query_only = ON") }
    }

    deinit {
        for statement in self.statements { sqlite3_finalize(statement.handle) }
        // The last connection of a database copies the log into it and deletes it.
        let result = sqlite3_close(self.handle)
        precondition(result == SQLITE_OK, "a connection is closed with a statement under way")
    }

    /// A statement that lives as long as the connection.
    func prepare(_ sql: String) throws(SQLiteFailure) -> Statement {
        let statement = try Statement(sql, self.handle, lives: true)
        self.statements.append(statement)
        return statement
    }

    /// Runs a statement once, and ignores its rows.
    func execute(_ sql: String) throws(SQLiteFailure) {
        try self.withStatement(sql) { statement throws(SQLiteFailure) in while try statement.step() {} }
    }

    /// The first column of the first row of a statement; `nil` when it has no rows.
    func integer(_ sql: String) throws(SQLiteFailure) -> Int64? {
        try self.withStatement(sql) { statement throws(SQLiteFailure) in
            try statement.step() ? statement.integer(0) : nil
        }
    }

    func withStatement<R>(
        _ sql: String, _ body: (Statement) throws(SQLiteFailure) -> R
    ) throws(SQLiteFailure) -> R {
        let statement = try Statement(sql, self.handle, lives: false)
        defer { sqlite3_finalize(statement.handle) }
        return try body(statement)
    }

    /// Carries out `body` in a transaction that locks out other writers. When anything fails nothing has changed, save
    /// that after a failure at its end, which is told apart, nobody knows.
    func transaction<R>(
        _ body: () throws(SQLiteFailure) -> R
    ) throws(SQLiteFailure) -> R {
        try self.execute("BEGIN IMMEDIATE")
        do throws(SQLiteFailure) {
            let result = try body()
            try self.execute("COMMIT")
            return result
        } catch {
            self.rollBack()
            throw error
        }
    }

    /// Ends a transaction without carrying it out, unless SQLite has done so already.
    func rollBack() {
        guard sqlite3_get_autocommit(self.handle) == 0 else { return }
        // It can fail only where SQLite rolls back by itself.
        try? self.execute("ROLLBACK")
    }
}
