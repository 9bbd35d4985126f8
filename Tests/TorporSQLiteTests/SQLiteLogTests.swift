import CSQLite
import Foundation
import Testing
import TorporCore
import TorporStore
import TorporStoreTestKit

@testable import TorporSQLite

@Suite struct SQLiteLogTests {
    /// The log and its length after each of some commits that change one object.
    private func commit(
        _ count: Int, _ draft: inout ObjectDraft, _ trial: StoreTrial, eachTime: () throws -> Void = {}
    ) async throws {
        for number in 1...count {
            draft = draft.next([([1], [UInt8](repeating: UInt8(number & 0xFF), count: 3_000))])
            try await trial.commit(draft)
            try eachTime()
        }
    }

    @Test func theLogStaysBoundedOverTenThousandCommits() async throws {
        try await withTemporaryFolder { folder in
            var factory = SQLiteStoreFactory(folder: folder)
            factory.configuration.checkpointBytes = 256 << 10
            try await factory.withStore { store, trial in
                try await store.goWithoutSyncing()
                var draft = try await trial.draft(1)
                try await trial.commit(draft)
                var longest = 0
                try await self.commit(10_000, &draft, trial) {
                    longest = max(longest, fileSize(factory.path + "-wal"))
                }
                // It is copied after the commit that takes it past its length.
                #expect(longest > 256 << 10 && longest < 300 << 10)
                #expect(fileSize(factory.path) < 100 << 10)
            }
        }
    }

    @Test func theLogStaysBoundedWhileReadersAreNeverAllGone() async throws {
        try await withTemporaryFolder { folder in
            var factory = SQLiteStoreFactory(folder: folder)
            factory.configuration.checkpointBytes = 64 << 10
            try await factory.withStore { store, trial in
                try await store.goWithoutSyncing()
                var draft = try await trial.draft(1)
                try await trial.commit(draft)
                var longest = 0
                try await withThrowingDiscardingTaskGroup { group in
                    for _ in 1...4 {
                        group.addTask {
                            while !Task.isCancelled { _ = try? await trial.record(1) }
                        }
                    }
                    try await self.commit(2_000, &draft, trial) {
                        longest = max(longest, fileSize(factory.path + "-wal"))
                    }
                    group.cancelAll()
                }
                #expect(longest < 400 << 10)
            }
        }
    }

    @Test func aForeignReaderHoldsCommitsUpOnlyWhenTheLogHasReachedItsBound() async throws {
        try await withTemporaryFolder { folder in
            var factory = SQLiteStoreFactory(folder: folder)
            factory.configuration.checkpointBytes = 16 << 10
            factory.configuration.logBytesMax = 200 << 10
            factory.configuration.busyMilliseconds = 1
            try await factory.withStore { store, trial in
                var draft = try await trial.draft(1)
                try await trial.commit(draft)
                let reader = try ForeignConnection(factory.path)
                try reader.execute("BEGIN; SELECT * FROM objects")
                while fileSize(factory.path + "-wal") < 200 << 10 { try await self.commit(1, &draft, trial) }
                let next = draft.next([([1], [1])])
                do throws(StoreError) {
                    _ = try await store.commit(CommitBatch([next]))
                    Issue.record("the log grew beyond its bound")
                } catch {
                    #expect(error.code == .unavailable)
                    #expect(error.reason.contains("another program reads the database"))
                }
                // What was committed is read all the same.
                #expect(try await trial.record(1).header.revision == draft.revision)
                try reader.execute("ROLLBACK")
                try await trial.commit(next)
                draft = next
                try await self.commit(5, &draft, trial)
                #expect(fileSize(factory.path + "-wal") < 200 << 10)
            }
        }
    }

    @Test func aPauseCopiesTheLogOnce() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { store, trial in
                try await trial.commit(try await trial.draft(1, values: [([1], [1])]))
                #expect(try await store.withWriter(\.restDelay) != nil)
                try await store.withWriter { $0.rest() }
                #expect(try await store.withWriter(\.restDelay) == nil)
                // The database has it now: without its log it is whole.
                try FileManager.default.copyItem(atPath: factory.path, toPath: folder + "/copy.db")
                #expect(try ForeignConnection(folder + "/copy.db").integer("SELECT count(*) FROM object_values") == 1)
            }
        }
    }

    @Test func closingLeavesOneFileAndNoLog() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, trial in
                try await trial.commit(try await trial.draft(1))
                _ = try await trial.record(1)
            }
            #expect(
                try Set(FileManager.default.contentsOfDirectory(atPath: folder)) == ["torpor.db", "torpor.db-lock"])
        }
    }

    @Test func whatIsDeletedIsUsedAgain() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { store, trial in
                var sizes: [Int] = []
                for round in 0..<10 as Range<UInt128> {
                    var drafts: [ObjectDraft] = []
                    for number in 1...50 as ClosedRange<UInt128> {
                        let values = [(key: [UInt8(1)], stored: [UInt8]?.some([UInt8](repeating: 1, count: 5_000)))]
                        drafts.append(try await trial.draft(round * 100 + number, values: values))
                    }
                    try await trial.commit(drafts)
                    try await store.withWriter { $0.rest() }
                    sizes.append(fileSize(factory.path))
                    try await trial.commit(drafts.map { $0.next(nil) })
                }
                #expect(sizes[0] > 250_000)
                #expect(sizes[9] < sizes[0] + sizes[0] / 4)
            }
        }
    }

    @Test func usageTellsWhatTheFilesAndTheDiskHave() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { store, trial in
                let before = try await store.usage()
                try await trial.commit(try await trial.draft(1, values: [([1], [UInt8](repeating: 1, count: 50_000))]))
                let after = try await store.usage()
                #expect(after.storedBytes == 50_000)
                #expect(after.fileBytes >= before.fileBytes + 50_000)
                #expect(after.fileBytes == fileSize(factory.path) + fileSize(factory.path + "-wal"))
                let disk = try #require(after.disk)
                #expect(disk.freeBytes > 0 && disk.freeBytes < disk.sizeBytes)
            }
        }
    }

    @Test func tombstonesPastTheirTimeAreForgottenFromTheFront() async throws {
        try await withTemporaryFolder { folder in
            try await SQLiteStoreFactory(folder: folder).withStore { store, trial in
                func leave(_ numbers: ClosedRange<UInt128>, until: Int64, at time: Int64) async throws {
                    var drafts: [ObjectDraft] = []
                    for number in numbers {
                        var draft = try await trial.draft(number, values: nil)
                        draft.tombstone = Tombstone(session: draft.id, until: WallTime(milliseconds: until))
                        drafts.append(draft)
                    }
                    let batch = CommitBatch(drafts, time: WallTime(milliseconds: time))
                    _ = try await store.commit(batch)
                }
                try await leave(1...4, until: 100, at: 0)
                try await leave(5...6, until: 500, at: 0)
                try await leave(7...8, until: 100, at: 0)
                #expect(try await trial.tombstones().count == 8)
                // Twice as many as are left.
                try await leave(9...9, until: 900, at: 100)
                #expect(try await trial.tombstones().map(\.session.bits) == Array(3...9))
                try await leave(10...13, until: 900, at: 100)
                #expect(try await trial.tombstones().map(\.session.bits) == Array(5...13))
                let behindTwo = try await store.tombstones(skipping: 2, limit: 2)
                #expect(behindTwo.map(\.session.bits) == [7, 8])
            }
        }
    }
}
