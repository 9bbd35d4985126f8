import TorporCore
import TorporStore

extension StoreConformance {
    /// Some objects of all kinds, names and accounts, with ids far apart; in the order of their ids.
    private static func fill(_ trial: StoreTrial) async throws -> [RecordHeader] {
        var drafts: [ObjectDraft] = []
        for number in 1...120 as ClosedRange<UInt128> {
            let accounts: [AccountID] = [.principal(1), .principal(2), .anonymous(1)]
            var draft = try await trial.draft(
                number &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835, account: accounts[Int(number % 3)])
            draft.kind = ObjectKind.allCases[Int(number / 3 % 3)]
            draft.name = draft.kind == .handle ? ["basket", "draft"][Int(number % 2)] : ""
            draft.expiry = WallTime(milliseconds: 10_000 + Int64(number) * 37 % 50)
            drafts.append(draft)
        }
        try await trial.commit(drafts)
        var headers: [RecordHeader] = []
        for draft in drafts {
            guard let header = try await trial.store.header(of: draft.id) else {
                throw StoreConformanceFailure("an object is missing")
            }
            headers.append(header)
        }
        return headers.sorted { $0.id < $1.id }
    }

    static let listing = [
        StoreConformanceCase("headers are listed in the order of their ids, in pages") { trial in
            try await expectEqual(trial.headers(page: 10), [], "the headers of an empty store")
            let expected = try await Self.fill(trial)
            for page in [1, 7, 120, 10_000] {
                try await expectEqual(trial.headers(page: page), expected, "the headers, \(page) a page")
            }
            let after = StateObjectID(bits: expected[59].id.bits + 1)
            let rest = try await trial.store.headers(after: after, matching: RecordFilter(), limit: 1_000)
            try expectEqual(rest, Array(expected[60...]), "the headers behind an id that is not there")
            let none = try await trial.store.headers(
                after: StateObjectID(bits: .max), matching: RecordFilter(), limit: 10)
            try expectEqual(none, [], "the headers behind the last id")
        },
        StoreConformanceCase("headers are listed by kind, name and account") { trial in
            let expected = try await Self.fill(trial)
            for filter in [
                RecordFilter(kind: .handle), RecordFilter(name: "basket"), RecordFilter(account: .anonymous(1)),
                RecordFilter(kind: .handle, name: "draft", account: .principal(2)), RecordFilter(name: ""),
                RecordFilter(account: .anonymous(2)), RecordFilter(kind: .session, name: "basket"),
            ] {
                for page in [3, 1_000] {
                    let found = try await trial.headers(matching: filter, page: page)
                    try expectEqual(found, expected.filter(filter.matches), "the headers that match")
                }
            }
        },
        StoreConformanceCase("expired objects are listed up to a moment, the earliest first") { trial in
            let headers = try await Self.fill(trial)
            for milliseconds in [9_999, 10_000, 10_001, 10_025, 10_049, 99_999] as [Int64] {
                let time = WallTime(milliseconds: milliseconds)
                let found = try await trial.store.expired(at: time, limit: 1_000)
                try expectEqual(
                    found.map(\.expiry), headers.map(\.expiry).filter { $0 <= time }.sorted(), "the expiries")
                try expectEqual(
                    Set(found.map(\.id)), Set(headers.filter { $0.expiry <= time }.map(\.id)), "what is expired")
            }
            let first = try await trial.store.expired(at: .distantFuture, limit: 5)
            try expectEqual(first.map(\.expiry), Array(headers.map(\.expiry).sorted().prefix(5)), "the earliest five")
        },
        StoreConformanceCase("an object whose expiry moves is expired by the new one") { trial in
            var draft = try await trial.draft(1)
            draft.expiry = WallTime(milliseconds: 1_000)
            try await trial.commit(draft)
            draft = draft.next([])
            draft.expiry = WallTime(milliseconds: 2_000)
            try await trial.commit(draft)
            try await expectEqual(
                trial.store.expired(at: WallTime(milliseconds: 1_999), limit: 10), [], "what is expired")
            let found = try await trial.store.expired(at: WallTime(milliseconds: 2_000), limit: 10)
            try expectEqual(found.map(\.id), [draft.id], "what is expired")
            try await trial.commit(draft.next(nil))
            try await expectEqual(trial.store.expired(at: .distantFuture, limit: 10), [], "what is expired")
        },
    ]
}
