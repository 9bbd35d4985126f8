import Synchronization

/// Runs the calls of one channel or batch, each as a task that can be cancelled by itself.
package final class CallTasks: CallCarrier {
    private struct Running {
        let call: PendingCall
        let task: Task<Void, Never>
        let deliver: @Sendable (PendingCall.End) async -> Void
        let start: ContinuousClock.Instant
    }

    private struct State {
        var running: [UInt64: Running] = [:]
        var last: UInt64 = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
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
            state.running[name] = Running(call: call, task: task, deliver: deliver, start: .now)
            call.runs(in: task)
        }
    }

    /// Returns when no task is left.
    package func drained() async {
        await withCheckedContinuation { continuation in
            let isIdle = self.state.withLock { state in
                if !state.running.isEmpty { state.waiting.append(continuation) }
                return state.running.isEmpty
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Cancels every task.
    package func cancelAll() {
        for running in self.state.withLock({ Array($0.running.values) }) { running.task.cancel() }
    }

    /// Cancels the calls that have taken longer than `limit`, and answers in their stead.
    package func timeOut(after limit: Duration) async {
        let now = ContinuousClock.now
        let overdue = self.state.withLock { $0.running.values.filter { now - $0.start > limit } }
        for running in overdue {
            // Answered before it is cancelled, which would be the answer otherwise.
            let end = running.call.timedOut(after: limit)
            running.task.cancel()
            await running.deliver(end)
        }
    }

    private func ended(_ name: UInt64) {
        let waiting = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.running[name] = nil
            guard state.running.isEmpty else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// What a call says goes into the stream that its channel or batch has already.
    package func open(_ stream: MessageStream, of call: UInt64) {}

    package func cancel(_ call: UInt64) { self.state.withLock { $0.running[call] }?.task.cancel() }
}
