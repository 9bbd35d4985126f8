import Glibc
import TorporCore

extension FolderStore {
    /// Makes a folder as it was saved last.
    ///
    /// The folder is made if it is not there, and readable by its owner alone. On return its files are what they were when
    /// they were saved, with their rights and times; they are not flushed to the disk, since they are stored.
    ///
    /// - Parameter path: A folder that is empty, or the place for one; not a link.
    /// - Returns: What was restored; with generation 0 when nothing is stored, and the folder is empty.
    /// - Throws: ``FolderError``, which names the file when what is stored of one is damaged. What was made is removed then.
    package func restore(_ key: FolderKey, into path: String) async throws(FolderError) -> FolderReport {
        try await self.operate(key) { objects throws(FolderError) in
            let folder = try Self.makeFolder(at: path)
            var restoring = FolderRestoring(objects, FolderTree(folder))
            do throws(FolderError) {
                return try await restoring.run()
            } catch {
                restoring.tree.rest()
                // What was made is useless, and what cannot be removed is no worse than what went wrong before.
                do throws(SystemFailure) { try folder.empty() } catch {}
                throw error
            }
        }
    }

    private static func makeFolder(at path: String) throws(FolderError) -> Descriptor {
        do throws(SystemFailure) {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last }
            let folder = try Descriptor.folder(at: path)
            guard fchmod(folder.number, 0o700) == 0 else { throw .last }
            guard try folder.names(limit: 1).isEmpty else { throw SystemFailure(number: ENOTEMPTY) }
            return folder
        } catch {
            throw FolderError(error, "The folder \(path) cannot be made")
        }
    }
}

/// One folder that is being restored: folders first, then files, page by page, then the rights and times of folders.
private struct FolderRestoring {
    let tree: FolderTree
    private let objects: FolderObjects

    init(_ objects: FolderObjects, _ tree: FolderTree) {
        self.objects = objects
        self.tree = tree
    }

    /// A part of a file that is to be written.
    private struct Piece {
        /// Which entry of the index it is of.
        var entry: Int
        var offset: Int
        var part: FolderIndex.Part
    }

    mutating func run() async throws(FolderError) -> FolderReport {
        guard let index = try await self.objects.index() else { return FolderReport() }
        var pieces: [UInt64: [Piece]] = [:]
        var report = FolderReport(generation: index.generation)
        for (number, entry) in index.entries.enumerated() {
            guard let parts = entry.parts else {
                report.folders += 1
                try self.attempt(entry.path) { () throws(SystemFailure) in
                    try self.tree.folder(entry.path.parent).makeFolder(entry.path.name)
                }
                continue
            }
            report.files += 1
            if parts.isEmpty { try self.finish(self.open(entry.path, isNew: true), entry) }
            var offset = 0
            for part in parts {
                pieces[part.page, default: []].append(Piece(entry: number, offset: offset, part: part))
                offset += part.length
            }
            report.bytes += offset
        }
        var missing = index.entries.map { $0.parts?.count ?? 0 }
        for page in index.pages {
            try FolderError.checkCancellation()
            try await self.restore(pieces[page.number] ?? [], of: page.number, index.entries, &missing)
        }
        self.tree.rest()
        // Those that lie deepest first: what lies in a folder changes its time, and its rights may close it.
        for entry in index.entries.reversed() where entry.isFolder {
            try self.attempt(entry.path) { () throws(SystemFailure) in
                try self.tree.folder(entry.path).set(mode: entry.mode, modified: entry.modified)
            }
        }
        return report
    }

    /// Writes the parts of a page to their files.
    /// - Parameter missing: How many parts each entry lacks.
    private func restore(
        _ pieces: [Piece], of page: UInt64, _ entries: [FolderIndex.Entry], _ missing: inout [Int]
    ) async throws(FolderError) {
        var counts = missing
        do throws(FolderError) {
            try await self.objects.read(page) { part in
                var file: (entry: Int, descriptor: Descriptor)?
                for piece in pieces {
                    let entry = entries[piece.entry]
                    guard let bytes = try await part(piece.part.number), bytes.count == piece.part.length,
                        XXH64.hash(bytes.span.bytes) == piece.part.digest
                    else { throw Self.damaged(entry.path) }
                    if file?.entry != piece.entry {
                        let isNew = counts[piece.entry] == entry.parts?.count
                        file = (piece.entry, try self.open(entry.path, isNew: isNew))
                    }
                    guard let descriptor = file?.descriptor else { continue }
                    try self.attempt(entry.path) { () throws(SystemFailure) in
                        try descriptor.write(bytes, at: piece.offset)
                    }
                    counts[piece.entry] -= 1
                    if counts[piece.entry] == 0 { try self.finish(descriptor, entry) }
                }
            }
        } catch {
            guard error.code == .damaged, let first = pieces.first else { throw error }
            // The engine cannot say which file of the page it means.
            throw error.path == nil ? Self.damaged(entries[first.entry].path) : error
        }
        missing = counts
    }

    private func open(_ path: FolderPath, isNew: Bool) throws(FolderError) -> Descriptor {
        try self.attempt(path) { () throws(SystemFailure) in
            try self.tree.file(path, isNew ? O_WRONLY | O_CREAT | O_EXCL : O_WRONLY, mode: 0o600)
        }
    }

    /// All bytes of a file are there.
    private func finish(_ file: Descriptor, _ entry: FolderIndex.Entry) throws(FolderError) {
        try self.attempt(entry.path) { () throws(SystemFailure) in
            try file.set(mode: entry.mode, modified: entry.modified)
        }
    }

    private func attempt<Result>(
        _ path: FolderPath, _ body: () throws(SystemFailure) -> Result
    ) throws(FolderError) -> Result {
        do throws(SystemFailure) {
            return try body()
        } catch {
            throw FolderError(error, "\(path) cannot be restored")
        }
    }

    private static func damaged(_ path: FolderPath) -> FolderError {
        FolderError(.damaged, "What is stored of the file \(path) is damaged, so nothing was restored.", path: path)
    }
}
