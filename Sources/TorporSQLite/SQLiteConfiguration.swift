import TorporStore

/// How a ``SQLiteStore`` is opened.
package struct SQLiteConfiguration: Sendable {
    /// The database file. It is made, readable by its owner alone, where there is none; its folder must exist.
    package var path: String
    /// Threads that read, each with a connection of its own, begun when they are needed. Default 2.
    package var readerCount = 2
    /// Operations that may wait for each kind of thread; more are refused as unavailable. Default 4,096.
    package var waitingMax = 4_096
    /// What the writer's cached pages may take, in bytes. Default 2 MiB.
    package var writerCacheBytes = 2 << 20
    /// What each reader's cached pages may take, in bytes. Default 512 KiB.
    package var readerCacheBytes = 512 << 10
    /// The write-ahead log is copied into the database when it has grown by so many bytes. Default 4 MiB.
    ///
    /// At four times as many the writer waits for readers, so that the log can begin anew.
    package var checkpointBytes = 4 << 20
    /// How long after the last commit the log is copied, however short it is. Default 1 s.
    package var checkpointDelay = Duration.seconds(1)
    /// Beyond so many bytes of log, commits are unavailable: another program has been reading, and keeps it from
    /// beginning anew. Default 256 MiB.
    package var logBytesMax = 256 << 20
    /// How long to wait for another program that has the database locked. Default 100 ms.
    package var busyMilliseconds = 100
    /// Whether the whole file is checked, in the background, after a stop that was not a clean one. Default yes.
    package var checksAfterUncleanStop = true
    /// Allows network file systems, whose locks and caches SQLite cannot rely on. Default no.
    package var allowsNetworkFileSystem = false
    /// Tombstones that are remembered.
    package var tombstonesMax = StoreLimits.tombstonesMax

    package init(path: String) { self.path = path }
}

/// What happens to a ``SQLiteStore`` beside what it is asked for.
package enum SQLiteStoreEvent: Sendable, Equatable {
    /// The program that had the store last did not close it. Nothing committed is lost.
    case stoppedUncleanly
    /// The check after an unclean stop found nothing wrong.
    case checkPassed
    /// The check found damage: what it consists of, at most ten findings.
    case checkFailed([String])
    /// The check was not finished: the store was closed, or its log had to be emptied. The next start begins another.
    case checkEnded
    /// The log could not be copied into the database: why. It is tried again.
    case checkpointFailed(String)
    /// The writer's connection was closed after a failure, and a new one will be opened: why.
    case connectionFailed(String)
}
