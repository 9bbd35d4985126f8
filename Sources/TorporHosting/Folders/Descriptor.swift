import Glibc

/// A descriptor of the system that is closed with its last owner. Used by one task at a time.
final class Descriptor {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(self.number) }
}

/// What the system answered to something that was asked of it.
struct SystemFailure: Error, Equatable {
    let number: Int32

    /// What the last call answered.
    static var last: SystemFailure { SystemFailure(number: errno) }

    var text: String { String(cString: strerror(self.number)) }
}

extension Descriptor {
    // MARK: Opening

    /// Opens a path that an operator has named, links and all but the last name.
    static func folder(at path: String) throws(SystemFailure) -> Descriptor {
        let number = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard number >= 0 else { throw .last }
        return Descriptor(number)
    }

    /// Opens what lies in this folder under a name; never what a link points at, and without waiting for anybody.
    func open(_ name: [UInt8], _ flags: Int32, mode: mode_t = 0) throws(SystemFailure) -> Descriptor {
        let flags = flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let number = name.withTerminator { openat(self.number, $0, flags, mode) }
        guard number >= 0 else { throw .last }
        return Descriptor(number)
    }

    func openFolder(_ name: [UInt8]) throws(SystemFailure) -> Descriptor {
        try self.open(name, O_RDONLY | O_DIRECTORY)
    }

    // MARK: Looking

    func status() throws(SystemFailure) -> stat {
        var status = stat()
        guard fstat(self.number, &status) == 0 else { throw .last }
        return status
    }

    /// Of what lies in this folder under a name: of a link itself.
    func status(of name: [UInt8]) throws(SystemFailure) -> stat {
        var status = stat()
        guard name.withTerminator({ fstatat(self.number, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else { throw .last }
        return status
    }

    /// What lies in this folder, in no order, without `.` and `..`.
    /// - Parameter limit: At most so many.
    func names(limit: Int = .max) throws(SystemFailure) -> [[UInt8]] {
        let copy = openat(self.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw .last }
        guard let listing = fdopendir(copy) else {
            let failure = SystemFailure.last
            close(copy)
            throw failure
        }
        defer { closedir(listing) }
        var names: [[UInt8]] = []
        while names.count < limit {
            errno = 0
            guard let entry = readdir(listing) else {
                if errno != 0 { throw .last }
                break
            }
            let name = Self.name(of: entry)
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
        }
        return names
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
        let offset = MemoryLayout<dirent>.offset(of: \dirent.d_name)!  // A stored member has one.
        let start = UnsafeRawPointer(entry) + offset
        let count = strlen(start.assumingMemoryBound(to: CChar.self))
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    // MARK: Reading and writing

    /// Fills the front of `buffer` with what lies at `offset`.
    /// - Returns: How many bytes; fewer than asked for at the end of the file.
    func read(_ count: Int, at offset: Int, into buffer: inout [UInt8]) throws(SystemFailure) -> Int {
        precondition(count <= buffer.count, "what is read fits")
        var done = 0
        while done < count {
            let result = buffer.withUnsafeMutableBytes {
                pread(self.number, $0.baseAddress! + done, count - done, offset + done)  // Not empty.
            }
            if result == 0 { break }
            if result < 0 {
                if errno == EINTR { continue }
                throw .last
            }
            done += result
        }
        return done
    }

    func write(_ bytes: [UInt8], at offset: Int = 0) throws(SystemFailure) {
        var done = 0
        while done < bytes.count {
            let result = bytes.withUnsafeBytes {
                pwrite(self.number, $0.baseAddress! + done, bytes.count - done, offset + done)  // Not empty.
            }
            if result < 0 {
                if errno == EINTR { continue }
                throw .last
            }
            done += result
        }
    }

    // MARK: Changing

    func makeFolder(_ name: [UInt8]) throws(SystemFailure) {
        guard name.withTerminator({ mkdirat(self.number, $0, 0o700) }) == 0 else { throw .last }
    }

    func remove(_ name: [UInt8], isFolder: Bool = false) throws(SystemFailure) {
        guard name.withTerminator({ unlinkat(self.number, $0, isFolder ? AT_REMOVEDIR : 0) }) == 0 else { throw .last }
    }

    func rename(_ name: [UInt8], to newName: [UInt8], in folder: Descriptor) throws(SystemFailure) {
        let result = name.withTerminator { name in
            newName.withTerminator { renameat(self.number, name, folder.number, $0) }
        }
        guard result == 0 else { throw .last }
    }

    /// Sets what a file or folder has beside its bytes.
    func set(mode: UInt16, modified: FileTime) throws(SystemFailure) {
        guard fchmod(self.number, mode_t(mode)) == 0 else { throw .last }
        let time = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
        guard futimens(self.number, [time, time]) == 0 else { throw .last }
    }
}

extension [UInt8] {
    /// Passes the bytes as a string of C.
    fileprivate func withTerminator(_ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
        (self + [0]).withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }  // Not empty.
    }
}

/// When a file was changed, as file systems have it.
struct FileTime: Hashable, Sendable, Codable {
    /// Since 1970-01-01T00:00:00Z.
    var seconds: Int64
    var nanoseconds: UInt32
}

extension FileTime {
    init(_ time: timespec) { self.init(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec)) }
}

extension stat {
    var isFile: Bool { self.st_mode & S_IFMT == S_IFREG }
    var isFolder: Bool { self.st_mode & S_IFMT == S_IFDIR }
    var isLink: Bool { self.st_mode & S_IFMT == S_IFLNK }
    /// Who may read, write and execute it; nothing else.
    var permissions: UInt16 { UInt16(self.st_mode & 0o777) }

    /// Whether nothing has touched it in between: the inode's time of change moves whatever is done.
    func isSame(as other: stat) -> Bool {
        self.st_size == other.st_size && FileTime(self.st_mtim) == FileTime(other.st_mtim)
            && FileTime(self.st_ctim) == FileTime(other.st_ctim) && self.st_ino == other.st_ino
    }
}
