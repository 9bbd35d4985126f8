import Synchronization

/// Runs the calls of one channel or batch, each as a task that can be cancelled by itself.
package final class CallTasks: CallCarrier {
    private struct State {
        var tasks: [UInt64: Task<Void, Never>] = [:]
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
            state.tasks[name] = task
            call.runs(in: task)
        }
    }

    /// Returns when no task is left.
    package func drained() async {
        await withCheckedContinuation { continuation in
            let isIdle = self.state.withLock { state in
                if !state.tasks.isEmpty { state.waiting.append(continuation) }
                return state.tasks.isEmpty
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Cancels every task.
    package func cancelAll() {
        for task in self.state.withLock({ Array($0.tasks.values) }) { task.cancel() }
    }

    private func ended(_ name: UInt64) {
        let waiting = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.tasks[name] = nil
            guard state.tasks.isEmpty else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// What a call says goes into the stream that its channel or batch has already.
    package func open(_ stream: MessageStream, of call: UInt64) {}

    package func cancel(_ call: UInt64) { self.state.withLock { $0.tasks[call] }?.cancel() }
}
