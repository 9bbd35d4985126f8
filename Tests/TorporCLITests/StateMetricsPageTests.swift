import Glibc
import NIOHTTP1
import Testing
import TorporCore
import TorporHTTP
import TorporMetrics
import TorporStorage

@testable import Torpor
@testable import TorporCLI
@testable import TorporEngine

/// What `/metrics` tells of state that is kept in a SQLite file.
@Suite struct StateMetricsPageTests {
    private struct Trial: Sendable {
        let service: StateService
        let page: AdminPage

        func set(_ number: Int, _ bytes: Int, account: AccountID = .principal(1)) async throws {
            let use = self.service.engine.use()
            defer { use.end() }
            let value = [UInt8](repeating: 7, count: bytes)
            try await use.update(Self.name(number, account)) { $0.set([1], value) }
            try await use.durable()
        }

        func get(_ number: Int) async throws -> Int? {
            let use = self.service.engine.use()
            defer { use.end() }
            return try await use.value([1], of: Self.name(number, .principal(1)))?.count
        }

        static func name(_ number: Int, _ account: AccountID) -> ObjectName {
            ObjectName(StateObjectID(bits: UInt128(number)), .session, account: account)
        }

        func expect(_ expected: [String: Double], sourceLocation: SourceLocation = #_sourceLocation) async throws {
            let samples = try await self.page.metrics().samples
            for (series, value) in expected {
                #expect(samples[series] == value, "\(series)", sourceLocation: sourceLocation)
            }
        }
    }

    /// One object takes 100 KB at most, all of them 400 KB, of which one account may take all.
    private func withState(_ body: @escaping @Sendable (Trial) async throws -> Void) async throws {
        let path = "/tmp/torpor-metrics-\(getpid())-\(UInt64.random(in: 0 ... .max)).db"
        defer { for suffix in ["", "-wal", "-shm", "-lock"] { unlink(path + suffix) } }
        let memory = MemoryLimits(
            residentMax: ByteCount(400_000), objectMax: ByteCount(100_000), accountMax: ByteCount(400_000),
            dirtyMax: ByteCount(200_000))
        let service = try await StateService.sqlite(
            path, limits: StateLimits(memory: memory, storage: StorageLimits(totalMax: .mebibytes(8))),
            logger: quietLogger)
        let registry = MetricsRegistry()
        let metrics = StateMetrics(factory: registry)
        service.engine.addObserver { metrics.record($0) }
        let reporting = StateReporting(service, in: registry, logger: quietLogger)
        let sources = AdminSources(
            metricsText: { registry.text() }, liveness: { .healthy }, readiness: { .healthy },
            operations: AdminOperations(process: { [:] }, state: reporting.operations))
        try await service.run {
            try await withAdminListener(sources) { port in
                try await body(Trial(service: service, page: try AdminPage(port: port)))
            }
        }
    }

    @Test func whatIsKeptIsCountedInMemoryAndInTheFile() async throws {
        try await self.withState { trial in
            for number in 1...3 { try await trial.set(number, 50_000) }
            let samples = try await trial.page.metrics().samples
            try await trial.expect([
                #"torpor_state_objects{state="at_rest"}"#: 3, #"torpor_state_objects{state="in_use"}"#: 0,
                #"torpor_state_objects{state="dirty"}"#: 0, "torpor_resident_limit_bytes": 400_000,
                "torpor_dirty_bytes": 0, "torpor_dirty_limit_bytes": 200_000, "torpor_anonymous_bytes": 0,
                "torpor_anonymous_limit_bytes": 200_000, "torpor_stored_objects": 3, "torpor_stored_bytes": 150_003,
                "torpor_stored_limit_bytes": 8_388_608, "torpor_tombstones": 0, "torpor_commit_queue_objects": 0,
                "torpor_waiting_calls": 0, #"torpor_commit_outcomes_total{outcome="committed"}"#: 3,
                #"torpor_commit_bytes_total{form="raw"}"#: 150_003, "torpor_commit_duration_seconds_count": 3,
                "torpor_commit_objects_count": 3, "torpor_commit_objects_sum": 3, "torpor_object_bytes_sum": 150_003,
                #"torpor_loads_total{origin="store",result="missing"}"#: 3,
            ])
            #expect((150_003...160_000).contains(samples["torpor_resident_bytes"] ?? 0))
            #expect((150_003...170_000).contains(samples["torpor_arena_live_bytes"] ?? 0))
            #expect(samples["torpor_arena_committed_bytes"] ?? 0 >= 150_003)
            // The bytes are all the same, so that they take next to nothing.
            #expect((1...1_000).contains(samples[#"torpor_commit_bytes_total{form="stored"}"#] ?? 0))
            await trial.service.engine.lookAtStore()
            let looked = try await trial.page.metrics().samples
            #expect((1...1_000).contains(looked["torpor_stored_compressed_bytes"] ?? 0))
            #expect(looked["torpor_store_file_bytes"] ?? 0 >= 4_096 && looked["torpor_disk_free_bytes"] ?? 0 > 0)
        }
    }

    @Test func sleepAndWakingAreCounted() async throws {
        try await self.withState { trial in
            for number in 1...5 { try await trial.set(number, 95_000) }
            let evicted = try await trial.page.metrics().samples[#"torpor_evictions_total{reason="room"}"#] ?? 0
            #expect(evicted >= 1, "five objects do not fit")
            let slept = try await trial.page.client.object(.POST, "/debug/sessions/evict")
            #expect(slept["evicted"] == .number(JSONNumber(5 - Int(evicted))))
            try await trial.expect([
                #"torpor_evictions_total{reason="operator"}"#: 5 - evicted, "torpor_resident_bytes": 0,
                #"torpor_evictions_total{reason="idle"}"#: 0, #"torpor_state_objects{state="at_rest"}"#: 0,
            ])
            let before = try await trial.page.metrics().samples["torpor_load_duration_seconds_count"] ?? 0
            #expect(try await trial.get(1) == 95_000)
            try await trial.expect([
                #"torpor_loads_total{origin="store",result="found"}"#: 1,
                "torpor_load_duration_seconds_count": before + 1, #"torpor_state_objects{state="at_rest"}"#: 1,
            ])
        }
    }

    @Test func refusalsAndDeletionsAreCounted() async throws {
        try await self.withState { trial in
            for number in 1...3 { try await trial.set(number, 10) }
            await #expect(throws: EngineError.self) { try await trial.set(4, 100_000) }
            await #expect(throws: EngineError.self) { try await trial.set(1, 10, account: .principal(2)) }
            let name = Trial.name(1, .principal(1))
            let time = trial.service.engine.environment.wallTime() + .seconds(600)
            try await trial.service.engine.delete(name, tombstone: time)
            _ = try await trial.page.client.object(.POST, "/debug/sessions/\(Trial.name(2, .principal(1)).id)/delete")
            try await trial.expect([
                #"torpor_state_refusals_total{reason="over_limit"}"#: 1,
                #"torpor_state_refusals_total{reason="missing"}"#: 1, #"torpor_state_refusals_total{reason="lost"}"#: 0,
                #"torpor_deletions_total{reason="client"}"#: 1, #"torpor_deletions_total{reason="operator"}"#: 1,
                #"torpor_deletions_total{reason="retention"}"#: 0, "torpor_tombstones": 2, "torpor_stored_objects": 1,
                #"torpor_store_failures_total{task="commit"}"#: 0, #"torpor_store_failures_total{task="delete"}"#: 0,
            ])
        }
    }

    @Test func everyFamilySaysWhatItIs() async throws {
        try await self.withState { trial in
            try await trial.set(1, 10)
            let (samples, helped) = try await trial.page.metrics()
            let families = Set(
                samples.keys.map { series in
                    var family = String(series.prefix { $0 != "{" })
                    for suffix in ["_bucket", "_sum", "_count"]
                    where family.hasSuffix(suffix) && !helped.contains(family) {
                        family.removeLast(suffix.count)
                    }
                    return family
                })
            #expect(families.filter { $0.hasPrefix("torpor_") }.count >= 25)
            #expect(families.subtracting(helped).isEmpty)
        }
    }
}
