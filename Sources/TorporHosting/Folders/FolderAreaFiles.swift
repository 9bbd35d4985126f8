import Glibc
import TorporCore

/// The files of an area: `<id>` is a folder, `<id>.marker` its marker, `<id>.marker.new` one that is being written,
/// `<random>.gone` a folder that is being removed, and `lock` says who has the area. Everything else is left alone.
///
/// All of it may block. `@unchecked Sendable` is safe: the descriptors do not change, and the system takes calls for them
/// from any thread.
final class FolderAreaFiles: @unchecked Sendable {
    /// Absolute, without links.
    let path: String
    private let folder: Descriptor
    /// Locked for as long as it is open. The system takes the lock back when the process ends.
    private let lock: Descriptor

    private static let markerSuffix = ".marker"
    private static let newSuffix = ".new"
    private static let goneSuffix = ".gone"

    /// Makes the area if it is not there, and locks it.
    init(_ path: String) throws(FolderError) {
        do throws(SystemFailure) {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last }
            guard let resolved = realpath(path, nil) else { throw .last }
            defer { free(resolved) }
            self.path = String(cString: resolved)
            self.folder = try Descriptor.folder(at: self.path)
            // Somebody else could put links into it.
            guard try self.folder.status().st_uid == geteuid() else { throw SystemFailure(number: EPERM) }
            guard fchmod(self.folder.number, 0o700) == 0 else { throw .last }
            self.lock = try self.folder.open(Array("lock".utf8), O_RDWR | O_CREAT, mode: 0o600)
        } catch {
            throw Self.failure(error, path)
        }
        guard flock(self.lock.number, LOCK_EX | LOCK_NB) == 0 else {
            let failure = SystemFailure.last
            guard failure.number == EWOULDBLOCK else { throw Self.failure(failure, path) }
            throw FolderError(
                .inUse, "\(path) is in use by \(Self.holder(self.lock)): stop that one, or name another folder.")
        }
        // For people: the lock does not depend on it.
        ftruncate(self.lock.number, 0)
        let text = Array("\(getpid())\n".utf8)
        pwrite(self.lock.number, text, text.count, 0)
    }

    private static func holder(_ lock: Descriptor) -> String {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(lock.number, &bytes, bytes.count, 0)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        return Int(text.prefix { $0 != "\n" }).map { "process \($0)" } ?? "another process"
    }

    /// Removes what was being removed or written when a process ended.
    /// - Returns: The folders that are left, and whose they are, unless their markers cannot be read.
    func tidy() throws(FolderError) -> [(id: StateObjectID, account: AccountID?)] {
        var left: [(id: StateObjectID, account: AccountID?)] = []
        for id in try self.tidyNames() {
            do throws(FolderError) { left.append((id, try self.marker(of: id)?.key.account)) } catch {
                guard error.code == .damaged else { throw error }
                left.append((id, nil))
            }
        }
        return left
    }

    /// - Returns: The folders that have markers.
    private func tidyNames() throws(FolderError) -> [StateObjectID] {
        try self.attempt { () throws(SystemFailure) in
            var left: [StateObjectID] = []
            for bytes in try self.folder.names() {
                let name = String(decoding: bytes, as: UTF8.self)
                if let text = name.without(Self.markerSuffix + Self.newSuffix), StateObjectID(text) != nil {
                    try self.folder.remove(bytes)
                } else if let text = name.without(Self.goneSuffix), let random = StateObjectID(text) {
                    try self.emptyAndRemove(Self.goneName(random))
                } else if let id = name.without(Self.markerSuffix).flatMap({ StateObjectID($0) }) {
                    left.append(id)
                }
            }
            return left
        }
    }

    /// Sees to it that a folder can be looked into: whoever has worked in it may have closed it.
    /// - Returns: `false` when it is not there.
    func open(_ id: StateObjectID) throws(FolderError) -> Bool {
        try self.attempt { () throws(SystemFailure) in
            try Self.ifThere { () throws(SystemFailure) in try self.folder.openAsOwner(Self.name(id)) } != nil
        }
    }

    // MARK: Markers

    /// - Returns: `nil` when there is none.
    /// - Throws: ``FolderError/Code/damaged``, ``FolderError/Code/inaccessible``.
    func marker(of id: StateObjectID) throws(FolderError) -> FolderMarker? {
        let bytes = try self.attempt { () throws(SystemFailure) in
            try Self.ifThere { () throws(SystemFailure) in
                let file = try self.folder.open(Self.markerName(id), O_RDONLY)
                var buffer = [UInt8](repeating: 0, count: FolderMarker.fileMax)
                let count = try file.read(buffer.count, at: 0, into: &buffer)
                return Array(buffer[..<count])
            }
        }
        guard let bytes else { return nil }
        guard let marker = FolderMarker(bytes), marker.key.id == id else {
            throw FolderError(
                .damaged,
                """
                The file \(self.path)/\(id)\(Self.markerSuffix) cannot be read. Look into \(self.path)/\(id), then remove \
                both.
                """)
        }
        return marker
    }

    /// Puts a marker in the place of the last one. It is durable on return, and with it the names of what was made before.
    func write(_ marker: FolderMarker) throws(FolderError) {
        try self.attempt { () throws(SystemFailure) in
            let name = Self.markerName(marker.key.id)
            let newName = name + Array(Self.newSuffix.utf8)
            let file = try self.folder.open(newName, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try file.write(marker.bytes)
            guard fdatasync(file.number) == 0 else { throw .last }
            try self.folder.rename(newName, to: name, in: self.folder)
            guard fsync(self.folder.number) == 0 else { throw .last }
        }
    }

    // MARK: Removal

    /// Takes a folder out of its place, at once, and its marker away: nobody takes for whole what is half removed.
    /// - Parameter random: Names it while it is removed.
    func putAway(_ id: StateObjectID, as random: StateObjectID) throws(FolderError) {
        try self.attempt { () throws(SystemFailure) in
            try Self.ifThere { () throws(SystemFailure) in
                try self.folder.rename(Self.name(id), to: Self.goneName(random), in: self.folder)
            }
            try Self.ifThere { () throws(SystemFailure) in try self.folder.remove(Self.markerName(id)) }
        }
    }

    /// Removes what was put away.
    func removeAway(_ random: StateObjectID) throws(FolderError) {
        try self.attempt { () throws(SystemFailure) in try self.emptyAndRemove(Self.goneName(random)) }
    }

    private func emptyAndRemove(_ name: [UInt8]) throws(SystemFailure) {
        try Self.ifThere { () throws(SystemFailure) in
            try self.folder.openAsOwner(name).empty()
            try self.folder.remove(name, isFolder: true)
        }
    }

    // MARK: Names and errors

    private static func name(_ id: StateObjectID) -> [UInt8] { Array("\(id)".utf8) }
    private static func markerName(_ id: StateObjectID) -> [UInt8] { Array("\(id)\(self.markerSuffix)".utf8) }
    private static func goneName(_ random: StateObjectID) -> [UInt8] {
        Array("\(random)\(self.goneSuffix)".utf8)
    }

    /// - Returns: `nil` when what it is about is not there.
    @discardableResult
    private static func ifThere<Result>(
        _ body: () throws(SystemFailure) -> Result
    ) throws(SystemFailure) -> Result? {
        do throws(SystemFailure) {
            return try body()
        } catch {
            guard error.number == ENOENT else { throw error }
            return nil
        }
    }

    private func attempt<Result>(_ body: () throws(SystemFailure) -> Result) throws(FolderError) -> Result {
        do throws(SystemFailure) { return try body() } catch { throw Self.failure(error, self.path) }
    }

    private static func failure(_ failure: SystemFailure, _ path: String) -> FolderError {
        FolderError(failure, "The folder \(path), where folders lie while they are in use, cannot be used")
    }
}

extension String {
    /// What stands before a suffix; `nil` where it is missing.
    fileprivate func without(_ suffix: String) -> String? {
        self.hasSuffix(suffix) ? String(self.dropLast(suffix.count)) : nil
    }
}
