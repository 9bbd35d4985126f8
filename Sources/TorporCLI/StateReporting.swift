import Logging
import ServiceLifecycle
import Torpor
import TorporAllocator
import TorporEngine
import TorporHTTP
import TorporMetrics
import TorporStore
import TorporSystem

/// Ties a server's state to the program's log, metrics and admin port.
struct StateReporting: Sendable {
    let operations: StateOperations

    /// Logs and counts what happens to the state from now on.
    init(_ state: StateService, in registry: MetricsRegistry, logger: Logger) {
        let operations = StateOperations(state)
        self.operations = operations
        state.startLogging(to: logger)
        Self.help(registry)
        registry.collect { scrape in
            Self.collect(operations.snapshot(), &scrape)
            let standings = operations.storeStandings
            BreakerReporting.expose(standings.commits, kind: "store", name: "commits", in: &scrape)
            BreakerReporting.expose(standings.reads, kind: "store", name: "reads", in: &scrape)
        }
    }

    private static func help(_ registry: MetricsRegistry) {
        BreakerReporting.describe(in: registry)
        registry.help("torpor_loads_total", "Times the store was asked for a state object, by origin and result.")
        registry.help("torpor_load_duration_seconds", "Time from asking the store for a state object to its end.")
        registry.help("torpor_commit_duration_seconds", "Time from taking a batch to its outcomes, retries included.")
        registry.help("torpor_commit_objects", "State objects of a batch.")
        registry.help(
            "torpor_commit_bytes_total", "Keys and values sent to the store: raw, and in their stored form.")
        registry.help("torpor_commit_outcomes_total", "State objects in batches, by what became of them.")
        registry.help("torpor_object_bytes", "Keys and values of a state object, when it is loaded or committed.")
        registry.help("torpor_evictions_total", "State objects that left memory, by reason.")
        registry.help("torpor_deletions_total", "State objects that were deleted, by reason.")
        registry.help("torpor_state_refusals_total", "Times a call did not get the state it asked for, by reason.")
        registry.help("torpor_store_failures_total", "Times the store did not do what it was asked for, by task.")
    }

    private static func collect(_ snapshot: EngineSnapshot, _ scrape: inout MetricsScrape) {
        let objects = snapshot.objects
        for (state, count) in [
            (ObjectStanding.atRest, objects.atRest), (.inUse, objects.inUse), (.loading, objects.loading),
            (.dirty, objects.dirty), (.closed, objects.closed), (.deleting, objects.deleting),
        ] {
            scrape.gauge(
                "torpor_state_objects", help: "State objects in memory, or between memory and store, by state.",
                labels: [("state", state.rawValue)], Double(count))
        }
        let gauges: [(String, String, Int)] = [
            ("torpor_resident_bytes", "Memory that state takes, by the ledger.", snapshot.residentBytes),
            ("torpor_resident_limit_bytes", "Most memory that state may take.", snapshot.residentLimitBytes),
            ("torpor_anonymous_bytes", "What of it belongs to anonymous callers.", snapshot.anonymousBytes),
            ("torpor_anonymous_limit_bytes", "Most that may belong to them.", snapshot.anonymousLimitBytes),
            ("torpor_dirty_bytes", "Bytes of values that the store lacks.", snapshot.dirtyBytes),
            ("torpor_dirty_limit_bytes", "Such bytes above which writers wait.", snapshot.dirtyLimitBytes),
            ("torpor_arena_live_bytes", "Bytes that values take in the arena.", snapshot.arenaLiveBytes),
            ("torpor_arena_committed_bytes", "Bytes of the arena's pages in use.", snapshot.arenaCommittedBytes),
            ("torpor_stored_objects", "State objects stored, or about to be.", snapshot.storedObjects),
            (
                "torpor_stored_bytes", "Keys and values stored, or about to be, before compression.",
                snapshot.storedBytes
            ),
            ("torpor_stored_limit_bytes", "Most such bytes.", snapshot.storedLimitBytes),
            ("torpor_stored_compressed_bytes", "What they take in their stored form.", snapshot.store.storedBytes),
            ("torpor_store_file_bytes", "What the files of the store take; 0 without files.", snapshot.store.fileBytes),
            ("torpor_tombstones", "Sessions that are remembered as ended.", snapshot.tombstones),
            ("torpor_commit_queue_objects", "State objects that wait to be committed.", snapshot.queuedObjects),
            (
                "torpor_waiting_calls", "Calls that wait for a load, a turn, a commit, or room for changes.",
                snapshot.waitingCalls
            ),
        ]
        for (name, help, value) in gauges { scrape.gauge(name, help: help, Double(value)) }
        guard let disk = snapshot.store.disk else { return }
        scrape.gauge(
            "torpor_disk_free_bytes", help: "Room that the file system of the store has left.", Double(disk.freeBytes))
        scrape.gauge("torpor_disk_size_bytes", help: "What that file system holds in all.", Double(disk.sizeBytes))
    }
}

/// What the health checks answer.
enum Health {
    /// Whether requests should come here now.
    /// - Parameter storeFaults: See ``StateOperations/storeFaults()``.
    static func readiness(isListening: Bool, isDraining: Bool, storeFaults: [String]) -> HealthReport {
        if isDraining { return HealthReport(reasons: ["the server is draining"]) }
        guard isListening else { return HealthReport(reasons: ["the server does not listen yet"]) }
        return HealthReport(reasons: storeFaults)
    }

    /// Whether all that has to make progress does.
    /// - Parameter now: Nanoseconds of the monotonic clock.
    static func liveness(_ monitor: ProgressMonitor, at now: UInt64) -> HealthReport {
        HealthReport(reasons: monitor.stalled(at: now).map { "\($0) has made no progress for 10 s" })
    }
}

/// Beats while something makes progress or has nothing to do, so that `/livez` notices when it is stuck: the committer of a
/// store that neither answers nor fails, handlers that never let go.
struct ProgressHeartbeat: Service {
    let name: String
    let monitor: ProgressMonitor
    /// How many steps it has taken, and whether it has anything to do.
    let progress: @Sendable () -> (steps: UInt64, hasWork: Bool)

    func run() async throws {
        let heartbeat = self.monitor.beat(for: self.name, at: UInt64(SystemTime.monotonicNanoseconds()))
        defer { heartbeat.end() }
        await cancelWhenGracefulShutdown {
            var watch = ProgressWatch()
            while !Task.isCancelled {
                self.look(&watch, heartbeat, at: UInt64(SystemTime.monotonicNanoseconds()))
                // Cancellation ends the loop above.
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Beats if it is alive.
    func look(_ watch: inout ProgressWatch, _ heartbeat: Heartbeat, at now: UInt64) {
        if watch.isAlive(self.progress()) { heartbeat.beat(at: now) }
    }
}

/// Tells from one look to the next whether something makes progress. Holds no clock.
struct ProgressWatch {
    private var steps: UInt64?

    /// Whether it has taken a step since the last look, or has nothing to do.
    mutating func isAlive(_ progress: (steps: UInt64, hasWork: Bool)) -> Bool {
        defer { self.steps = progress.steps }
        return !progress.hasWork || progress.steps != self.steps
    }
}

/// What `/debug/memory` tells of the process and its listener.
enum ProcessReport {
    static func object(_ statistics: HTTPServer.Statistics, _ configuration: ServeConfiguration) -> JSONObject {
        let memory = ProcessMemory.memory
        let allocator = Allocator.statistics()
        return [
            "process": [
                "resident_bytes": self.value(memory?.residentBytes), "virtual_bytes": self.value(memory?.virtualBytes),
                "open_file_descriptors": self.value(ProcessMemory.openFileDescriptors),
                "file_descriptors_limit": self.value(ProcessMemory.fileDescriptorsMax),
                "threads": self.value(ProcessMemory.threads),
            ],
            "allocator": [
                "name": .string(Allocator.name), "allocated_bytes": self.value(allocator.allocated),
                "active_bytes": self.value(allocator.active), "resident_bytes": self.value(allocator.resident),
                "retained_bytes": self.value(allocator.retained), "mapped_bytes": self.value(allocator.mapped),
            ],
            "server": [
                "connections": self.use(statistics.connections, configuration.http.connectionsMax),
                "running_calls": self.use(statistics.runningCalls, configuration.limits.callsMax),
                "buffered_bytes": self.use(statistics.bufferedBytes, configuration.http.buffersMax.bytes),
                "streams": self.value(statistics.streams),
                "stream_bytes": self.use(statistics.streamBytes, configuration.streams.totalMax.bytes),
                "held_sessions": self.value(statistics.heldSessions),
                "ended_sessions": self.value(statistics.endedSessions),
            ],
        ]
    }

    private static func use(_ value: Int, _ limit: Int) -> JSONValue {
        ["value": self.value(value), "limit": self.value(limit)]
    }

    private static func value(_ number: Int?) -> JSONValue { number.map { .number(JSONNumber($0)) } ?? .null }
}
