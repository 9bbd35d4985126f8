import Synchronization

/// Tasks that nobody awaits where they begin, and that somebody answers for all the same: what begins them ends them.
package final class TaskScope: Sendable {
    private struct State {
        var tasks: [UInt64: Task<Void, Never>] = [:]
        var lastNumber: UInt64 = 0
        var hasEnded = false
    }

    private let state = Mutex(State())

    package init() {}

    /// Begins a task, which ``end()`` or ``finish()`` waits for.
    /// - Returns: The task, to be cancelled by itself; `nil` after the end: then nothing is begun.
    @discardableResult
    package func begin(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never>? {
        self.state.withLock { state in
            guard !state.hasEnded else { return nil }
            state.lastNumber += 1
            let number = state.lastNumber
            let task = Task {
                await body()
                self.state.withLock { $0.tasks[number] = nil }
            }
            state.tasks[number] = task
            return task
        }
    }

    /// Cancels what runs. On return all of it has ended, and nothing is begun any more.
    package func end() async {
        for task in self.close() { task.cancel() }
        await self.finish()
    }

    /// Lets what runs come to its end. On return all of it has, and nothing is begun any more.
    package func finish() async {
        for task in self.close() { await task.value }
    }

    private func close() -> [Task<Void, Never>] {
        self.state.withLock { state in
            state.hasEnded = true
            return Array(state.tasks.values)
        }
    }
}
