import Foundation
import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporStore

@testable import TorporHosting

/// Somebody works in a folder while it is saved.
@Suite struct FolderChangeTests {
    private let key = FolderKey.number(1)
    private static let limits = FolderLimits(bytesMax: .kibibytes(400), partMax: 4 << 10, pageMax: 32 << 10)

    /// Saves a folder with a file of several pages in the middle, calling `work` when its first page is committed, and at
    /// most `times` times in all.
    private func saveWhile(
        times: Int = .max, of store: MemoryStore = MemoryStore(),
        before: (Disk, FolderTrial) async throws -> Void = { _, _ in }, work: @escaping @Sendable (Disk) throws -> Void,
        after: (Disk, Result<FolderReport, any Error>, FolderTrial, _ copy: String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("large", Disk.noise(100_000, seed: 1))
            try disk.folder("later")
            try disk.file("later/z", Disk.noise(50_000, seed: 2))
            try await FolderTrial.run(store, limits: Self.limits) { trial in
                try await before(disk, trial)
                let left = Mutex(times)
                trial.store.onCommit {
                    guard
                        left.withLock({ left in
                            left -= 1; return left >= 0
                        })
                    else { return }
                    do { try work(disk) } catch { Issue.record(error) }
                }
                let result: Result<FolderReport, any Error>
                do {
                    result = .success(try await trial.folders.save(disk.path, as: self.key))
                } catch {
                    result = .failure(error)
                }
                trial.store.onCommit(nil)
                try await after(disk, result, trial, path + "/b")
            }
        }
    }

    private func append(_ disk: Disk, to name: String) throws {
        let file = try FolderTree(at: disk.path).file(FolderPath(Array(name.utf8)), O_WRONLY)
        try file.write([1], at: try file.status().st_size)
    }

    @Test func aFileThatChangesOnceWhileItIsReadIsReadOnceMore() async throws {
        try await self.saveWhile(times: 1) { disk in
            try self.append(disk, to: "large")
        } after: { disk, result, trial, copy in
            let report = try result.get()
            #expect(report.leftOut.count == 0)
            #expect(report.bytes == 150_001)
            _ = try await trial.folders.restore(self.key, into: copy)
            #expect(try Snapshot(copy) == Snapshot(disk.path))
            // What was written for nothing is gone.
            #expect(try await trial.storedObjects().reduce(0) { $0 + $1.byteCount } < 150_001 + 40_000)
        }
    }

    @Test func aFileThatNeverStopsChangingKeepsWhatWasSaved() async throws {
        try await self.saveWhile { disk, trial in
            _ = try await trial.folders.save(disk.path, as: self.key)
            try disk.file("large", Disk.noise(100_000, seed: 3))
            try disk.file("later/z", [7])
        } work: { disk in
            try self.append(disk, to: "large")
        } after: { _, result, trial, copy in
            let report = try result.get()
            #expect(report.leftOut.entries == [.init(path: FolderPath(Array("large".utf8)), reason: .changing)])
            #expect(report.generation == 2)
            _ = try await trial.folders.restore(self.key, into: copy)
            #expect(try Snapshot(copy).entries.compactMap(\.bytes) == [Disk.noise(100_000, seed: 1), [7]])
            let objects = FolderObjects(engine: trial.engine, key: self.key, limits: trial.folders.limits)
            let index = try #require(try await objects.index())
            #expect(try await trial.storedObjects().count == index.pages.count + 1)
        }
    }

    @Test func aNewFileThatNeverStopsChangingIsLeftOut() async throws {
        try await self.saveWhile { disk in
            try self.append(disk, to: "large")
        } after: { _, result, trial, copy in
            let report = try result.get()
            #expect((report.files, report.leftOut.count) == (1, 1))
            _ = try await trial.folders.restore(self.key, into: copy)
            #expect(try Snapshot(copy).entries.compactMap(\.bytes) == [Disk.noise(50_000, seed: 2)])
        }
    }

    @Test func aFileThatShrinksWhileItIsReadIsSavedAsItIsThen() async throws {
        try await self.saveWhile(times: 1) { disk in
            #expect(truncate(disk.path + "/large", 10) == 0)
        } after: { disk, result, trial, copy in
            #expect(try result.get().bytes == 50_010)
            _ = try await trial.folders.restore(self.key, into: copy)
            #expect(try Snapshot(copy) == Snapshot(disk.path))
        }
    }

    @Test func whatIsRemovedBeforeItIsReadIsNotSaved() async throws {
        try await self.saveWhile(times: 1) { disk in
            disk.remove("later/z")
        } after: { disk, result, trial, copy in
            #expect(try result.get().files == 1)
            _ = try await trial.folders.restore(self.key, into: copy)
            #expect(try Snapshot(copy).entries.map(\.path.description) == ["large", "later"])
        }
    }

    @Test func aFileThatBecomesALinkIsNotFollowed() async throws {
        try await self.saveWhile(times: 1) { disk in
            disk.remove("later/z")
            #expect(symlink("/etc/passwd", disk.path + "/later/z") == 0)
        } after: { _, result, trial, copy in
            #expect(try result.get().files == 1)
            _ = try await trial.folders.restore(self.key, into: copy)
            #expect(try Snapshot(copy).entries.map(\.path.description) == ["large", "later"])
        }
    }

    @Test func aFileThatGetsASecondNameIsNotSaved() async throws {
        try await self.saveWhile(times: 1) { disk in
            #expect(link(disk.path + "/later/z", disk.path + "/later/name") == 0)
        } after: { _, result, _, _ in
            let report = try result.get()
            #expect(report.files == 1)
        }
    }

    @Test func aFolderThatBecomesALinkIsNotFollowed() async throws {
        try await withTemporaryFolder { outside in
            try Disk(path: outside).file("z", Array("secret".utf8))
            try await self.saveWhile(times: 1) { disk in
                #expect(rename(disk.path + "/later", disk.path + "/elsewhere") == 0)
                #expect(symlink(outside, disk.path + "/later") == 0)
            } after: { _, result, trial, copy in
                #expect(try result.get().files == 1)
                _ = try await trial.folders.restore(self.key, into: copy)
                #expect(try Snapshot(copy).entries.map(\.path.description) == ["large", "later"])
            }
        }
    }

    @Test func aFolderThatGrowsBeyondItsLimitWhileItIsSavedIsNotSaved() async throws {
        try await self.saveWhile(times: 1) { disk in
            try disk.file("later/z", Disk.noise(350_000, seed: 4))
        } after: { _, result, trial, _ in
            do {
                _ = try result.get()
                Issue.record("it was saved")
            } catch let error as FolderError {
                #expect(error.code == .overLimit)
                #expect(error.reason.contains("later/z (341.7 KiB)"))
            }
            #expect(try await trial.storedObjects().isEmpty)
        }
    }
}
