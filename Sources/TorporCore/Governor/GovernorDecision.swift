/// What the governor wants done after one reading.
package struct GovernorDecision: Hashable, Sendable {
    /// Where the ladder stands now.
    package let rung: GovernorRung
    /// How it came there, when this pass changed it.
    package let change: GovernorChange?
    /// What is to be done in this pass, in this order.
    package let actions: [GovernorAction]
    /// Who is let in until the next pass.
    package let admission: GovernorAdmission
    /// When who is refused may try again; `nil` when nobody is.
    package let retryAfter: Duration?
}

/// A step of the ladder.
package struct GovernorChange: Hashable, Sendable {
    package let from: GovernorRung
    package let to: GovernorRung
    /// Why, for the log: `pressure 91% reached 90% (memory: 233 MiB of 256 MiB)`.
    package let reason: String
}

/// Something to do about memory. What it freed is told to ``GovernorStateMachine/freed(_:by:)``, but for
/// ``shortenIdle(to:)`` and ``drain(reason:)``; of children, to ``GovernorStateMachine/endedChildren(_:freeing:)``.
package enum GovernorAction: Hashable, Sendable {
    /// Multiply idle timeouts, of state and of children, by this factor from now on; 1 is the usual. What that frees may be told at any time.
    case shortenIdle(to: Double)
    /// Evict so many bytes of clean state that nobody uses, the coldest first. Less when there is less.
    case evict(bytes: Int)
    /// End so many children that nobody uses at most, and no more than take so many bytes together: spares first, then
    /// those that have been idle for longest. One that runs calls is never ended.
    case endChildren(bytes: Int, countMax: Int)
    /// Give up buffers and caches, and give free pages back to the system.
    case trim
    /// Cancel the call that holds most, with an error to its caller. Nothing was freed when there is none.
    case cancelLargest
    /// Stop accepting, finish what can be finished, and exit with an error and this reason.
    case drain(reason: String)
}

/// Who is let in. The raw names stand in logs and JSON.
package enum GovernorAdmission: String, CaseIterable, Sendable {
    /// All.
    case everything
    /// Not who would make a state object, nor who needs a child started.
    case noNewState
    /// Nor who needs one that is not in memory.
    case noLoads

    package var admitsNewState: Bool { self == .everything }
    package var admitsLoads: Bool { self != .noLoads }
    /// Whether children are started. Each takes far more than an object.
    package var admitsChildren: Bool { self == .everything }
}
