import Synchronization
package import TorporCore
package import TorporStore

/// Keeps state objects in a SQLite database, which one process has open at a time.
///
/// Its failure domain is the machine: what was committed survives the end of the process and the loss of power, as far
/// as the disk keeps what it says it has written.
///
/// One thread writes and a few read, each with a connection of its own; nothing blocks the pool where tasks run. What
/// waits for them is bounded by ``SQLiteConfiguration/waitingMax``. docs/formats/sqlite.md describes the file.
package final class SQLiteStore: StateStore {
    package let identity: UInt128
    package let incarnation: UInt64
    /// Absolute.
    package let path: String

    private let shared: SharedState
    private let writer: WorkThreads<Writer>
    private let readers: WorkThreads<Reader>

    /// Opens the database, and makes it where there is none. Takes no longer for a large one.
    /// - Parameters:
    ///   - identity: Of the store, if it is new.
    ///   - incarnation: Another for every opening.
    ///   - report: Called for what happens beside operations, on any thread; must not wait.
    /// - Throws: ``SQLiteStoreError``; nothing that was stored has changed.
    package static func open(
        _ configuration: SQLiteConfiguration, identity: UInt128 = .random(in: 1 ... .max),
        incarnation: UInt64 = .random(in: 1 ... .max), report: @escaping @Sendable (SQLiteStoreEvent) -> Void = { _ in }
    ) async throws(SQLiteStoreError) -> SQLiteStore {
        let shared = SharedState(incarnation: incarnation, report: report)
        let writer = WorkThreads(name: "torpor-writer", threadMax: 1, waitingMax: configuration.waitingMax) {
            Writer(configuration: configuration, shared: shared)
        }
        let opening: Result<Writer.Opening, SQLiteStoreError>
        do throws(StoreError) {
            opening = try await writer.perform { $0.open(identity: identity) }
        } catch {
            throw SQLiteStoreError(.failed, "\(configuration.path) cannot be opened: \(error.reason)")
        }
        switch opening {
        case .success(let opening):
            return SQLiteStore(opening, configuration, shared: shared, writer: writer)
        case .failure(let error):
            await writer.end()
            throw error
        }
    }

    private init(
        _ opening: Writer.Opening, _ configuration: SQLiteConfiguration, shared: SharedState,
        writer: WorkThreads<Writer>
    ) {
        self.identity = opening.identity
        self.incarnation = shared.incarnation
        self.path = opening.path
        self.shared = shared
        self.writer = writer
        self.readers = WorkThreads(
            name: "torpor-reader", threadMax: configuration.readerCount, waitingMax: configuration.waitingMax
        ) {
            Reader(path: opening.path, configuration: configuration)
        }
        guard opening.isCheckDue, configuration.checksAfterUncleanStop else { return }
        shared.check.start(path: opening.path, cacheBytes: configuration.readerCacheBytes) { result in
            switch result {
            case .passed:
                writer.submit { _ = $0.checkPassed() }
                shared.report(.checkPassed)
            case .failed(let findings): shared.report(.checkFailed(findings))
            case .interrupted: shared.report(.checkEnded)
            }
        }
    }

    deinit {
        // Without close() nothing waits for them to end.
        self.shared.check.interrupt()
        self.readers.abandon()
        self.writer.abandon()
    }

    package func close() async {
        self.shared.close()
        // The writer's connection is the last to be closed: it leaves the log empty.
        await self.shared.check.end()
        await self.readers.end()
        await self.writer.end()
    }

    // MARK: Writing

    package func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence {
        guard let fence = self.shared.fence(of: unit) else { throw .closed }
        guard let former, fence == former else { return fence }
        return try await self.writer.perform { $0.acquire(unit, after: former) }.get()
    }

    package func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome] {
        try await self.writer.perform { $0.commit(batch) }.get()
    }

    package func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError) {
        try await self.writer.perform { $0.setQuarantined(isQuarantined, id) }.get()
    }

    // MARK: Reading

    package func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult {
        try await self.read { $0.load(id, admit: admit) }
    }

    package func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader? {
        try await self.read { $0.header(of: id) }
    }

    package func headers(
        after last: StateObjectID?, matching filter: RecordFilter, limit: Int
    ) async throws(StoreError) -> [RecordHeader] {
        try await self.read { $0.headers(after: last, matching: filter, limit: limit) }
    }

    package func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader] {
        try await self.read { $0.expired(at: time, limit: limit) }
    }

    package func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone] {
        try await self.read { $0.tombstones(skipping: count, limit: limit) }
    }

    package func usage(of account: AccountID) async throws(StoreError) -> AccountUsage {
        try await self.read { $0.usage(of: account) }
    }

    package func usage() async throws(StoreError) -> StoreUsage { try await self.read { $0.usage() } }

    private func read<R: Sendable>(
        _ body: @escaping @Sendable (Reader) -> Result<R, StoreError>
    ) async throws(StoreError) -> R {
        guard !Task.isCancelled else { throw .cancelled }
        return try await self.readers.perform(body).get()
    }

    // MARK: Tests

    /// Runs `body` with the writer's connection, in turn with what it writes.
    func withWriter<R: Sendable>(_ body: @escaping @Sendable (Writer) -> R) async throws(StoreError) -> R {
        try await self.writer.perform(body)
    }
}
