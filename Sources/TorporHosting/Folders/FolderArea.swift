import Glibc
import Synchronization
package import TorporCore
import TorporEngine
package import TorporSystem

/// Where folders lie on disk while somebody works in them.
///
/// Each has a folder of its own in the area, and a *marker* beside it that says whose it is and which save it has come of.
/// So what a killed process has left behind is found by the next one, and saved. One process has an area at a time.
///
/// Operations on one folder happen one after the other.
package final class FolderArea: Sendable {
    private enum Standing {
        /// It is being made.
        case opening
        /// Somebody works in it.
        case open(FolderLineage)
        /// Nobody works in it, and it is not saved yet. Whose it is, unless its marker cannot be read.
        case left(AccountID?)
    }

    /// Folders of one account that are left: beyond that it opens no others, so that what cannot be saved stays little.
    static let leftMax = 4

    /// Absolute, without links.
    package let path: String
    package let store: FolderStore
    private let boot: String
    private let foldersMax: Int
    private let files: FolderAreaFiles
    private let turns: FolderTurns
    private let standings: Mutex<[StateObjectID: Standing]>

    /// Takes an area, making it where there is none. Folders that were left behind stay as they are until ``sweep()``, or
    /// until they are opened.
    ///
    /// Reads and removes files, and so may block.
    /// - Parameters:
    ///   - path: A folder of this process's user, which is made inaccessible to all others.
    ///   - store: Where folders are kept while nobody works in them.
    ///   - foldersMax: Folders in the area at most, with those that could not be saved yet. Default 10,000.
    ///   - system: Where the kernel says since when the machine has been running.
    /// - Throws: ``FolderError/Code/inUse``, which names the process that has it; ``FolderError/Code/inaccessible``.
    package init(
        _ path: String, store: FolderStore, foldersMax: Int = 10_000, system: SystemRoot = .machine
    ) throws(FolderError) {
        precondition(foldersMax > 0, "there is room for a folder")
        self.store = store
        self.foldersMax = foldersMax
        self.boot = system.lines("/proc/sys/kernel/random/boot_id")?.first.map { String($0) } ?? ""
        self.files = try FolderAreaFiles(path)
        self.path = self.files.path
        let left = try self.files.tidy()
        self.standings = Mutex(Dictionary(uniqueKeysWithValues: left.map { ($0.id, .left($0.account)) }))
        var limits = store.limits
        limits.operationsMax = foldersMax
        self.turns = FolderTurns(limits)
    }

    /// Folders that are in the area: open, and left.
    package var counts: (open: Int, left: Int) {
        self.standings.withLock { standings in
            let left = standings.values.count { if case .left = $0 { true } else { false } }
            return (standings.count - left, left)
        }
    }

    // MARK: One folder

    /// A folder that somebody may work in.
    package struct OpenFolder: Hashable, Sendable {
        package let key: FolderKey
        /// Absolute.
        package let path: String
    }

    /// Makes a folder as it was saved last. If it was left behind, it is saved first.
    /// - Returns: The folder, which is to be closed or discarded, and what was restored.
    /// - Throws: ``FolderError/Code/busy`` when it is open, or there are too many; ``FolderError/Code/storageFull`` when
    ///   four other folders of its account could not be saved; and what ``FolderStore`` throws. On disk is then what was
    ///   there before.
    package func open(_ key: FolderKey) async throws(FolderError) -> (folder: OpenFolder, report: FolderReport) {
        try await self.turns.take(key.id) { () throws(FolderError) in
            if try self.begin(key) { try await self.finishBeforeOpening(key.id) }
            do throws(FolderError) {
                return try await self.make(key)
            } catch {
                self.stand(key.id, nil)
                throw error
            }
        }
    }

    /// Saves a folder while somebody works in it; see ``FolderStore/save(_:as:)``.
    /// - Throws: Also ``FolderError/Code/busy`` when it is not open any more.
    package func snapshot(_ folder: OpenFolder) async throws(FolderError) -> FolderReport {
        try await self.turns.take(folder.key.id) { () throws(FolderError) in
            var lineage = try self.lineage(of: folder)
            let report = try await self.store.save(folder.path, as: folder.key, of: lineage, mayBeTorn: false)
            guard report.generation != lineage.generation else { return report }
            lineage.generation = report.generation
            self.stand(folder.key.id, .open(lineage))
            try await self.write(FolderMarker(key: folder.key, phase: .inUse, lineage: lineage, boot: self.boot))
            return report
        }
    }

    /// Saves a folder in which nobody works any more, and removes it from the disk.
    ///
    /// It is closed also when that fails. What was saved before is stored still; and if the failure may pass, the folder
    /// stays on disk, to be saved by ``sweep()`` or when it is opened. If it cannot, since the folder is too large or was
    /// superseded, the folder is removed.
    /// - Throws: What ``FolderStore/save(_:as:)`` throws.
    package func close(_ folder: OpenFolder) async throws(FolderError) -> FolderReport {
        // Also when the turn never came.
        defer { self.settle(folder.key) }
        return try await self.turns.take(folder.key.id) { () throws(FolderError) in
            let marker = FolderMarker(
                key: folder.key, phase: .inUse, lineage: try self.lineage(of: folder), boot: self.boot)
            guard let report = try await self.finish(marker) else {
                throw FolderError(.inaccessible, "The folder \(folder.path) is gone.")
            }
            return report
        }
    }

    /// Removes a folder from the disk without saving it. Whoever deletes a folder from the store discards it first.
    package func discard(_ folder: OpenFolder) async throws(FolderError) {
        defer { self.settle(folder.key) }
        try await self.turns.take(folder.key.id) { () throws(FolderError) in
            _ = try self.lineage(of: folder)
            try await self.remove(folder.key.id)
        }
    }

    /// Deletes a folder in which nobody works, from the store, durably, and from the disk if it was left there.
    /// - Throws: ``FolderError/Code/busy`` when it is open; what ``FolderStore/delete(_:)`` throws, and then it may be
    ///   tried again.
    package func delete(_ key: FolderKey) async throws(FolderError) {
        try await self.turns.take(key.id) { () throws(FolderError) in
            switch self.standings.withLock({ $0[key.id] }) {
            case .opening, .open: throw FolderError(.busy, "The folder is in use. Try again in a moment.")
            case .left: try await self.remove(key.id)
            case nil: break
            }
            try await self.store.delete(key)
        }
    }

    // MARK: What was left

    /// What became of a folder that was left behind.
    package struct Swept: Sendable, Equatable {
        package enum End: Sendable, Equatable {
            /// All that was in it is stored.
            case saved(FolderReport)
            /// It was not whole yet, so nobody had worked in it; or it was gone.
            case unfinished
            /// It could not be saved. It is still there if that may pass.
            case failed(FolderError)
        }
        package var id: StateObjectID
        package var end: End
    }

    /// Saves all folders that were left behind, one after the other, and removes them: those of a killed process, and those
    /// that could not be saved when they were closed.
    /// - Throws: ``FolderError/Code/cancelled``.
    package func sweep() async throws(FolderError) -> [Swept] {
        var swept: [Swept] = []
        for id in self.standings.withLock({ $0.keys.sorted() }) {
            let end = try await self.turns.take(id) { () throws(FolderError) -> Swept.End? in
                guard case .left = self.standings.withLock({ $0[id] }) else { return nil }
                do throws(FolderError) {
                    return try await self.finishLeft(id).map { .saved($0) } ?? .unfinished
                } catch {
                    guard error.code != .cancelled else { throw error }
                    return .failed(error)
                }
            }
            if let end { swept.append(Swept(id: id, end: end)) }
        }
        return swept
    }

    // MARK: Standings

    private func stand(_ id: StateObjectID, _ standing: Standing?) {
        self.standings.withLock { standings in
            standings[id] = standing
            standings.shrinkIfSparse()
        }
    }

    /// A folder is going to be opened.
    /// - Returns: Whether it was left behind.
    private func begin(_ key: FolderKey) throws(FolderError) -> Bool {
        let result = self.standings.withLock { standings -> Result<Bool, FolderError> in
            switch standings[key.id] {
            case .left: return .success(true)
            case .opening, .open: return .failure(FolderError(.busy, "The folder is in use. Try again in a moment."))
            case nil:
                guard standings.count < self.foldersMax else {
                    return .failure(
                        FolderError(.busy, "\(self.foldersMax) folders are in use. Try again in a moment."))
                }
                let leftCount = standings.values.count { standing in
                    if case .left(key.account) = standing { true } else { false }
                }
                guard leftCount < Self.leftMax else {
                    return .failure(
                        FolderError(
                            .storageFull,
                            """
                            \(leftCount) folders of this caller wait to be saved, so no other is opened. If there is no \
                            room for them, delete something.
                            """))
                }
                standings[key.id] = .opening
                return .success(false)
            }
        }
        return try result.get()
    }

    /// A folder that is still open although it was closed is left behind.
    private func settle(_ key: FolderKey) {
        self.standings.withLock { standings in
            if case .open = standings[key.id] { standings[key.id] = .left(key.account) }
        }
    }

    private func lineage(of folder: OpenFolder) throws(FolderError) -> FolderLineage {
        guard case .open(let lineage) = self.standings.withLock({ $0[folder.key.id] }) else {
            throw FolderError(.busy, "The folder is not open any more.")
        }
        return lineage
    }

    // MARK: Steps

    private func make(_ key: FolderKey) async throws(FolderError) -> (OpenFolder, FolderReport) {
        let folder = OpenFolder(key: key, path: "\(self.path)/\(key.id)")
        let run = UInt64(truncatingIfNeeded: self.store.engine.environment.randomBits())
        var marker = FolderMarker(
            key: key, phase: .restoring, lineage: FolderLineage(run: run, generation: 0), boot: self.boot)
        try await self.write(marker)
        do throws(FolderError) {
            let report = try await self.store.restore(key, into: folder.path)
            marker.lineage.generation = report.generation
            marker.phase = .inUse
            try await self.write(marker)
            self.stand(key.id, .open(marker.lineage))
            return (folder, report)
        } catch {
            // What cannot be removed is told by its marker from what somebody has worked in.
            do throws(FolderError) { try await self.remove(key.id) } catch {}
            throw error
        }
    }

    /// What was left is saved before the folder is made anew. What cannot be saved for good is gone then.
    private func finishBeforeOpening(_ id: StateObjectID) async throws(FolderError) {
        do throws(FolderError) {
            _ = try await self.finishLeft(id)
        } catch {
            guard Self.isForGood(error) else { throw error }
        }
        self.stand(id, .opening)
    }

    private func finishLeft(_ id: StateObjectID) async throws(FolderError) -> FolderReport? {
        let files = self.files
        let marker = try await self.store.onThread { () throws(FolderError) in try files.marker(of: id) }
        guard let marker else {
            self.stand(id, nil)
            return nil
        }
        return try await self.finish(marker)
    }

    /// Saves a folder, if anybody has worked in it, and removes it; unless saving fails and may succeed later.
    /// - Returns: `nil` when nobody has.
    private func finish(_ marker: FolderMarker) async throws(FolderError) -> FolderReport? {
        let id = marker.key.id
        let files = self.files
        let isThere = try await self.store.onThread { () throws(FolderError) in try files.open(id) }
        var report: FolderReport?
        if isThere, marker.phase == .inUse {
            do throws(FolderError) {
                report = try await self.store.save(
                    "\(self.path)/\(id)", as: marker.key, of: marker.lineage, mayBeTorn: marker.boot != self.boot)
            } catch {
                if Self.isForGood(error) {
                    // What cannot be removed is left, and tried again.
                    do throws(FolderError) { try await self.remove(id) } catch {}
                }
                throw error
            }
        }
        try await self.remove(id)
        return report
    }

    private static func isForGood(_ error: FolderError) -> Bool { [.overLimit, .superseded].contains(error.code) }

    private func write(_ marker: FolderMarker) async throws(FolderError) {
        let files = self.files
        try await self.store.onThread { () throws(FolderError) in try files.write(marker) }
    }

    private func remove(_ id: StateObjectID) async throws(FolderError) {
        let files = self.files
        let random = StateObjectID(bits: self.store.engine.environment.randomBits())
        try await self.store.onThread { () throws(FolderError) in try files.putAway(id, as: random) }
        // It is nobody's from here on.
        self.stand(id, nil)
        try await self.store.onThread { () throws(FolderError) in try files.removeAway(random) }
    }
}
