import Foundation
import Synchronization
import Testing
import TorporCompression
import TorporCore
import TorporEngine
import TorporSQLite
import TorporStore
import TorporTestSupport

@testable import TorporHosting

/// Where folders are stored in a test.
enum StoreKind: CaseIterable, CustomTestStringConvertible {
    case memory, sqlite

    var testDescription: String { "\(self)" }

    /// Runs `body` with a store that is there for as long as the test, as the machine is.
    func withStore(_ body: (any StateStore) async throws -> Void) async throws {
        switch self {
        case .memory: try await body(MemoryStore())
        case .sqlite:
            try await withTemporaryFolder { folder in
                var configuration = SQLiteConfiguration(path: folder + "/torpor.db")
                configuration.checkpointDelay = .seconds(86_400)
                let store = try await SQLiteStore.open(configuration) { _ in }
                do {
                    try await body(store)
                } catch {
                    await store.close()
                    throw error
                }
                await store.close()
            }
        }
    }
}

/// One process that keeps folders, from its start to its end.
struct FolderTrial: Sendable {
    let engine: StateEngine
    let store: WatchedStore
    let folders: FolderStore
    let clock: TrialClock

    /// - Parameter endsCleanly: Whether everything must have been committed at the end.
    static func run(
        _ base: any StateStore, limits: FolderLimits = FolderLimits(), engineLimits: EngineLimits = EngineLimits(),
        clock: TrialClock = TrialClock(), endsCleanly: Bool = true,
        _ body: (FolderTrial) async throws -> Void
    ) async throws {
        let store = WatchedStore(base)
        let engine = try StateEngine(
            store: store, usage: try await store.usage(), codec: RecordValueCodec(compression: ZstdCompression()),
            limits: engineLimits,
            environment: EngineEnvironment(
                now: { Instant(nanoseconds: Int64(DispatchTime.now().uptimeNanoseconds)) },
                wallTime: { clock.wallTime },
                sleep: { try await Task.sleep(for: $0) }, randomBits: { .random(in: 1 ... .max) }))
        let trial = FolderTrial(
            engine: engine, store: store, folders: FolderStore(engine, limits: limits), clock: clock)
        let isClean = try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { await engine.run() }
            do { try await body(trial) } catch {
                engine.stop()
                throw error
            }
            engine.stop()
            return try await group.next() ?? false
        }
        if endsCleanly { #expect(isClean) }
    }

    /// The objects in the store: the index and the pages of all folders.
    func storedObjects() async throws -> [RecordHeader] {
        try await self.store.headers(after: nil, matching: RecordFilter(), limit: 10_000)
    }
}

/// Civil time that only a test moves.
final class TrialClock: Sendable {
    private let time = Mutex(WallTime(milliseconds: 1_800_000_000_000))

    var wallTime: WallTime { self.time.withLock { $0 } }

    func advance(by duration: Duration) { self.time.withLock { $0 = $0 + duration } }
}

extension FolderKey {
    static func number(_ number: Int, retention: Duration = .seconds(604_800)) -> FolderKey {
        FolderKey(id: StateObjectID(bits: UInt128(number) << 64 | 7), account: .principal(1), retention: retention)
    }
}

/// Runs `body` with a new folder, and removes it.
func withTemporaryFolder(_ body: (String) async throws -> Void) async throws {
    let path = NSTemporaryDirectory() + "torpor-folders-\(UUID().uuidString)"
    #expect(mkdir(path, 0o700) == 0)
    defer {
        // Foundation cannot remove names that are no text.
        do throws(SystemFailure) {
            try Descriptor.folder(at: path).empty()
        } catch {
            Issue.record("\(path) cannot be removed: \(error.text)")
        }
        rmdir(path)
    }
    try await body(path)
}

/// What lies below a folder, as tests compare it.
struct Snapshot: Equatable, CustomStringConvertible {
    struct Entry: Equatable {
        var path: FolderPath
        var mode: UInt16
        var modified: FileTime
        /// `nil` for folders.
        var bytes: [UInt8]?
    }
    var entries: [Entry]

    init(_ path: String) throws {
        let tree = try FolderTree(at: path)
        let scan = try FolderScan(
            of: tree, limits: FolderLimits(bytesMax: .gibibytes(4), entriesMax: 1_000_000, depthMax: 64, pathMax: 8_192)
        )
        self.entries = try scan.entries.map { entry in
            var bytes: [UInt8]?
            if !entry.isFolder {
                var buffer = [UInt8](repeating: 0, count: entry.size)
                if entry.size > 0 {
                    let count = try tree.file(entry.path, O_RDONLY).read(entry.size, at: 0, into: &buffer)
                    #expect(count == entry.size)
                }
                bytes = buffer
            }
            return Entry(path: entry.path, mode: entry.mode, modified: entry.modified, bytes: bytes)
        }
    }

    var description: String {
        self.entries.map { "\($0.path) \(String($0.mode, radix: 8)) \($0.bytes.map { "\($0.count)" } ?? "/")" }
            .joined(separator: "\n")
    }
}

/// Makes files and folders for a test.
struct Disk {
    let path: String

    func file(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws {
        try self.file(Array(name.utf8), bytes, mode: mode)
    }

    func file(_ name: [UInt8], _ bytes: [UInt8], mode: mode_t = 0o644) throws {
        let path = FolderPath(name)
        let tree = try FolderTree(at: self.path)
        let file = try tree.file(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        try file.write(bytes)
        #expect(fchmod(file.number, mode) == 0)
    }

    func folder(_ name: String, mode: mode_t = 0o755) throws {
        #expect(mkdir("\(self.path)/\(name)", mode) == 0, "\(name)")
        #expect(chmod("\(self.path)/\(name)", mode) == 0)
    }

    func remove(_ name: String) { #expect(unlink("\(self.path)/\(name)") == 0) }

    /// Bytes of which each run of 4,096 is like no other, whatever the seed.
    static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        let block = (0..<512).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + block.count)
        while bytes.count < count {
            withUnsafeBytes(of: random.next()) { bytes += $0 }
            bytes += block[8...]
        }
        return Array(bytes[..<count])
    }
}

/// Expects a folder error, and returns it.
@discardableResult
func expectFolderError(
    _ code: FolderError.Code, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> some Any
) async throws -> FolderError {
    do {
        _ = try await body()
    } catch let error as FolderError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        return error
    }
    Issue.record("nothing failed", sourceLocation: sourceLocation)
    return FolderError(code, "")
}
