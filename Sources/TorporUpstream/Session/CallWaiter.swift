import Synchronization

/// Where a request's task waits for what belongs to the request.
final class CallWaiter: Sendable {
    enum Step: Sendable {
        case item(NoticeQueue.Item)
        /// The last step.
        case finished(Result<UpstreamAnswer, any Error>)
    }

    private struct State {
        var queue: NoticeQueue
        var outcome: Result<UpstreamAnswer, any Error>?
        var continuation: CheckedContinuation<Step, Never>?
        /// Questions that were taken back before or while they were answered.
        var takenBack: Set<AskNumber> = []
        /// Those that listen for it.
        var listeners: [AskNumber: CheckedContinuation<Void, Never>] = [:]
    }

    private let state: Mutex<State>

    init(_ limits: UpstreamLimits) {
        self.state = Mutex(
            State(queue: NoticeQueue(noticesMax: limits.noticesMax, bytesMax: limits.noticeBytesMax)))
    }

    // MARK: Telling

    func add(_ notice: Notice, bytes: Int) { self.change { $0.queue.add(notice, bytes: bytes) } }

    func add(_ ask: Ask) { self.change { $0.queue.add(ask) } }

    /// The first outcome counts.
    /// - Returns: Whether this was the first.
    @discardableResult
    func finish(_ outcome: Result<UpstreamAnswer, any Error>) -> Bool {
        var isFirst = false
        self.change { state in
            isFirst = state.outcome == nil
            if isFirst { state.outcome = outcome }
        }
        return isFirst
    }

    private func change(_ body: (inout State) -> Void) {
        let ready = self.state.withLock { state -> (CheckedContinuation<Step, Never>, Step)? in
            body(&state)
            guard state.continuation != nil, let step = Self.step(&state) else { return nil }
            guard let continuation = state.continuation.take() else { return nil }
            return (continuation, step)
        }
        if let (continuation, step) = ready { continuation.resume(returning: step) }
    }

    /// What comes next: what came before an answer before it, but a failure at once.
    private static func step(_ state: inout State) -> Step? {
        if case .failure? = state.outcome, let outcome = state.outcome { return .finished(outcome) }
        if let item = state.queue.next() { return .item(item) }
        return state.outcome.map(Step.finished)
    }

    // MARK: Waiting

    /// The next step. For one task at a time.
    func next() async -> Step {
        await withCheckedContinuation { continuation in
            let step = self.state.withLock { state -> Step? in
                if let step = Self.step(&state) { return step }
                precondition(state.continuation == nil, "one task follows a request")
                state.continuation = continuation
                return nil
            }
            if let step { continuation.resume(returning: step) }
        }
    }

    // MARK: Questions that are taken back

    func takeBack(_ ask: AskNumber) {
        let listener = self.state.withLock { state in
            state.takenBack.insert(ask)
            return state.listeners.removeValue(forKey: ask)
        }
        listener?.resume()
    }

    /// Returns when the question is taken back, or the task is cancelled.
    func untilTakenBack(_ ask: AskNumber) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if state.takenBack.contains(ask) { return true }
                    state.listeners[ask] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.takeBack(ask)
        }
        self.state.withLock { state in
            // It is over one way or another, and its number comes no more.
            _ = state.takenBack.remove(ask)
        }
    }
}
