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
/// ``shortenIdle(to:)`` and ``drain(reason:)``.
package enum GovernorAction: Hashable, Sendable {
    /// Multiply idle timeouts by this factor from now on; 1 is the usual. What that frees may be told at any time.
    case shortenIdle(to: Double)
    /// Evict so many bytes of clean state that nobody uses, the coldest first. Less when there is less.
    case evict(bytes: Int)
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
    /// Not who would make a state object.
    case noNewState
    /// Nor who needs one that is not in memory.
    case noLoads

    package var admitsNewState: Bool { self == .everything }
    package var admitsLoads: Bool { self != .noLoads }
}
