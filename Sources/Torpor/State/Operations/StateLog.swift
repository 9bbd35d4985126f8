package import Logging
import Synchronization
package import TorporCore
package import TorporEngine
import TorporStore

/// Writes down what happens in the state engine: lifecycle at `info`, a store that is away at `warning`, what is lost or
/// cannot be read at `error`, the rest at `debug`. No keys, no values; a state object goes by its id only where an
/// operator has to look at it.
///
/// What repeats is written down at its first occurrence and then once in 30 s, with how often it has happened meanwhile.
package final class StateLog: Sendable {
    private let logger: Logger
    private let now: @Sendable () -> Instant
    private let repetitions = Mutex<[String: Repetition]>([:])

    package init(_ logger: Logger, now: @escaping @Sendable () -> Instant) {
        self.logger = logger
        self.now = now
    }

    package func note(_ event: EngineEvent) {
        switch event {
        case .started(let objects, let bytes):
            self.logger.info("state is kept", metadata: ["objects": "\(objects)", "bytes": "\(bytes)"])
        case .loaded, .refused: break
        case .loadFailed(let id, let error): self.noteLoadFailure(id, error)
        case .committed(let batch, _, .success(let outcomes), _): self.note(outcomes, of: batch)
        case .committed(let batch, _, .failure(let error), _):
            self.repeated(
                .error, "changes were dropped: the store did not take them",
                ["objects": "\(batch.objects.count)", "reason": "\(error.reason)"])
        case .evicted(let reason, let count):
            self.logger.debug("state left memory", metadata: ["reason": "\(reason.rawValue)", "objects": "\(count)"])
        case .deleted(let reason):
            self.logger.debug("state was deleted", metadata: ["reason": "\(reason.rawValue)"])
        case .deletionFailed:
            self.repeated(.warning, "state past its retention could not be deleted; it will be tried again", [:])
        case .storeFailed(let task, let error):
            self.repeated(
                .warning, "the store failed; it will be tried again",
                ["task": "\(task.rawValue)", "code": "\(error.code)", "reason": "\(error.reason)"], key: task.rawValue)
        case .storeRecovered(let duration):
            self.repetitions.withLock { repetitions in
                for task in StoreTask.allCases { repetitions[task.rawValue] = nil }
            }
            self.logger.info(
                "the store answers again", metadata: ["milliseconds": "\(duration.wholeMilliseconds)"])
        case .closed(let uncommitted, let remainders): self.noteEnd(uncommitted, remainders)
        }
    }

    private func noteLoadFailure(_ id: StateObjectID, _ error: StoreError) {
        guard error.code == .corruptRecord || error.code == .newerFormat else {
            return self.repeated(
                .warning, "state could not be read", ["code": "\(error.code)", "reason": "\(error.reason)"])
        }
        // For each object by itself: an operator has to look at it. A client may call again and again.
        self.repeated(
            .error, "a state object cannot be read; it is left as it is",
            ["object": "\(id)", "code": "\(error.code)", "reason": "\(error.reason)"], key: "\(id)")
    }

    private func note(_ outcomes: [CommitOutcome], of batch: CommitBatch) {
        var counts: [String: Int] = [:]
        var reason = ""
        for outcome in outcomes where outcome != .committed {
            counts[outcome.label, default: 0] += 1
            if case .refused(let refusal) = outcome { reason = refusal.text }
        }
        for (label, count) in counts.sorted(by: { $0.key < $1.key }) {
            guard label != "unknown" else {
                self.repeated(
                    .warning, "nobody knows whether a commit was carried out; the store is asked",
                    ["objects": "\(count)"])
                continue
            }
            self.repeated(
                .error, "changes were dropped: the store refused them",
                ["objects": "\(count)", "outcome": "\(label)", "reason": "\(reason)"], key: label)
        }
    }

    private func noteEnd(_ uncommitted: Int, _ remainders: [Int]) {
        guard uncommitted > 0 || !remainders.isEmpty else { return self.logger.info("all state is stored") }
        self.logger.error(
            "not all state is stored",
            metadata: [
                "objects": "\(uncommitted)", "accounts": "\(remainders.count)",
                "bytes": "\(remainders.reduce(0, +))",
            ])
    }

    /// Writes down what may happen often.
    /// - Parameter key: What counts as the same.
    private func repeated(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, key: String? = nil
    ) {
        let now = self.now()
        let since = self.repetitions.withLock { repetitions -> Int? in
            // Bounded: ids of objects are among the keys.
            if repetitions.count >= 1_000 { repetitions.removeAll() }
            return repetitions[key ?? message, default: Repetition()].happened(now: now)
        }
        guard let since else { return }
        var metadata = metadata
        if since > 0 { metadata["repeated"] = "\(since)" }
        self.logger.log(level: level, "\(message)", metadata: metadata)
    }
}

/// Decides what of a repeated message is written down. Holds no clock.
struct Repetition {
    private static let pause = Duration.seconds(30)
    private var written: Instant?
    private var count = 0

    /// - Returns: How often it has happened unwritten; `nil` when it is not to be written now.
    mutating func happened(now: Instant) -> Int? {
        if let written, now.since(written) < Self.pause {
            self.count += 1
            return nil
        }
        defer { self.count = 0 }
        self.written = now
        return self.count
    }
}
