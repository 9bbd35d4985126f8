import CSQLite
import Glibc

/// What SQLite answered in place of doing what it was asked for.
struct SQLiteFailure: Error {
    /// The extended result code.
    let code: Int32
    /// SQLite's words, and the system's where it caused the failure. Neither holds keys or values.
    let text: String

    init(code: Int32, text: String) {
        self.code = code
        self.text = text
    }

    /// The last failure of a connection.
    init(of handle: OpaquePointer?) {
        self.code = sqlite3_extended_errcode(handle)
        var text = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(self.code))
        let systemError = handle.map { sqlite3_system_errno($0) } ?? 0
        let isOfTheSystem = [SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_FULL].contains(self.code & 0xFF)
        if isOfTheSystem, systemError != 0 { text += " (\(String(cString: strerror(systemError))))" }
        self.text = text
    }

    /// A row that this program has not written: SQLite has no checksums that tell.
    static let foreignRow = SQLiteFailure(code: SQLITE_CORRUPT, text: "a row is not what it should be")

    /// The result code without what extends it.
    var kind: Int32 { self.code & 0xFF }

    /// Another connection is in the way; nothing has changed.
    var isBusy: Bool { self.kind == SQLITE_BUSY || self.kind == SQLITE_LOCKED }

    /// The file does not hold what SQLite wrote to it.
    var isDamage: Bool { self.kind == SQLITE_CORRUPT || self.kind == SQLITE_NOTADB }
}
