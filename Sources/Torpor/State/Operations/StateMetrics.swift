package import CoreMetrics
import Metrics
package import TorporEngine
import TorporStore

/// Counts what happens in the state engine, behind swift-metrics. No series is made for a session or a caller.
package struct StateMetrics: Sendable {
    /// Where objects are loaded from.
    private static let origin = "store"

    private let factory: any MetricsFactory
    private let loadDuration: Timer
    private let commitDuration: Timer
    private let commitObjects: Recorder
    private let objectBytes: Recorder
    private let rawBytes: Counter
    private let storedBytes: Counter

    package init(factory: any MetricsFactory = MetricsSystem.factory) {
        self.factory = factory
        self.loadDuration = Timer(label: "torpor_load_duration_seconds", dimensions: [], factory: factory)
        self.commitDuration = Timer(label: "torpor_commit_duration_seconds", dimensions: [], factory: factory)
        self.commitObjects = Recorder(
            label: "torpor_commit_objects", dimensions: [], aggregate: true, factory: factory)
        self.objectBytes = Recorder(label: "torpor_object_bytes", dimensions: [], aggregate: true, factory: factory)
        self.rawBytes = Counter(label: "torpor_commit_bytes_total", dimensions: [("form", "raw")], factory: factory)
        self.storedBytes = Counter(
            label: "torpor_commit_bytes_total", dimensions: [("form", "stored")], factory: factory)
        // Shown from the start, so that a first failure is an increase.
        for task in StoreTask.allCases.map(\.rawValue) + ["delete"] {
            self.count("torpor_store_failures_total", "task", task, by: 0)
        }
        for result in ["found", "missing", "refused", "unreadable", "unavailable"] {
            self.count("torpor_loads_total", [("origin", Self.origin), ("result", result)], by: 0)
        }
        for outcome in ["committed", "unknown", "unavailable", "full", "unwritable", "unacceptable", "fenced"] {
            self.count("torpor_commit_outcomes_total", "outcome", outcome, by: 0)
        }
        for reason in EvictionReason.allCases {
            self.count("torpor_evictions_total", "reason", reason.rawValue, by: 0)
        }
        for reason in DeletionReason.allCases {
            self.count("torpor_deletions_total", "reason", reason.rawValue, by: 0)
        }
        for code in EngineError.Code.allCases { self.count("torpor_state_refusals_total", "reason", code.label, by: 0) }
    }

    package func record(_ event: EngineEvent) {
        switch event {
        case .loaded(let end, let duration):
            self.count("torpor_loads_total", [("origin", Self.origin), ("result", end.label)])
            self.loadDuration.recordNanoseconds(duration.wholeNanoseconds)
            if case .found(let bytes) = end { self.objectBytes.record(bytes) }
        case .committed(let batch, let rawBytes, let result, let duration):
            self.recordCommit(batch, rawBytes, result, duration)
        case .evicted(let reason, let count):
            self.count("torpor_evictions_total", "reason", reason.rawValue, by: count)
        case .deleted(let reason): self.count("torpor_deletions_total", "reason", reason.rawValue)
        case .refused(let code): self.count("torpor_state_refusals_total", "reason", code.label)
        case .deletionFailed: self.count("torpor_store_failures_total", "task", "delete")
        case .storeFailed(let task, _): self.count("torpor_store_failures_total", "task", task.rawValue)
        case .started, .loadFailed, .storeRecovered, .closed: break
        }
    }

    private func recordCommit(
        _ batch: CommitBatch, _ rawBytes: Int, _ result: Result<[CommitOutcome], StoreError>, _ duration: Duration
    ) {
        self.commitDuration.recordNanoseconds(duration.wholeNanoseconds)
        self.commitObjects.record(batch.objects.count)
        guard case .success(let outcomes) = result else {
            return self.count("torpor_commit_outcomes_total", "outcome", "unavailable", by: batch.objects.count)
        }
        self.rawBytes.increment(by: rawBytes)
        self.storedBytes.increment(by: batch.bytes.count)
        var counts: [String: Int] = [:]
        for (outcome, change) in zip(outcomes, batch.objects) {
            counts[outcome.label, default: 0] += 1
            if outcome == .committed, change.action != .delete { self.objectBytes.record(change.header.byteCount) }
        }
        for (label, count) in counts { self.count("torpor_commit_outcomes_total", "outcome", label, by: count) }
    }

    private func count(_ label: String, _ key: String, _ value: String, by amount: Int = 1) {
        self.count(label, [(key, value)], by: amount)
    }

    // Few and not hot: the registry finds the series.
    private func count(_ label: String, _ dimensions: [(String, String)], by amount: Int = 1) {
        Counter(label: label, dimensions: dimensions, factory: self.factory).increment(by: amount)
    }
}

extension LoadEnd {
    fileprivate var label: String {
        switch self {
        case .found: "found"
        case .missing: "missing"
        case .refused: "refused"
        case .unreadable: "unreadable"
        case .unavailable: "unavailable"
        }
    }
}

extension EngineError.Code {
    fileprivate var label: String {
        switch self {
        case .overLimit: "over_limit"
        case .noRoom: "no_room"
        case .shortOfMemory: "short_of_memory"
        case .newerFormat: "newer_format"
        default: self.description
        }
    }
}

extension CommitOutcome {
    /// For refusals, the reason.
    var label: String {
        switch self {
        case .committed: "committed"
        case .unknown: "unknown"
        case .refused(let refusal):
            switch refusal.reason {
            case .revisionMismatch: "revision_mismatch"
            case .fenced: "fenced"
            case .full: "full"
            case .unwritable: "unwritable"
            case .unacceptable: "unacceptable"
            }
        }
    }
}
