import CSQLite
import Foundation
import Testing
import TorporCore
import TorporStore
import TorporSystem
import TorporStoreTestKit

@testable import TorporSQLite

@Suite struct SQLiteFailureTests {
    private static let kibibyte = [UInt8](repeating: 0x5A, count: 1_024)

    @Test func aFullDatabaseRefusesWhatGrowsAndTakesItAgainWhenThereIsRoom() async throws {
        try await withTemporaryFolder { folder in
            try await SQLiteStoreFactory(folder: folder).withStore { store, trial in
                var kept: [ObjectDraft] = []
                for number in 1...20 as ClosedRange<UInt128> {
                    let draft = try await trial.draft(number, values: [([1], Self.kibibyte), ([2], Self.kibibyte)])
                    try await trial.commit(draft)
                    kept.append(draft)
                }
                try await store.withWriter { writer in
                    try? writer.connection?.connection.execute("PRAGMA max_page_count = 1")
                }
                let large = [UInt8](repeating: 1, count: 100_000)
                let new = try await trial.draft(99, values: [([1], large)])
                // All of the batch is refused, also what alone would have had room.
                let batch = CommitBatch([kept[0].next([([1], nil)]), new])
                let outcomes = try await store.commit(batch)
                #expect(outcomes.map(\.refusal) == [.full, .full])
                for number in 1...20 as ClosedRange<UInt128> {
                    try await trial.expectValues([([1], Self.kibibyte), ([2], Self.kibibyte)], of: number)
                }
                try await trial.expectMissing(99)
                // Deletions work, and what they free is used again.
                try await trial.commit(kept.map { $0.next(nil) })
                var small = new
                small.values = [([1], Self.kibibyte)]
                try await trial.commit(small)
                try await store.withWriter { writer in
                    try? writer.connection?.connection.execute("PRAGMA max_page_count = 100000")
                }
                try await trial.commit(small.next([([1], large)]))
                try await trial.expectValues([([1], large)], of: 99)
                #expect(try await store.usage().storedBytes == 100_000)
            }
        }
    }

    @Test func aFullDiskRefusesWhatCannotBeAppendedToTheLog() async throws {
        try await withTemporaryFolder { folder in
            try await SQLiteStoreFactory(folder: folder).withStore { store, trial in
                let draft = try await trial.draft(1, values: [([1], [1])])
                try await trial.commit(draft)
                _ = try await trial.record(1)
                let fault = try await store.withWriter { writer in
                    Result { try FaultyLog(.writesFindNoRoom, on: writer) }
                }.get()
                try await trial.expectRefusal(.full, of: draft.next([([1], [2])]), "writing to a full disk")
                try await trial.expectValues([([1], [1])], of: 1)
                try await store.withWriter { _ in fault.remove() }
                try await trial.commit(draft.next([([1], [3])]))
                try await trial.expectValues([([1], [3])], of: 1)
            }
        }
    }

    /// With a reader the log goes on as the others left it; without, it is recovered from what lies on the disk.
    @Test(arguments: [true, false]) func aFailedSyncLeavesAnOutcomeThatAcquiringSettles(hasReader: Bool) async throws {
        try await withTemporaryFolder { folder in
            let log = EventLog()
            var factory = SQLiteStoreFactory(folder: folder)
            factory.report = log.append
            try await factory.withStore { store, trial in
                let draft = try await trial.draft(1, values: [([1], [1])])
                let other = try await trial.draft(2, account: .principal(8))
                try await trial.commit(draft, other)
                if hasReader { _ = try await trial.record(1) }
                _ = try await store.withWriter { writer in Result { try FaultyLog(.syncsFail, on: writer) } }.get()
                var stale = other.next([])
                stale.base = Revision(9)
                let outcomes = try await store.commit(CommitBatch([draft.next([([1], [2])]), stale]))
                #expect(outcomes.first == .unknown)
                #expect(outcomes.last?.refusal == .revisionMismatch)
                guard case .connectionFailed = log.events.first else {
                    throw StoreConformanceFailure("found \(log.events)")
                }
                // Settled by acquiring, then reading: one of the two, and nothing in between.
                let fence = try await store.acquire(draft.unit, after: draft.fence)
                let record = try await trial.record(1)
                let wasCommitted = record.header.revision == Revision(2)
                try await trial.expectValues([([1], [wasCommitted ? 2 : 1])], of: 1)
                try await trial.expectRefusal(.fenced, of: draft.next([([1], [2])]), "a late commit")
                var next = wasCommitted ? draft.next([]).next([([1], [3])]) : draft.next([([1], [3])])
                next.fence = fence
                try await trial.commit(next)
                try await trial.reopened { trial in try await trial.expectValues([([1], [3])], of: 1) }
            }
        }
    }

    @Test func aDatabaseThatAnotherProgramHasLockedIsUnavailableUntilItIsNot() async throws {
        try await withTemporaryFolder { folder in
            var factory = SQLiteStoreFactory(folder: folder)
            factory.configuration.busyMilliseconds = 1
            try await factory.withStore { store, trial in
                let draft = try await trial.draft(1)
                try await trial.commit(draft)
                let other = try ForeignConnection(factory.path)
                try other.execute("BEGIN EXCLUSIVE")
                try await expectStoreError(.unavailable, "committing") { () throws(StoreError) in
                    try await store.commit(CommitBatch([draft.next([([1], [1])])]))
                }
                try await expectStoreError(.unavailable, "acquiring again") { () throws(StoreError) in
                    try await store.acquire(draft.unit, after: draft.fence)
                }
                try await expectStoreError(.unavailable, "quarantining") { () throws(StoreError) in
                    try await store.setQuarantined(true, draft.id)
                }
                // Nothing has changed, and reading goes on.
                try await trial.expectValues([], of: 1)
                try other.execute("ROLLBACK")
                try await trial.commit(draft.next([([1], [1])]))
                try await trial.expectValues([([1], [1])], of: 1)
            }
        }
    }

    @Test func aDatabaseThatHasBecomeReadOnlyRefusesCommits() async throws {
        try await withTemporaryFolder { folder in
            try await SQLiteStoreFactory(folder: folder).withStore { store, trial in
                let draft = try await trial.draft(1)
                try await trial.commit(draft)
                try await store.withWriter { try? $0.connection?.connection.execute("PRAGMA query_only = ON") }
                try await trial.expectRefusal(.unwritable, of: draft.next([([1], [1])]), "writing")
                try await expectStoreError(.unavailable, "acquiring again") { () throws(StoreError) in
                    try await store.acquire(draft.unit, after: draft.fence)
                }
                try await trial.expectValues([], of: 1)
                try await store.withWriter { try? $0.connection?.connection.execute("PRAGMA query_only = OFF") }
                try await trial.commit(draft.next([([1], [1])]))
            }
        }
    }

    @Test func aValueLargerThanTheDatabaseTakesIsRefusedAlone() async throws {
        try await withTemporaryFolder { folder in
            try await SQLiteStoreFactory(folder: folder).withStore { store, trial in
                let there = try await trial.draft(1, values: [([1], [1])])
                try await trial.commit(there)
                try await store.withWriter { writer in
                    _ = sqlite3_limit(writer.connection?.connection.handle, SQLITE_LIMIT_LENGTH, 10_000)
                }
                let large = [UInt8](repeating: 1, count: 10_001)
                var first = try await trial.draft(2, values: [([1], [2])])
                first.byteCount = 3
                var tooLarge = there.next([([1], [9]), ([2], large)])
                tooLarge.byteCount = 20_000
                let newAndTooLarge = try await trial.draft(3, values: [([1], [3]), ([2], large)])
                let last = try await trial.draft(4, values: [([1], [4])])
                let outcomes = try await store.commit(CommitBatch([first, tooLarge, newAndTooLarge, last]))
                #expect(outcomes.map(\.refusal) == [nil, .unacceptable, .unacceptable, nil])
                try await trial.expectValues([([1], [1])], of: 1)
                try await trial.expectValues([([1], [2])], of: 2)
                try await trial.expectMissing(3)
                try await trial.expectValues([([1], [4])], of: 4)
                try await trial.expectUsage(3, 3, of: .principal(7))
                #expect(try await store.usage().storedBytes == 3)
            }
        }
    }

    @Test func aDamagedRowIsAnErrorOfItsObjectAlone() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { store, trial in
                try await trial.commit(try await trial.draft(1), try await trial.draft(2))
                try await store.withWriter { writer in
                    try? writer.connection?.connection.execute("UPDATE objects SET account = x'07' WHERE number = 1")
                }
                try await expectStoreError(.corruptRecord, "loading") { () throws(StoreError) in
                    try await store.load(StateObjectID(bits: 1), admit: { _ in true })
                }
                _ = try await trial.record(2)
            }
        }
    }

    @Test func aDamagedPageIsNamedWithItsFileAndStopsNobodyElse() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            var draft: ObjectDraft?
            try await factory.withStore { _, trial in
                draft = try await trial.draft(1, values: [([1], Self.kibibyte)])
                try await trial.commit(try #require(draft))
            }
            try overwritePage(ofRoot: "object_values", in: factory.path)
            try await factory.withStore { store, trial in
                do throws(StoreError) {
                    _ = try await store.load(StateObjectID(bits: 1), admit: { _ in true })
                    Issue.record("it was loaded")
                } catch {
                    #expect(error.code == .corruptRecord)
                    #expect(error.reason.contains("torpor.db is damaged") && error.reason.contains(".recover"))
                }
                var next = try #require(draft).next([([1], [1])])
                next.fence = try await store.acquire(next.unit, after: nil)
                try await trial.expectRefusal(.unwritable, of: next, "writing to a damaged page")
                // What does not lie on that page goes on.
                let header = try await store.header(of: next.id)
                #expect(header?.revision == Revision(1))
                try await trial.commit(try await trial.draft(2))
                try await trial.expectUsage(2, 0, of: .principal(7))
            }
        }
    }

    @Test func moreOperationsThanMayWaitAreUnavailable() async throws {
        try await withTemporaryFolder { folder in
            var factory = SQLiteStoreFactory(folder: folder)
            factory.configuration.waitingMax = 2
            factory.configuration.readerCount = 1
            try await factory.withStore { store, trial in
                try await trial.commit(try await trial.draft(1))
                let gate = Monitor(false)
                let reached = Arrivals()
                let refused = Arrivals()
                await withDiscardingTaskGroup { group in
                    // One is under way, and holds up the others.
                    group.addTask {
                        _ = try? await store.load(StateObjectID(bits: 1)) { _ in
                            reached.arrive()
                            return gate.wait(atMost: nil) { $0 ? true : nil } ?? false
                        }
                    }
                    await reached.wait(for: 1)
                    for _ in 1...5 {
                        group.addTask {
                            do throws(StoreError) {
                                _ = try await store.header(of: StateObjectID(bits: 1))
                            } catch {
                                if error.code == .unavailable { refused.arrive() }
                            }
                        }
                    }
                    // Two wait; the others are refused at once.
                    await refused.wait(for: 3)
                    gate.withLock { $0 = true }
                    gate.broadcast()
                }
                #expect(refused.count == 3)
                _ = try await trial.record(1)
            }
        }
    }
}
