import CSQLite
import Glibc
import TorporStore

/// Where a store lies, after everything that can be checked before SQLite opens it.
struct StoreFile {
    /// Absolute, without symbolic links: two names of one file have one lock.
    let path: String
    let lock: StoreLock

    /// Checks the place, takes the lock, and makes an empty file where there is none.
    init(_ configuration: SQLiteConfiguration) throws(SQLiteStoreError) {
        let path = try Self.resolve(configuration.path)
        if !configuration.allowsNetworkFileSystem, let kind = Self.networkFileSystem(of: path) {
            throw SQLiteStoreError(
                .networkFileSystem,
                """
                \(path) lies on a network file system (\(kind)), where SQLite loses data: use a local disk, or a store \
                that is made for several machines
                """)
        }
        self.lock = try StoreLock(of: path)
        self.path = path
        try Self.checkLog(path)
        try Self.create(path)
        try Self.checkSize(path)
    }

    private static func resolve(_ path: String) throws(SQLiteStoreError) -> String {
        guard !path.isEmpty, path != ":memory:" else {
            throw SQLiteStoreError(.inaccessible, "a SQLite store needs the path of a file")
        }
        if let resolved = Self.realPath(path) { return resolved }
        // Not there yet: its folder must be.
        let slash = path.lastIndex(of: "/")
        let name = slash.map { path[path.index(after: $0)...] } ?? path[...]
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard errno == ENOENT, !name.isEmpty, let resolved = Self.realPath(folder) else {
            throw SQLiteStoreError(
                .inaccessible, "\(path) cannot be reached: \(Self.systemError). The folder must exist")
        }
        return resolved == "/" ? "/\(name)" : "\(resolved)/\(name)"
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The kind of the file system, when it is one whose locks and caches SQLite cannot rely on.
    static func networkFileSystem(of path: String) -> String? {
        // Where the file is not there yet, its folder tells; the path is absolute.
        let folder = String(path[...path.lastIndex(of: "/")!])
        let type = torpor_file_system_type(path)
        return NetworkFileSystem.name(ofType: type != 0 ? type : torpor_file_system_type(folder))
    }

    /// A log without its database holds what would be lost: SQLite deletes it when it makes a new one.
    private static func checkLog(_ path: String) throws(SQLiteStoreError) {
        guard Self.size(path) ?? 0 == 0, let log = Self.size(path + "-wal"), log > 0 else { return }
        throw SQLiteStoreError(
            .logWithoutDatabase,
            """
            \(path)-wal holds changes of a database that is missing: put the file \(path) back, or move both away
            """)
    }

    /// SQLite would make it readable by others; it gives the log and its index the same rights.
    private static func create(_ path: String) throws(SQLiteStoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SQLiteStoreError(
                .inaccessible,
                "\(path) cannot be opened for writing: \(Self.systemError). The file, and its folder, must be writable")
        }
        close(descriptor)
    }

    /// What SQLite does not notice: it overwrites a file of a few bytes, and reads one that was cut off within its last
    /// page.
    private static func checkSize(_ path: String) throws(SQLiteStoreError) {
        guard let size = Self.size(path), size > 0 else { return }
        guard let pageBytes = Self.pageBytes(path) else {
            throw SQLiteStoreError(SQLiteFailure(code: SQLITE_NOTADB, text: ""), path: path)
        }
        // With a log, the last pages may lie there alone.
        guard size % pageBytes != 0, Self.size(path + "-wal") ?? 0 == 0 else { return }
        let failure = SQLiteFailure(code: SQLITE_CORRUPT, text: "its last page is not a whole one")
        throw SQLiteStoreError(failure, path: path)
    }

    /// What the first bytes of a database say; `nil` when it is something else.
    private static func pageBytes(_ path: String) -> Int? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var header = [UInt8](repeating: 0, count: 18)
        guard pread(descriptor, &header, header.count, 0) == header.count,
            header.starts(with: "SQLite format 3\0".utf8)
        else { return nil }
        let number = Int(header[16]) << 8 | Int(header[17])
        // 65,536 does not fit, and is written as 1.
        return number == 1 ? 65_536 : number.nonzeroBitCount == 1 ? number : nil
    }

    /// `nil` when there is no such file.
    static func size(_ path: String) -> Int? {
        var information = stat()
        return stat(path, &information) == 0 ? Int(information.st_size) : nil
    }

    /// `nil` when the system does not tell.
    static func disk(of path: String) -> DiskSpace? {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { return nil }
        let block = Int(information.f_frsize)
        return DiskSpace(freeBytes: Int(information.f_bavail) * block, sizeBytes: Int(information.f_blocks) * block)
    }

    fileprivate static var systemError: String { String(cString: strerror(errno)) }
}

/// Held for the life of a store, so that no second process opens it. The system takes it back when the process ends.
final class StoreLock {
    private let descriptor: Int32

    /// Locks the file beside the database, and leaves this process's number in it.
    init(of path: String) throws(SQLiteStoreError) {
        let lockPath = path + "-lock"
        self.descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard self.descriptor >= 0 else {
            throw SQLiteStoreError(
                .inaccessible,
                "\(lockPath) cannot be opened for writing: \(StoreFile.systemError). The folder must be writable")
        }
        guard flock(self.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else {
                throw SQLiteStoreError(.failed, "\(lockPath) cannot be locked: \(StoreFile.systemError)")
            }
            let holder = self.holder.map { "process \($0)" } ?? "another process"
            throw SQLiteStoreError(
                .inUse,
                "\(path) is in use by \(holder): a store has one process. Stop that one, or name another file")
        }
        // Who holds it is told for people; the lock does not depend on it.
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(self.descriptor, 0)
        _ = pwrite(self.descriptor, text, text.count, 0)
    }

    private var holder: Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(self.descriptor, &bytes, bytes.count, 0)
        return Int(String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 0x0A }, as: UTF8.self))
    }

    // The file stays: removing it would let two processes lock two files of this name.
    deinit { if self.descriptor >= 0 { close(self.descriptor) } }
}

/// File systems that are refused, by the numbers of `statfs(2)`.
///
/// All those of FUSE are among them: what lies behind cannot be told.
enum NetworkFileSystem {
    static func name(ofType type: UInt32) -> String? { Self.names[type] }

    private static let names: [UInt32: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFE53_4D42: "SMB", 0xFF53_4D42: "CIFS", 0x0102_1997: "9P", 0x6573_5546: "FUSE",
        0x00C3_6400: "Ceph", 0x5346_414F: "AFS", 0x6B41_4653: "AFS", 0x7375_7245: "Coda", 0x564C: "NCP",
        0x0116_1970: "GFS2", 0x7461_636F: "OCFS2", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0x1983_0326: "BeeGFS",
        0x786F_4256: "VirtualBox shared folder", 0xBACB_ACBC: "VMware shared folder",
    ]
}
