import Synchronization
import TorporCore
import TorporStore

/// The newest revision whose commit has returned.
private final class Newest: Sendable {
    private let revision: Mutex<UInt64>

    init(_ revision: UInt64) { self.revision = Mutex(revision) }

    func get() -> UInt64 { self.revision.withLock { $0 } }
    func set(_ revision: UInt64) { self.revision.withLock { $0 = revision } }
}

extension StoreConformance {
    static let concurrency = [
        StoreConformanceCase("a load beside commits reads one revision, and none older than one that returned") {
            trial in
            let keys = (1...8).map { [UInt8($0)] }
            let first = try await trial.draft(1, values: keys.map { ($0, [1]) })
            try await trial.commit(first)
            let committed = Newest(1)
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask {
                    var draft = first
                    for revision in 2...200 as ClosedRange<UInt64> {
                        draft = draft.next(keys.map { ($0, [UInt8](repeating: UInt8(revision), count: 600)) })
                        try await trial.commit(draft)
                        committed.set(revision)
                    }
                }
                for _ in 1...4 {
                    group.addTask {
                        while true {
                            let before = committed.get()
                            let record = try await trial.record(1)
                            let revision = record.header.revision.number
                            try expect(revision >= before, "revision \(revision) was read after \(before) returned")
                            try expect(
                                record.list.count == 8 && record.list.allSatisfy { $0.stored.first == UInt8(revision) },
                                "values of several revisions were read")
                            if before == 200 { return }
                        }
                    }
                }
            }
        },
        StoreConformanceCase("of several commits that replace the same revision one is committed") { trial in
            var draft = try await trial.draft(1)
            try await trial.commit(draft)
            for round in 1...20 as ClosedRange<UInt8> {
                let base = draft
                let winners = try await withThrowingTaskGroup { group in
                    for writer in 1...5 as ClosedRange<UInt8> {
                        group.addTask {
                            let attempt = base.next([([1], [round, writer])])
                            let outcomes = try await trial.store.commit(CommitBatch([attempt]))
                            if outcomes == [.committed] { return [writer] }
                            try expectEqual(outcomes.map(\.refusal), [.revisionMismatch], "the refusal")
                            return []
                        }
                    }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                try expectEqual(winners.count, 1, "the number of commits that replaced one revision")
                try await trial.expectValues([([1], [round, winners[0]])], of: 1)
                draft = draft.next([])
            }
        },
        StoreConformanceCase("a cancelled task's commit has its outcome, and its readings are refused") { trial in
            let draft = try await trial.draft(1)
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await trial.commit(draft)
                _ = try await trial.store.acquire(draft.unit, after: draft.fence)
                try await expectStoreError(.unavailable, "loading") { () throws(StoreError) in
                    try await trial.store.load(draft.id, admit: { _ in true })
                }
                try await expectStoreError(.unavailable, "listing") { () throws(StoreError) in
                    try await trial.store.headers(after: nil, matching: RecordFilter(), limit: 1)
                }
            }
            try await task.value
            _ = try await trial.record(1)
        },
    ]

    static let closing = [
        StoreConformanceCase("a closed store says so, and may be closed again") { trial in
            let draft = try await trial.draft(1)
            try await trial.commit(draft)
            let store = trial.store
            await store.close()
            await store.close()
            try await expectStoreError(.closed, "loading") { () throws(StoreError) in
                try await store.load(draft.id, admit: { _ in true })
            }
            try await expectStoreError(.closed, "committing") { () throws(StoreError) in
                try await store.commit(CommitBatch([draft.next([])]))
            }
            try await expectStoreError(.closed, "acquiring") { () throws(StoreError) in
                try await store.acquire(draft.unit, after: nil)
            }
            try await expectStoreError(.closed, "acquiring again") { () throws(StoreError) in
                try await store.acquire(draft.unit, after: draft.fence)
            }
            try await expectStoreError(.closed, "reading a header") { () throws(StoreError) in
                try await store.header(of: draft.id)
            }
            try await expectStoreError(.closed, "listing") { () throws(StoreError) in
                try await store.headers(after: nil, matching: RecordFilter(), limit: 1)
            }
            try await expectStoreError(.closed, "looking for what is expired") { () throws(StoreError) in
                try await store.expired(at: .distantFuture, limit: 1)
            }
            try await expectStoreError(.closed, "reading tombstones") { () throws(StoreError) in
                try await store.tombstones(skipping: 0, limit: 1)
            }
            try await expectStoreError(.closed, "quarantining") { () throws(StoreError) in
                try await store.setQuarantined(true, draft.id)
            }
            try await expectStoreError(.closed, "asking for an account's usage") { () throws(StoreError) in
                try await store.usage(of: draft.account)
            }
            try await expectStoreError(.closed, "asking for the usage") { () throws(StoreError) in
                try await store.usage()
            }
        },
        StoreConformanceCase("what is under way when a store is closed ends, one way or the other") { trial in
            var drafts: [ObjectDraft] = []
            for number in 1...50 as ClosedRange<UInt128> { drafts.append(try await trial.draft(number)) }
            await withTaskGroup { group in
                for draft in drafts {
                    group.addTask { try? await trial.store.commit(CommitBatch([draft])) == [.committed] }
                    group.addTask { (try? await trial.store.header(of: draft.id)) != nil }
                }
                group.addTask {
                    await trial.store.close()
                    return true
                }
                // None is left waiting.
                for await _ in group {}
            }
        },
    ]
}
