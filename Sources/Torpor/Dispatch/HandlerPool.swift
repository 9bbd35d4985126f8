import DequeModule
import Glibc
import Synchronization
import TorporCore
import TorporSystem

/// Runs the handlers of calls, so that callers take turns: between two jobs of one caller at most one of each other
/// caller that has any comes first, however many calls each has.
///
/// A job is what a handler does from one suspension to the next. As many jobs run at once as there are cores. Where all of
/// them have run for longer than ``jobDurationMax``, others run beside them, up to ``threadsPerCore`` times as many, and
/// the system shares the cores; of one caller no more run at once than there are cores. So handlers that reckon, or block,
/// do not stop those of other callers, nor what the engine, the governor and the event loops do, which runs elsewhere.
package final class HandlerPool: Sendable {
    /// Threads at most, for each core.
    private static let threadsPerCore = 8
    /// A job that has run for longer is not waited for.
    private static let jobDurationMax = Duration.milliseconds(2)
    private static let jobNanosecondsMax = jobDurationMax.wholeNanoseconds
    /// The callers without calls that are remembered, so that the next call of each finds what it needs.
    private static let restingMax = 256
    /// Stands for the time at which nothing has begun.
    private static let nothing = Int64.min
    /// A thread that has nothing to do for so long ends.
    private static let restMax = Duration.seconds(5)

    private struct State {
        /// The callers whose calls have jobs that may run, in the order of their turns.
        var ready: Deque<HandlerTurns> = []
        /// When the jobs began that run now, by thread, in nanoseconds; ``nothing`` for threads without one.
        var began: [Int64] = []
        var threadCount = 0
        /// Threads that wait for a job.
        var restingCount = 0
        /// Threads that wait for a core for what is ready.
        var watchingCount = 0
        /// Jobs that have begun.
        var begunCount: UInt64 = 0
    }

    private let coreCount: Int
    private let now: @Sendable () -> Int64
    private let heapBytesOfThread: (@Sendable () -> Int)?
    private let isTight: @Sendable () -> Bool
    private let noteHeld: @Sendable (Int, Operation) -> Void
    private let monitor: Monitor<State>
    private let callers = Mutex<[Caller: HandlerTurns]>([:])

    /// - Parameters:
    ///   - now: Nanoseconds of a clock that never goes back.
    ///   - heapBytesOfThread: See ``DispatcherEnvironment/heapBytesOfThread``.
    ///   - isTight: Whether memory is so short that no further threads run beside those that take long.
    ///   - noteHeld: Told before and after each job what its call holds of the heap, if that is counted. In bytes.
    init(
        coreCount: Int,
        now: @escaping @Sendable () -> Int64 = SystemTime.monotonicNanoseconds,
        heapBytesOfThread: (@Sendable () -> Int)? = nil, isTight: @escaping @Sendable () -> Bool = { false },
        noteHeld: @escaping @Sendable (Int, Operation) -> Void = { _, _ in }
    ) {
        precondition(coreCount > 0, "at least one job runs")
        self.coreCount = coreCount
        self.now = now
        self.heapBytesOfThread = heapBytesOfThread
        self.isTight = isTight
        self.noteHeld = noteHeld
        self.monitor = Monitor(State(began: Array(repeating: Self.nothing, count: coreCount * Self.threadsPerCore)))
    }

    /// Jobs that have begun so far, and whether any waits: when the number stands still while some wait, no handler lets
    /// go.
    package var progress: (steps: UInt64, hasWork: Bool) {
        self.monitor.withLock { ($0.begunCount, !$0.ready.isEmpty) }
    }

    // MARK: Calls

    /// A call has been admitted.
    /// - Returns: What its jobs run on. Its end is to be told.
    func begin(_ operation: Operation) -> CallExecutor {
        let caller = Caller(operation.message)
        return self.callers.withLock { callers in
            let turns: HandlerTurns
            if let known = callers[caller] {
                turns = known
            } else {
                if callers.count >= Self.restingMax { callers = callers.filter { !$0.value.calls.isEmpty } }
                turns = HandlerTurns()
                callers[caller] = turns
            }
            let executor = CallExecutor(self, turns, operation)
            executor.index = turns.calls.count
            turns.calls.append(executor)
            return executor
        }
    }

    /// A call has returned.
    func ended(_ executor: CallExecutor) {
        self.callers.withLock { _ in
            let turns = executor.turns
            // The last takes its place.
            guard let last = turns.calls.popLast() else { preconditionFailure("a call ends once") }
            if last !== executor {
                turns.calls[executor.index] = last
                last.index = executor.index
            }
        }
    }

    /// Callers that are remembered.
    var callerCount: Int { self.callers.withLock { $0.count } }

    /// The call that holds most, and what: the heap that its jobs have taken and not given back, as far as that is
    /// counted, and its request. Those that were cancelled for that are left out.
    /// - Complexity: O(calls).
    func largestCall() -> (operation: Operation, bytes: Int)? {
        let executors = self.callers.withLock { callers in callers.values.flatMap(\.calls) }
        return executors.lazy
            .filter { executor in executor.operation.output.withLock { $0.memoryRefusal == nil && !$0.hasEnded } }
            .map { ($0.operation, $0.heldBytes) }
            .max { $0.1 < $1.1 }
    }

    // MARK: Jobs

    fileprivate func enqueue(_ job: HandlerTurns.Job, of turns: HandlerTurns) {
        let need = self.monitor.withLock { state -> Need in
            turns.jobs.append(job)
            self.line(up: turns, &state)
            return self.need(&state)
        }
        self.meet(need)
    }

    /// Who is to look after what is ready.
    private enum Need { case nobody, waitingThread, newThread }

    private func meet(_ need: Need) {
        switch need {
        case .nobody: break
        case .waitingThread: self.monitor.signal()
        case .newThread: self.startThread()
        }
    }

    private func need(_ state: inout State) -> Need {
        guard !state.ready.isEmpty else { return .nobody }
        // Without a core, one thread is enough to see when those that run take too long.
        if state.watchingCount > 0 { return self.hasCore(state) ? .waitingThread : .nobody }
        if state.restingCount > 0 { return .waitingThread }
        guard state.threadCount < state.began.count else { return .nobody }
        state.threadCount += 1
        return .newThread
    }

    /// Gives a caller a turn if it has something to run, and may.
    private func line(up turns: HandlerTurns, _ state: inout State) {
        guard !turns.isReady, !turns.jobs.isEmpty, turns.runningCount < self.coreCount else { return }
        turns.isReady = true
        state.ready.append(turns)
    }

    /// Whether one more job may begin: fewer run than there are cores, but for those that take long.
    private func hasCore(_ state: borrowing State) -> Bool {
        let oldest = self.isTight() ? Self.nothing : self.now() - Self.jobNanosecondsMax
        var recentCount = 0
        for began in state.began where began > oldest { recentCount += 1 }
        return recentCount < self.coreCount
    }

    /// A job that a thread runs.
    private struct Begun {
        let job: HandlerTurns.Job
        /// Where it is noted that it runs.
        let place: Int
        /// Who is to look after what is ready besides: whoever looked after it so far runs this.
        var need = Need.nobody
    }

    /// Takes the next job, if it may begin. The caller sees to ``Begun/need`` after the lock.
    /// - Parameter leave: Notes that the thread does not wait any more.
    private func begin(_ state: inout State, leave: (inout State) -> Void = { _ in }) -> Begun? {
        guard let turns = state.ready.first, self.hasCore(state), let place = state.began.firstIndex(of: Self.nothing)
        else {
            return nil
        }
        state.ready.removeFirst()
        turns.isReady = false
        guard let job = turns.jobs.popFirst() else { preconditionFailure("who is ready has a job") }
        turns.runningCount += 1
        self.line(up: turns, &state)
        state.began[place] = self.now()
        state.begunCount &+= 1
        leave(&state)
        return Begun(job: job, place: place, need: self.need(&state))
    }

    private func end(at place: Int, of turns: HandlerTurns, _ state: inout State) {
        state.began[place] = Self.nothing
        turns.runningCount -= 1
        self.line(up: turns, &state)
    }

    // MARK: Threads

    private func startThread() {
        // Where the system has no thread left, those that run do what waits, too.
        if !startDetachedThread(named: "torpor-handler", { self.runJobs() }) {
            self.monitor.withLock { $0.threadCount -= 1 }
        }
    }

    /// Runs jobs until there has been none for a while.
    private func runJobs() {
        // Of the job that was run; the call itself is not held while the thread rests.
        var ended: (place: Int, turns: HandlerTurns)?
        while let begun = self.nextJob(after: ended) {
            self.meet(begun.need)
            let executor = begun.job.executor
            self.run(begun.job.job, on: executor)
            ended = (begun.place, executor.turns)
        }
    }

    private func run(_ job: UnownedJob, on executor: CallExecutor) {
        guard let heapBytesOfThread else { return job.runSynchronously(on: executor.asUnownedTaskExecutor()) }
        // Others may have used up the memory since it last ran.
        self.noteHeld(executor.heldBytes, executor.operation)
        let before = heapBytesOfThread()
        job.runSynchronously(on: executor.asUnownedTaskExecutor())
        executor.took(heapBytesOfThread() - before)
        self.noteHeld(executor.heldBytes, executor.operation)
    }

    /// What a thread finds while it has nothing to run.
    private enum Finding {
        case begun(Begun)
        /// Something waits for a core.
        case waiting
        /// Nothing waits.
        case nothing
    }

    /// Waits for a job that may begin.
    /// - Parameter ended: Where it is noted that the thread has run a job, and whose that was.
    /// - Returns: `nil` when the thread is to end.
    private func nextJob(after ended: (place: Int, turns: HandlerTurns)?) -> Begun? {
        let next = self.monitor.withLock { state -> Begun? in
            if let ended { self.end(at: ended.place, of: ended.turns, &state) }
            if let begun = self.begin(&state) { return begun }
            state.restingCount += 1
            return nil
        }
        if let next { return next }
        while true {
            if let begun = self.rest() { return begun }
            let ends = self.monitor.withLock { state -> Bool in
                guard state.ready.isEmpty else { return false }
                state.restingCount -= 1
                state.threadCount -= 1
                return true
            }
            if ends { return nil }
        }
    }

    /// Waits for a job for as long as a thread may rest; watches, while something waits for a core, for jobs that take long.
    private func rest() -> Begun? {
        var isWatching = false
        while true {
            let finding: Finding? = self.monitor.wait(atMost: isWatching ? Self.jobDurationMax : Self.restMax) {
                state in
                let begun = self.begin(&state) { state in
                    if isWatching { state.watchingCount -= 1 } else { state.restingCount -= 1 }
                }
                if let begun { return .begun(begun) }
                switch (state.ready.isEmpty, isWatching) {
                case (true, true):
                    state.watchingCount -= 1
                    state.restingCount += 1
                    return .nothing
                case (false, false):
                    state.restingCount -= 1
                    state.watchingCount += 1
                    return .waiting
                case (true, false), (false, true): return nil
                }
            }
            switch finding {
            case .begun(let begun): return begun
            case .waiting: isWatching = true
            case .nothing: isWatching = false
            case nil where isWatching: continue
            case nil: return nil
            }
        }
    }
}

/// One caller's calls, and their jobs that wait for their turns.
///
/// `@unchecked Sendable` is safe: `calls` is used under the lock of the pool's callers, all else under that of its state,
/// which is why the runtime need not check for overlapping accesses, at a thousand instructions a call.
private final class HandlerTurns: @unchecked Sendable {
    struct Job {
        let job: UnownedJob
        /// Kept while the job waits and runs.
        let executor: CallExecutor
    }

    @exclusivity(unchecked) var jobs: Deque<Job> = []
    /// Its jobs that run now.
    @exclusivity(unchecked) var runningCount = 0
    /// Whether it stands in line for a turn.
    @exclusivity(unchecked) var isReady = false
    @exclusivity(unchecked) var calls: [CallExecutor] = []
}

/// Where the jobs of one call run.
///
/// `@unchecked Sendable` is safe: `index` is used under the lock of the pool's callers.
package final class CallExecutor: TaskExecutor, @unchecked Sendable {
    private let pool: HandlerPool
    fileprivate let turns: HandlerTurns
    let operation: Operation
    private let heapBytes = Atomic<Int>(0)
    /// Where it stands among the calls of its caller.
    @exclusivity(unchecked) fileprivate var index = 0

    fileprivate init(_ pool: HandlerPool, _ turns: HandlerTurns, _ operation: Operation) {
        self.pool = pool
        self.turns = turns
        self.operation = operation
    }

    /// What the call holds, as far as it is known.
    fileprivate var heldBytes: Int {
        max(0, self.heapBytes.load(ordering: .relaxed)) + self.operation.message.bytes.count
    }

    /// A job of the call has ended, and had taken so much more of the heap than it gave back.
    fileprivate func took(_ bytes: Int) { self.heapBytes.add(bytes, ordering: .relaxed) }

    package func enqueue(_ job: consuming ExecutorJob) {
        self.pool.enqueue(HandlerTurns.Job(job: UnownedJob(job), executor: self), of: self.turns)
    }
}
