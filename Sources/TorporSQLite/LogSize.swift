import CSQLite

/// How far the write-ahead log has been filled, as SQLite tells after each commit, and when it is to be copied.
final class LogSize {
    /// Of a page of the database.
    static let pageBytes = 4_096
    /// What the log has beside each page.
    private static let frameHeaderBytes = 24

    private var pages = 0
    /// Something was committed since the log was copied as a whole.
    private(set) var hasGrown = false
    /// From how many bytes on it is copied again; zero when it has begun anew.
    private(set) var nextCheckpoint = 0

    /// Takes the place of SQLite's own checkpoints. Lives as long as the connection.
    init(of connection: Connection) {
        // The connection calls it only within steps of its statements.
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            connection.handle,
            { context, _, _, pages in
                // What is passed below.
                Unmanaged<LogSize>.fromOpaque(context!).takeUnretainedValue().committed(pages: Int(pages))
                return SQLITE_OK
            }, context)
    }

    var bytes: Int { self.pages * (Self.pageBytes + Self.frameHeaderBytes) }

    private func committed(pages: Int) {
        if pages < self.pages { self.nextCheckpoint = 0 }
        self.pages = pages
        self.hasGrown = true
    }

    /// It was copied into the database, as far as readers allowed.
    /// - Parameters:
    ///   - beginsAnew: The next commit will be its first.
    ///   - growth: How far it may grow until it is copied again.
    func wasCopied(wholly isWhole: Bool, beginsAnew: Bool, nextAfter growth: Int) {
        if isWhole { self.hasGrown = false }
        if beginsAnew { self.pages = 0 }
        self.nextCheckpoint = beginsAnew ? 0 : self.bytes + growth
    }
}
