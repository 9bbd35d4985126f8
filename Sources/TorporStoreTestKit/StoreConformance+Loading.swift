import Synchronization
import TorporCore
import TorporStore

extension StoreConformance {
    static let loading = [
        StoreConformanceCase("an object that was never written is missing") { trial in
            try await trial.expectMissing(1)
            try await trial.expectUsage(0, 0, of: .principal(7))
        },
        StoreConformanceCase("what was committed is loaded with its header and its account's usage") { trial in
            var draft = try await trial.draft(1, values: [(.init("b"), [1, 2, 3]), (.init("a"), [4])])
            draft.kind = .session
            draft.name = "basket"
            draft.byteCount = 100
            draft.created = WallTime(milliseconds: 1_234)
            draft.expiry = WallTime(milliseconds: 5_678)
            var other = try await trial.draft(2)
            other.byteCount = 11
            try await trial.commit(draft, other, id: 0xFEDC_BA98_7654_3210_0123_4567_89AB_CDEF)
            let record = try await trial.record(1)
            let header = RecordHeader(
                id: draft.id, kind: .session, name: "basket", account: draft.account, fence: draft.fence,
                revision: Revision(1), commit: 0xFEDC_BA98_7654_3210_0123_4567_89AB_CDEF, valueCount: 2, byteCount: 100,
                created: WallTime(milliseconds: 1_234), expiry: WallTime(milliseconds: 5_678))
            try expectEqual(record.header, header, "the header that is loaded")
            try expectEqual(record.usage, AccountUsage(objects: 2, bytes: 111), "the usage that is loaded")
            try await trial.expectValues([(.init("a"), [4]), (.init("b"), [1, 2, 3])], of: 1)
            let found = try await trial.store.header(of: draft.id)
            try expectEqual(found, header, "the header alone")
        },
        StoreConformanceCase("an object may have no values") { trial in
            try await trial.commit(try await trial.draft(1))
            try await trial.expectValues([], of: 1)
        },
        StoreConformanceCase("a load is admitted by the header, asked once, and only for what is there") { trial in
            let draft = try await trial.draft(1, values: [([1], [2])])
            try await trial.commit(draft)
            let asked = Mutex<[RecordHeader]>([])
            let refused = try await trial.store.load(draft.id) { header in
                asked.withLock { $0.append(header) }
                return false
            }
            guard case .notAdmitted = refused else { throw StoreConformanceFailure("it was loaded without room") }
            let header = try await trial.store.header(of: draft.id)
            try expectEqual(asked.withLock { $0 }, [header].compactMap(\.self), "the headers that were asked about")
            let missing = try await trial.store.load(StateObjectID(bits: 2)) { header in
                asked.withLock { $0.append(header) }
                return true
            }
            guard case .missing = missing else { throw StoreConformanceFailure("it is not missing") }
            try expectEqual(asked.withLock { $0.count }, 1, "how often there was asked for room")
        },
        StoreConformanceCase("numbers are kept over their whole range") { trial in
            for (number, account) in [(UInt128.max, AccountID.principal(.max)), (0, .anonymous(0))] {
                var draft = try await trial.draft(number, account: account)
                draft.revision = Revision(.max)
                draft.byteCount = 1 << 40
                draft.created = WallTime(milliseconds: .min)
                draft.expiry = WallTime(milliseconds: .max)
                try await trial.commit(draft, id: number)
                let header = try await trial.record(number).header
                try expectEqual(header.revision, draft.revision, "the revision")
                try expectEqual(header.account, account, "the account")
                try expectEqual(header.byteCount, 1 << 40, "the size")
                try expectEqual(header.created, draft.created, "the time of creation")
                try expectEqual(header.expiry, draft.expiry, "the expiry")
                try expectEqual(header.commit, number, "the commit id")
            }
        },
        StoreConformanceCase("a quarantined object is not loaded, but listed, until the mark is taken off") { trial in
            let draft = try await trial.draft(1, values: [([1], [2])])
            try await trial.commit(draft)
            try await trial.store.setQuarantined(true, draft.id)
            try await expectStoreError(.corruptRecord, "loading a quarantined object") { () throws(StoreError) in
                try await trial.store.load(draft.id, admit: { _ in true })
            }
            try await expect(trial.store.header(of: draft.id)?.isQuarantined == true, "the header does not tell")
            try await expect(trial.headers(page: 10).map(\.isQuarantined) == [true], "the list does not tell")
            // Written, it stays quarantined.
            try await trial.commit(draft.next([([1], [3])]))
            try await expect(trial.store.header(of: draft.id)?.isQuarantined == true, "a write took the mark off")
            try await trial.store.setQuarantined(false, draft.id)
            try await trial.expectValues([([1], [3])], of: 1)
            // Deleted and made again, it is another object.
            try await trial.store.setQuarantined(true, draft.id)
            try await trial.commit(draft.next([]).next(nil))
            try await trial.commit(draft)
            try await trial.expectValues([([1], [2])], of: 1)
            try await trial.store.setQuarantined(true, StateObjectID(bits: 99))
            try await trial.expectMissing(99)
        },
    ]
}
