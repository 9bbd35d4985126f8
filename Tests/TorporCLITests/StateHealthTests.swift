import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporHTTP
import TorporMetrics
import TorporStore

@testable import Torpor
@testable import TorporCLI

/// What the health checks say of a store that fails, over the real listener and engine.
@Suite struct StateHealthTests {
    private static let name = ObjectName(StateObjectID(bits: 1), .session, account: .anonymous(1))

    private struct Trial: Sendable {
        let store = TroubledStore()
        let time = HeldTime()
        let service: StateService
        let operations: StateOperations
        let monitor = ProgressMonitor()
        let registry = MetricsRegistry()
        /// Each time the store has failed to commit, and is back.
        let failures: AsyncStream<Void>
        let recoveries: AsyncStream<Void>

        init() async throws {
            let engine = try StateEngine(
                store: self.store, usage: try await self.store.usage(),
                codec: RecordValueCodec(compression: NoCompression(), compresses: false), limits: EngineLimits(),
                environment: self.time.environment)
            self.service = StateService(engine: engine, store: self.store)
            self.operations = StateReporting(self.service, in: self.registry, logger: quietLogger).operations
            let metrics = StateMetrics(factory: self.registry)
            engine.addObserver { metrics.record($0) }
            let (failures, failure) = AsyncStream.makeStream(of: Void.self)
            let (recoveries, recovery) = AsyncStream.makeStream(of: Void.self)
            engine.addObserver { event in
                switch event {
                case .storeFailed(.commit, _): failure.yield()
                case .storeRecovered: recovery.yield()
                default: break
                }
            }
            self.failures = failures
            self.recoveries = recoveries
        }

        func set(_ value: UInt8) async throws {
            let use = self.service.engine.use()
            defer { use.end() }
            try await use.update(name) { $0.set([1], [0, 1, value]) }
            try await use.durable()
        }

        /// - Parameter now: What `/livez` takes for the time.
        func run(
            now: @escaping @Sendable () -> UInt64 = { 0 }, _ body: @escaping @Sendable (AdminPage) async throws -> Void
        ) async throws {
            let sources = AdminSources(
                metricsText: { self.registry.text() }, liveness: { Health.liveness(self.monitor, at: now()) },
                readiness: {
                    Health.readiness(
                        isListening: true, isDraining: false, storeFaults: self.operations.storeFaults())
                })
            try await self.service.run {
                try await withAdminListener(sources) { port in try await body(try AdminPage(port: port)) }
            }
        }
    }

    private struct NoCompression: ValueCompression {
        func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool { false }
        func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool { false }
    }

    @Test func whileTheStoreTakesNoChangesTheServerIsNotReady() async throws {
        let trial = try await Trial()
        try await trial.run { page in
            #expect(try await page.faults("/readyz") == "")
            trial.store.begin(.away)
            async let change: Void = trial.set(1)
            _ = await trial.failures.first { true }
            #expect(try await page.faults("/readyz") == "", "a moment is nothing to report")
            trial.time.advance(by: .seconds(2))
            #expect(try await page.faults("/readyz") == "the store has taken no changes for 2 s: the file is locked")
            #expect(try await page.faults("/livez") == "", "a restart would not mend it")
            #expect(try await page.metrics().samples[#"torpor_store_failures_total{task="commit"}"#] == 1)
            trial.store.end()
            trial.time.flow()
            try await change
            #expect(try await page.faults("/readyz") == "")
        }
    }

    @Test func withoutChangesToCommitItIsReadyAgainOnceTheStoreTakesThem() async throws {
        let trial = try await Trial()
        try await trial.run { page in
            trial.store.begin(.away)
            let change = Task { try await trial.set(1) }
            _ = await trial.failures.first { true }
            trial.time.advance(by: .seconds(11))
            trial.time.flow()
            await #expect(throws: EngineError.self) { try await change.value }
            let faults = try await page.faults("/readyz")
            #expect(
                faults == "the store has taken no changes for 11 s: the file is locked",
                "the store can be read, which is not enough")
            #expect(try await page.metrics().samples[#"torpor_state_refusals_total{reason="unavailable"}"#] == 1)
            trial.store.end()
            // Its breaker lets a try through when it is time.
            trial.time.advance(by: .seconds(1))
            _ = await trial.recoveries.first { true }
            #expect(try await page.faults("/readyz") == "")
        }
    }

    @Test func aCommitterThatStandsStillIsNotAlive() async throws {
        let trial = try await Trial()
        let now = Atomic<Int>(0)
        try await trial.run(now: { UInt64(now.load(ordering: .relaxed)) * 1_000_000_000 }) { page in
            let service = ProgressHeartbeat(name: "the committer", monitor: trial.monitor) {
                trial.operations.committerProgress()
            }
            let heartbeat = trial.monitor.beat(for: "the committer", at: 0)
            defer { heartbeat.end() }
            var watch = ProgressWatch()
            /// What the service does in so many seconds.
            func pass(_ seconds: Int) {
                for _ in 0..<seconds {
                    let second = now.add(1, ordering: .relaxed).newValue
                    service.look(&watch, heartbeat, at: UInt64(second) * 1_000_000_000)
                }
            }
            pass(60)
            #expect(try await page.faults("/livez") == "", "there is nothing to commit")
            trial.store.begin(.silent)
            async let change: Void = trial.set(1)
            await trial.store.arrival()
            pass(11)
            #expect(try await page.faults("/livez") == "", "the first look has seen that there is something to do")
            pass(1)
            #expect(try await page.faults("/livez") == "the committer has made no progress for 10 s")
            trial.store.end()
            try await change
            pass(1)
            #expect(try await page.faults("/livez") == "")
        }
    }

    @Test func whoDrainsOrDoesNotListenIsNotReady() {
        let draining = Health.readiness(isListening: true, isDraining: true, storeFaults: ["x"])
        #expect(draining.reasons == ["the server is draining"])
        let starting = Health.readiness(isListening: false, isDraining: false, storeFaults: [])
        #expect(starting.reasons == ["the server does not listen yet"])
        #expect(Health.readiness(isListening: true, isDraining: false, storeFaults: []).isHealthy)
    }

    @Test func aCommitterThatStandsStillIsSeen() {
        var watch = ProgressWatch()
        let looks: [(steps: UInt64, hasWork: Bool, isAlive: Bool)] = [
            (1, true, true), (1, true, false), (2, true, true), (2, false, true), (2, true, false), (3, true, true),
        ]
        for look in looks { #expect(watch.isAlive((look.steps, look.hasWork)) == look.isAlive) }
    }
}
