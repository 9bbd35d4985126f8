import Synchronization
import TorporEngine

extension Dispatcher {
    /// Holds an answer until everything that its call has seen is durable, and lets the call's state go.
    /// - Returns: The answer, or an error in its place when what the call saw could not be stored.
    func passed(_ operation: Operation, _ reply: Reply) async -> Reply {
        guard let use = operation.output.withLock({ $0.stateUse }) else { return reply }
        defer { use.end() }
        do {
            try await self.passGate(operation)
            return reply
        } catch {
            return self.fail(operation, self.refusal(for: error, of: operation, name: "state"))
        }
    }

    /// Waits until everything that a call has seen is durable, before something leaves it; then tells of its changes.
    func passGate(_ operation: Operation) async throws {
        guard let use = operation.output.withLock({ $0.stateUse }) else { return }
        let announcements = operation.output.withLock { output in
            defer { output.announcements = [] }
            return output.announcements
        }
        do {
            try await use.durable()
        } catch let error as EngineError {
            throw StateError(error)
        }
        for change in announcements { self.table.announce(change) }
    }
}

extension Refusal {
    /// A failure of state: the client program is told to try again if that may help.
    init(_ error: StateError) {
        self.init(
            error.isRetryable ? 503 : 200, .internalError, error.message,
            retryAfterSeconds: error.isRetryable ? 1 : nil)
    }
}
