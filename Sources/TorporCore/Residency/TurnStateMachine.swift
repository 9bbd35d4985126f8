import DequeModule

/// Lets one update of an object run at a time, in the order in which they came.
package struct TurnStateMachine<Waiter> {
    private var isTaken = false
    private var waiters: Deque<Waiter> = []

    package init() {}

    /// Those who wait for their turn.
    package var waiterCount: Int { self.waiters.count }

    /// Whether nobody has the turn or waits for it.
    package var isIdle: Bool { !self.isTaken }

    package enum RequestAction: Sendable, Equatable {
        /// It is the caller's turn, until ``passed()``.
        case go
        /// Wait; the waiter will be one that ``passed()`` returns.
        case wait
        /// As many wait as may.
        case refuse
    }

    /// Somebody wants to update the object.
    /// - Parameter waitersMax: How many may wait.
    package mutating func requested(by waiter: Waiter, waitersMax: Int) -> RequestAction {
        guard self.isTaken else {
            self.isTaken = true
            return .go
        }
        guard self.waiters.count < waitersMax else { return .refuse }
        self.waiters.append(waiter)
        return .wait
    }

    /// Who had the turn is done.
    /// - Returns: Whose turn it is now. If that one is gone, it has passed, too.
    package mutating func passed() -> Waiter? {
        precondition(self.isTaken, "who has the turn passes it on")
        guard let next = self.waiters.popFirst() else {
            self.isTaken = false
            return nil
        }
        return next
    }
}
