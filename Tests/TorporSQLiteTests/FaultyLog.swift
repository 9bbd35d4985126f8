import CSQLite

@testable import TorporSQLite

/// Makes the write-ahead log of a connection fail as a disk does, until it is removed or the connection is closed.
final class FaultyLog: @unchecked Sendable {
    // Touched by the writer's thread only.
    enum Fault {
        /// The disk is full.
        case writesFindNoRoom
        /// What was written may be on the disk or not.
        case syncsFail
    }

    private let file: UnsafeMutablePointer<sqlite3_file>
    private let original: UnsafePointer<sqlite3_io_methods>

    init(_ fault: Fault, on writer: Writer) throws {
        var file: UnsafeMutablePointer<sqlite3_file>?
        sqlite3_file_control(writer.connection?.connection.handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file)
        guard let file, let original = file.pointee.pMethods else { throw SQLiteFailure(code: SQLITE_ERROR, text: "") }
        self.file = file
        self.original = original
        // Kept for the life of the process: SQLite holds on to it.
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: original.pointee)
        switch fault {
        case .writesFindNoRoom: methods.pointee.xWrite = { _, _, _, _ in SQLITE_FULL }
        case .syncsFail: methods.pointee.xSync = { _, _ in SQLITE_IOERR | (4 << 8) }  // SQLITE_IOERR_FSYNC
        }
        file.pointee.pMethods = UnsafePointer(methods)
    }

    func remove() { self.file.pointee.pMethods = self.original }
}
