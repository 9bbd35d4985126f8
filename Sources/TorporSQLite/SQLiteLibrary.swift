import CSQLite

/// The SQLite library that this process runs with.
package enum SQLiteLibrary {
    /// The setting `trusted_schema`, the newest thing that is used, is as old.
    private static let oldest: Int32 = 3_031_000

    /// `3.40.1`
    package static var version: String { String(cString: sqlite3_libversion()) }

    /// Whether this library may damage the log when a checkpoint in one connection meets a commit in another.
    ///
    /// A ``SQLiteStore`` never lets them meet; other programs that write the file while it is closed might.
    package static var isAffectedByLogResetBug: Bool { Self.isAffectedByLogResetBug(sqlite3_libversion_number()) }

    /// - Parameter version: `3040001` for 3.40.1.
    package static func isAffectedByLogResetBug(_ version: Int32) -> Bool {
        (3_007_000...3_051_002).contains(version) && version != 3_044_006 && version != 3_050_007
    }

    /// - Throws: ``SQLiteStoreError/Code/libraryTooOld``.
    static func check(_ version: Int32 = sqlite3_libversion_number()) throws(SQLiteStoreError) {
        guard version >= Self.oldest else {
            throw SQLiteStoreError(
                .libraryTooOld, "SQLite \(Self.version) is too old: install 3.31.0 or newer (libsqlite3-0)")
        }
    }
}
