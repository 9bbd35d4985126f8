import DequeModule
import Synchronization
import TorporCore

/// Lets a bounded number of operations on folders go on at once, and of those on one folder one after the other.
///
/// Who waits goes on in the order of arrival, but for those whose folder is in use.
struct FolderTurnStateMachine<Waiter> {
    private let operationsMax: Int
    private let waitingMax: Int
    private var running: Set<StateObjectID> = []
    private var waiting: Deque<(number: UInt64, id: StateObjectID, waiter: Waiter)> = []

    init(operationsMax: Int, waitingMax: Int) {
        precondition(operationsMax > 0 && waitingMax >= 0, "something may go on")
        self.operationsMax = operationsMax
        self.waitingMax = waitingMax
    }

    var runningCount: Int { self.running.count }
    var waitingCount: Int { self.waiting.count }

    enum RequestAction: Equatable { case go, wait, refuse }

    /// Somebody wants to use a folder.
    /// - Parameters:
    ///   - number: Tells those apart who wait.
    ///   - waiter: Kept if it has to wait.
    mutating func requested(_ id: StateObjectID, number: UInt64, by waiter: Waiter) -> RequestAction {
        if self.running.count < self.operationsMax, self.running.insert(id).inserted { return .go }
        guard self.waiting.count < self.waitingMax else { return .refuse }
        self.waiting.append((number, id, waiter))
        return .wait
    }

    /// An operation on a folder has ended.
    /// - Returns: Who goes on now.
    mutating func ended(_ id: StateObjectID) -> [Waiter] {
        precondition(self.running.remove(id) != nil, "what ends has begun")
        var next: [Waiter] = []
        while self.running.count < self.operationsMax,
            let index = self.waiting.firstIndex(where: { !self.running.contains($0.id) })
        {
            let waiter = self.waiting.remove(at: index)
            self.running.insert(waiter.id)
            next.append(waiter.waiter)
        }
        return next
    }

    /// Somebody does not want to wait any longer.
    /// - Returns: The waiter; `nil` when it goes on already.
    mutating func cancelled(_ number: UInt64) -> Waiter? {
        self.waiting.firstIndex { $0.number == number }.map { self.waiting.remove(at: $0).waiter }
    }
}

/// The shell around ``FolderTurnStateMachine``.
final class FolderTurns: Sendable {
    private typealias Continuation = CheckedContinuation<Bool, Never>
    private struct State: ~Copyable {
        var turns: FolderTurnStateMachine<Continuation>
        var nextNumber: UInt64 = 0
        /// Those who were cancelled before they had begun to wait.
        var cancelled: Set<UInt64> = []
    }

    private let state: Mutex<State>

    init(_ limits: FolderLimits) {
        self.state = Mutex(
            State(
                turns: FolderTurnStateMachine(
                    operationsMax: limits.operationsMax, waitingMax: limits.waitingMax)))
    }

    /// Runs `body` while nobody else uses the folder.
    /// - Throws: ``FolderError/Code/busy``, ``FolderError/Code/cancelled``, or what `body` throws.
    func take<Result>(
        _ id: StateObjectID, _ body: () async throws(FolderError) -> Result
    ) async throws(FolderError) -> Result {
        try await self.wait(for: id)
        defer { self.end(id) }
        return try await body()
    }

    private func wait(for id: StateObjectID) async throws(FolderError) {
        try FolderError.checkCancellation()
        let number = self.state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        let action = Mutex(FolderTurnStateMachine<Continuation>.RequestAction.go)
        let goesOn = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Continuation) in
                let immediate = self.state.withLock { state -> Bool? in
                    if state.cancelled.remove(number) != nil { return false }
                    let answer = state.turns.requested(id, number: number, by: continuation)
                    action.withLock { $0 = answer }
                    return answer == .wait ? nil : answer == .go
                }
                if let immediate { continuation.resume(returning: immediate) }
            }
        } onCancel: {
            self.cancel(number)
        }
        // Cancelled too late for the wait, or just after it: it does not count.
        self.state.withLock { _ = $0.cancelled.remove(number) }
        guard !goesOn else { return }
        guard action.withLock({ $0 }) != .refuse else {
            throw FolderError(.busy, "Too many folders wait to be saved or restored. Try again in a moment.")
        }
        throw .cancelled
    }

    private func cancel(_ number: UInt64) {
        let waiter = self.state.withLock { state -> Continuation? in
            if let waiter = state.turns.cancelled(number) { return waiter }
            state.cancelled.insert(number)
            return nil
        }
        waiter?.resume(returning: false)
    }

    private func end(_ id: StateObjectID) {
        let next = self.state.withLock { $0.turns.ended(id) }
        for continuation in next { continuation.resume(returning: true) }
    }

    /// Operations under way, and those that wait.
    var counts: (running: Int, waiting: Int) {
        self.state.withLock { ($0.turns.runningCount, $0.turns.waitingCount) }
    }
}
