import TorporCore
import TorporStore

extension StoreConformance {
    static let fences = [
        StoreConformanceCase("acquiring without a former fence changes nothing") { trial in
            let unit = UnitID.principal(7)
            let first = try await trial.store.acquire(unit, after: nil)
            let second = try await trial.store.acquire(unit, after: nil)
            try expectEqual(second, first, "the fence")
            try expectEqual(first.incarnation, trial.store.incarnation, "the incarnation")
        },
        StoreConformanceCase("after a unit is acquired again, its former fence is refused") { trial in
            let draft = try await trial.draft(1, values: [([1], [1])])
            try await trial.commit(draft)
            let fence = try await trial.store.acquire(draft.unit, after: draft.fence)
            try expect(fence.epoch > draft.fence.epoch, "the epoch did not rise")
            try await trial.expectRefusal(.fenced, of: draft.next([([1], [2])]), "writing under the former fence")
            try await trial.expectValues([([1], [1])], of: 1)
            var second = draft.next([([1], [3])])
            second.fence = fence
            try await trial.commit(second)
            try await expectEqual(trial.record(1).header.fence, fence, "the fence of the last commit")
            try await expectEqual(trial.store.acquire(draft.unit, after: nil), fence, "the fence in force")
            // Another unit goes on under its own.
            try await trial.commit(try await trial.draft(2, account: .principal(8)))
        },
        StoreConformanceCase("acquiring after a fence that is no longer in force returns the one in force") { trial in
            let unit = UnitID.principal(7)
            let first = try await trial.store.acquire(unit, after: nil)
            let second = try await trial.store.acquire(unit, after: first)
            try await expectEqual(trial.store.acquire(unit, after: first), second, "the fence in force")
            let foreign = Fence(incarnation: first.incarnation &+ 1, epoch: 99)
            try await expectEqual(trial.store.acquire(unit, after: foreign), second, "the fence in force")
            let third = try await trial.store.acquire(unit, after: second)
            try expect(third.epoch > second.epoch, "the epoch did not rise")
        },
        StoreConformanceCase("fences of other incarnations and epochs are refused") { trial in
            let draft = try await trial.draft(1)
            let second = try await trial.store.acquire(draft.unit, after: draft.fence)
            for fence in [
                draft.fence, Fence(incarnation: second.incarnation, epoch: second.epoch + 1),
                Fence(incarnation: second.incarnation &+ 1, epoch: second.epoch),
                Fence(incarnation: second.incarnation, epoch: 0),
            ] {
                var fenced = draft
                fenced.fence = fence
                try await trial.expectRefusal(.fenced, of: fenced, "creating under another fence")
            }
            try await trial.expectMissing(1)
        },
        StoreConformanceCase("a principal's objects share a unit; anonymous objects are units of their own") { trial in
            let first = try await trial.draft(1)
            let second = try await trial.draft(2)
            let third = try await trial.draft(3, account: .anonymous(7))
            let fourth = try await trial.draft(4, account: .anonymous(7))
            _ = try await trial.store.acquire(first.unit, after: first.fence)
            _ = try await trial.store.acquire(third.unit, after: third.fence)
            let outcomes = try await trial.store.commit(CommitBatch([first, second, third, fourth]))
            try expectEqual(outcomes.map(\.refusal), [.fenced, .fenced, .fenced, nil], "the refusals")
        },
    ]
}
