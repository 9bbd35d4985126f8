/// How long a scenario runs and how it is divided.
///
/// A warm-up fills caches and pools and shows how fast the server is. Then come phases of equal work, each followed by
/// a pause in which the server may collect garbage and close what has ended; memory is read at the end of the pause.
package struct SoakPlan: Sendable, Equatable {
    /// The shortest run of one scenario, in seconds.
    package static let secondsMin = 3.0
    /// The most units in one phase.
    static let unitsMax = 200_000

    package let warmupSeconds: Double
    package let phases: Int
    /// Work in a phase that keeps the server's pace of the warm-up.
    package let workSeconds: Double
    package let settleSeconds: Double

    /// - Parameter seconds: For the whole scenario; less than ``secondsMin`` counts as that.
    package init(seconds: Double) {
        let seconds = max(seconds, Self.secondsMin)
        self.phases = seconds >= 20 ? 12 : seconds >= 10 ? 10 : 8
        self.warmupSeconds = seconds * 0.25
        let phaseSeconds = seconds * 0.75 / Double(self.phases)
        self.settleSeconds = min(2, phaseSeconds * 0.4)
        self.workSeconds = phaseSeconds - self.settleSeconds
    }

    init(phases: Int, warmupSeconds: Double, workSeconds: Double, settleSeconds: Double) {
        precondition(phases >= 2, "a line needs three readings, and the first is the warm-up's")
        self.phases = phases
        self.warmupSeconds = warmupSeconds
        self.workSeconds = workSeconds
        self.settleSeconds = settleSeconds
    }

    /// The time after which a phase ends whatever is left of its work.
    package var phaseSecondsMax: Double { 1.5 * self.workSeconds + 0.2 }

    /// Units of work in each phase.
    ///
    /// - Parameters:
    ///   - warmupUnits: Done in the warm-up.
    ///   - warmupSeconds: How long the warm-up took.
    ///   - agents: How many work at once; each does at least one unit.
    ///   - units: What all phases together are to do, when somebody asked for it.
    package func unitsPerPhase(
        warmupUnits: Int, warmupSeconds: Double, agents: Int, unitsPerAgentMax: Int, units: Int?
    ) -> Int {
        if let units { return min(max(1, units / self.phases), Self.unitsMax) }
        let rate = Double(warmupUnits) / max(warmupSeconds, 0.001)
        let most = min(Self.unitsMax, agents.multipliedReportingOverflow(by: unitsPerAgentMax).partialValue)
        return min(max(Int(rate * self.workSeconds), agents), max(most, 1))
    }
}
