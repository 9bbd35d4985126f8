import Synchronization

/// Tells which of the process's loops have stopped making progress.
///
/// Each loop that must never stand still (an event loop, the committer, the thread pool) registers and then beats at
/// least every few seconds; a health check asks who has not. Instants are passed in: nanoseconds of one
/// monotonic clock. It holds as many entries as the program has registered loops, never one per client.
package final class ProgressMonitor: Sendable {
    private let heartbeats = Mutex<[Heartbeat]>([])

    package init() {}

    /// Registers something that will beat from `now` on. It counts as stalled if it never does.
    ///
    /// - Parameter name: What operators read when it stalls. Names need not differ.
    package func beat(for name: String, at now: UInt64) -> Heartbeat {
        let heartbeat = Heartbeat(name: name, last: now, monitor: self)
        self.heartbeats.withLock { $0.append(heartbeat) }
        return heartbeat
    }

    /// The names of those whose last beat, or registration, is more than `limit` before `now`, sorted.
    ///
    /// A beat later than `now`, from a thread that read the clock after the caller did, is no stall.
    package func stalled(at now: UInt64, longerThan limit: Duration = .seconds(10)) -> [String] {
        let heartbeats = self.heartbeats.withLock { $0 }
        return heartbeats.filter { heartbeat in
            let last = heartbeat.last
            return now > last && Duration.nanoseconds(now - last) > limit
        }.map(\.name).sorted()
    }

    fileprivate func remove(_ heartbeat: Heartbeat) {
        self.heartbeats.withLock { $0.removeAll { $0 === heartbeat } }
    }
}

/// One registration with a ``ProgressMonitor``.
///
/// It lasts until ``end()``: a loop that went away without a word is a stalled one.
package final class Heartbeat: Sendable {
    package let name: String
    private let lastNanoseconds: Atomic<UInt64>
    private weak let monitor: ProgressMonitor?

    fileprivate init(name: String, last: UInt64, monitor: ProgressMonitor) {
        self.name = name
        self.lastNanoseconds = Atomic(last)
        self.monitor = monitor
    }

    fileprivate var last: UInt64 {
        self.lastNanoseconds.load(ordering: .relaxed)
    }

    /// Says that progress was made. One relaxed atomic store.
    package func beat(at now: UInt64) {
        self.lastNanoseconds.store(now, ordering: .relaxed)
    }

    /// Unregisters. Later beats do nothing.
    package func end() {
        self.monitor?.remove(self)
    }
}
