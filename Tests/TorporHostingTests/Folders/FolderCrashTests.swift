import Foundation
import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporStore

@testable import TorporHosting

/// A process that ends at any step, and a store that cannot be reached.
@Suite struct FolderCrashTests {
    private let key = FolderKey.number(1)
    private static let limits = FolderLimits(partMax: 4 << 10, pageMax: 32 << 10)

    /// Makes a folder of several pages, and changes it: files that come, go, grow, and stay.
    private func make(_ disk: Disk) throws {
        try disk.folder("folder")
        for number in 0..<12 { try disk.file("folder/\(number)", Disk.noise(9_000, seed: UInt64(number))) }
        try disk.file("large", Disk.noise(60_000, seed: 99))
    }

    private func change(_ disk: Disk) throws {
        for number in 0..<8 { disk.remove("folder/\(number)") }
        try disk.file("large", Disk.noise(70_000, seed: 98))
        try disk.file("new", Disk.noise(30_000, seed: 97))
    }

    @Test(arguments: StoreKind.allCases)
    func whereverASaveEndsOneSaveIsWhole(_ kind: StoreKind) async throws {
        var ends: Set<String> = []
        for commits in 0..<100 {
            var hasEnded = false
            try await kind.withStore { store in
                try await withTemporaryFolder { path in
                    try Disk(path: path).folder("a")
                    let disk = Disk(path: path + "/a")
                    try self.make(disk)
                    let first = try Snapshot(disk.path)
                    try await FolderTrial.run(store, limits: Self.limits) { trial in
                        _ = try await trial.folders.save(disk.path, as: self.key)
                    }
                    try self.change(disk)
                    let second = try Snapshot(disk.path)
                    var isSaved = false
                    try await FolderTrial.run(store, limits: Self.limits, endsCleanly: false) { trial in
                        trial.store.endAfter(commits: commits)
                        do {
                            _ = try await trial.folders.save(disk.path, as: self.key)
                            isSaved = true
                        } catch let error as FolderError {
                            #expect(error.isRetryable, "\(error)")
                        }
                        hasEnded = trial.store.counts.all < commits
                    }
                    // Another process.
                    try await FolderTrial.run(store, limits: Self.limits) { trial in
                        let report = try await trial.folders.restore(self.key, into: path + "/b")
                        let restored = try Snapshot(path + "/b")
                        #expect(restored == (report.generation == 1 ? first : second), "after \(commits) commits")
                        if isSaved { #expect(report.generation == 2) }
                        ends.insert("\(isSaved) \(report.generation)")
                        // And it can be saved again, which leaves what a save without an interruption leaves.
                        let again = try await trial.folders.save(disk.path, as: self.key)
                        #expect(again.generation == 2)
                        try await self.expectNoOrphans(trial)
                        _ = try await trial.folders.restore(self.key, into: path + "/c")
                        #expect(try Snapshot(path + "/c") == second)
                    }
                }
            }
            if hasEnded { break }
            #expect(commits < 99, "the save has an end")
        }
        // It was interrupted before and after the switch, and not at all.
        #expect(ends == ["false 1", "true 2"] || ends == ["false 1", "false 2", "true 2"])
    }

    @Test func whereverADeletionEndsItCanBeDoneAgain() async throws {
        for commits in 0..<100 {
            let store = MemoryStore()
            var hasEnded = false
            try await withTemporaryFolder { path in
                try Disk(path: path).folder("a")
                try self.make(Disk(path: path + "/a"))
                try await FolderTrial.run(store, limits: Self.limits, endsCleanly: false) { trial in
                    _ = try await trial.folders.save(path + "/a", as: self.key)
                    let before = trial.store.counts.all
                    trial.store.endAfter(commits: commits)
                    do { try await trial.folders.delete(self.key) } catch let error as FolderError {
                        #expect(error.isRetryable, "\(error)")
                    }
                    hasEnded = trial.store.counts.all - before < commits
                }
                try await FolderTrial.run(store, limits: Self.limits) { trial in
                    let report = try await trial.folders.restore(self.key, into: path + "/b")
                    #expect(report.files == 13 || report.files == 0)
                    try await trial.folders.delete(self.key)
                    #expect(try await trial.storedObjects().isEmpty)
                }
            }
            if hasEnded { return }
        }
        Issue.record("the deletion has no end")
    }

    @Test func aStoreThatIsNotReachedIsAnErrorAndTheSameSaveSucceedsLater() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try self.make(disk)
            let engineLimits = EngineLimits(unavailableMax: .nanoseconds(1))
            try await FolderTrial.run(MemoryStore(), limits: Self.limits, engineLimits: engineLimits) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                try self.change(disk)
                trial.store.setUnavailable(true)
                let error = try await expectFolderError(.unavailable) {
                    try await trial.folders.save(disk.path, as: self.key)
                }
                #expect(error.isRetryable)
                try await expectFolderError(.unavailable) {
                    try await trial.folders.restore(self.key, into: path + "/b")
                }
                #expect(try Snapshot(path + "/b").entries.isEmpty)
                trial.store.setUnavailable(false)
                #expect(try await trial.folders.save(disk.path, as: self.key).generation == 2)
                try await self.expectNoOrphans(trial)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == Snapshot(disk.path))
            }
        }
    }

    @Test func aStoreThatIsLostInTheMiddleOfASaveIsAnErrorAndTheNextSaveTidiesUp() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try self.make(disk)
            let engineLimits = EngineLimits(unavailableMax: .nanoseconds(1))
            try await FolderTrial.run(MemoryStore(), limits: Self.limits, engineLimits: engineLimits) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                try self.change(disk)
                let left = Mutex(3)
                trial.store.onCommit {
                    if left.withLock({ left in
                        left -= 1; return left == 0
                    }) {
                        trial.store.setUnavailable(true)
                    }
                }
                try await expectFolderError(.unavailable) { try await trial.folders.save(disk.path, as: self.key) }
                trial.store.onCommit(nil)
                trial.store.setUnavailable(false)
                #expect(try await trial.folders.save(disk.path, as: self.key).generation == 2)
                try await self.expectNoOrphans(trial)
            }
        }
    }

    @Test func aDamagedPageNamesAFileAndNothingIsRestored() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try self.make(disk)
            try await FolderTrial.run(MemoryStore(), limits: Self.limits) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                let page = try #require(try await trial.storedObjects().first { $0.name == "page" })
                try await trial.store.setQuarantined(true, page.id)
                let error = try await expectFolderError(.damaged) {
                    try await trial.folders.restore(self.key, into: path + "/b")
                }
                #expect(error.path != nil)
                #expect(try Snapshot(path + "/b").entries.isEmpty)
                // Whoever still has the files heals it.
                #expect(try await trial.folders.save(disk.path, as: self.key).generation == 2)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == Snapshot(disk.path))
                try await self.expectNoOrphans(trial)
            }
        }
    }

    @Test func aPartWithOtherBytesNamesItsFile() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            try Disk(path: path + "/a").file("first", [1, 2, 3])
            try Disk(path: path + "/a").file("second", [4, 5, 6])
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(path + "/a", as: self.key)
                let use = trial.engine.use()
                let page = self.key.pageName(0)
                try await use.update(page) { $0.set([0, 0, 0, 1], [4, 5, 7]) }
                try await use.durable()
                use.end()
                let error = try await expectFolderError(.damaged) {
                    try await trial.folders.restore(self.key, into: path + "/b")
                }
                #expect(error.path?.description == "second")
                #expect(try Snapshot(path + "/b").entries.isEmpty)
            }
        }
    }

    @Test func withDurabilityByIntervalPagesAreDurableBeforeTheIndex() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try self.make(disk)
            let engineLimits = EngineLimits(durability: .interval(.seconds(3_600)))
            let store = MemoryStore()
            try await FolderTrial.run(store, limits: Self.limits, engineLimits: engineLimits) { trial in
                let order = Mutex<[Int]>([])
                trial.store.onCommit { order.withLock { $0.append(trial.store.counts.indexes) } }
                _ = try await trial.folders.save(disk.path, as: self.key)
                // The index came last.
                #expect(order.withLock { $0.count } > 3)
                #expect(order.withLock { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 })
                #expect(try await store.header(of: self.key.id) != nil)
                try self.change(disk)
                #expect(try await trial.folders.save(disk.path, as: self.key).generation == 2)
                try await self.expectNoOrphans(trial)
                try await trial.folders.delete(self.key)
                #expect(try await trial.storedObjects().isEmpty)
            }
        }
    }

    @Test func memoryStaysFlatWhateverIsSaved() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            // Without optimization, a hundred take a minute.
            #if DEBUG
                let mebibytes = 20
            #else
                let mebibytes = 100
            #endif
            for number in 0..<10 {
                try disk.file("\(number)", Disk.noise(mebibytes << 20 / 10, seed: UInt64(number)))
            }
            let limits = FolderLimits(bytesMax: .mebibytes(mebibytes))
            try await FolderTrial.run(MemoryStore(), limits: limits) { trial in
                let most = Mutex(0)
                let look: @Sendable () -> Void = {
                    let bytes = trial.engine.figures.reservedBytes
                    most.withLock { $0 = max($0, bytes) }
                }
                trial.store.onCommit(look)
                trial.store.onLoad(look)
                trial.engine.addObserver { _ in look() }
                #expect(try await trial.folders.save(disk.path, as: self.key).bytes == mebibytes << 20 / 10 * 10)
                _ = try await trial.folders.save(disk.path, as: self.key)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                let index = try #require(try await trial.store.header(of: self.key.id))
                #expect(most.withLock { $0 } > 1 << 20)
                #expect(most.withLock { $0 } <= limits.pageMax + index.byteCount + 10_000)
                #expect(trial.engine.figures.reservedBytes == 0)
            }
        }
    }

    @Test func aCancelledSaveLeavesWhatWasSaved() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try self.make(disk)
            let first = try Snapshot(disk.path)
            try await FolderTrial.run(MemoryStore(), limits: Self.limits) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                try self.change(disk)
                let (gate, opening) = AsyncStream.makeStream(of: Void.self)
                let save = Task {
                    for await _ in gate { break }
                    _ = try await expectFolderError(.cancelled) {
                        try await trial.folders.save(disk.path, as: self.key)
                    }
                }
                trial.store.onCommit { save.cancel() }
                opening.finish()
                try await save.value
                trial.store.onCommit(nil)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == first)
                #expect(try await trial.folders.save(disk.path, as: self.key).generation == 2)
                try await self.expectNoOrphans(trial)
            }
        }
    }

    /// The store has the index and the pages that it refers to, and nothing else.
    private func expectNoOrphans(
        _ trial: FolderTrial, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let objects = FolderObjects(engine: trial.engine, key: self.key, limits: trial.folders.limits)
        let index = try #require(try await objects.index(), sourceLocation: sourceLocation)
        let expected = Set(index.pages.map { self.key.pageName($0.number).id } + [self.key.id])
        #expect(Set(try await trial.storedObjects().map(\.id)) == expected, sourceLocation: sourceLocation)
    }
}
