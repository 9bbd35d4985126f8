import DequeModule
import TorporStore
import TorporSystem

/// What a thread of ``WorkThreads`` works with: made on it, and touched by no other thread.
protocol Worker: AnyObject, SendableMetatype {
    /// How long to wait for the next job before ``rest()``; `nil` when there is nothing to tidy up.
    var restDelay: Duration? { get }
    /// There has been nothing to do for a while.
    func rest()
    /// No job comes any more.
    func end()
}

/// Threads that carry out what blocks, off the pool where tasks run, and the bounded queue in front of them.
///
/// Jobs begin in the order in which they came. Threads begin when there is a job for them.
final class WorkThreads<Work: Worker>: Sendable {
    private typealias Job = @Sendable (Work) -> Void

    private struct State {
        var jobs: Deque<Job> = []
        var threadCount = 0
        var idleCount = 0
        var isEnding = false
        /// Resumed when the last thread has ended.
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let monitor = Monitor(State())
    private let name: String
    private let threadMax: Int
    private let waitingMax: Int
    private let makeWorker: @Sendable () -> Work

    /// - Parameters:
    ///   - name: Of the threads; at most 15 bytes.
    ///   - waitingMax: Jobs that may wait.
    init(name: String, threadMax: Int, waitingMax: Int, makeWorker: @escaping @Sendable () -> Work) {
        precondition(threadMax > 0 && waitingMax > 0, "there is a thread, and room for a job")
        self.name = name
        self.threadMax = threadMax
        self.waitingMax = waitingMax
        self.makeWorker = makeWorker
    }

    /// Carries out a job on one of the threads.
    /// - Throws: ``StoreError/Code/closed``; ``StoreError/Code/unavailable`` when too many jobs wait.
    func perform<R: Sendable>(_ job: @escaping @Sendable (Work) -> R) async throws(StoreError) -> R {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<R, StoreError>, Never>) in
            let refusal = self.submit { continuation.resume(returning: .success(job($0))) }
            if let refusal { continuation.resume(returning: .failure(refusal)) }
        }.get()
    }

    /// Leaves a job to the threads.
    /// - Returns: Why it will not be carried out.
    @discardableResult
    func submit(_ job: @escaping @Sendable (Work) -> Void) -> StoreError? {
        let refusal = self.monitor.withLock { state -> StoreError? in
            if state.isEnding { return .closed }
            guard state.jobs.count < self.waitingMax else {
                return StoreError(.unavailable, "\(self.waitingMax) operations wait for the store already")
            }
            if state.jobs.count >= state.idleCount, state.threadCount < self.threadMax {
                if startDetachedThread(named: self.name, stackBytes: workStackBytes, { self.run() }) {
                    state.threadCount += 1
                } else if state.threadCount == 0 {
                    return StoreError(.unavailable, "the system has no thread left for the store")
                }
            }
            state.jobs.append(job)
            return nil
        }
        if refusal == nil { self.monitor.signal() }
        return refusal
    }

    /// Carries out what waits, then ends the threads. Returns when they have ended.
    func end() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let hasEnded = self.monitor.withLock { state in
                state.isEnding = true
                if state.threadCount > 0 { state.waiting.append(continuation) }
                return state.threadCount == 0
            }
            if hasEnded { continuation.resume() } else { self.monitor.broadcast() }
        }
    }

    /// Ends the threads without waiting for it.
    func abandon() {
        self.monitor.withLock { $0.isEnding = true }
        self.monitor.broadcast()
    }

    private enum Turn {
        case job(Job)
        case end
    }

    private func run() {
        let worker = self.makeWorker()
        var mayRest = true
        loop: while true {
            var isIdle = false
            let turn: Turn? = self.monitor.wait(atMost: mayRest ? worker.restDelay : nil) { state in
                let turn: Turn? = state.jobs.popFirst().map { .job($0) } ?? (state.isEnding ? .end : nil)
                if (turn == nil) != isIdle {
                    isIdle.toggle()
                    state.idleCount += isIdle ? 1 : -1
                }
                return turn
            }
            switch turn {
            case .job(let job):
                job(worker)
                mayRest = true
            case nil:
                self.monitor.withLock { $0.idleCount -= 1 }
                worker.rest()
                // Once for each pause.
                mayRest = false
            case .end: break loop
            }
        }
        worker.end()
        let waiting = self.monitor.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.threadCount -= 1
            guard state.threadCount == 0 else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// What threads that work for the store get as a stack: SQLite needs less than 100 KiB.
let workStackBytes = 512 << 10
