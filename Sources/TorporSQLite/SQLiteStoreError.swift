import CSQLite

/// Why a ``SQLiteStore`` was not opened. Nothing that was stored is lost.
package struct SQLiteStoreError: Error, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case inUse, locked, networkFileSystem, inaccessible, full, notADatabase, foreignDatabase, newerFormat
            case corrupt, logWithoutDatabase, libraryTooOld, failed
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// Another process has opened it.
        package static let inUse = Code(.inUse)
        /// Another program, not a Torpor, has it locked at this moment.
        package static let locked = Code(.locked)
        /// It lies on a network file system.
        package static let networkFileSystem = Code(.networkFileSystem)
        /// The file or its folder is missing, cannot be read or cannot be written.
        package static let inaccessible = Code(.inaccessible)
        /// There is no room on the disk.
        package static let full = Code(.full)
        /// The file is something else.
        package static let notADatabase = Code(.notADatabase)
        /// The file is a database of another program.
        package static let foreignDatabase = Code(.foreignDatabase)
        /// A newer Torpor wrote it.
        package static let newerFormat = Code(.newerFormat)
        /// The file is damaged.
        package static let corrupt = Code(.corrupt)
        /// There is a write-ahead log, and no database that it belongs to.
        package static let logWithoutDatabase = Code(.logWithoutDatabase)
        /// The SQLite library lacks what is needed.
        package static let libraryTooOld = Code(.libraryTooOld)
        /// Anything else that the system or SQLite refuses.
        package static let failed = Code(.failed)

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What is wrong, with the path, and what to do.
    package let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension SQLiteStoreError {
    /// What a failure of SQLite means for whoever opens a store.
    init(_ failure: SQLiteFailure, path: String) {
        switch failure.kind {
        case SQLITE_BUSY, SQLITE_LOCKED:
            self.init(
                .locked, "\(path) is locked by another program: close what reads or writes it, then start again")
        case SQLITE_NOTADB:
            self.init(
                .notADatabase,
                "\(path) is not a SQLite database, or it is encrypted: name another file, or move it away")
        case SQLITE_CORRUPT:
            self.init(.corrupt, Self.damage(path, failure))
        case SQLITE_FULL:
            self.init(.full, "there is no room on the disk of \(path): make room, then start again")
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH, SQLITE_CANTOPEN:
            self.init(
                .inaccessible,
                "\(path) cannot be opened for writing: \(failure.text). The file, and its folder, must be writable")
        default:
            self.init(.failed, "\(path) cannot be opened: \(failure.text)")
        }
    }

    /// What to say of a damaged file.
    static func damage(_ path: String, _ failure: SQLiteFailure) -> String {
        """
        \(path) is damaged: \(failure.text). Stop the program and keep a copy of the file and of \(path)-wal; then \
        restore a backup, or save what can be read with: sqlite3 \(path) .recover
        """
    }
}
