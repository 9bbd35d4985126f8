import TorporCore
import TorporStore

extension StoreConformance {
    /// What durable stores promise beyond ``cases``: the factory opens the same store again.
    package static let durableCases = [
        StoreConformanceCase("a store that is opened again has everything that was committed") { trial in
            var first = try await trial.draft(1, values: [([1], [1]), ([2], [])])
            first.name = "basket"
            first.byteCount = 12
            first.expiry = WallTime(milliseconds: 77)
            var second = try await trial.draft(2, account: .anonymous(2), values: [([1], [2])])
            second.byteCount = 3
            let third = try await trial.draft(3)
            try await trial.commit(first, second, third, id: 9)
            let tombstone = Tombstone(session: third.id, until: .distantFuture)
            var deletion = third.next(nil)
            deletion.tombstone = tombstone
            try await trial.commit(deletion)
            try await trial.store.setQuarantined(true, second.id)
            let headers = try await trial.headers(page: 10)
            let usage = try await trial.store.usage()
            try await trial.reopened { trial in
                try await expectEqual(trial.headers(page: 10), headers, "the headers")
                try await trial.expectValues([([1], [1]), ([2], [])], of: 1)
                try await expectStoreError(.corruptRecord, "loading a quarantined object") { () throws(StoreError) in
                    try await trial.store.load(StateObjectID(bits: 2), admit: { _ in true })
                }
                try await trial.expectMissing(3)
                try await expectEqual(trial.tombstones(), [tombstone], "the tombstones")
                try await trial.expectUsage(1, 12, of: .principal(7))
                try await trial.expectUsage(1, 3, of: .anonymous(2))
                let found = try await trial.store.usage()
                try expectEqual(found.total, usage.total, "what is stored in all")
                try expectEqual(found.anonymous, usage.anonymous, "what is stored anonymously")
                try expectEqual(found.storedBytes, usage.storedBytes, "what the stored forms take")
            }
        },
        StoreConformanceCase("opening again keeps the identity, changes the incarnation and refuses earlier fences") {
            trial in
            let draft = try await trial.draft(1)
            try await trial.commit(draft)
            let raised = try await trial.store.acquire(draft.unit, after: draft.fence)
            let (identity, incarnation) = (trial.store.identity, trial.store.incarnation)
            try await trial.reopened { trial in
                try expectEqual(trial.store.identity, identity, "the identity")
                try expect(trial.store.incarnation != incarnation, "the incarnation is the same")
                for fence in [draft.fence, raised] {
                    var late = draft.next([])
                    late.fence = fence
                    try await trial.expectRefusal(.fenced, of: late, "writing under a fence of an earlier opening")
                }
                var next = draft.next([([1], [1])])
                next.fence = try await trial.store.acquire(draft.unit, after: raised)
                try await trial.commit(next)
            }
        },
        StoreConformanceCase("what was committed while a store was being closed is there when it is opened again") {
            trial in
            var drafts: [ObjectDraft] = []
            for number in 1...50 as ClosedRange<UInt128> { drafts.append(try await trial.draft(number)) }
            let committed = await withTaskGroup(of: StateObjectID?.self) { group in
                for draft in drafts {
                    group.addTask {
                        let outcomes = try? await trial.store.commit(CommitBatch([draft]))
                        return outcomes == [.committed] ? draft.id : nil
                    }
                }
                group.addTask {
                    await trial.store.close()
                    return nil
                }
                return await group.reduce(into: Set()) { if let id = $1 { $0.insert(id) } }
            }
            try await trial.reopened { trial in
                try await expectEqual(Set(trial.headers(page: 100).map(\.id)), committed, "the objects")
            }
        },
    ]
}
