import TorporCore
import TorporStore

extension StoreConformance {
    static let committing = [
        StoreConformanceCase("an object is created with base zero, and only where there is none") { trial in
            let draft = try await trial.draft(1, values: [([1], [1])])
            try await trial.commit(draft)
            var second = draft
            second.values = [([1], [2])]
            try await trial.expectRefusal(.revisionMismatch, of: second, "creating what is there")
            try await trial.expectValues([([1], [1])], of: 1)
            var other = try await trial.draft(2)
            other.base = Revision(1)
            try await trial.expectRefusal(.revisionMismatch, of: other, "replacing what is not there")
            try await trial.expectMissing(2)
        },
        StoreConformanceCase("a stale base is refused and changes nothing") { trial in
            var draft = try await trial.draft(1, values: [([1], [1]), ([2], [2])])
            draft.byteCount = 10
            try await trial.commit(draft)
            // A revision may be left out.
            let second = draft.next([([1], [3])], revision: 5)
            try await trial.commit(second)
            let before = try await trial.record(1)
            for base in [UInt64(0), 1, 4, 6] {
                var stale = second.next([([1], [9]), ([2], nil), ([3], [9])])
                stale.base = Revision(base)
                stale.byteCount = 1_000
                stale.tombstone = Tombstone(session: stale.id, until: .distantFuture)
                try await trial.expectRefusal(.revisionMismatch, of: stale, "base \(base) in place of 5")
            }
            let after = try await trial.record(1)
            try expectEqual(after.header, before.header, "the header after a refusal")
            try await trial.expectValues([([1], [3]), ([2], [2])], of: 1)
            try await trial.expectUsage(1, 10, of: draft.account)
            try await expectEqual(trial.tombstones(), [], "the tombstones")
        },
        StoreConformanceCase("a write changes the values that it names and leaves the others") { trial in
            let draft = try await trial.draft(1, values: [([1], [1]), ([2], [2]), ([3], [3])])
            try await trial.commit(draft)
            let second = draft.next([([2], [20, 20]), ([3], nil), ([4], [4]), ([9], nil)])
            try await trial.commit(second)
            try await trial.expectValues([([1], [1]), ([2], [20, 20]), ([4], [4])], of: 1)
            try await trial.commit(second.next([([1], nil), ([2], nil), ([4], nil)]))
            try await trial.expectValues([], of: 1)
        },
        StoreConformanceCase("a header carries its last commit's id, revision, fence, counts and expiry") { trial in
            let draft = try await trial.draft(1)
            try await trial.commit(draft, id: 5)
            var second = draft.next([])
            second.valueCount = 3
            second.byteCount = 30
            second.expiry = WallTime(milliseconds: 9_000)
            try await trial.commit(second, id: 6)
            let header = try await trial.record(1).header
            try expectEqual(header.commit, 6, "the commit's id")
            try expectEqual(header.revision, Revision(2), "the revision")
            try expectEqual(header.valueCount, 3, "the number of values")
            try expectEqual(header.byteCount, 30, "the size")
            try expectEqual(header.expiry, second.expiry, "the expiry")
        },
        StoreConformanceCase("kind, name and time of creation are those of the first commit") { trial in
            var draft = try await trial.draft(1)
            draft.name = "first"
            try await trial.commit(draft)
            var second = draft.next([])
            second.kind = .session
            second.name = "second"
            second.created = WallTime(milliseconds: 9_999)
            try await trial.commit(second)
            let header = try await trial.record(1).header
            try expectEqual(header.kind, .handle, "the kind")
            try expectEqual(header.name, "first", "the name")
            try expectEqual(header.created, draft.created, "the time of creation")
        },
        StoreConformanceCase("an object of another account is refused") { trial in
            let draft = try await trial.draft(1, account: .principal(7))
            try await trial.commit(draft)
            let thief = try await trial.draft(1, account: .principal(8))
            var write = thief.next([([1], [1])])
            try await trial.expectRefusal(.unacceptable, of: write, "writing another's object")
            write.values = nil
            try await trial.expectRefusal(.unacceptable, of: write, "deleting another's object")
            try await trial.expectValues([], of: 1)
            try await trial.expectUsage(1, 0, of: .principal(7))
            try await trial.expectUsage(0, 0, of: .principal(8))
        },
        StoreConformanceCase("names and keys are taken up to their limits, and refused beyond") { trial in
            let longest = [UInt8](repeating: 0xFF, count: StoreLimits.keyMax)
            var draft = try await trial.draft(1, values: [([0], [1]), (longest, [2])])
            draft.name = String(repeating: "n", count: StoreLimits.nameMax)
            try await trial.commit(draft)
            try await trial.expectValues([([0], [1]), (longest, [2])], of: 1)
            for key in [[], longest + [0]] {
                let next = draft.next([([1], [1]), (key, [1])])
                try await trial.expectRefusal(.unacceptable, of: next, "a key of \(key.count) bytes")
            }
            var other = try await trial.draft(2)
            other.name = draft.name + "n"
            try await trial.expectRefusal(.unacceptable, of: other, "a name of 65 bytes")
            try await trial.expectValues([([0], [1]), (longest, [2])], of: 1)
            try await trial.expectMissing(2)
        },
        StoreConformanceCase("refused objects keep no other from being committed; outcomes have the batch's order") {
            trial in
            let there = try await trial.draft(1, values: [([1], [1])])
            try await trial.commit(there)
            let first = try await trial.draft(2, values: [([1], [2])])
            var stale = there.next([([1], [9])])
            stale.base = Revision(7)
            var fenced = try await trial.draft(3)
            fenced.fence = Fence(incarnation: fenced.fence.incarnation, epoch: fenced.fence.epoch + 1)
            let unacceptable = try await trial.draft(4, values: [([], [])])
            let last = try await trial.draft(5, account: .anonymous(1), values: [([1], [5])])
            let outcomes = try await trial.store.commit(CommitBatch([first, stale, fenced, unacceptable, last]))
            try expectEqual(
                outcomes.map(\.refusal), [nil, .revisionMismatch, .fenced, .unacceptable, nil], "the outcomes")
            try expect(outcomes.first == .committed && outcomes.last == .committed, "the others are not committed")
            try await trial.expectValues([([1], [1])], of: 1)
            try await trial.expectValues([([1], [2])], of: 2)
            try await trial.expectMissing(3)
            try await trial.expectMissing(4)
            try await trial.expectValues([([1], [5])], of: 5)
            try await trial.expectUsage(2, 0, of: .principal(7))
        },
        StoreConformanceCase("a batch of hundreds of objects is committed as a whole") { trial in
            var drafts: [ObjectDraft] = []
            for number in 1...600 as ClosedRange<UInt128> {
                let account: AccountID = number.isMultiple(of: 2) ? .principal(7) : .anonymous(number)
                var draft = try await trial.draft(number, account: account, values: [([1], [UInt8(number & 0xFF)])])
                draft.byteCount = 2
                drafts.append(draft)
            }
            try await trial.commit(drafts)
            try await trial.commit(drafts.map { $0.next([([2], [7])]) })
            for number in [UInt128(1), 300, 600] {
                try await trial.expectValues([([1], [UInt8(number & 0xFF)]), ([2], [7])], of: number)
            }
            try await trial.expectUsage(300, 600, of: .principal(7))
            try await expectEqual(
                trial.store.usage().total, AccountUsage(objects: 600, bytes: 1_200), "what is stored in all")
        },
        StoreConformanceCase("a batch without objects has no outcomes") { trial in
            let outcomes = try await trial.store.commit(CommitBatch([]))
            try expectEqual(outcomes, [], "the outcomes")
        },
    ]

    static let deleting = [
        StoreConformanceCase("a deleted object is gone with its values, and may be made anew") { trial in
            var draft = try await trial.draft(1, values: [([1], [1]), ([2], [2])])
            draft.byteCount = 10
            try await trial.commit(draft)
            try await trial.commit(draft.next(nil))
            try await trial.expectMissing(1)
            try await trial.expectUsage(0, 0, of: draft.account)
            let usage = try await trial.store.usage()
            try expectEqual(usage.total, AccountUsage(), "what is stored in all")
            try expectEqual(usage.storedBytes, 0, "what the stored forms take")
            var again = draft
            again.kind = .session
            again.values = [([3], [3])]
            again.byteCount = 4
            try await trial.commit(again)
            try await trial.expectValues([([3], [3])], of: 1)
            try await expectEqual(trial.record(1).header.kind, .session, "the kind")
            try await trial.expectUsage(1, 4, of: draft.account)
        },
        StoreConformanceCase("a deletion leaves its tombstone, a refused one does not") { trial in
            let draft = try await trial.draft(1)
            try await trial.commit(draft)
            let tombstone = Tombstone(session: draft.id, until: WallTime(milliseconds: 9_000))
            var deletion = draft.next(nil)
            deletion.tombstone = tombstone
            var stale = deletion
            stale.base = Revision(2)
            try await trial.expectRefusal(.revisionMismatch, of: stale, "deleting another revision")
            stale.base = .zero
            try await trial.expectRefusal(.revisionMismatch, of: stale, "deleting what should not be there")
            var fenced = deletion
            fenced.fence = Fence(incarnation: deletion.fence.incarnation &+ 1, epoch: deletion.fence.epoch)
            try await trial.expectRefusal(.fenced, of: fenced, "deleting under another fence")
            try await expectEqual(trial.tombstones(), [], "the tombstones after refusals")
            try await trial.commit(deletion)
            try await expectEqual(trial.tombstones(), [tombstone], "the tombstones")
        },
        StoreConformanceCase("deleting what is not there, with base zero, just leaves the tombstone") { trial in
            var deletion = try await trial.draft(1, values: nil)
            try await trial.commit(deletion)
            try await expectEqual(trial.tombstones(), [], "the tombstones")
            let tombstone = Tombstone(session: deletion.id, until: .distantFuture)
            deletion.tombstone = tombstone
            try await trial.commit(deletion)
            try await expectEqual(trial.tombstones(), [tombstone], "the tombstones")
            try await trial.expectMissing(1)
            try await expectEqual(trial.store.usage().total, AccountUsage(), "what is stored in all")
            deletion.base = Revision(1)
            try await trial.expectRefusal(.revisionMismatch, of: deletion, "deleting a revision that is not there")
        },
    ]
}
