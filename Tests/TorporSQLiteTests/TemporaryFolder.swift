import CSQLite
import Foundation
import Synchronization
import TorporStore
import TorporStoreTestKit

@testable import TorporSQLite

/// Runs `body` with a new folder, and removes it.
func withTemporaryFolder(_ body: (String) async throws -> Void) async throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "torpor-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    // It may have been made unwritable, or be gone.
    defer { try? FileManager.default.removeItem(at: url) }
    try await body(url.path)
}

/// The store in a file of its own.
struct SQLiteStoreFactory: StoreFactory {
    var configuration: SQLiteConfiguration
    var report: @Sendable (SQLiteStoreEvent) -> Void = { _ in }

    init(folder: String) {
        self.configuration = SQLiteConfiguration(path: folder + "/torpor.db")
        self.configuration.tombstonesMax = 300
        // Tests rest when they want to.
        self.configuration.checkpointDelay = .seconds(86_400)
    }

    var tombstonesMax: Int { self.configuration.tombstonesMax }
    var path: String { self.configuration.path }

    func open() async throws -> any StateStore {
        try await SQLiteStore.open(self.configuration, report: self.report)
    }

    /// Opens the store, and closes it behind `body`.
    func withStore(_ body: (SQLiteStore, StoreTrial) async throws -> Void) async throws {
        let store = try await SQLiteStore.open(self.configuration, report: self.report)
        do {
            try await body(store, StoreTrial(store, of: self))
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    /// Expects the store not to be opened.
    /// - Returns: What the error says.
    func openingFailure(_ code: SQLiteStoreError.Code, _ what: String = "") async throws -> String {
        do throws(SQLiteStoreError) {
            let store = try await SQLiteStore.open(self.configuration)
            await store.close()
        } catch {
            try expectEqual(error.code, code, "the error")
            try expect(error.description.contains(self.path), "the error does not name the file: \(error)")
            return error.description
        }
        throw StoreConformanceFailure("the store was opened \(what)")
    }
}

extension SQLiteStore {
    /// Lets commits return before the disk has them, where a test makes thousands.
    func goWithoutSyncing() async throws {
        try await self.withWriter { try? $0.connection?.connection.execute("PRAGMA synchronous = OFF") }
    }
}

/// Another program's connection to a database.
final class ForeignConnection: @unchecked Sendable {
    // Used by one task at a time.
    let handle: OpaquePointer

    init(_ path: String) throws {
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK, let handle else { throw SQLiteFailure(of: handle) }
        self.handle = handle
    }

    deinit { sqlite3_close_v2(self.handle) }

    func execute(_ sql: String) throws {
        guard sqlite3_exec(self.handle, sql, nil, nil, nil) == SQLITE_OK else { throw SQLiteFailure(of: self.handle) }
    }

    func integer(_ sql: String) throws -> Int64 { try Int64(self.text(sql)) ?? 0 }

    /// The first column of the first row.
    func text(_ sql: String) throws -> String {
        let statement = try Statement(sql, self.handle, lives: false)
        defer { sqlite3_finalize(statement.handle) }
        return try statement.step() ? statement.text(0) : ""
    }
}

/// Counts, and lets tasks wait for a count.
final class Arrivals: Sendable {
    private struct State {
        var count = 0
        var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    var count: Int { self.state.withLock { $0.count } }

    func arrive() {
        let ready = self.state.withLock { state in
            state.count += 1
            let ready = state.waiting.filter { $0.count <= state.count }
            state.waiting.removeAll { $0.count <= state.count }
            return ready
        }
        for (_, continuation) in ready { continuation.resume() }
    }

    /// Returns when there have been so many.
    func wait(for count: Int) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isThere = self.state.withLock { state in
                if state.count < count { state.waiting.append((count, continuation)) }
                return state.count >= count
            }
            if isThere { continuation.resume() }
        }
    }
}

/// What a store has reported.
final class EventLog: Sendable {
    private let list = Mutex<[SQLiteStoreEvent]>([])
    private let arrivals = Arrivals()

    var events: [SQLiteStoreEvent] { self.list.withLock { $0 } }

    func append(_ event: SQLiteStoreEvent) {
        self.list.withLock { $0.append(event) }
        self.arrivals.arrive()
    }

    /// Returns when there are so many.
    func wait(for count: Int) async { await self.arrivals.wait(for: count) }
}

func fileSize(_ path: String) -> Int { StoreFile.size(path) ?? 0 }

/// Damages a database that is closed: writes nonsense over the root of a table or an index.
func overwritePage(ofRoot name: String, in path: String) throws {
    let page = try ForeignConnection(path).integer("SELECT rootpage FROM sqlite_master WHERE name = '\(name)'")
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.seek(toOffset: UInt64(page - 1) * UInt64(LogSize.pageBytes))
    try file.write(contentsOf: Data(repeating: 0xEE, count: LogSize.pageBytes))
    try file.close()
}
