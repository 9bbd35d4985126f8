import CSQLite

/// What the database consists of; docs/formats/sqlite.md tells it to operators.
enum Schema {
    /// "Torp": tells our databases from others'.
    static let applicationID: Int64 = 0x546F_7270
    /// What this program writes. Older formats are migrated when they are opened, newer ones refused.
    static let format = Int64(Self.migrations.count)

    /// What leads from each format to the next; the first from an empty database.
    static let migrations: [[String]] = [
        [
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
            // Values lie in a table of their own, so that headers lie close together.
            """
            CREATE TABLE objects (
                number INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,
                account BLOB NOT NULL, incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, revision INTEGER NOT NULL,
                commit_id BLOB NOT NULL, value_count INTEGER NOT NULL, byte_count INTEGER NOT NULL,
                stored_bytes INTEGER NOT NULL, created INTEGER NOT NULL, expiry INTEGER NOT NULL,
                is_quarantined INTEGER NOT NULL)
            """,
            "CREATE UNIQUE INDEX objects_by_id ON objects (id)",
            "CREATE INDEX objects_by_expiry ON objects (expiry)",
            // With row numbers: what is stored would make a B-tree of keys twice as slow.
            """
            CREATE TABLE object_values (
                number INTEGER PRIMARY KEY, object INTEGER NOT NULL, key BLOB NOT NULL, stored BLOB NOT NULL)
            """,
            "CREATE UNIQUE INDEX object_values_by_key ON object_values (object, key)",
            """
            CREATE TABLE accounts (
                account BLOB PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID
            """,
            """
            CREATE TABLE totals (
                number INTEGER PRIMARY KEY CHECK (number = 1), objects INTEGER NOT NULL, bytes INTEGER NOT NULL,
                anonymous_objects INTEGER NOT NULL, anonymous_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL)
            """,
            "INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0)",
            // Numbered without gaps: only the first are ever removed.
            "CREATE TABLE tombstones (number INTEGER PRIMARY KEY, session BLOB NOT NULL, until INTEGER NOT NULL)",
            "CREATE TABLE epochs (unit BLOB PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID",
        ]
    ]

    /// What a database file holds.
    enum Found {
        case nothing
        case format(Int64)
        case foreign
    }

    static func found(in connection: Connection) throws(SQLiteFailure) -> Found {
        let application = try connection.integer("PRAGMA application_id")
        if application == Self.applicationID {
            return .format(try connection.integer("PRAGMA user_version") ?? 0)
        }
        let isEmpty = try connection.integer("SELECT count(*) FROM sqlite_master") == 0
        return application == 0 && isEmpty ? .nothing : .foreign
    }

    /// Brings a database from `format` to ours, in the transaction under way.
    static func migrate(_ connection: Connection, from format: Int64) throws(SQLiteFailure) {
        for statements in Self.migrations[Int(format)...] {
            for statement in statements { try connection.execute(statement) }
        }
        try connection.execute("PRAGMA application_id = \(Self.applicationID)")
        try connection.execute("PRAGMA user_version = \(Self.format)")
    }
}
