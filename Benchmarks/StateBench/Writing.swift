import CSQLite
import Glibc
import TorporCore
import TorporEngine

extension StateBench {
    /// Closed-loop writers over the engine: each updates the objects of its own, one after the other, and waits until the
    /// change is durable.
    ///
    /// Options: `--objects`, `--bytes`, `--writers`, `--seconds`.
    static func measureWrites(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let (writers, seconds) = (try options.number("writers"), try options.number("seconds"))
        return try await withTemporaryStore { path in
            let bench = try await BenchEngine.open(path, residentMax: .gibibytes(1))
            return try await bench.run {
                try await bench.make(0..<count, bytes: max(bytes, 100))
                return try await Self.load(writers, seconds) { writer, turn in
                    let number = (writer + turn * writers) % count
                    let value = Workload.dense(turn, count: bytes)
                    let use = bench.engine.use()
                    defer { use.end() }
                    try await use.update(bench.name(number)) { $0.set(Workload.key, value) }
                    try await use.durable()
                }
            }
        }
    }

    /// The same load on what SQLite alone can do: one thread commits all that waits as one transaction, compare and set
    /// in one table, and copies the log when the engine's store would.
    static func measureBareWrites(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let (writers, seconds) = (try options.number("writers"), try options.number("seconds"))
        return try await withTemporaryStore { path in
            let writer = try BareWriter(path, objects: count, bytes: bytes)
            let figures = try await Self.load(writers, seconds) { task, turn in
                let value = Workload.dense(turn, count: bytes)
                try await writer.put((task + turn * writers) % count, value)
            }
            writer.end()
            return figures
        }
    }

    private static func load(
        _ writers: Int, _ seconds: Int, _ write: @escaping @Sendable (Int, Int) async throws -> Void
    ) async throws -> Figures {
        let cpu = ProcessFigures.cpuSeconds
        let start = ProcessFigures.monotonicNanoseconds
        let end = start + Int64(seconds) * 1_000_000_000
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    var turn = 0
                    while ProcessFigures.monotonicNanoseconds < end {
                        try await write(writer, turn)
                        turn += 1
                    }
                    return turn
                }
            }
            return try await group.reduce(0, +)
        }
        let records = Double(total)
        var figures = Figures()
        figures.add("records_per_second", records / (Double(ProcessFigures.monotonicNanoseconds - start) / 1e9))
        figures.add("cpu_us_per_record", (ProcessFigures.cpuSeconds - cpu) / records * 1e6)
        return figures
    }
}

/// Commits what waits in batches, and knows nothing else.
///
/// `@unchecked Sendable` is safe: the connection and the statements are the thread's alone once it runs.
private final class BareWriter: @unchecked Sendable {
    private struct Put {
        let object: Int
        let value: [UInt8]
        let continuation: UnsafeContinuation<Void, Never>
    }
    private struct Queue {
        var puts: [Put] = []
        var isEnding = false
        var hasEnded = false
    }

    /// As the engine's store has it.
    private static let checkpointPages = (4 << 20) / 4_120

    private var database: OpaquePointer?
    private var update: OpaquePointer?
    private var revisions: [Int64]
    private var nextCheckpoint: Int32 = 0
    private var queue = Queue()
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(_ path: String, objects: Int, bytes: Int) throws {
        self.revisions = Array(repeating: 0, count: objects)
        pthread_mutex_init(self.mutex, nil)
        pthread_cond_init(self.condition, nil)
        try self.check(
            sqlite3_open_v2(path, &self.database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nil)
        )
        for statement in [
            "PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
            "PRAGMA wal_autocheckpoint = 0", "PRAGMA journal_size_limit = \(16 << 20)", "PRAGMA cache_size = -2048",
            "CREATE TABLE objects (number INTEGER PRIMARY KEY, revision INTEGER NOT NULL, value BLOB NOT NULL)",
            "BEGIN",
        ] { try self.execute(statement) }
        for object in 0..<objects {
            try self.execute("INSERT INTO objects VALUES (\(object), 0, zeroblob(\(bytes)))")
        }
        try self.execute("COMMIT")
        try self.check(
            sqlite3_prepare_v2(
                self.database, "UPDATE objects SET revision = ?2 + 1, value = ?3 WHERE number = ?1 AND revision = ?2",
                -1,
                &self.update, nil))
        sqlite3_wal_hook(
            self.database,
            { context, database, _, pages in
                // The writer outlives its connection.
                Unmanaged<BareWriter>.fromOpaque(context!).takeUnretainedValue().committed(database, pages: pages)
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                // What is passed below.
                Unmanaged<BareWriter>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    deinit {
        self.mutex.deallocate()
        self.condition.deallocate()
    }

    /// Returns when the value is durable.
    func put(_ object: Int, _ value: [UInt8]) async throws {
        await withUnsafeContinuation { continuation in
            self.locked { $0.puts.append(Put(object: object, value: value, continuation: continuation)) }
        }
    }

    /// Returns when the thread has ended and the database is closed.
    func end() {
        self.locked { $0.isEnding = true }
        pthread_mutex_lock(self.mutex)
        while !self.queue.hasEnded { pthread_cond_wait(self.condition, self.mutex) }
        pthread_mutex_unlock(self.mutex)
    }

    private func locked(_ body: (inout Queue) -> Void) {
        pthread_mutex_lock(self.mutex)
        body(&self.queue)
        pthread_cond_broadcast(self.condition)
        pthread_mutex_unlock(self.mutex)
    }

    private func run() {
        while true {
            pthread_mutex_lock(self.mutex)
            while self.queue.puts.isEmpty, !self.queue.isEnding { pthread_cond_wait(self.condition, self.mutex) }
            let batch = self.queue.puts
            self.queue.puts = []
            pthread_mutex_unlock(self.mutex)
            if batch.isEmpty { break }
            self.commit(batch)
            for put in batch { put.continuation.resume() }
        }
        sqlite3_finalize(self.update)
        sqlite3_close(self.database)
        self.locked { $0.hasEnded = true }
    }

    private func commit(_ batch: [Put]) {
        do {
            try self.execute("BEGIN IMMEDIATE")
            for put in batch {
                sqlite3_bind_int64(self.update, 1, Int64(put.object))
                sqlite3_bind_int64(self.update, 2, self.revisions[put.object])
                let result = put.value.withUnsafeBytes { value in
                    sqlite3_bind_blob(self.update, 3, value.baseAddress, Int32(value.count), nil)
                    return sqlite3_step(self.update)
                }
                guard result == SQLITE_DONE, sqlite3_changes(self.database) == 1 else {
                    throw BenchFailure("a write failed")
                }
                sqlite3_reset(self.update)
                self.revisions[put.object] += 1
            }
            try self.execute("COMMIT")
        } catch {
            fail(error)
        }
        self.checkpointIfDue()
    }

    private var logPages: Int32 = 0

    private func committed(_ database: OpaquePointer?, pages: Int32) {
        if pages < self.logPages { self.nextCheckpoint = 0 }
        self.logPages = pages
    }

    private func checkpointIfDue() {
        guard self.logPages >= Self.checkpointPages, self.logPages >= self.nextCheckpoint else { return }
        sqlite3_wal_checkpoint_v2(self.database, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        self.nextCheckpoint = self.logPages + Int32(Self.checkpointPages)
    }

    private func execute(_ statement: String) throws {
        try self.check(sqlite3_exec(self.database, statement, nil, nil, nil))
    }

    private func check(_ result: Int32) throws {
        guard result == SQLITE_OK else {
            throw BenchFailure("SQLite: \(String(cString: sqlite3_errmsg(self.database)))")
        }
    }
}
