import Foundation
import Testing
import TorporCore
import TorporEngine
import TorporStore
import TorporSystem

@testable import TorporHosting

/// Saving and restoring, as long as nothing goes wrong.
@Suite struct FolderStoreTests {
    private let key = FolderKey.number(1)

    @Test(arguments: StoreKind.allCases)
    func whatWasSavedIsRestored(_ kind: StoreKind) async throws {
        try await kind.withStore { store in
            try await withTemporaryFolder { path in
                let disk = Disk(path: path + "/a")
                try Disk(path: path).folder("a")
                try disk.file("plain.txt", Array("hello".utf8))
                try disk.file("empty", [])
                try disk.file("private", [1, 2, 3], mode: 0o600)
                try disk.file("script", Array("#!/bin/sh\n".utf8), mode: 0o755)
                try disk.file("read-only", [9], mode: 0o444)
                try disk.folder("empty folder")
                try disk.folder("deep", mode: 0o750)
                try disk.folder("deep/er", mode: 0o711)
                try disk.file("deep/er/file", Disk.noise(100, seed: 1))
                for count in [1, 49_999, 50_000, 50_001, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3 << 20] {
                    try disk.file("deep/\(count)", Disk.noise(count, seed: UInt64(count)))
                }
                let saved = try Snapshot(disk.path)
                try await FolderTrial.run(store) { trial in
                    let report = try await trial.folders.save(disk.path, as: self.key)
                    #expect(report.generation == 1)
                    #expect((report.files, report.folders) == (14, 3))
                    #expect(report.leftOut.count == 0)
                    #expect(report.bytesWritten == report.bytes)
                    #expect(try await trial.folders.exists(self.key))
                }
                try await FolderTrial.run(store) { trial in
                    let report = try await trial.folders.restore(self.key, into: path + "/b")
                    #expect((report.generation, report.files, report.folders) == (1, 14, 3))
                }
                #expect(try Snapshot(path + "/b") == saved)
            }
        }
    }

    @Test func namesMayBeAnyBytes() async throws {
        let names: [[UInt8]] = [
            [0xFF, 0xFE], Array("new\nline".utf8), Array("tab\t \u{1b}[31m".utf8), Array("ünï".utf8),
            Array("u\u{308}".utf8), Array("ü".utf8), [UInt8](repeating: 0x61, count: 255), Array("...".utf8),
            Array("a b".utf8), Array("a-b".utf8), Array("-rf".utf8), Array("\\".utf8), [1], [0x80],
        ]
        try await self.withFolders { path in
            for (number, name) in names.enumerated() { try Disk(path: path + "/a").file(name, [UInt8(number)]) }
            try Disk(path: path + "/a").folder("a")
            try Disk(path: path + "/a").file("a/b", [1])
        }
    }

    @Test func aFolderOfNothingIsNotStored() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            try await FolderTrial.run(MemoryStore()) { trial in
                let report = try await trial.folders.save(path + "/a", as: self.key)
                #expect(report == FolderReport())
                #expect(trial.store.counts.all == 0)
                #expect(try await !trial.folders.exists(self.key))
                #expect(try await trial.folders.restore(self.key, into: path + "/b") == FolderReport())
                #expect(try Snapshot(path + "/b").entries.isEmpty)
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aFolderThatHasNotChangedWritesNothing(_ kind: StoreKind) async throws {
        try await kind.withStore { store in
            try await withTemporaryFolder { path in
                try Disk(path: path).folder("a")
                let disk = Disk(path: path + "/a")
                for number in 0..<40 { try disk.file("\(number)", Disk.noise(number * 1_000, seed: UInt64(number))) }
                try await FolderTrial.run(store) { trial in
                    let first = try await trial.folders.save(disk.path, as: self.key)
                    let counts = trial.store.counts
                    for _ in 0..<3 {
                        var again = try await trial.folders.save(disk.path, as: self.key)
                        #expect((again.partsWritten, again.bytesWritten) == (0, 0))
                        again.partsWritten = first.partsWritten
                        again.bytesWritten = first.bytesWritten
                        #expect(again == first)
                    }
                    #expect(trial.store.counts == counts)
                }
                // Neither does what was restored, in another process.
                try await FolderTrial.run(store) { trial in
                    _ = try await trial.folders.restore(self.key, into: path + "/b")
                    let report = try await trial.folders.save(path + "/b", as: self.key)
                    #expect((report.generation, report.partsWritten) == (1, 0))
                    #expect(trial.store.counts.all == 0)
                }
            }
        }
    }

    @Test func oneFileOfAThousandCostsItsPartAndItsPlaceInTheIndex() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            for number in 0..<1_000 { try disk.file("\(number)", Disk.noise(500, seed: UInt64(number))) }
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                let before = trial.store.counts
                try disk.file("500", Disk.noise(500, seed: 77_777))
                let report = try await trial.folders.save(disk.path, as: self.key)
                #expect((report.generation, report.partsWritten, report.bytesWritten) == (2, 1, 500))
                let after = trial.store.counts
                // One page with one part, and of the index the head and one bucket.
                #expect((after.pages - before.pages, after.indexes - before.indexes) == (1, 1))
                #expect(after.values - before.values == 3)
                #expect(after.deletions == before.deletions)
            }
        }
    }

    @Test func ofALargeFileOnlyThePartIsStoredThatHasChanged() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            var bytes = Disk.noise(5 << 20, seed: 1)
            try disk.file("large", bytes)
            try await FolderTrial.run(MemoryStore()) { trial in
                let first = try await trial.folders.save(disk.path, as: self.key)
                #expect(first.partsWritten == 20)
                bytes[3 << 20] ^= 1
                bytes += [1, 2, 3]
                try disk.file("large", bytes)
                let second = try await trial.folders.save(disk.path, as: self.key)
                #expect((second.partsWritten, second.bytesWritten) == (2, (256 << 10) + 3))
                let saved = try Snapshot(disk.path)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == saved)
            }
        }
    }

    @Test func bytesThatChangeUnderTheSameTimeAndSizeAreNoticed() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("file", [1, 2, 3])
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                let before = try Snapshot(disk.path).entries[0]
                try disk.file("file", [1, 2, 4])
                try FolderTree(at: disk.path).file(before.path, O_RDONLY).set(
                    mode: before.mode, modified: before.modified)
                #expect(try await trial.folders.save(disk.path, as: self.key).partsWritten == 1)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b").entries.map(\.bytes) == [[1, 2, 4]])
            }
        }
    }

    @Test func rightsAndTimesAreSavedWithoutBytes() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("file", [1, 2, 3])
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                #expect(chmod(disk.path + "/file", 0o4711) == 0)
                let report = try await trial.folders.save(disk.path, as: self.key)
                #expect((report.generation, report.partsWritten) == (2, 0))
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                // Rights beyond those to read, write and execute are not kept.
                #expect(try Descriptor.folder(at: path + "/b").status(of: Array("file".utf8)).st_mode & 0o7777 == 0o711)
            }
        }
    }

    @Test func whatIsRemovedFromAFolderIsRemovedFromTheStore() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.folder("b")
            for number in 0..<20 { try disk.file("b/\(number)", Disk.noise(1 << 20, seed: UInt64(number))) }
            try disk.file("stays", [1])
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                #expect(try await trial.storedObjects().count > 10)
                for number in 0..<20 { disk.remove("b/\(number)") }
                #expect(rmdir(disk.path + "/b") == 0)
                let report = try await trial.folders.save(disk.path, as: self.key)
                #expect((report.files, report.folders, report.bytes) == (1, 0, 1))
                let objects = try await trial.storedObjects()
                #expect(objects.count == 2)
                #expect(objects.reduce(0) { $0 + $1.byteCount } < 1_000)
                disk.remove("stays")
                #expect(try await trial.folders.save(disk.path, as: self.key).files == 0)
                #expect(try await trial.storedObjects().count == 1)
                #expect(try await trial.folders.restore(self.key, into: path + "/b").generation == 3)
            }
        }
    }

    @Test func aFileBecomesAFolderAndAFolderAFile() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("x", [1])
            try disk.folder("y")
            try disk.file("y/z", [2])
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                disk.remove("x")
                disk.remove("y/z")
                #expect(rmdir(disk.path + "/y") == 0)
                try disk.folder("x")
                try disk.file("x/z", [3])
                try disk.file("y", [4])
                _ = try await trial.folders.save(disk.path, as: self.key)
                let saved = try Snapshot(disk.path)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == saved)
            }
        }
    }

    @Test func manySmallChangesDoNotFillTheStore() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            for number in 0..<100 { try disk.file("\(number)", Disk.noise(20_000, seed: UInt64(number))) }
            try await FolderTrial.run(MemoryStore()) { trial in
                for round in 0..<150 {
                    let seed = UInt64(1_000 + round)
                    try disk.file("\(round * 7 % 100)", Disk.noise(20_000, seed: seed))
                    try disk.file("\(round * 3 % 5)", Disk.noise(20_000, seed: seed * 2))
                    _ = try await trial.folders.save(disk.path, as: self.key)
                    let objects = try await trial.storedObjects()
                    #expect(objects.count <= 2 + FolderIndex.sparseMax + 1)
                    let bytes = objects.reduce(0) { $0 + $1.byteCount }
                    #expect(bytes < 2 * 100 * 20_000 + FolderIndex.sparseMax * FolderIndex.deadMax + 100_000)
                }
                let saved = try Snapshot(disk.path)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == saved)
            }
        }
    }

    @Test func deletingLeavesNothing() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            try Disk(path: path + "/a").file("large", Disk.noise(9 << 20, seed: 1))
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(path + "/a", as: self.key)
                try await trial.folders.delete(self.key)
                #expect(try await trial.storedObjects().isEmpty)
                #expect(try await !trial.folders.exists(self.key))
                try await trial.folders.delete(self.key)
                #expect(try await trial.folders.restore(self.key, into: path + "/b").generation == 0)
                #expect(try await trial.folders.save(path + "/a", as: self.key).generation == 1)
            }
        }
    }

    @Test func pagesLiveAsLongAsTheirIndex() async throws {
        let key = FolderKey.number(1, retention: .seconds(10_000))
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("old", Disk.noise(3 << 20, seed: 1))
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: key)
                for hour in 1...20 {
                    // Less than the retention each time, and in all far more than that of the pages.
                    trial.clock.advance(by: .seconds(9_000))
                    try disk.file("new", [UInt8(hour)])
                    _ = try await trial.folders.save(disk.path, as: key)
                    let objects = try await trial.storedObjects()
                    let index = try #require(objects.first { $0.id == key.id })
                    #expect(objects.allSatisfy { $0.expiry >= index.expiry })
                    #expect(index.expiry >= trial.engine.environment.wallTime() + key.retention)
                }
            }
        }
    }

    @Test func filesAreReadOnThreadsThatMayBlock() async throws {
        try await FolderTrial.run(MemoryStore()) { trial in
            // More than there are threads, and each of them suspends in between.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<50 {
                    group.addTask {
                        try await trial.folders.operate(.number(number)) { _ throws(FolderError) in
                            #expect(Self.threadName == "torpor-folders")
                            await Task.yield()
                            #expect(Self.threadName == "torpor-folders")
                        }
                        #expect(Self.threadName != "torpor-folders")
                        try await trial.folders.onThread { () throws(FolderError) in
                            #expect(Self.threadName == "torpor-folders")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private static var threadName: Substring? { SystemRoot.machine.lines("/proc/thread-self/comm")?.first }

    @Test func foldersOfTwoKeysDoNotMeet() async throws {
        try await StoreKind.sqlite.withStore { store in
            try await withTemporaryFolder { path in
                let trees = ["a", "b"]
                for (number, name) in trees.enumerated() {
                    try Disk(path: path).folder(name)
                    for file in 0..<20 {
                        try Disk(path: "\(path)/\(name)").file(
                            "\(file)", Disk.noise(200_000, seed: UInt64(number * 100 + file)))
                    }
                }
                try await FolderTrial.run(store) { trial in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (number, name) in trees.enumerated() {
                            // Two at the same time of each: they take turns.
                            for _ in 0..<2 {
                                group.addTask {
                                    _ = try await trial.folders.save("\(path)/\(name)", as: .number(number))
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (number, name) in trees.enumerated() {
                            group.addTask {
                                let report = try await trial.folders.restore(
                                    .number(number), into: "\(path)/\(name) restored")
                                #expect(report.generation == 1)
                            }
                        }
                        try await group.waitForAll()
                    }
                }
                for name in trees { #expect(try Snapshot("\(path)/\(name)") == Snapshot("\(path)/\(name) restored")) }
            }
        }
    }

    /// Saves what `body` makes in the folder `a` and expects it back.
    private func withFolders(_ body: (String) throws -> Void) async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            try body(path)
            let saved = try Snapshot(path + "/a")
            #expect(!saved.entries.isEmpty)
            try await FolderTrial.run(MemoryStore()) { trial in
                let report = try await trial.folders.save(path + "/a", as: self.key)
                #expect(report.leftOut.count == 0)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
            }
            #expect(try Snapshot(path + "/b") == saved)
        }
    }
}
