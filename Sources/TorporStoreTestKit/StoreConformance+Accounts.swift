import TorporCore
import TorporStore

extension StoreConformance {
    static let accounts = [
        StoreConformanceCase("usage counts exactly while objects are made, grow, shrink and go") { trial in
            var first = try await trial.draft(1, values: [([1], [1, 1, 1])])
            first.byteCount = 100
            var second = try await trial.draft(2, account: .anonymous(3), values: [([1], [1])])
            second.byteCount = 7
            try await trial.commit(first, second)
            try await trial.expectUsage(1, 100, of: .principal(7))
            try await trial.expectUsage(1, 7, of: .anonymous(3))
            try await trial.expectUsage(0, 0, of: .principal(3))
            try await trial.expectUsage(0, 0, of: .anonymous(7))
            var usage = try await trial.store.usage()
            try expectEqual(usage.total, AccountUsage(objects: 2, bytes: 107), "what is stored in all")
            try expectEqual(usage.anonymous, AccountUsage(objects: 1, bytes: 7), "what is stored anonymously")
            try expectEqual(usage.storedBytes, 4, "what the stored forms take")

            first = first.next([([1], [1]), ([2], [2, 2])])
            first.byteCount = 250
            second = second.next([([1], nil)])
            second.byteCount = 0
            try await trial.commit(first, second)
            try await trial.expectUsage(1, 250, of: .principal(7))
            try await trial.expectUsage(1, 0, of: .anonymous(3))
            try await expectEqual(trial.store.usage().storedBytes, 3, "what the stored forms take")

            first = first.next([([2], nil)])
            first.byteCount = 1
            try await trial.commit(first)
            try await trial.expectUsage(1, 1, of: .principal(7))

            try await trial.commit(first.next(nil), second.next(nil))
            try await trial.expectUsage(0, 0, of: .principal(7))
            try await trial.expectUsage(0, 0, of: .anonymous(3))
            usage = try await trial.store.usage()
            try expectEqual(usage.total, AccountUsage(), "what is stored in all")
            try expectEqual(usage.anonymous, AccountUsage(), "what is stored anonymously")
            try expectEqual(usage.storedBytes, 0, "what the stored forms take")
        },
        StoreConformanceCase("objects of one account in one batch are counted together") { trial in
            var drafts: [ObjectDraft] = []
            for number in 1...4 as ClosedRange<UInt128> {
                var draft = try await trial.draft(number)
                draft.byteCount = Int(number) * 10
                drafts.append(draft)
            }
            try await trial.commit(drafts)
            try await trial.expectUsage(4, 100, of: .principal(7))
            var grown = drafts[1].next([])
            grown.byteCount = 1_000
            var stale = drafts[2].next([])
            stale.base = Revision(9)
            stale.byteCount = 5_000
            let made = try await trial.draft(5)
            let outcomes = try await trial.store.commit(CommitBatch([drafts[0].next(nil), grown, stale, made]))
            try expectEqual(outcomes.map(\.refusal), [nil, nil, .revisionMismatch, nil], "the refusals")
            try await trial.expectUsage(4, 1_070, of: .principal(7))
        },
    ]

    static let tombstones = [
        StoreConformanceCase("tombstones are read in the order in which they were left, in pages") { trial in
            let count = min(50, trial.tombstonesMax)
            var expected: [Tombstone] = []
            for number in 1...UInt128(count) {
                // Neither the ids nor the times are in order.
                var deletion = try await trial.draft(number &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835, values: nil)
                let until = WallTime(milliseconds: 100_000 - Int64(number) % 7)
                deletion.tombstone = Tombstone(session: deletion.id, until: until)
                expected.append(Tombstone(session: deletion.id, until: until))
                try await trial.commit(deletion)
            }
            for page in [1, 7, 1_000] {
                try await expectEqual(trial.tombstones(page: page), expected, "the tombstones")
            }
            let some = try await trial.store.tombstones(skipping: 3, limit: 5)
            try expectEqual(some, Array(expected[3..<8]), "the tombstones behind the first three")
            let none = try await trial.store.tombstones(skipping: count, limit: 5)
            try expectEqual(none, [], "the tombstones behind the last")
        },
        StoreConformanceCase("beyond their bound the oldest tombstones are forgotten") { trial in
            // More than that take minutes; an adapter whose bound cannot be lowered shows it in a test of its own.
            guard trial.tombstonesMax <= 10_000 else { return }
            var expected: [Tombstone] = []
            var deletions: [ObjectDraft] = []
            for number in 1...UInt128(trial.tombstonesMax + 3) {
                var deletion = try await trial.draft(number, values: nil)
                let tombstone = Tombstone(session: deletion.id, until: .distantFuture)
                deletion.tombstone = tombstone
                deletions.append(deletion)
                expected.append(tombstone)
            }
            try await trial.commit(Array(deletions.prefix(trial.tombstonesMax)))
            try await expectEqual(
                trial.tombstones(), Array(expected.prefix(trial.tombstonesMax)), "the tombstones at the bound")
            try await trial.commit(Array(deletions.suffix(3)))
            try await expectEqual(trial.tombstones(), Array(expected.suffix(trial.tombstonesMax)), "the tombstones")
        },
    ]
}
