package import TorporCore
package import TorporStore

/// A store under trial, and the steps that many cases take. For adapters' own tests, too.
package struct StoreTrial: Sendable {
    package let store: any StateStore
    package let tombstonesMax: Int
    /// Closes the store and opens it again.
    private let openAgain: @Sendable () async throws -> any StateStore

    package init(_ store: any StateStore, of factory: some StoreFactory) {
        self.store = store
        self.tombstonesMax = factory.tombstonesMax
        self.openAgain = { try await factory.open() }
    }

    /// Closes the store, hands the same one, opened again, to `body`, and closes that.
    package func reopened(_ body: @Sendable (StoreTrial) async throws -> Void) async throws {
        await self.store.close()
        let store = try await self.openAgain()
        let again = StoreTrial(store: store, tombstonesMax: self.tombstonesMax, openAgain: self.openAgain)
        do {
            try await body(again)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    private init(
        store: any StateStore, tombstonesMax: Int, openAgain: @escaping @Sendable () async throws -> any StateStore
    ) {
        self.store = store
        self.tombstonesMax = tombstonesMax
        self.openAgain = openAgain
    }

    /// A draft of the first commit of object number `number`, under the fence in force.
    package func draft(
        _ number: UInt128, account: AccountID = .principal(7), values: [(key: [UInt8], stored: [UInt8]?)]? = []
    ) async throws -> ObjectDraft {
        let id = StateObjectID(bits: number)
        let fence = try await self.store.acquire(UnitID(account, id), after: nil)
        return ObjectDraft(
            id: id, account: account, fence: fence, base: .zero, revision: Revision(1), values: values,
            valueCount: values?.count ?? 0)
    }

    /// Commits, and expects every object to be committed.
    package func commit(_ drafts: ObjectDraft..., id: UInt128 = 1) async throws {
        try await self.commit(drafts, id: id)
    }

    package func commit(_ drafts: [ObjectDraft], id: UInt128 = 1) async throws {
        let outcomes = try await self.store.commit(CommitBatch(drafts, id: id))
        try expectEqual(outcomes, drafts.map { _ in .committed }, "the outcomes")
    }

    /// Commits one object, and expects it to be refused.
    package func expectRefusal(
        _ reason: CommitRefusal.Reason, of draft: ObjectDraft, _ what: String
    ) async throws {
        let outcomes = try await self.store.commit(CommitBatch([draft]))
        try expectEqual(outcomes.map(\.refusal), [reason], what)
    }

    /// The record of object number `number`, which is expected to be there.
    package func record(_ number: UInt128) async throws -> Record {
        switch try await self.store.load(StateObjectID(bits: number), admit: { _ in true }) {
        case .found(let record): return record
        case .missing: throw StoreConformanceFailure("object \(number) is missing")
        case .notAdmitted: throw StoreConformanceFailure("object \(number) was not admitted although there is room")
        }
    }

    package func expectMissing(_ number: UInt128) async throws {
        guard case .missing = try await self.store.load(StateObjectID(bits: number), admit: { _ in true }) else {
            throw StoreConformanceFailure("object \(number) is there")
        }
        let header = try await self.store.header(of: StateObjectID(bits: number))
        try expectEqual(header, nil, "the header of a missing object")
    }

    package func expectValues(_ expected: [(key: [UInt8], stored: [UInt8])], of number: UInt128) async throws {
        let found = try await self.record(number).list
        try expect(
            found.elementsEqual(expected, by: ==),
            "the values of object \(number): found \(found.count) of them, expected \(expected.count), or others")
    }

    package func expectUsage(_ objects: Int, _ bytes: Int, of account: AccountID) async throws {
        let usage = try await self.store.usage(of: account)
        try expectEqual(usage, AccountUsage(objects: objects, bytes: bytes), "the usage of an account")
    }

    /// All tombstones, read in pages.
    package func tombstones(page: Int = 100) async throws -> [Tombstone] {
        var all: [Tombstone] = []
        while true {
            let found = try await self.store.tombstones(skipping: all.count, limit: page)
            all += found
            if found.count < page { return all }
        }
    }

    /// All headers that match, read in pages.
    package func headers(matching filter: RecordFilter = RecordFilter(), page: Int) async throws -> [RecordHeader] {
        var all: [RecordHeader] = []
        while true {
            let found = try await self.store.headers(after: all.last?.id, matching: filter, limit: page)
            try expect(found.count <= page, "a page of \(page) headers holds \(found.count)")
            all += found
            if found.count < page { return all }
        }
    }
}

extension ObjectDraft {
    /// The draft of a later commit of the same object.
    package func next(_ values: [(key: [UInt8], stored: [UInt8]?)]?, revision: UInt64? = nil) -> ObjectDraft {
        var next = self
        next.base = self.revision
        next.revision = revision.map { Revision($0) } ?? self.revision.next
        next.values = values
        return next
    }
}

extension CommitOutcome {
    /// Why the object was refused, if it was.
    package var refusal: CommitRefusal.Reason? {
        if case .refused(let refusal) = self { refusal.reason } else { nil }
    }
}
