import Foundation
import Testing
import TorporCore
import TorporEngine
import TorporStore

@testable import TorporHosting

/// What is left out of a folder, and what makes a folder too large.
@Suite struct FolderRefusalTests {
    private let key = FolderKey.number(1)

    @Test func linksAndWhatIsNoFileAreLeftOutAndNamed() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try Disk(path: path).file("secret", Array("outside".utf8))
            try disk.file("kept", [1])
            try disk.file("named twice", [2])
            #expect(link(disk.path + "/named twice", disk.path + "/other name") == 0)
            #expect(link(path + "/secret", disk.path + "/hard link out") == 0)
            #expect(symlink("../secret", disk.path + "/link out") == 0)
            #expect(symlink("kept", disk.path + "/link in") == 0)
            #expect(symlink("..", disk.path + "/folder link") == 0)
            #expect(mkfifo(disk.path + "/pipe", 0o600) == 0)
            #expect(try self.makeSocket(at: disk.path + "/socket"))
            try await FolderTrial.run(MemoryStore()) { trial in
                let report = try await trial.folders.save(disk.path, as: self.key)
                #expect(report.files == 1)
                #expect(report.leftOut.count == 8)
                let reasons = Dictionary(
                    uniqueKeysWithValues: report.leftOut.entries.map { ($0.path.description, $0.reason) })
                #expect(
                    reasons == [
                        "named twice": .hardLink, "other name": .hardLink, "hard link out": .hardLink,
                        "link out": .symbolicLink, "link in": .symbolicLink, "folder link": .symbolicLink,
                        "pipe": .special, "socket": .special,
                    ])
                #expect(report.leftOut.description.contains("link out (symbolic link)"))
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b").entries.map(\.path) == [FolderPath(Array("kept".utf8))])
            }
        }
    }

    @Test func deviceFilesAndFilesOfOthersAreLeftOut() async throws {
        // Only root can make them.
        guard geteuid() == 0 else { return }
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("kept", [1])
            try disk.file("foreign", [1])
            try disk.folder("foreign folder")
            try disk.file("foreign folder/file", [1])
            #expect(chown(disk.path + "/foreign", 65_534, 65_534) == 0)
            #expect(chown(disk.path + "/foreign folder", 65_534, 65_534) == 0)
            var expected: [LeftOut.Reason] = [.foreignOwner, .foreignOwner]
            // Some containers allow no devices.
            if mknod(disk.path + "/null", S_IFCHR | 0o666, 0x103) == 0 { expected.append(.special) }
            try await FolderTrial.run(MemoryStore()) { [expected] trial in
                let report = try await trial.folders.save(disk.path, as: self.key)
                #expect(report.files == 1)
                #expect(report.leftOut.count == expected.count)
                #expect(report.leftOut.entries.map(\.reason).sorted { $0.rawValue < $1.rawValue } == expected)
            }
        }
    }

    @Test func whatCannotBeReadIsLeftOutAndKeepsWhatWasSaved() async throws {
        // Root reads everything.
        guard geteuid() != 0 else { return }
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("file", [1])
            try disk.folder("folder")
            try disk.file("folder/file", [2])
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(disk.path, as: self.key)
                try disk.file("file", [3], mode: 0o200)
                #expect(chmod(disk.path + "/folder", 0o300) == 0)
                let report = try await trial.folders.save(disk.path, as: self.key)
                #expect(report.leftOut.entries.map(\.path.description) == ["folder", "file"])
                #expect(report.leftOut.entries.map(\.reason) == [.unreadable, .unreadable])
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b").entries.map(\.bytes) == [[1]])
            }
        }
    }

    @Test func theFirstTenThatAreLeftOutAreNamedAndAllAreCounted() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            for number in 0..<25 { #expect(symlink("x", "\(path)/a/\(number)") == 0) }
            try await FolderTrial.run(MemoryStore()) { trial in
                let leftOut = try await trial.folders.save(path + "/a", as: self.key).leftOut
                #expect((leftOut.count, leftOut.entries.count) == (25, 10))
                #expect(leftOut.description.hasSuffix(", …"))
            }
        }
    }

    @Test func aFolderThatIsALinkIsNotFollowed() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            try Disk(path: path + "/a").file("kept", [1])
            #expect(symlink("a", path + "/link") == 0)
            try await FolderTrial.run(MemoryStore()) { trial in
                try await expectFolderError(.inaccessible) {
                    try await trial.folders.save(path + "/link", as: self.key)
                }
                try await expectFolderError(.inaccessible) {
                    try await trial.folders.save(path + "/none", as: self.key)
                }
                _ = try await trial.folders.save(path + "/a", as: self.key)
                try await expectFolderError(.inaccessible) {
                    try await trial.folders.restore(self.key, into: path + "/link")
                }
            }
        }
    }

    @Test func aFolderAsLargeAsAllowedIsSavedAndOneByteMoreIsNot() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("big", Disk.noise(700_000, seed: 1))
            try disk.file("bigger", Disk.noise(800_000, seed: 2))
            try disk.file("small", Disk.noise(100, seed: 3))
            let limits = FolderLimits(bytesMax: .bytes(1_500_100))
            try await FolderTrial.run(MemoryStore(), limits: limits) { trial in
                let saved = try Snapshot(disk.path)
                #expect(try await trial.folders.save(disk.path, as: self.key).bytes == 1_500_100)
                let counts = trial.store.counts
                try disk.file("small", Disk.noise(101, seed: 3))
                let error = try await expectFolderError(.overLimit) {
                    try await trial.folders.save(disk.path, as: self.key)
                }
                #expect(error.reason.contains("bigger (781.2 KiB), big (683.5 KiB), small (101 bytes)"))
                #expect(error.reason.contains("1.4 MiB"))
                #expect(trial.store.counts == counts)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == saved)
            }
        }
    }

    @Test func asManyFilesAsAllowedAreSavedAndOneMoreIsNot() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.folder("folder")
            for number in 0..<48 { try disk.file("folder/\(number)", [1]) }
            // What is left out counts, too: it has to be looked at.
            #expect(symlink("x", disk.path + "/link") == 0)
            try await FolderTrial.run(MemoryStore(), limits: FolderLimits(entriesMax: 50)) { trial in
                #expect(try await trial.folders.save(disk.path, as: self.key).files == 48)
                try disk.file("one more", [])
                let error = try await expectFolderError(.overLimit) {
                    try await trial.folders.save(disk.path, as: self.key)
                }
                #expect(error.reason.contains("more than 50"))
            }
        }
    }

    @Test func aFolderAsDeepAsAllowedIsSavedAndOneDeeperIsNot() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            var deep = ""
            for _ in 0..<31 {
                deep += deep.isEmpty ? "d" : "/d"
                try disk.folder(deep)
            }
            try disk.file(deep + "/file", [1])
            try await FolderTrial.run(MemoryStore()) { trial in
                #expect(try await trial.folders.save(disk.path, as: self.key).folders == 31)
                disk.remove(deep + "/file")
                try disk.folder(deep + "/d")
                #expect(try await trial.folders.save(disk.path, as: self.key).folders == 32)
                try disk.file(deep + "/d/file", [1])
                try await expectFolderError(.overLimit) { try await trial.folders.save(disk.path, as: self.key) }
            }
        }
    }

    @Test func aPathAsLongAsAllowedIsSavedAndOneByteMoreIsNot() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.folder("folder")
            try await FolderTrial.run(MemoryStore(), limits: FolderLimits(pathMax: 20)) { trial in
                try disk.file("folder/" + String(repeating: "x", count: 13), [1])
                #expect(try await trial.folders.save(disk.path, as: self.key).files == 1)
                try disk.file("folder/" + String(repeating: "x", count: 14), [1])
                try await expectFolderError(.overLimit) { try await trial.folders.save(disk.path, as: self.key) }
            }
        }
    }

    @Test func anIndexLargerThanAllowedIsNotStored() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            for number in 10..<20 { try disk.file("\(number)", []) }
            try await FolderTrial.run(MemoryStore(), limits: FolderLimits(indexMax: 42 * 10)) { trial in
                #expect(try await trial.folders.save(disk.path, as: self.key).files == 10)
                try disk.file("x", [])
                try await expectFolderError(.overLimit) { try await trial.folders.save(disk.path, as: self.key) }
                #expect(try await trial.storedObjects().count == 1)
            }
        }
    }

    @Test func aFileOfHolesCountsAsWhatItClaims() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("holes", [])
            try disk.file("more holes", [])
            #expect(truncate(disk.path + "/holes", 1 << 20) == 0)
            try await FolderTrial.run(MemoryStore()) { trial in
                let saved = try Snapshot(disk.path)
                #expect(try await trial.folders.save(disk.path, as: self.key).bytes == 1 << 20)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == saved)
                #expect(truncate(disk.path + "/holes", 1 << 42) == 0)
                try await expectFolderError(.overLimit) { try await trial.folders.save(disk.path, as: self.key) }
            }
        }
    }

    @Test func whoHasNoRoomLeftKeepsWhatWasSaved() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            let disk = Disk(path: path + "/a")
            try disk.file("file", Disk.noise(1 << 20, seed: 1))
            let storage = StorageLimits(totalMax: .mebibytes(40), accountMax: .mebibytes(6))
            try await FolderTrial.run(MemoryStore(), engineLimits: EngineLimits(storage: storage)) { trial in
                let saved = try Snapshot(disk.path)
                _ = try await trial.folders.save(disk.path, as: self.key)
                let objects = try await trial.storedObjects()
                try disk.file("large", Disk.noise(9 << 20, seed: 2))
                let error = try await expectFolderError(.storageFull) {
                    try await trial.folders.save(disk.path, as: self.key)
                }
                #expect(error.reason.contains("may take 6 MiB"))
                // What was written before there was no room is gone.
                #expect(try await trial.storedObjects().map(\.id) == objects.map(\.id))
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Snapshot(path + "/b") == saved)
                disk.remove("large")
                #expect(try await trial.folders.save(disk.path, as: self.key).generation == 1)
            }
        }
    }

    @Test func aFolderIsRestoredIntoAnEmptyPlaceOnly() async throws {
        try await withTemporaryFolder { path in
            try Disk(path: path).folder("a")
            try Disk(path: path + "/a").file("file", [1])
            try Disk(path: path).folder("b", mode: 0o777)
            try await FolderTrial.run(MemoryStore()) { trial in
                _ = try await trial.folders.save(path + "/a", as: self.key)
                _ = try await trial.folders.restore(self.key, into: path + "/b")
                #expect(try Descriptor.folder(at: path + "/b").status().permissions == 0o700)
                try await expectFolderError(.inaccessible) {
                    try await trial.folders.restore(self.key, into: path + "/b")
                }
                // What was there is there still.
                #expect(try Snapshot(path + "/b") == Snapshot(path + "/a"))
            }
        }
    }

    private func makeSocket(at path: String) throws -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
