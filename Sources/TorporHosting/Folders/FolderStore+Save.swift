import Glibc
import TorporCore
import TorporEngine

extension FolderStore {
    /// Stores what lies in a folder, durably: only what has changed since it was stored last.
    ///
    /// Stored are files and folders with their bytes, the rights to read, write and execute them, and the time of their
    /// last change. Left out, and reported, are symbolic links, files with several names, devices, sockets, pipes, what
    /// belongs to another owner, and what is mounted. No link is followed.
    ///
    /// Somebody may be working in the folder. A file that changes while it is read is read once more; if it changes again,
    /// what was stored of it before stays, and the report says so. Files are not of one moment then; once nobody works in
    /// the folder, they are.
    ///
    /// - Parameter path: The folder; not a link.
    /// - Throws: ``FolderError``. What was stored before is stored still.
    /// - Complexity: Reads every file. Whether bytes have changed is told by their digest: times tell nothing of what is
    ///   written through a mapping, or within one tick of the file system's clock.
    package func save(_ path: String, as key: FolderKey) async throws(FolderError) -> FolderReport {
        try await self.save(path, as: key, of: nil, mayBeTorn: false)
    }

    /// - Parameters:
    ///   - lineage: Of which save the folder has come; `nil` for any.
    ///   - mayBeTorn: The machine has been started since somebody worked in the folder: of files that nobody had touched
    ///     since they were restored, the end may be missing. They stay as they are stored.
    func save(
        _ path: String, as key: FolderKey, of lineage: FolderLineage?, mayBeTorn: Bool
    ) async throws(FolderError) -> FolderReport {
        try await self.operate(key) { objects throws(FolderError) in
            let tree = try FolderTree(at: path)
            let scan = try FolderScan(of: tree, limits: objects.limits)
            let former = try await objects.index()
            if let lineage, !lineage.continues(former) { throw .superseded }
            var saving = FolderSaving(objects, tree, scan, former: former, run: lineage?.run, mayBeTorn: mayBeTorn)
            return try await saving.run()
        }
    }
}

/// One save under way.
private struct FolderSaving {
    private let objects: FolderObjects
    private let tree: FolderTree
    private let scan: FolderScan
    private let former: FolderIndex?
    private let formerEntries: [FolderPath: FolderIndex.Entry]
    private let mayBeTorn: Bool
    private var index: FolderIndex
    /// The pages of the former index that are there.
    private var pages: [FolderIndex.Page] = []
    private var pageNumbers: Set<UInt64> = []
    /// The page that is being filled, which will be `index.nextPage`.
    private var pending: [[UInt8]] = []
    private var pendingBytes = 0
    /// The pages that were written.
    private var written: [FolderIndex.Page] = []
    private var buffer: [UInt8]
    private var bytes = 0
    private var report = FolderReport()

    init(
        _ objects: FolderObjects, _ tree: FolderTree, _ scan: FolderScan, former: FolderIndex?, run: UInt64?,
        mayBeTorn: Bool
    ) {
        self.objects = objects
        self.tree = tree
        self.scan = scan
        self.former = former
        self.formerEntries = Dictionary(uniqueKeysWithValues: (former?.entries ?? []).map { ($0.path, $0) })
        self.mayBeTorn = mayBeTorn
        self.index = former ?? FolderIndex()
        if let run { self.index.run = run }
        self.buffer = [UInt8](repeating: 0, count: objects.limits.partMax)
        self.report.leftOut = scan.leftOut
    }

    mutating func run() async throws(FolderError) -> FolderReport {
        try await self.objects.deleteOrphans(after: self.index)
        try await self.lookAfterPages()
        do throws(FolderError) {
            try await self.saveEntries()
            try await self.saveWasted()
            try await self.flush()
            try await self.commit()
        } catch {
            await self.undo(after: error)
            throw error
        }
        self.report.generation = self.index.generation
        self.report.files = self.index.entries.count { !$0.isFolder }
        self.report.folders = self.index.entries.count - self.report.files
        self.report.bytes = self.index.bytes
        return self.report
    }

    // MARK: Pages

    /// Finds out which pages are there, and sees to it that they are kept for longer than the index.
    private mutating func lookAfterPages() async throws(FolderError) {
        let retention = self.objects.key.retention
        // The index is kept for a sixteenth longer at most.
        let due = self.objects.engine.environment.wallTime() + retention + retention / 8 + .seconds(2)
        for page in self.index.pages {
            guard let expiry = try await self.objects.expiry(ofPage: page.number) else { continue }
            if expiry < due { try await self.objects.touch(page.number) }
            self.pages.append(page)
        }
        self.pageNumbers = Set(self.pages.map(\.number))
    }

    /// Puts a part into the page that is being filled.
    private mutating func add(_ bytes: ArraySlice<UInt8>, digest: UInt64) async throws(FolderError) -> FolderIndex.Part
    {
        let limits = self.objects.limits
        if self.pendingBytes + self.pending.count * FolderLimits.partOverhead + bytes.count + FolderLimits.partOverhead
            > limits.pageMax || self.pending.count == limits.pagePartsMax
        {
            try await self.flush()
        }
        self.pending.append(Array(bytes))
        self.pendingBytes += bytes.count
        return FolderIndex.Part(
            page: self.index.nextPage, number: UInt32(self.pending.count - 1), length: bytes.count, digest: digest)
    }

    /// Takes back the parts that were added since the page that is being filled had so many.
    private mutating func takeBack(to count: Int, of page: UInt64) {
        guard page == self.index.nextPage else { return }
        while self.pending.count > count { self.pendingBytes -= self.pending.removeLast().count }
    }

    /// Writes the page that is being filled.
    private mutating func flush() async throws(FolderError) {
        guard !self.pending.isEmpty else { return }
        let page = FolderIndex.Page(number: self.index.nextPage, bytes: self.pendingBytes)
        self.written.append(page)
        try await self.objects.write(self.pending, to: page.number)
        self.report.partsWritten += self.pending.count
        self.report.bytesWritten += self.pendingBytes
        self.index.nextPage += 1
        self.pending = []
        self.pendingBytes = 0
    }

    /// Deletes what was written, the last page first. What is not deleted here, the next save deletes.
    private func undo(after error: FolderError) async {
        // Not after what may pass: whoever tries again finds them; nor where they might be somebody else's by now.
        guard [.overLimit, .storageFull, .inaccessible].contains(error.code) else { return }
        do throws(FolderError) {
            for page in self.written.reversed() where try await self.objects.hasPage(page.number) {
                try await self.objects.delete(page.number)
            }
        } catch {}
    }

    // MARK: Files

    private mutating func saveEntries() async throws(FolderError) {
        self.index.entries = []
        self.index.entries.reserveCapacity(self.scan.entries.count)
        for found in self.scan.entries {
            try FolderError.checkCancellation()
            if found.isFolder {
                self.index.entries.append(
                    FolderIndex.Entry(path: found.path, mode: found.mode, modified: found.modified, parts: nil))
            } else if let entry = try await self.saveFile(found.path) {
                self.index.entries.append(entry)
                self.bytes += entry.size
                try self.checkBytes()
            }
        }
        self.tree.rest()
    }

    /// Files may have grown since they were looked at.
    private func checkBytes() throws(FolderError) {
        guard self.bytes > self.objects.limits.bytesMax.bytes else { return }
        throw FolderScan.tooLarge(
            self.bytes, self.objects.limits, self.index.entries.map { ($0.path, $0.size) })
    }

    /// What became of a file that was found.
    private enum Opening {
        case file(Descriptor, stat)
        case gone
        case unreadable
    }

    private func open(_ path: FolderPath) throws(FolderError) -> Opening {
        do throws(SystemFailure) {
            let file = try self.tree.file(path, O_RDONLY)
            let status = try file.status()
            // Something else may have taken its place.
            guard status.isFile, self.scan.refusal(of: status) == nil else { return .gone }
            return .file(file, status)
        } catch {
            switch error.number {
            case ENOENT, ENOTDIR, ELOOP, ENXIO: return .gone
            case EACCES, EPERM: return .unreadable
            default: throw FolderError(error, "The file \(path) cannot be opened")
            }
        }
    }

    /// - Returns: What is stored of a file from now on; `nil` for nothing.
    private mutating func saveFile(_ path: FolderPath) async throws(FolderError) -> FolderIndex.Entry? {
        let former = self.formerEntries[path].flatMap { $0.isFolder ? nil : $0 }
        for _ in 0..<2 {
            let (file, status): (Descriptor, stat)
            switch try self.open(path) {
            case .file(let opened, let found): (file, status) = (opened, found)
            case .gone: return nil
            case .unreadable:
                self.report.leftOut.add(path, .unreadable)
                return self.ifWhole(former)
            }
            try self.checkRoom(for: status.st_size, of: path)
            let (page, count) = (self.index.nextPage, self.pending.count)
            guard let parts = try await self.read(file, status, path, former: former?.parts ?? []) else {
                self.takeBack(to: count, of: page)
                continue
            }
            let entry = FolderIndex.Entry(
                path: path, mode: status.permissions, modified: FileTime(status.st_mtim), parts: parts)
            guard self.mayBeTorn, former?.modified == entry.modified, former?.parts != parts,
                let stored = self.ifWhole(former)
            else { return entry }
            self.takeBack(to: count, of: page)
            return stored
        }
        self.report.leftOut.add(path, .changing)
        return self.ifWhole(former)
    }

    /// What was stored, if all of it is there.
    private func ifWhole(_ entry: FolderIndex.Entry?) -> FolderIndex.Entry? {
        entry.flatMap { entry in
            (entry.parts ?? []).allSatisfy { self.pageNumbers.contains($0.page) } ? entry : nil
        }
    }

    /// Files may have grown since they were looked at.
    private func checkRoom(for size: Int, of path: FolderPath) throws(FolderError) {
        let limits = self.objects.limits
        guard size > limits.bytesMax.bytes - self.bytes else { return }
        let (sum, overflows) = self.bytes.addingReportingOverflow(size)
        throw FolderScan.tooLarge(
            overflows ? .max : sum, limits, self.index.entries.map { ($0.path, $0.size) } + [(path, size)])
    }

    /// Reads a file, and adds what has changed to pages.
    /// - Returns: `nil` when somebody has changed the file meanwhile.
    private mutating func read(
        _ file: Descriptor, _ status: stat, _ path: FolderPath, former: [FolderIndex.Part]
    ) async throws(FolderError) -> [FolderIndex.Part]? {
        var parts: [FolderIndex.Part] = []
        var offset = 0
        while offset < status.st_size {
            let count = min(self.buffer.count, status.st_size - offset)
            guard try self.fill(count, from: file, at: offset, path) else { return nil }
            let digest = XXH64.hash(self.buffer.span.bytes.extracting(0..<count))
            // The same bytes are the same part, wherever it was before.
            if parts.count < former.count, case let part = former[parts.count], part.digest == digest,
                part.length == count, self.pageNumbers.contains(part.page)
            {
                parts.append(part)
            } else {
                parts.append(try await self.add(self.buffer[..<count], digest: digest))
            }
            offset += count
        }
        do throws(SystemFailure) {
            return try file.status().isSame(as: status) ? parts : nil
        } catch {
            throw FolderError(error, "The file \(path) cannot be looked at")
        }
    }

    /// Reads a part into the buffer.
    /// - Returns: `false` when the file is shorter.
    private mutating func fill(
        _ count: Int, from file: Descriptor, at offset: Int, _ path: FolderPath
    ) throws(FolderError) -> Bool {
        do throws(SystemFailure) {
            return try file.read(count, at: offset, into: &self.buffer) == count
        } catch {
            throw FolderError(error, "The file \(path) cannot be read")
        }
    }

    // MARK: Waste

    /// Writes the parts of wasteful pages anew, so that these pages can go. Nothing happens when nothing has changed.
    private mutating func saveWasted() async throws(FolderError) {
        guard self.index.entries != self.former?.entries ?? [] else { return }
        let wasteful = FolderIndex.wastefulPages(
            self.pages, live: FolderIndex.liveBytes(of: self.index.entries), pageMax: self.objects.limits.pageMax)
        guard !wasteful.isEmpty else { return }
        for number in self.index.entries.indices {
            let parts = self.index.entries[number].parts ?? []
            guard parts.contains(where: { wasteful.contains($0.page) }) else { continue }
            try FolderError.checkCancellation()
            self.index.entries[number].parts = try await self.saveWasted(
                parts, of: self.index.entries[number].path, wasteful)
        }
        self.tree.rest()
    }

    /// - Returns: The parts, those of wasteful pages as they are now; as they were where the file is not what it was.
    private mutating func saveWasted(
        _ parts: [FolderIndex.Part], of path: FolderPath, _ wasteful: Set<UInt64>
    ) async throws(FolderError) -> [FolderIndex.Part] {
        guard case .file(let file, _) = try self.open(path) else { return parts }
        var parts = parts
        var offset = 0
        for (number, part) in parts.enumerated() {
            defer { offset += part.length }
            guard wasteful.contains(part.page), part.length <= self.buffer.count,
                try self.fill(part.length, from: file, at: offset, path),
                XXH64.hash(self.buffer.span.bytes.extracting(0..<part.length)) == part.digest
            else { continue }
            parts[number] = try await self.add(self.buffer[..<part.length], digest: part.digest)
        }
        return parts
    }

    // MARK: The index

    /// Makes everything that was written count, and deletes what does not any more.
    private mutating func commit() async throws(FolderError) {
        let live = FolderIndex.liveBytes(of: self.index.entries)
        self.index.pages = (self.pages + self.written).filter { live[$0.number] != nil }
        var garbage: [UInt64] = []
        for page in self.index.dropped where try await self.objects.hasPage(page) { garbage.append(page) }
        let isChanged = self.index.entries != self.former?.entries ?? [] || self.index.pages != self.former?.pages ?? []
        if isChanged {
            for page in (self.former?.pages ?? []).map(\.number) where live[page] == nil {
                // Those that cannot be read are there, too.
                if try await self.objects.hasPage(page) { garbage.append(page) }
            }
            self.index.generation += 1
        }
        garbage += self.written.map(\.number).filter { live[$0] == nil }
        self.index.dropped = garbage
        if isChanged { try await self.objects.commit(self.index, replacing: self.former) }
        // It is saved. What cannot be deleted now, the next save finds.
        do throws(FolderError) {
            for page in garbage.reversed() { try await self.objects.delete(page) }
        } catch {}
    }
}
