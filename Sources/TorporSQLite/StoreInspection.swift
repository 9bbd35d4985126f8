import CSQLite
import Glibc
package import TorporStore

/// What can be told of a database file from outside, without changing it.
package enum StoreInspection {
    package enum Condition: Sendable, Equatable {
        /// There is no such file; it will be made.
        case missing
        /// A process has it, whose number is told if it left one. Nothing was read.
        case inUse(process: Int?)
        /// It was read whole, and is sound.
        case sound
        /// It is larger than was to be read.
        case unread(bytes: Int)
        /// What SQLite says of it, at most ten sentences.
        case damaged([String])
        /// It could not be opened; why.
        case unreadable(String)
    }

    /// Reads the whole file with `PRAGMA quick_check`, unless a store has it or it is larger than `bytesMax`.
    ///
    /// Meanwhile no store can open it. A log that a store left behind when it was killed is read as well; then SQLite leaves
    /// an index beside it, as the store would.
    /// - Complexity: O(file): about a second per GiB in the page cache.
    package static func condition(of path: String, bytesMax: Int) -> Condition {
        guard let bytes = StoreFile.size(path) else { return .missing }
        guard bytes > 0 else { return .sound }  // A store makes an empty file first.
        let lock = open(path + "-lock", O_RDONLY | O_CLOEXEC)
        defer { if lock >= 0 { close(lock) } }
        if lock >= 0, flock(lock, LOCK_SH | LOCK_NB) != 0 { return .inUse(process: self.holder(lock)) }
        guard bytes <= bytesMax else { return .unread(bytes: bytes) }
        do throws(SQLiteFailure) {
            let findings = try self.quickCheck(path)
            return findings == ["ok"] ? .sound : .damaged(findings)
        } catch {
            return error.kind == SQLITE_CORRUPT || error.kind == SQLITE_NOTADB
                ? .damaged([error.text]) : .unreadable(error.text)
        }
    }

    /// The kind of network file system on which a file lies or would lie; `nil` for a local one.
    package static func networkFileSystem(of path: String) -> String? {
        StoreFile.networkFileSystem(of: path.contains("/") ? path : "./" + path)
    }

    /// The room of the disk on which a file lies or would lie; `nil` when the system does not tell.
    package static func disk(of path: String) -> DiskSpace? {
        if let space = StoreFile.disk(of: path) { return space }
        guard let slash = path.lastIndex(of: "/") else { return StoreFile.disk(of: ".") }
        return StoreFile.disk(of: slash == path.startIndex ? "/" : String(path[..<slash]))
    }

    private static func quickCheck(_ path: String) throws(SQLiteFailure) -> [String] {
        let connection = try Connection(
            path: StoreFile.size(path + "-wal") ?? 0 > 0 ? path : self.unchanging(path), isReader: true,
            busyMilliseconds: 0, cacheBytes: 4 << 20)
        return try connection.withStatement("PRAGMA quick_check(10)") { row throws(SQLiteFailure) in
            var findings: [String] = []
            while try row.step() { findings.append(row.text(0)) }
            return findings
        }
    }

    /// The name by which SQLite takes a file for one that nobody changes: it makes no others beside it then.
    private static func unchanging(_ path: String) -> String {
        var name = "file:"
        for byte in path.utf8 {
            switch byte {
            case 0x2D...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: name.unicodeScalars.append(UnicodeScalar(byte))
            default: name += "%" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return name + "?immutable=1"
    }

    /// The number that a store left in its lock.
    private static func holder(_ descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return Int(String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 0x0A }, as: UTF8.self))
    }
}
