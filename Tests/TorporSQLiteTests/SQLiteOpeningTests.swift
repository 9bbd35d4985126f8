import CSQLite
import Foundation
import Testing
import TorporStoreTestKit

@testable import TorporSQLite
import TorporTestSupport

@Suite struct SQLiteOpeningTests {
    @Test func theFilesAreReadableByTheirOwnerAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in
                try await trial.commit(try await trial.draft(1))
                for suffix in ["", "-wal", "-shm", "-lock"] {
                    var information = stat()
                    #expect(stat(factory.path + suffix, &information) == 0)
                    #expect(information.st_mode & 0o777 == 0o600, "\(suffix)")
                }
            }
            #expect(fileSize(factory.path + "-wal") == 0)
        }
    }

    @Test func aSecondOpenerIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in
                try await trial.commit(try await trial.draft(1))
                let text = try await factory.openingFailure(.inUse)
                #expect(text.contains("process \(getpid())"))
                // By another name, too.
                try FileManager.default.createSymbolicLink(
                    atPath: folder + "/link.db", withDestinationPath: factory.path)
                var other = factory
                other.configuration.path = folder + "/link.db"
                await #expect(throws: SQLiteStoreError.self) { _ = try await other.open() }
                // The one that has it does not notice.
                _ = try await trial.record(1)
            }
            try await factory.withStore { _, trial in _ = try await trial.record(1) }
        }
    }

    @Test func aSecondProcessIsToldWhoHasTheStore() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            let holder = Int(getpid())
            try await factory.withStore { _, _ in
                await #expect(processExitsWith: .success) { [folder = folder as String, holder = holder as Int] in
                    let text = try await SQLiteStoreFactory(folder: folder).openingFailure(.inUse)
                    precondition(text.contains("in use by process \(holder)"), text)
                }
            }
            await #expect(processExitsWith: .success) { [folder = folder as String] in
                try await SQLiteStoreFactory(folder: folder).withStore { _, _ in }
            }
        }
    }

    @Test func aStoreNeedsAFileInAFolderThatExists() async throws {
        for path in ["", ":memory:", "/nowhere/torpor.db", "/tmp/", "/"] {
            let failure = await #expect(throws: SQLiteStoreError.self, "\(path)") {
                _ = try await SQLiteStore.open(SQLiteConfiguration(path: path))
            }
            #expect(failure?.code == .inaccessible, "\(path)")
        }
    }

    // Root may write everything: the processes below go on as somebody who owns nothing.

    @Test func aFolderThatCannotBeWrittenIsNamed() async throws {
        try await withTemporaryFolder { folder in
            try Self.setMode(0o555, of: folder)
            await #expect(processExitsWith: .success) { [folder = folder as String] in
                _ = seteuid(65_534)
                let text = try await SQLiteStoreFactory(folder: folder).openingFailure(.inaccessible)
                precondition(text.contains("-lock cannot be opened for writing: "), text)
                precondition(text.contains("The folder must be writable"), text)
            }
        }
    }

    @Test func aFileThatCannotBeWrittenIsNamedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in try await trial.commit(try await trial.draft(1)) }
            let before = try Data(contentsOf: URL(filePath: factory.path))
            try Self.setMode(0o777, of: folder)
            try Self.setMode(0o666, of: factory.path + "-lock")
            try Self.setMode(0o444, of: factory.path)
            await #expect(processExitsWith: .success) { [folder = folder as String] in
                _ = seteuid(65_534)
                let text = try await SQLiteStoreFactory(folder: folder).openingFailure(.inaccessible)
                precondition(text.contains("torpor.db cannot be opened for writing: "), text)
            }
            #expect(try Data(contentsOf: URL(filePath: factory.path)) == before)
            try Self.setMode(0o600, of: factory.path)
            try await factory.withStore { _, trial in _ = try await trial.record(1) }
        }
    }

    private static func setMode(_ mode: Int, of path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test func whatIsNoDatabaseIsNamedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            var random = SeededGenerator(seed: 1)
            for content in [Data("not a database".utf8), Data(random.bytes(100_000))] {
                try content.write(to: URL(filePath: factory.path))
                _ = try await factory.openingFailure(.notADatabase)
                #expect(try Data(contentsOf: URL(filePath: factory.path)) == content)
            }
        }
    }

    @Test func anotherProgramsDatabaseIsNamedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try ForeignConnection(factory.path).execute("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
            let before = try Data(contentsOf: URL(filePath: factory.path))
            _ = try await factory.openingFailure(.foreignDatabase)
            #expect(try Data(contentsOf: URL(filePath: factory.path)) == before)
            // Also where it has no tables yet.
            try FileManager.default.removeItem(atPath: factory.path)
            try ForeignConnection(factory.path).execute("PRAGMA application_id = 7")
            _ = try await factory.openingFailure(.foreignDatabase)
        }
    }

    @Test func aNewerFormatIsNamedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in try await trial.commit(try await trial.draft(1)) }
            try ForeignConnection(factory.path).execute("PRAGMA user_version = \(Schema.format + 1)")
            let text = try await factory.openingFailure(.newerFormat)
            #expect(text.contains("format \(Schema.format + 1)"))
            try ForeignConnection(factory.path).execute("PRAGMA user_version = \(Schema.format)")
            try await factory.withStore { _, trial in _ = try await trial.record(1) }
        }
    }

    @Test func aTruncatedFileIsNamedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in
                try await trial.commit(try await trial.draft(1, values: [([1], [UInt8](repeating: 1, count: 50_000))]))
            }
            let whole = try Data(contentsOf: URL(filePath: factory.path))
            for count in [1, 99, 100, 4_096, 5_000, 8_192, whole.count - 4_096, whole.count - 1] {
                try whole.prefix(count).write(to: URL(filePath: factory.path))
                // Of one byte nobody can tell what it was.
                let code: SQLiteStoreError.Code = count == 1 ? .notADatabase : .corrupt
                let text = try await factory.openingFailure(code, "with \(count) bytes")
                if code == .corrupt { #expect(text.contains(".recover")) }
                #expect(try Data(contentsOf: URL(filePath: factory.path)) == whole.prefix(count), "\(count)")
            }
        }
    }

    @Test func aLogWithoutItsDatabaseIsNamedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { store, trial in
                try await trial.commit(try await trial.draft(1))
                try FileManager.default.copyItem(atPath: factory.path + "-wal", toPath: folder + "/copy.db-wal")
            }
            var other = factory
            other.configuration.path = folder + "/copy.db"
            let size = fileSize(other.path + "-wal")
            for isEmpty in [false, true] {
                if isEmpty { try Data().write(to: URL(filePath: other.path)) }
                let text = try await other.openingFailure(.logWithoutDatabase)
                #expect(text.contains("copy.db-wal holds changes"))
                #expect(size > 0 && fileSize(other.path + "-wal") == size)
            }
        }
    }

    @Test func aDatabaseThatAnotherProgramHasLockedIsNamed() async throws {
        try await withTemporaryFolder { folder in
            var factory = SQLiteStoreFactory(folder: folder)
            factory.configuration.busyMilliseconds = 1
            try await factory.withStore { _, trial in try await trial.commit(try await trial.draft(1)) }
            let other = try ForeignConnection(factory.path)
            try other.execute("BEGIN IMMEDIATE")
            _ = try await factory.openingFailure(.locked)
            try other.execute("ROLLBACK")
            try await factory.withStore { _, trial in _ = try await trial.record(1) }
        }
    }

    @Test func networkFileSystemsAreKnownByTheirNumbers() {
        for type in [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x6573_5546] as [UInt32] {
            #expect(NetworkFileSystem.name(ofType: type) != nil)
        }
        // ext4, XFS, Btrfs, tmpfs, overlay, ZFS.
        for type in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1] as [UInt32] {
            #expect(NetworkFileSystem.name(ofType: type) == nil)
        }
        #expect(torpor_file_system_type("/proc") == 0x9FA0)
        #expect(torpor_file_system_type("/nowhere") == 0)
    }

    @Test func theVersionsWhoseLogsMayBeDamagedAreKnown() throws {
        for version in [3_007_000, 3_040_001, 3_044_005, 3_044_007, 3_050_006, 3_051_002] as [Int32] {
            #expect(SQLiteLibrary.isAffectedByLogResetBug(version), "\(version)")
        }
        for version in [3_006_023, 3_044_006, 3_050_007, 3_051_003, 3_052_000] as [Int32] {
            #expect(!SQLiteLibrary.isAffectedByLogResetBug(version), "\(version)")
        }
        #expect(SQLiteLibrary.version.split(separator: ".").count >= 3)
        try SQLiteLibrary.check(3_031_000)
        let failure = #expect(throws: SQLiteStoreError.self) { try SQLiteLibrary.check(3_030_001) }
        #expect(failure?.code == .libraryTooOld)
    }

    @Test func anUncleanStopIsToldAndTheFileChecked() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in
                for number in 1...50 as ClosedRange<UInt128> {
                    try await trial.commit(
                        try await trial.draft(number, values: [([1], [UInt8](repeating: 7, count: 3_000))]))
                }
                // What a process that is killed leaves behind.
                for suffix in ["", "-wal"] {
                    try FileManager.default.copyItem(atPath: factory.path + suffix, toPath: folder + "/copy\(suffix)")
                }
            }
            let log = EventLog()
            var copy = factory
            copy.configuration.path = folder + "/copy"
            copy.report = log.append
            try await copy.withStore { _, trial in
                for number in 1...50 as ClosedRange<UInt128> { _ = try await trial.record(number) }
                await log.wait(for: 2)
                #expect(log.events == [.stoppedUncleanly, .checkPassed])
            }
            // Closed properly, it is not checked again.
            try await copy.withStore { _, _ in }
            #expect(log.events == [.stoppedUncleanly, .checkPassed])
            try await factory.withStore { _, _ in }
        }
    }

    @Test func damageFoundByTheCheckIsToldAtEachStartUntilItIsGone() async throws {
        try await withTemporaryFolder { folder in
            let log = EventLog()
            var factory = SQLiteStoreFactory(folder: folder)
            factory.report = log.append
            try await factory.withStore { _, trial in
                for number in 1...200 as ClosedRange<UInt128> { try await trial.commit(try await trial.draft(number)) }
            }
            #expect(log.events == [])
            try overwritePage(ofRoot: "objects_by_expiry", in: factory.path)
            try ForeignConnection(factory.path).execute("UPDATE meta SET value = 1 WHERE name = 'is_open'")
            for start in 1...2 {
                try await factory.withStore { _, trial in
                    await log.wait(for: start + 1)
                    _ = try await trial.record(1)
                }
                guard case .checkFailed(let findings) = log.events.last else {
                    throw StoreConformanceFailure("found \(log.events)")
                }
                #expect(!findings.isEmpty && findings.count <= 10)
            }
            #expect(log.events.first == .stoppedUncleanly && log.events.count == 3)
        }
    }
}
