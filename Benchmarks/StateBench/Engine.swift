import Glibc
import TorporCompression
import TorporCore
import TorporEngine
import TorporSQLite
import TorporStore

/// An engine over a SQLite store, as `torpor serve` makes it.
struct BenchEngine {
    let engine: StateEngine
    let store: SQLiteStore
    /// Whose an object is, by its number.
    let account: @Sendable (Int) -> AccountID

    /// - Parameter residentMax: What objects take in memory at most. No account takes less, so that the process's limit
    ///   is the one that is met.
    static func open(
        _ path: String, residentMax: ByteCount, account: @escaping @Sendable (Int) -> AccountID = Workload.account
    ) async throws -> BenchEngine {
        let store = try await SQLiteStore.open(SQLiteConfiguration(path: path))
        let limits = EngineLimits(
            memory: MemoryLimits(
                residentMax: residentMax, objectMax: min(.mebibytes(8), residentMax), accountMax: residentMax,
                anonymousMax: residentMax),
            storage: StorageLimits(
                totalMax: .gibibytes(1_024), accountMax: .gibibytes(1_024), accountObjectsMax: 100_000_000,
                anonymousMax: .gibibytes(1_024)))
        let engine = try StateEngine(
            store: store, usage: try await store.usage(), codec: RecordValueCodec(compression: ZstdCompression()),
            limits: limits,
            environment: EngineEnvironment(
                now: { Instant(nanoseconds: ProcessFigures.monotonicNanoseconds) },
                wallTime: { WallTime(milliseconds: ProcessFigures.wallMilliseconds) },
                sleep: { try await Task.sleep(for: $0) }, randomBits: { .random(in: .min ... .max) }))
        return BenchEngine(engine: engine, store: store, account: account)
    }

    /// Runs the engine while `body` runs; then everything is durable and the store is closed.
    func run<Result: Sendable>(while body: @Sendable () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { await self.engine.run() }
            let result: Result
            do {
                result = try await body()
            } catch {
                self.engine.stop()
                throw error
            }
            self.engine.stop()
            guard try await group.next() == true else { throw BenchFailure("something was left when the engine ended") }
            return result
        }
    }

    func name(_ number: Int) -> ObjectName {
        ObjectName(Workload.id(number), .handle, name: Workload.stateName, account: self.account(number))
    }

    /// Makes objects of one value each, by several tasks at once, each object durable before the next of its task.
    func make(_ numbers: Range<Int>, bytes: Int, tasks: Int = 256) async throws {
        try await inParallel(numbers, tasks: tasks) { number in
            let name = self.name(number)
            let use = self.engine.use()
            defer { use.end() }
            try await use.create(name)
            let value = Workload.value(number, count: bytes)
            try await use.update(name) { $0.set(Workload.key, value) }
            try await use.durable()
        }
    }

    /// Reads an object's value, from the store when it is asleep, and sees that it is the right one.
    func check(_ number: Int, bytes: Int) async throws {
        let value = try await self.read(number)
        guard value == Workload.value(number, count: bytes) else {
            throw BenchFailure("object \(number) is not what was kept")
        }
    }

    func read(_ number: Int) async throws -> [UInt8]? {
        let use = self.engine.use()
        defer { use.end() }
        return try await use.value(Workload.key, of: self.name(number))
    }
}

/// Carries `body` out for each number, by so many tasks at once.
func inParallel(
    _ numbers: Range<Int>, tasks: Int, _ body: @escaping @Sendable (Int) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<min(tasks, numbers.count) {
            group.addTask {
                for number in stride(from: numbers.lowerBound + task, to: numbers.upperBound, by: tasks) {
                    try await body(number)
                }
            }
        }
        try await group.waitForAll()
    }
}

/// Runs `body` with the path of a database that does not exist yet, in a folder that is deleted afterwards.
///
/// The folder is made in `TMPDIR`, else in `/tmp`.
func withTemporaryStore<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/torpor-state-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw BenchFailure("no folder can be made in \(parent)") }
    let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }  // Never empty.
    defer {
        for suffix in ["", "-wal", "-shm", "-lock"] { unlink("\(folder)/state.db\(suffix)") }
        rmdir(folder)
    }
    return try await body("\(folder)/state.db")
}
