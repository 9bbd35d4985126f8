import Glibc
import TorporCore

/// What lies in a folder at one moment, more or less: nothing has been read yet but names and sizes.
struct FolderScan {
    struct Entry {
        var path: FolderPath
        var isFolder: Bool
        var mode: UInt16
        var modified: FileTime
        /// Bytes of a file.
        var size: Int
    }

    /// By path, so that a folder comes before what lies in it.
    private(set) var entries: [Entry] = []
    private(set) var leftOut = LeftOut()
    /// Bytes of all files.
    private(set) var bytes = 0
    private var seenCount = 0
    private let limits: FolderLimits
    private let device: dev_t
    private let owner = geteuid()

    /// - Throws: ``FolderError/Code/overLimit``, ``FolderError/Code/inaccessible``, ``FolderError/Code/cancelled``.
    init(of tree: FolderTree, limits: FolderLimits) throws(FolderError) {
        self.limits = limits
        do throws(SystemFailure) {
            self.device = try tree.root.status().st_dev
        } catch {
            throw FolderError(error, "The folder cannot be looked at")
        }
        try self.look(into: tree.root, .root, depth: 1)
        self.entries.sort { $0.path < $1.path }
        try self.checkBytes()
    }

    /// - Parameter depth: How many names the paths have of what lies in the folder.
    private mutating func look(into folder: Descriptor, _ path: FolderPath, depth: Int) throws(FolderError) {
        try FolderError.checkCancellation()
        let names: [[UInt8]]
        do throws(SystemFailure) {
            names = try folder.names(limit: self.limits.entriesMax - self.seenCount + 1)
        } catch {
            throw FolderError(error, "The folder \(path) cannot be listed")
        }
        self.seenCount += names.count
        guard self.seenCount <= self.limits.entriesMax else {
            throw FolderError(
                .overLimit,
                """
                The folder has more than \(self.limits.entriesMax) files and folders, so nothing was saved; \(path) is \
                where counting ended. What was saved before stays. Delete some.
                """)
        }
        guard names.isEmpty || depth <= self.limits.depthMax else {
            throw FolderError(
                .overLimit,
                "\(path) lies \(self.limits.depthMax) folders deep, and something lies in it, so nothing was saved.")
        }
        for name in names { try self.note(name, in: folder, path.appending(name), depth: depth) }
    }

    private mutating func note(
        _ name: [UInt8], in folder: Descriptor, _ path: FolderPath, depth: Int
    ) throws(FolderError) {
        guard path.bytes.count <= self.limits.pathMax else {
            throw FolderError(
                .overLimit, "A path has more than \(self.limits.pathMax) bytes, so nothing was saved: \(path)")
        }
        // What is gone by now need not be saved.
        guard let status = Self.status(of: name, in: folder) else { return }
        if let reason = self.refusal(of: status) { return self.leftOut.add(path, reason) }
        self.entries.append(
            Entry(
                path: path, isFolder: status.isFolder, mode: status.permissions, modified: FileTime(status.st_mtim),
                size: status.isFolder ? 0 : status.st_size))
        guard status.isFolder else {
            // Files that are all holes may claim any size.
            let (sum, overflows) = self.bytes.addingReportingOverflow(status.st_size)
            return self.bytes = overflows ? .max : sum
        }
        let below: Descriptor
        do throws(SystemFailure) {
            below = try folder.openFolder(name)
        } catch {
            self.entries.removeLast()
            switch error.number {
            case ENOENT, ENOTDIR, ELOOP: return
            case EACCES, EPERM: return self.leftOut.add(path, .unreadable)
            default: throw FolderError(error, "The folder \(path) cannot be opened")
            }
        }
        try self.look(into: below, path, depth: depth + 1)
    }

    private static func status(of name: [UInt8], in folder: Descriptor) -> stat? {
        do throws(SystemFailure) { return try folder.status(of: name) } catch { return nil }
    }

    /// Why something is not saved; `nil` when it is.
    func refusal(of status: stat) -> LeftOut.Reason? {
        if status.isLink { return .symbolicLink }
        guard status.isFile || status.isFolder else { return .special }
        if status.st_dev != self.device { return .otherFileSystem }
        if status.st_uid != self.owner { return .foreignOwner }
        return status.isFile && status.st_nlink > 1 ? .hardLink : nil
    }

    private func checkBytes() throws(FolderError) {
        guard self.bytes > self.limits.bytesMax.bytes else { return }
        throw Self.tooLarge(self.bytes, self.limits, self.entries.map { ($0.path, $0.size) })
    }

    static func tooLarge(_ bytes: Int, _ limits: FolderLimits, _ files: [(path: FolderPath, size: Int)]) -> FolderError
    {
        let largest = files.filter { $0.size > 0 }.sorted { $0.size > $1.size }.prefix(3)
            .map { "\($0.path) (\(ByteCount($0.size).roundedText))" }.joined(separator: ", ")
        return FolderError(
            .overLimit,
            """
            The files take \(ByteCount(bytes).roundedText) and may take \(limits.bytesMax.roundedText), so nothing was \
            saved. What was saved before stays. The largest are \(largest).
            """)
    }
}
