public import Logging
public import Torpor
import TorporCompression
import TorporCore
package import TorporEngine
package import TorporSQLite
import TorporStore

extension StateService {
    /// A service that keeps state in a SQLite database, which it makes where there is none.
    ///
    /// What was acknowledged survives the end of the process and the loss of power. One process has the database open at
    /// a time.
    /// - Parameters:
    ///   - path: Of the database file; its log and its lock lie beside it.
    ///   - limits: What state may take, and how long it is kept.
    ///   - sessionLifetime: How long a session that keeps no state is honoured; no longer than the retention.
    ///   - compresses: Whether values are compressed that are stored from now on. All are read.
    /// - Throws: an error that names the file and what to do: it is in use, cannot be written, is no database of ours,
    ///   damaged, or made by a newer version. Nothing has changed then.
    public static func sqlite(
        _ path: String, limits: StateLimits = StateLimits(), sessionLifetime: Duration = .seconds(86_400),
        compresses: Bool = true, logger: Logger = Logger(label: "torpor")
    ) async throws -> StateService {
        try await Self.sqlite(
            SQLiteConfiguration(path: path), limits: limits, sessionLifetime: sessionLifetime, compresses: compresses,
            logger: logger)
    }

    /// - Parameter observe: Told of what happens in the engine; must not wait.
    package static func sqlite(
        _ configuration: SQLiteConfiguration, limits: StateLimits, sessionLifetime: Duration, compresses: Bool,
        logger: Logger, observe: @escaping @Sendable (EngineEvent) -> Void = { _ in }
    ) async throws -> StateService {
        let store = try await SQLiteStore.open(configuration) { Self.log($0, configuration.path, logger) }
        do {
            let engine = try StateEngine(
                store: store, usage: try await store.usage(),
                codec: RecordValueCodec(compression: ZstdCompression(), compresses: compresses),
                limits: EngineLimits(limits, sessionLifetime: sessionLifetime), environment: .system,
                observe: observe)
            return StateService(engine: engine, store: store)
        } catch {
            await store.close()
            throw error
        }
    }

    private static func log(_ event: SQLiteStoreEvent, _ path: String, _ logger: Logger) {
        let metadata: Logger.Metadata = ["path": "\(path)"]
        switch event {
        case .stoppedUncleanly:
            logger.notice("the store was not closed the last time; it is checked in the background", metadata: metadata)
        case .checkPassed: logger.info("the check of the store found nothing wrong", metadata: metadata)
        case .checkFailed(let findings):
            logger.critical(
                "the store is damaged; stop the server, keep a copy of the file, and restore a backup",
                metadata: metadata.merging(["findings": "\(findings.joined(separator: "; "))"]) { $1 })
        case .checkEnded: logger.info("the check of the store was not finished", metadata: metadata)
        case .checkpointFailed(let reason), .connectionFailed(let reason):
            logger.warning(
                "the store has failed and is tried again", metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        }
    }
}
