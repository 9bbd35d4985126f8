/// How the governor stands, for metrics and admin pages.
package struct GovernorReport: Hashable, Sendable {
    /// The last reading, with its sources, the worst of them and its numbers in words.
    package let pressure: Pressure
    package let rung: GovernorRung
    /// Who is let in.
    package let admission: GovernorAdmission
    /// Why the rung is what it is: what was said when it was entered.
    package let reason: String
    /// Since when the rung is what it is.
    package let since: Instant
    /// How often each rung was entered, from below or from above.
    package let changes: RungCounts
    /// What the actions of each rung freed. In bytes.
    package let freedBytes: RungCounts
    /// Children that were ended because memory was short. What they took is in ``freedBytes``, too.
    package let endedChildren: Int

    /// What the process may take; `nil` when no limit is known. In bytes.
    package var limitBytes: Int? { self.pressure.readings.memoryMax?.bytes }
    /// What it takes. In bytes.
    package var usedBytes: Int { self.pressure.readings.memoryUsed.bytes }
    /// What of that children take. In bytes.
    package var childBytes: Int { self.pressure.readings.children.used.bytes }
}
