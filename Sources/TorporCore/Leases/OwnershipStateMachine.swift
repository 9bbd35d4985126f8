/// Which units this process owns, and under which fence it writes them.
///
/// A store that only one process can open is owned as a whole: every unit has the same fence, and nothing is kept for it,
/// until one has to be acquired again because an outcome is unknown.
package struct OwnershipStateMachine<Waiter> {
    private enum Ownership {
        /// The store has been asked. Next: `owned`, or forgotten.
        case acquiring(former: Fence?, waiters: [Waiter])
        /// Writes go out under this fence. Next: `acquiring`, or forgotten.
        case owned(Fence)
    }

    /// The fence of every unit that is not in `units`, where the whole store is owned.
    private let wholeStore: Fence?
    private var units: [UnitID: Ownership] = [:]

    /// - Parameter wholeStore: The fence under which every unit is owned from the start; `nil` where each has to be
    ///   acquired.
    package init(wholeStore: Fence?) { self.wholeStore = wholeStore }

    package enum RequestAction: Sendable, Equatable {
        case owned(Fence)
        /// Ask the store; then ``acquired(_:_:)`` or ``acquisitionFailed(_:)``.
        case acquire(after: Fence?)
        /// Wait; the waiter will be among those that an event returns.
        case wait
    }

    /// Somebody wants to read or write a unit.
    package mutating func requested(_ unit: UnitID, by waiter: Waiter) -> RequestAction {
        switch self.units[unit] {
        case .owned(let fence): return .owned(fence)
        case .acquiring(let former, var waiters):
            waiters.append(waiter)
            self.units[unit] = .acquiring(former: former, waiters: waiters)
            return .wait
        case nil:
            if let wholeStore { return .owned(wholeStore) }
            self.units[unit] = .acquiring(former: nil, waiters: [waiter])
            return .acquire(after: nil)
        }
    }

    /// The fence under which a unit may be written now; `nil` while it is being acquired, or not owned.
    package func fence(of unit: UnitID) -> Fence? {
        switch self.units[unit] {
        case .owned(let fence): fence
        case .acquiring: nil
        case nil: self.wholeStore
        }
    }

    /// Nobody knows what became of a commit: the unit has to be acquired again before anything of it is read or written.
    /// - Returns: The fence to be outdone; `nil` when the unit is being acquired already.
    package mutating func outcomeUnknown(of unit: UnitID) -> Fence? {
        guard let fence = self.fence(of: unit) else { return nil }
        self.units[unit] = .acquiring(former: fence, waiters: [])
        return fence
    }

    /// The store has made this process the owner.
    package mutating func acquired(_ unit: UnitID, _ fence: Fence) -> [Waiter] {
        guard case .acquiring(_, let waiters) = self.units[unit] else {
            preconditionFailure("a unit is acquired after it was asked for")
        }
        self.units[unit] = .owned(fence)
        return waiters
    }

    /// The store could not be reached. A unit that was owned before has to be acquired still.
    /// - Returns: Those who waited; they give up, or ask again.
    package mutating func acquisitionFailed(_ unit: UnitID) -> [Waiter] {
        guard case .acquiring(let former, let waiters) = self.units[unit] else {
            preconditionFailure("a unit is acquired after it was asked for")
        }
        self.units[unit] = former == nil ? nil : .acquiring(former: former, waiters: [])
        return waiters
    }

    /// Nothing of the unit is in memory any more.
    ///
    /// Where the whole store is owned, a unit with a fence of its own is kept in mind: the old one is not good any more.
    package mutating func released(_ unit: UnitID) {
        if self.wholeStore == nil, case .owned = self.units[unit] { self.units[unit] = nil }
    }

    /// The units that something is kept for.
    package var count: Int { self.units.count }
}
