import Synchronization

/// Runs the calls of one channel or batch, each as a task that can be cancelled by itself.
package final class CallTasks: CallCarrier {
    private struct State {
        var tasks: [UInt64: Task<PendingCall.End, Never>] = [:]
        var last: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Runs a call to its end; cancels it when the calling task is cancelled.
    package func run(_ call: PendingCall) async -> PendingCall.End {
        let (name, task) = self.state.withLock { state in
            state.last += 1
            let name = state.last
            let task = Task { await call.run(over: self, as: name) }
            state.tasks[name] = task
            return (name, task)
        }
        defer { self.state.withLock { $0.tasks[name] = nil } }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// What a call says goes into the stream that its channel or batch has already.
    package func open(_ stream: MessageStream, of call: UInt64) {}

    package func cancel(_ call: UInt64) { self.state.withLock { $0.tasks[call] }?.cancel() }
}
