import Synchronization

/// What the handler of a test's tool waits for: the test learns when it began, lets it go, and learns how it ended.
final class HeldCalls: Sendable {
    enum Ending: Sendable { case released, cancelled }

    private struct State {
        var waiting: [Int: CheckedContinuation<Void, any Error>] = [:]
        var cancelled: Set<Int> = []
        var nextName = 0
    }

    private let state = Mutex(State())
    private let begun = AsyncStream.makeStream(of: Void.self)
    private let ended = AsyncStream.makeStream(of: Ending.self)

    /// Called by the handler: returns when it is released, throws when it is cancelled first.
    func wait() async throws {
        let name = self.state.withLock { state in
            state.nextName += 1
            return state.nextName
        }
        do {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let isCancelled = self.state.withLock { state in
                        if state.cancelled.remove(name) != nil { return true }
                        state.waiting[name] = continuation
                        return false
                    }
                    self.begun.continuation.yield()
                    if isCancelled { continuation.resume(throwing: CancellationError()) }
                }
            } onCancel: {
                let continuation = self.state.withLock { state in
                    let continuation = state.waiting.removeValue(forKey: name)
                    if continuation == nil { state.cancelled.insert(name) }
                    return continuation
                }
                continuation?.resume(throwing: CancellationError())
            }
        } catch {
            self.ended.continuation.yield(.cancelled)
            throw error
        }
        self.ended.continuation.yield(.released)
    }

    /// The same for a handler that does not look at its cancellation.
    func waitWhateverHappens() async throws {
        try await withCheckedThrowingContinuation { continuation in
            self.state.withLock { state in
                state.nextName += 1
                state.waiting[state.nextName] = continuation
            }
            self.begun.continuation.yield()
        }
        self.ended.continuation.yield(.released)
    }

    /// Waits until one more handler waits.
    func nextBegins() async { _ = await self.begun.stream.first { _ in true } }

    /// Waits until one more handler has ended.
    func nextEnding() async -> Ending? { await self.ended.stream.first { _ in true } }

    /// Lets all handlers go that wait now.
    func release() {
        let waiting = self.state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for continuation in waiting { continuation.resume() }
    }
}
