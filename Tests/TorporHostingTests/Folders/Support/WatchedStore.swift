import Synchronization
import TorporCore
import TorporStore

/// A store in front of another, which counts what reaches that one, and can end: from some commit on it is closed, as for
/// a process that was killed there.
final class WatchedStore: StateStore {
    struct Counts: Equatable, Sendable {
        /// Objects written, by kind of name: the index has none.
        var indexes = 0
        var pages = 0
        var deletions = 0
        /// Values that were stored.
        var values = 0
        var all: Int { self.indexes + self.pages + self.deletions }
    }
    private struct State {
        var counts = Counts()
        var commitsLeft: Int?
        var isUnavailable = false
        var loadsLeft: Int?
        var onCommit: (@Sendable () -> Void)?
        var onLoad: (@Sendable () -> Void)?
    }

    private let base: any StateStore
    private let state = Mutex(State())

    init(_ base: any StateStore) { self.base = base }

    var identity: UInt128 { self.base.identity }
    var incarnation: UInt64 { self.base.incarnation }

    // MARK: What a test does

    var counts: Counts { self.state.withLock { $0.counts } }

    /// Lets so many commits through; from then on nothing is reached.
    func endAfter(commits: Int) { self.state.withLock { $0.commitsLeft = commits } }

    /// Whether everything fails, and may succeed later.
    func setUnavailable(_ isUnavailable: Bool) { self.state.withLock { $0.isUnavailable = isUnavailable } }

    func onCommit(_ body: (@Sendable () -> Void)?) { self.state.withLock { $0.onCommit = body } }
    func onLoad(_ body: (@Sendable () -> Void)?) { self.state.withLock { $0.onLoad = body } }

    private func check() throws(StoreError) {
        let error = self.state.withLock { state -> StoreError? in
            if state.commitsLeft == 0 { return .closed }
            return state.isUnavailable ? StoreError(.unavailable, "as the test wants it") : nil
        }
        if let error { throw error }
    }

    // MARK: StateStore

    func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence {
        try self.check()
        return try await self.base.acquire(unit, after: former)
    }

    func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult {
        try self.check()
        self.state.withLock { $0.onLoad }?()
        return try await self.base.load(id, admit: admit)
    }

    func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome] {
        try self.check()
        let body = self.state.withLock { state in
            if let left = state.commitsLeft { state.commitsLeft = left - 1 }
            for object in batch.objects {
                switch object.action {
                case .delete: state.counts.deletions += 1
                case .write(let values):
                    if object.header.name.isEmpty { state.counts.indexes += 1 } else { state.counts.pages += 1 }
                    state.counts.values += values.count
                }
            }
            return state.onCommit
        }
        body?()
        return try await self.base.commit(batch)
    }

    func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader? {
        try self.check()
        return try await self.base.header(of: id)
    }

    func headers(after last: StateObjectID?, matching filter: RecordFilter, limit: Int) async throws(StoreError)
        -> [RecordHeader]
    {
        try self.check()
        return try await self.base.headers(after: last, matching: filter, limit: limit)
    }

    func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader] {
        try self.check()
        return try await self.base.expired(at: time, limit: limit)
    }

    func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone] {
        try self.check()
        return try await self.base.tombstones(skipping: count, limit: limit)
    }

    func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError) {
        try self.check()
        try await self.base.setQuarantined(isQuarantined, id)
    }

    func usage(of account: AccountID) async throws(StoreError) -> AccountUsage {
        try self.check()
        return try await self.base.usage(of: account)
    }

    func usage() async throws(StoreError) -> StoreUsage {
        try self.check()
        return try await self.base.usage()
    }

    /// The other one stays open: another process has it then.
    func close() async {}
}
