/// What came of a scenario.
package struct Report: Sendable {
    /// How much happened.
    package struct Counts: Sendable, Equatable {
        package var jobs = 0
        package var lives = 0
        package var calls = 0
        package var acknowledged = 0
        package var changes = 0
        package var commits = 0
        package var loads = 0
        package var evictions = 0
        package var expirations = 0
        package var jumps = 0
        package var time = Duration.zero

        package init() {}

        package mutating func add(_ other: Counts) {
            self.jobs += other.jobs
            self.lives += other.lives
            self.calls += other.calls
            self.acknowledged += other.acknowledged
            self.changes += other.changes
            self.commits += other.commits
            self.loads += other.loads
            self.evictions += other.evictions
            self.expirations += other.expirations
            self.jumps += other.jumps
            self.time += other.time
        }
    }

    package let scenario: Scenario
    package var violation: Violation?
    package var counts: Counts
    /// Tells apart runs that did not do the same in the same order.
    package var fingerprint: UInt64
}

extension Report: CustomStringConvertible {
    /// The violation, and how to run the scenario again, in Swift and from the command line.
    package var description: String {
        guard let violation else { return "\(self.scenario) keeps all promises" }
        return """
            \(violation)
                \(self.scenario)
                scripts/simulate.sh replay \(self.scenario.arguments.joined(separator: " "))
            """
    }
}

extension Scenario {
    /// Runs it, on this thread, to its end or to the first promise that is broken.
    /// - Parameter observe: Told what happens, line by line, as it happens.
    /// - Throws: ``ArenaUnavailable``.
    package func run(observe: ((String) -> Void)? = nil) throws -> Report {
        try Simulation(self, Plan(self), observe: observe).run()
    }
}
