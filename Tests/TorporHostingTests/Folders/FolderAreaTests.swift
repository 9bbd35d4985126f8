import Foundation
import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporStore
import TorporSystem

@testable import TorporHosting

/// Folders on disk: opened, closed, left behind, found again.
@Suite struct FolderAreaTests {
    private let key = FolderKey.number(1)

    /// A machine that was started once, or another time.
    private func withMachine(boot: String, _ path: String) throws -> SystemRoot {
        let root = "\(path)/machine-\(boot)"
        let folder = root + "/proc/sys/kernel/random"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("\(boot)\n".utf8).write(to: URL(filePath: folder + "/boot_id"))
        return SystemRoot(root)
    }

    private func names(in path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).filter { $0 != "lock" }.sorted()
    }

    @Test(arguments: StoreKind.allCases)
    func whatAChildWritesIsThereAtTheNextOpening(_ kind: StoreKind) async throws {
        try await kind.withStore { store in
            try await withTemporaryFolder { path in
                try await FolderTrial.run(store) { trial in
                    let area = try FolderArea(path + "/area", store: trial.folders)
                    for round in 0..<5 {
                        let (folder, report) = try await area.open(self.key)
                        #expect((Int(report.generation), report.files) == (round, round))
                        #expect(area.counts == (1, 0))
                        #expect(try Descriptor.folder(at: folder.path).status().permissions == 0o700)
                        try Disk(path: folder.path).file("\(round)", [UInt8(round)])
                        #expect(try await area.close(folder).files == round + 1)
                        #expect(area.counts == (0, 0))
                        #expect(try self.names(in: area.path).isEmpty)
                    }
                }
            }
        }
    }

    @Test func aFolderIsOpenedOnceAtATime() async throws {
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders, foldersMax: 2)
                let (first, _) = try await area.open(self.key)
                try await expectFolderError(.busy) { try await area.open(self.key) }
                let (second, _) = try await area.open(.number(2))
                #expect(first.path != second.path)
                try await expectFolderError(.busy) { try await area.open(.number(3)) }
                _ = try await area.close(first)
                try await area.discard(area.open(.number(3)).folder)
                _ = try await area.close(second)
                try await expectFolderError(.busy) { try await area.snapshot(second) }
                try await expectFolderError(.busy) { try await area.close(second) }
            }
        }
    }

    @Test func whatIsDiscardedIsNotSaved() async throws {
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("file", [1])
                try await area.discard(folder)
                #expect(try self.names(in: area.path).isEmpty)
                #expect(try await !trial.folders.exists(self.key))
            }
        }
    }

    @Test func aSecondProcessIsToldWhoHasTheArea() async throws {
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                #expect(try Descriptor.folder(at: area.path).status().permissions == 0o700)
                // A lock is of who has opened the file, so this process may stand for another.
                let error = try await expectFolderError(.inUse) {
                    try FolderArea(path + "/area", store: trial.folders)
                }
                #expect(error.reason.contains("process \(getpid())"))
                try await expectFolderError(.inaccessible) {
                    try FolderArea(path + "/none/area", store: trial.folders)
                }
            }
            // It ends with the process.
            try await FolderTrial.run(MemoryStore()) { _ = try FolderArea(path + "/area", store: $0.folders) }
        }
    }

    @Test func theFolderOfAKilledProcessIsSavedByTheNext() async throws {
        try await withTemporaryFolder { path in
            let store = MemoryStore()
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("first", [1])
                _ = try await area.close(folder)
                let (again, _) = try await area.open(self.key)
                try Disk(path: again.path).file("second", [2])
                let (new, _) = try await area.open(.number(2))
                try Disk(path: new.path).file("third", [3])
                // And then it is killed.
            }
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                #expect(area.counts == (0, 2))
                let swept = try await area.sweep()
                #expect(swept.map(\.id) == [self.key.id, FolderKey.number(2).id])
                let files = swept.map { swept -> Int? in
                    if case .saved(let report) = swept.end { report.files } else { nil }
                }
                #expect(files == [2, 1])
                #expect(area.counts == (0, 0))
                #expect(try self.names(in: area.path).isEmpty)
                #expect(try await area.sweep().isEmpty)
                let (folder, _) = try await area.open(self.key)
                #expect(try Snapshot(folder.path).entries.map(\.path.description) == ["first", "second"])
                try await area.discard(folder)
            }
        }
    }

    @Test func whatAKilledProcessHasLeftIsSavedBeforeItIsOpened() async throws {
        try await withTemporaryFolder { path in
            let store = MemoryStore()
            try await FolderTrial.run(store) { trial in
                let (folder, _) = try await FolderArea(path + "/area", store: trial.folders).open(self.key)
                try Disk(path: folder.path).file("file", [1])
            }
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, report) = try await area.open(self.key)
                #expect((report.generation, report.files) == (1, 1))
                #expect(try Snapshot(folder.path).entries.map(\.bytes) == [[1]])
                #expect(area.counts == (1, 0))
                try await area.discard(folder)
            }
        }
    }

    @Test func whereverAClosingIsKilledNothingIsLost() async throws {
        for commits in 0..<50 {
            let store = MemoryStore()
            var hasEnded = false
            try await withTemporaryFolder { path in
                var worked: Snapshot?
                try await FolderTrial.run(store, endsCleanly: false) { trial in
                    let area = try FolderArea(path + "/area", store: trial.folders)
                    let (folder, _) = try await area.open(self.key)
                    try Disk(path: folder.path).file("file", [1])
                    _ = try await area.close(folder)
                    let (again, _) = try await area.open(self.key)
                    try Disk(path: again.path).file("file", [2])
                    try Disk(path: again.path).file("other", [3])
                    worked = try Snapshot(again.path)
                    let before = trial.store.counts.all
                    trial.store.endAfter(commits: commits)
                    do { _ = try await area.close(again) } catch let error as FolderError {
                        #expect(error.isRetryable)
                        #expect(area.counts == (0, 1))
                    }
                    hasEnded = trial.store.counts.all - before < commits
                }
                try await FolderTrial.run(store) { trial in
                    let area = try FolderArea(path + "/area", store: trial.folders)
                    for swept in try await area.sweep() {
                        guard case .saved = swept.end else { throw FolderError(.damaged, "\(swept)") }
                    }
                    let (folder, report) = try await area.open(self.key)
                    #expect(try Snapshot(folder.path) == worked)
                    #expect(report.generation == 2)
                    try await area.discard(folder)
                }
            }
            if hasEnded { return }
        }
        Issue.record("closing has no end")
    }

    @Test func aFolderThatWasNotWholeYetIsRemoved() async throws {
        try await withTemporaryFolder { path in
            let store = MemoryStore()
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                for name in ["one", "two"] { try Disk(path: folder.path).file(name, [1]) }
                _ = try await area.close(folder)
            }
            // As it lies there when the process is killed while it restores.
            let marker = FolderMarker(
                key: self.key, phase: .restoring, lineage: FolderLineage(run: 5, generation: 0), boot: "")
            try Disk(path: path + "/area").file("\(self.key.id).marker", marker.bytes)
            try Disk(path: path + "/area").folder("\(self.key.id)")
            try Disk(path: path + "/area").file("\(self.key.id)/one", [1])
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                #expect(try await area.sweep() == [.init(id: self.key.id, end: .unfinished)])
                let (folder, _) = try await area.open(self.key)
                #expect(try Snapshot(folder.path).entries.count == 2)
                try await area.discard(folder)
            }
        }
    }

    @Test func whatWasBeingRemovedAndWrittenIsTidiedUpAndTheRestLeftAlone() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("area")
            let area = Disk(path: path + "/area")
            let id = self.key.id
            try area.folder("\(id).gone")
            try area.file("\(id).gone/file", [1])
            try area.file("\(id).marker.new", [1])
            try area.folder("something else")
            try area.file("something else/file", [1])
            try area.file("notes.marker", [1])
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(area.path, store: trial.folders)
                #expect(try await area.sweep().isEmpty)
                #expect(try self.names(in: area.path) == ["notes.marker", "something else"])
            }
        }
    }

    @Test func aMarkerThatCannotBeReadKeepsItsFolder() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("area")
            let area = Disk(path: path + "/area")
            try area.folder("\(self.key.id)")
            try area.file("\(self.key.id)/file", [1])
            try area.file("\(self.key.id).marker", [])
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(area.path, store: trial.folders)
                let error = try await expectFolderError(.damaged) { try await area.open(self.key) }
                #expect(error.reason.contains("\(self.key.id).marker"))
                #expect(try await area.sweep().count == 1)
                #expect(try Snapshot(area.path + "/\(self.key.id)").entries.count == 1)
            }
        }
    }

    @Test func aFolderThatSomebodyElseHasSavedSinceDoesNotCount() async throws {
        try await withTemporaryFolder { path in
            let store = MemoryStore()
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("stale", [1])
                // Another process, with another area.
                let (other, _) = try await FolderArea(path + "/other", store: trial.folders).open(self.key)
                try Disk(path: other.path).file("newer", [2])
                _ = try await trial.folders.save(other.path, as: self.key)
                try await expectFolderError(.superseded) { try await area.close(folder) }
                #expect(area.counts == (0, 0))
                let (again, _) = try await area.open(self.key)
                #expect(try Snapshot(again.path).entries.map(\.path.description) == ["newer"])
                // And deleted.
                try await trial.folders.delete(self.key)
                try await expectFolderError(.superseded) { try await area.snapshot(again) }
                try await expectFolderError(.superseded) { try await area.close(again) }
                #expect(try await !trial.folders.exists(self.key))
            }
        }
    }

    @Test func aFolderThatHasGrownTooLargeIsRemovedAndWhatWasSavedStays() async throws {
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore(), limits: FolderLimits(bytesMax: .bytes(10))) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("file", [1, 2, 3])
                _ = try await area.snapshot(folder)
                try Disk(path: folder.path).file("file", [UInt8](repeating: 1, count: 11))
                try await expectFolderError(.overLimit) { try await area.snapshot(folder) }
                try await expectFolderError(.overLimit) { try await area.close(folder) }
                #expect(area.counts == (0, 0))
                #expect(try self.names(in: area.path).isEmpty)
                let (again, _) = try await area.open(self.key)
                #expect(try Snapshot(again.path).entries.map(\.bytes) == [[1, 2, 3]])
                try await area.discard(again)
            }
        }
    }

    @Test func whatCannotBeSavedStaysUntilItCan() async throws {
        try await withTemporaryFolder { path in
            let engineLimits = EngineLimits(unavailableMax: .nanoseconds(1))
            try await FolderTrial.run(MemoryStore(), engineLimits: engineLimits) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("file", [1])
                trial.store.setUnavailable(true)
                try await expectFolderError(.unavailable) { try await area.close(folder) }
                #expect(area.counts == (0, 1))
                guard case .failed(let error) = try await area.sweep().first?.end else {
                    Issue.record("it was swept")
                    return
                }
                #expect(error.isRetryable)
                // It cannot be opened without what was in it.
                try await expectFolderError(.unavailable) { try await area.open(self.key) }
                try await expectFolderError(.unavailable) { try await area.open(.number(2)) }
                #expect(area.counts == (0, 1))
                trial.store.setUnavailable(false)
                let (again, report) = try await area.open(self.key)
                #expect((report.generation, report.files) == (1, 1))
                try await area.discard(again)
                #expect(try self.names(in: area.path).isEmpty)
            }
        }
    }

    @Test func whoeverHasNoRoomLeftLosesNothingAndOpensFewMore() async throws {
        try await withTemporaryFolder { path in
            let storage = StorageLimits(totalMax: .mebibytes(40), accountMax: .kibibytes(100))
            let store = MemoryStore()
            try await FolderTrial.run(store, engineLimits: EngineLimits(storage: storage)) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                for number in 0..<FolderArea.leftMax {
                    let (folder, _) = try await area.open(.number(number))
                    try Disk(path: folder.path).file("file", Disk.noise(101 << 10, seed: 1))
                    try await expectFolderError(.storageFull) { try await area.close(folder) }
                }
                #expect(area.counts == (0, FolderArea.leftMax))
                try await expectFolderError(.storageFull) { try await area.open(.number(9)) }
                try await expectFolderError(.storageFull) { try await area.open(.number(0)) }
                // It is nobody else's trouble.
                let other = FolderKey(id: StateObjectID(bits: 99), account: .principal(2), retention: .seconds(1_000))
                try await area.discard(area.open(other).folder)
            }
            // In another process, with more room.
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                try await expectFolderError(.storageFull) { try await area.open(.number(9)) }
                #expect(try await area.sweep().count == FolderArea.leftMax)
                let (folder, report) = try await area.open(.number(0))
                #expect(report.bytes == 101 << 10)
                try await area.discard(folder)
            }
        }
    }

    @Test func whatWasSnapshotAndDeletedIsNotBroughtBackByTheNextProcess() async throws {
        try await withTemporaryFolder { path in
            let store = MemoryStore()
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("file", [1])
                #expect(try await area.snapshot(folder).generation == 1)
                #expect(try await area.snapshot(folder).generation == 1)
                try await trial.folders.delete(self.key)
            }
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let swept = try await area.sweep()
                #expect(swept == [.init(id: self.key.id, end: .failed(.superseded))])
                #expect(try await !trial.folders.exists(self.key))
                #expect(try self.names(in: area.path).isEmpty)
            }
        }
    }

    @Test func afterTheMachineHasStartedAnewTornFilesThatNobodyTouchedAreNotSaved() async throws {
        try await withTemporaryFolder { path in
            let store = MemoryStore()
            let boots = try ["one", "two"].map { try self.withMachine(boot: $0, path) }
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders, system: boots[0])
                let (folder, _) = try await area.open(self.key)
                for name in ["untouched", "written"] { try Disk(path: folder.path).file(name, [1, 2, 3]) }
                _ = try await area.close(folder)
                let (again, _) = try await area.open(self.key)
                // What loss of power leaves of a file that was never flushed: its times, and no bytes.
                let tree = try FolderTree(at: again.path)
                let entry = try #require(try Snapshot(again.path).entries.first)
                #expect(truncate(again.path + "/untouched", 0) == 0)
                try tree.file(entry.path, O_RDONLY).set(mode: entry.mode, modified: entry.modified)
                try Disk(path: again.path).file("written", [4])
                try Disk(path: again.path).file("new", [5])
            }
            try await FolderTrial.run(store) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders, system: boots[1])
                _ = try await area.sweep()
                let (folder, _) = try await area.open(self.key)
                let bytes = Dictionary(
                    uniqueKeysWithValues: try Snapshot(folder.path).entries.map { ($0.path.description, $0.bytes) })
                #expect(bytes == ["untouched": [1, 2, 3], "written": [4], "new": [5]])
                // While the machine has been running, a file that was emptied is empty.
                #expect(truncate(folder.path + "/untouched", 0) == 0)
                let entry = try #require(try Snapshot(folder.path).entries.first { $0.path.description == "written" })
                try FolderTree(at: folder.path).file(FolderPath(Array("untouched".utf8)), O_RDONLY)
                    .set(mode: entry.mode, modified: entry.modified)
                #expect(try await area.close(folder).bytes == 2)
            }
        }
    }

    @Test func aFolderThatWasClosedToItsOwnerIsSaved() async throws {
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try Disk(path: folder.path).file("file", [1])
                #expect(chmod(folder.path, 0) == 0)
                #expect(try await area.close(folder).files == 1)
                #expect(try self.names(in: area.path).isEmpty)
            }
        }
    }

    @Test func aFolderIsRemovedHoweverDeepItIsAndWhateverItAllows() async throws {
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                let area = try FolderArea(path + "/area", store: trial.folders)
                let (folder, _) = try await area.open(self.key)
                try self.makeDeep(in: folder.path, depth: 3_000)
                for number in 0..<1_100 { try Disk(path: folder.path).file("\(number)", []) }
                try Disk(path: folder.path).folder("closed")
                try Disk(path: folder.path).file("closed/.removed-1", [1])
                #expect(symlink("/etc", folder.path + "/closed/link") == 0)
                #expect(chmod(folder.path + "/closed", 0) == 0)
                #expect(chmod(folder.path, 0o100) == 0)
                try await area.discard(folder)
                #expect(try self.names(in: area.path).isEmpty)
            }
        }
    }

    /// Folders in folders, deeper than any path may be long.
    private func makeDeep(in path: String, depth: Int) throws {
        var folder = try Descriptor.folder(at: path)
        for _ in 0..<depth {
            for name in ["d", "e"] { try folder.makeFolder(Array(name.utf8)) }
            folder = try folder.openFolder(Array("d".utf8))
        }
    }

    @Test func markersAreReadAsTheyWereWritten() throws {
        for account in [AccountID.principal(1 << 127), .anonymous(0)] {
            let marker = FolderMarker(
                key: FolderKey(id: StateObjectID(bits: 17), account: account, retention: .milliseconds(90_061_001)),
                phase: .inUse, lineage: FolderLineage(run: .max, generation: .max), boot: "9e3f\"\n")
            #expect(FolderMarker(marker.bytes) == marker)
            for count in 0..<marker.bytes.count - 2 { #expect(FolderMarker(Array(marker.bytes[..<count])) == nil) }
        }
    }
}
