import Synchronization
import TorporCore
import TorporEngine
import TorporStore

/// A store in memory that takes changes only while a test lets it.
final class TroubledStore: StateStore {
    enum Trouble: Sendable {
        /// Every commit fails: nothing is sent.
        case away
        /// Commits are neither carried out nor answered.
        case silent
    }

    private struct State {
        var trouble: Trouble?
        var held: [CheckedContinuation<Void, Never>] = []
        var arrival: CheckedContinuation<Void, Never>?
    }

    private let store = MemoryStore(identity: 1, incarnation: 2)
    private let state = Mutex(State())

    func begin(_ trouble: Trouble) { self.state.withLock { $0.trouble = trouble } }

    /// Takes changes again, those that are held first.
    func end() {
        let held = self.state.withLock { state in
            state.trouble = nil
            defer { state.held = [] }
            return state.held
        }
        for commit in held { commit.resume() }
    }

    /// Waits until a commit is held.
    func arrival() async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                if !state.held.isEmpty { return true }
                state.arrival = continuation
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func change() async throws(StoreError) {
        switch self.state.withLock({ $0.trouble }) {
        case nil: return
        case .away: throw StoreError(.unavailable, "the file is locked")
        case .silent:
            await withCheckedContinuation { continuation in
                let arrival = self.state.withLock { state in
                    state.held.append(continuation)
                    defer { state.arrival = nil }
                    return state.arrival
                }
                arrival?.resume()
            }
        }
    }

    // MARK: StateStore

    var identity: UInt128 { self.store.identity }
    var incarnation: UInt64 { self.store.incarnation }

    func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome] {
        try await self.change()
        return try await self.store.commit(batch)
    }

    func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError) {
        try await self.change()
        try await self.store.setQuarantined(isQuarantined, id)
    }

    func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence {
        try await self.store.acquire(unit, after: former)
    }

    func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult {
        try await self.store.load(id, admit: admit)
    }

    func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader? { try await self.store.header(of: id) }

    func headers(
        after last: StateObjectID?, matching filter: RecordFilter, limit: Int
    ) async throws(StoreError) -> [RecordHeader] {
        try await self.store.headers(after: last, matching: filter, limit: limit)
    }

    func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader] {
        try await self.store.expired(at: time, limit: limit)
    }

    func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone] {
        try await self.store.tombstones(skipping: count, limit: limit)
    }

    func usage(of account: AccountID) async throws(StoreError) -> AccountUsage {
        try await self.store.usage(of: account)
    }

    func usage() async throws(StoreError) -> StoreUsage { try await self.store.usage() }

    func close() async { await self.store.close() }
}

/// Time that stands still until a test moves it. Pauses last until they are cancelled, or time flows: then they are over at
/// once.
final class HeldTime: Sendable {
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        var flows = false
        var pauses: [AsyncStream<Void>.Continuation] = []
    }

    private let state = Mutex(State())

    var now: Instant { self.state.withLock { $0.now } }

    func advance(by duration: Duration) { self.state.withLock { $0.now = $0.now + duration } }

    /// Ends all pauses, those to come as well.
    func flow() {
        let pauses = self.state.withLock { state in
            state.flows = true
            defer { state.pauses = [] }
            return state.pauses
        }
        for pause in pauses { pause.finish() }
    }

    func hold() { self.state.withLock { $0.flows = false } }

    private func pause() async throws {
        let (end, continuation) = AsyncStream.makeStream(of: Void.self)
        let flows = self.state.withLock { state in
            if !state.flows { state.pauses.append(continuation) }
            return state.flows
        }
        if flows { await Task.yield() } else { for await _ in end {} }
        try Task.checkCancellation()
    }

    var environment: EngineEnvironment {
        EngineEnvironment(
            now: { self.now },
            wallTime: { WallTime(milliseconds: 1_795_000_000_000 + self.now.nanoseconds / 1_000_000) },
            sleep: { _ in try await self.pause() }, randomBits: { UInt128.random(in: .min ... .max) })
    }
}
