import TorporCore
import TorporStore
import TorporTestSupport

/// Random operations on a store, held against a simple model of what it should do.
package struct StoreModelCheck {
    /// Seeds that every build tries.
    package static let seeds: [UInt64] = Array(1...20)

    private let factory: any StoreFactory
    private var store: any StateStore
    private var model: StoreModel
    private var random: SeededGenerator
    private var time = WallTime(milliseconds: 1_000_000)

    private static let ids = (1...12 as ClosedRange<UInt128>).map { StateObjectID(bits: $0 &* (.max / 13)) }
    private static let accounts: [AccountID] = [.principal(1), .principal(2), .anonymous(1), .anonymous(2)]

    /// - Parameters:
    ///   - seed: The same seed does the same again.
    ///   - reopening: Whether the store is closed and opened again every now and then; for durable stores.
    /// - Throws: ``StoreConformanceFailure``, with the seed and the step.
    package static func run(
        _ factory: some StoreFactory, seed: UInt64, steps: Int = 400, reopening: Bool = false
    ) async throws {
        var check = try await StoreModelCheck(factory, seed: seed)
        for step in 1...steps {
            do {
                try await check.step(reopening: reopening)
                if step.isMultiple(of: 50) { try await check.compareAll() }
            } catch {
                await check.store.close()
                throw StoreConformanceFailure("seed \(seed), step \(step): \(error)")
            }
        }
        await check.store.close()
    }

    private init(_ factory: some StoreFactory, seed: UInt64) async throws {
        self.factory = factory
        self.store = try await factory.open()
        self.model = StoreModel(incarnation: self.store.incarnation, tombstonesMax: factory.tombstonesMax)
        self.random = SeededGenerator(seed: seed)
    }

    private mutating func step(reopening: Bool) async throws {
        switch self.random.below(100) {
        case ..<60: try await self.commit()
        case ..<75: try await self.load(self.anyID())
        case ..<80: try await self.acquireAgain()
        case ..<84:
            let id = self.anyID()
            let isQuarantined = self.random.happens(40)
            try await self.store.setQuarantined(isQuarantined, id)
            self.model.quarantine(isQuarantined, id)
        case ..<88: try await self.compareHeaders()
        case ..<92: try await self.compareExpired()
        case ..<96: try await self.compareUsage()
        case ..<98: try await self.compareTombstones()
        default: if reopening { try await self.reopen() }
        }
    }

    private mutating func anyID() -> StateObjectID { Self.ids[self.random.below(Self.ids.count)] }

    private mutating func commit() async throws {
        var drafts: [ObjectDraft] = []
        for id in Self.ids.shuffled(using: &self.random).prefix(1 + self.random.below(5)) {
            drafts.append(try await self.draft(of: id))
        }
        self.time = self.time + .milliseconds(self.random.below(1_000))
        let commit = UInt128(self.random.next())
        let batch = CommitBatch(drafts, id: commit, time: self.time)
        let outcomes = try await self.store.commit(batch)
        var expected: [CommitRefusal.Reason?] = []
        for draft in drafts { expected.append(self.model.commit(draft, id: commit, time: self.time)) }
        self.model.forgetTombstones()
        try expectEqual(outcomes.map(\.refusal), expected, "the refusals")
        try expect(
            zip(outcomes, expected).allSatisfy { ($0 == .committed) == ($1 == nil) }, "an outcome is unknown")
    }

    /// Mostly what an owner would commit; now and then with a wrong base, fence or account.
    private mutating func draft(of id: StateObjectID) async throws -> ObjectDraft {
        let stored = self.model.objects[id]
        var account = stored?.header.account ?? Self.accounts[self.random.below(Self.accounts.count)]
        if self.random.happens(3) { account = Self.accounts[self.random.below(Self.accounts.count)] }
        let unit = UnitID(account, id)
        var fence = try await self.store.acquire(unit, after: nil)
        if let known = self.model.fence(of: unit) { try expectEqual(fence, known, "the fence in force") }
        self.model.acquired(unit, fence)
        if self.random.happens(4) { fence = Fence(incarnation: fence.incarnation, epoch: fence.epoch &- 1) }
        if self.random.happens(2) { fence = Fence(incarnation: fence.incarnation &+ 1, epoch: fence.epoch) }

        var base = stored?.header.revision ?? .zero
        if self.random.happens(6) { base = Revision(UInt64(self.random.below(4))) }
        let isDeletion = self.random.happens(stored == nil ? 5 : 15)
        var draft = ObjectDraft(
            id: id, account: account, fence: fence, base: base,
            revision: Revision(base.number + 1 + UInt64(self.random.below(3))))
        draft.kind = ObjectKind.allCases[self.random.below(ObjectKind.allCases.count)]
        draft.name = ["", "basket", "draft"][self.random.below(3)]
        draft.created = self.time
        draft.expiry = self.random.happens(50) ? .distantFuture : self.time + .milliseconds(self.random.below(5_000))
        if isDeletion {
            if self.random.happens(60) {
                // Never past its time, so that both forget the same.
                let until = WallTime(milliseconds: .max - Int64(self.random.below(1_000)))
                draft.tombstone = Tombstone(session: id, until: until)
            }
            return draft
        }
        let values = self.changes()
        draft.values = values
        var all = stored?.values ?? [:]
        for (key, value) in values { all[key] = value }
        draft.valueCount = all.count
        draft.byteCount = all.reduce(0) { $0 + $1.key.count + $1.value.count }
        return draft
    }

    /// Changes of some of a few keys, none twice.
    private mutating func changes() -> [(key: [UInt8], stored: [UInt8]?)] {
        let keys: [[UInt8]] = [[0], [0, 0], [1], [0x61, 0x62], [0xFF], [UInt8](repeating: 0x7A, count: 512)]
        return keys.shuffled(using: &self.random).prefix(self.random.below(keys.count + 1)).map { key in
            if self.random.happens(25) { return (key, nil) }
            let size = self.random.happens(10) ? 20_000 : 200
            return (key, self.random.bytes(self.random.below(size)))
        }
    }

    private mutating func acquireAgain() async throws {
        let id = self.anyID()
        let unit = UnitID(Self.accounts[self.random.below(Self.accounts.count)], id)
        let former = try await self.store.acquire(unit, after: nil)
        let fence = try await self.store.acquire(unit, after: former)
        try expect(fence.epoch > former.epoch, "the epoch did not rise")
        try expectEqual(fence.incarnation, self.store.incarnation, "the incarnation")
        self.model.acquired(unit, fence)
    }

    private mutating func reopen() async throws {
        let (identity, incarnation) = (self.store.identity, self.store.incarnation)
        await self.store.close()
        self.store = try await self.factory.open()
        try expectEqual(self.store.identity, identity, "the identity")
        try expect(self.store.incarnation != incarnation, "the incarnation is the same")
        self.model.reopened(incarnation: self.store.incarnation)
        try await self.compareAll()
    }

    private func load(_ id: StateObjectID) async throws {
        let expected = self.model.objects[id]
        if expected?.header.isQuarantined == true {
            let store = self.store
            try await expectStoreError(.corruptRecord, "loading a quarantined object") { () throws(StoreError) in
                try await store.load(id, admit: { _ in true })
            }
            return
        }
        switch (try await self.store.load(id, admit: { _ in true }), expected) {
        case (.missing, nil): break
        case (.found(let record), let expected?):
            try expectEqual(record.header, expected.header, "the header")
            let values = expected.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            try expect(
                record.list.elementsEqual(values) { $0.key == $1.key && $0.stored == $1.value }, "the values differ")
            let account = expected.header.account
            try expectEqual(record.usage, self.model.usage { $0.account == account }, "the usage")
        default: throw StoreConformanceFailure("an object is missing, or there although it should not be")
        }
    }

    private func compareAll() async throws {
        for id in Self.ids {
            try await self.load(id)
            let header = try await self.store.header(of: id)
            try expectEqual(header, self.model.objects[id]?.header, "a header")
        }
        let headers = try await self.store.headers(after: nil, matching: RecordFilter(), limit: 100)
        try expectEqual(headers, self.model.headers, "the headers")
        try await self.compareUsage()
        try await self.compareTombstones()
    }

    private mutating func compareHeaders() async throws {
        let last = self.random.happens(30) ? nil : self.anyID()
        let filter = RecordFilter(
            kind: self.random.happens(30) ? .handle : nil, name: self.random.happens(30) ? "basket" : nil,
            account: self.random.happens(30) ? Self.accounts[self.random.below(Self.accounts.count)] : nil)
        let limit = 1 + self.random.below(8)
        let found = try await self.store.headers(after: last, matching: filter, limit: limit)
        let expected = self.model.headers.filter { header in
            (last.map { $0 < header.id } ?? true) && filter.matches(header)
        }
        try expectEqual(found, Array(expected.prefix(limit)), "a page of headers")
    }

    private mutating func compareExpired() async throws {
        let time = self.time + .milliseconds(self.random.below(5_000) - 2_500)
        let limit = 1 + self.random.below(8)
        let found = try await self.store.expired(at: time, limit: limit)
        let expected = self.model.headers.map(\.expiry).filter { $0 <= time }.sorted().prefix(limit)
        try expectEqual(found.map(\.expiry), Array(expected), "the expiries of what is expired")
        for header in found { try expectEqual(header, self.model.objects[header.id]?.header, "an expired header") }
    }

    private func compareUsage() async throws {
        for account in Self.accounts {
            let usage = try await self.store.usage(of: account)
            try expectEqual(usage, self.model.usage { $0.account == account }, "the usage of an account")
        }
        let usage = try await self.store.usage()
        try expectEqual(usage.total, self.model.usage { _ in true }, "what is stored in all")
        try expectEqual(usage.anonymous, self.model.usage { $0.account.isAnonymous }, "what is stored anonymously")
        try expectEqual(usage.storedBytes, self.model.storedBytes, "what the stored forms take")
    }

    private func compareTombstones() async throws {
        let tombstones = try await self.store.tombstones(skipping: 0, limit: StoreLimits.pageMax)
        try expectEqual(tombstones, self.model.tombstones, "the tombstones")
    }
}
