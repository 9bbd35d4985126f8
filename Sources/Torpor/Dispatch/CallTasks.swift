import Synchronization

/// Runs the calls of one channel or batch, each as a task that can be cancelled by itself.
package final class CallTasks: CallCarrier {
    private struct Running {
        let call: PendingCall
        let task: Task<Void, Never>
        let deliver: @Sendable (PendingCall.End) async -> Void
        var isOverdue = false
    }

    private struct State {
        var running: [UInt64: Running] = [:]
        /// Answers in the stead of calls that have taken too long, on their way.
        var delivering: [UInt64: Task<Void, Never>] = [:]
        var last: UInt64 = 0
        var waiting: [CheckedContinuation<Void, Never>] = []

        var isIdle: Bool { self.running.isEmpty && self.delivering.isEmpty }
    }

    private let state = Mutex(State())

    package init() {}

    /// Begins a call, and does with its end what `deliver` does; both count as one task.
    package func start(_ call: PendingCall, deliver: @escaping @Sendable (PendingCall.End) async -> Void) {
        self.state.withLock { state in
            state.last += 1
            let name = state.last
            let task = Task(executorPreference: call.executor) {
                await deliver(call.run(over: self, as: name))
                self.ended(name)
            }
            state.running[name] = Running(call: call, task: task, deliver: deliver)
            call.runs(in: task)
        }
    }

    /// Returns when no task is left.
    package func drained() async {
        await withCheckedContinuation { continuation in
            let isIdle = self.state.withLock { state in
                if !state.isIdle { state.waiting.append(continuation) }
                return state.isIdle
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Cancels every task.
    package func cancelAll() {
        let tasks = self.state.withLock { $0.running.values.map(\.task) + Array($0.delivering.values) }
        for task in tasks { task.cancel() }
    }

    /// Cancels the calls that have taken longer than `limit`, their wait for a turn included, and answers in their stead.
    package func timeOut(after limit: Duration) {
        for overdue in self.takeOverdue(limit) {
            // Answered before it is cancelled, which would be the answer otherwise.
            let end = overdue.call.timedOut(after: limit)
            // It has an answer, which waits for a client that is slow to read.
            if case .known = end { continue }
            overdue.task.cancel()
            self.deliver(end, by: overdue.deliver)
        }
    }

    private func deliver(_ end: PendingCall.End, by deliver: @escaping @Sendable (PendingCall.End) async -> Void) {
        self.state.withLock { state in
            state.last += 1
            let name = state.last
            // Counted like a call: see ``drained()``.
            state.delivering[name] = Task {
                await deliver(end)
                self.ended(name)
            }
        }
    }

    private func takeOverdue(_ limit: Duration) -> [Running] {
        self.state.withLock { state in
            let names = state.running.filter { !$0.value.isOverdue && $0.value.call.age > limit }.keys
            return names.compactMap { name in
                // Once: one that ignores its cancellation stays.
                state.running[name]?.isOverdue = true
                return state.running[name]
            }
        }
    }

    private func ended(_ name: UInt64) {
        let waiting = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.running[name] = nil
            state.delivering[name] = nil
            guard state.isIdle else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// What a call says goes into the stream that its channel or batch has already.
    package func open(_ stream: MessageStream, of call: UInt64) {}

    package func cancel(_ call: UInt64) { self.state.withLock { $0.running[call] }?.task.cancel() }
}
