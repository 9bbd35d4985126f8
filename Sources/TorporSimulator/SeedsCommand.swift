import ArgumentParser
import TorporSimulation

/// Runs many scenarios, shrinks those that break a promise, and counts.
struct SeedsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seeds", abstract: "Run many seeds, one after the other, and shrink what fails.")

    @Option(help: "The first seed.") var first: UInt64 = 1
    @Option(help: "How many seeds.") var count: UInt64 = 10_000
    @Option(help: "How many steps the clients take in each.") var steps = 60
    @Option(help: "Begin no seed after so many seconds.") var timeLimit = 600
    @Option(help: "Stop after so many failures.") var failuresMax = 5

    func validate() throws {
        guard self.count > 0, self.steps > 0, self.timeLimit > 0, self.failuresMax > 0 else {
            throw ValidationError("counts and limits are positive")
        }
        guard self.first.addingReportingOverflow(self.count).overflow == false else {
            throw ValidationError("there are no seeds behind \(UInt64.max)")
        }
    }

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        var sum = Report.Counts()
        var (passed, failed) = (0, 0)
        for seed in self.first..<self.first + self.count {
            if failed == self.failuresMax || clock.now - start >= .seconds(self.timeLimit) { break }
            let scenario = Scenario(seed: seed, steps: self.steps)
            LastWords.set(scenario, endsWithin: 60)
            let report = try scenario.run()
            sum.add(report.counts)
            guard report.violation != nil else {
                passed += 1
                continue
            }
            failed += 1
            // Shrinking runs many scenarios.
            LastWords.set(scenario, endsWithin: 600)
            print(try scenario.shrunk())
        }
        print(
            """
            seeds from \(self.first): \(sum.jobs) jobs in \(sum.lives) lives, \(sum.calls) calls, \
            \(sum.acknowledged) acknowledged changes, \(sum.commits) commits, \(sum.loads) loads, \
            \(sum.evictions) evictions, \(sum.expirations) expirations in \(clock.now - start)
            """)
        if passed + failed < Int(self.count) { print("\(Int(self.count) - passed - failed) seeds were not begun") }
        print("simulation: \(passed) passed, \(failed) failed")
        if failed > 0 { throw ExitCode.failure }
    }
}
