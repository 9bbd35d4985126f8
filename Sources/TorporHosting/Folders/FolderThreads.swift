import DequeModule
import TorporSystem

/// Runs tasks that read and write files, which may block, on threads of their own.
///
/// A thread that has had nothing to do for a few seconds ends. Threads begin when there is something to do.
final class FolderThreads: TaskExecutor {
    private static let restMax = Duration.seconds(5)

    private struct State {
        var jobs: Deque<(job: UnownedJob, executor: FolderThreads)> = []
        var threadCount = 0
        var restingCount = 0
    }

    private let threadMax: Int
    private let monitor = Monitor(State())

    init(threadMax: Int) {
        precondition(threadMax > 0, "something runs")
        self.threadMax = threadMax
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let needsThread = self.monitor.withLock { state in
            state.jobs.append((job, self))
            guard state.jobs.count > state.restingCount, state.threadCount < self.threadMax else { return false }
            state.threadCount += 1
            return true
        }
        guard needsThread else { return self.monitor.signal() }
        let monitor = self.monitor
        if startDetachedThread(named: "torpor-folders", stackBytes: 512 << 10, { Self.run(monitor) }) { return }
        // The system has no thread left. Those that run do it; where there are none, this one has to.
        let isLast = monitor.withLock { state in
            state.threadCount -= 1
            return state.threadCount == 0
        }
        if isLast { Self.runAll(monitor) }
    }

    private static func run(_ monitor: Monitor<State>) {
        while true {
            self.runAll(monitor)
            monitor.withLock { $0.restingCount += 1 }
            let isThere: Bool? = monitor.wait(atMost: self.restMax) { $0.jobs.isEmpty ? nil : true }
            let ends = monitor.withLock { state in
                state.restingCount -= 1
                guard isThere == nil, state.jobs.isEmpty else { return false }
                state.threadCount -= 1
                return true
            }
            if ends { return }
        }
    }

    private static func runAll(_ monitor: Monitor<State>) {
        while let next = monitor.withLock({ $0.jobs.popFirst() }) {
            next.job.runSynchronously(on: next.executor.asUnownedTaskExecutor())
        }
    }
}
