import ArgumentParser
import Glibc
import TorporSimulation

/// Runs one scenario and shows what happens in it.
struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Run one scenario and print its trace.")

    @Option(help: "The seed.") var seed: UInt64
    @Option(help: "How many steps the clients take.") var steps = 60
    @Option(help: "Only these faults, with commas between them, or none. All unless given.") var faults: String?
    @Option(help: "Only the steps and incidents of these numbers, with commas between them.") var keeping: String?
    @Option(help: "What is broken on purpose.") var defect: Defect?
    @Flag(help: "Look for a smaller scenario that fails in the same way, and show that.") var shrink = false

    func run() throws {
        var scenario = Scenario(seed: self.seed, steps: self.steps, defect: self.defect)
        if let faults {
            let names = faults == "none" ? [] : faults.split(separator: ",").map(String.init)
            guard let chosen = Faults(names: names) else {
                throw ValidationError(
                    "\"\(faults)\" has a name that no fault has: \(Faults.all.names.joined(separator: ", "))")
            }
            scenario.faults = chosen
        }
        if let keeping {
            scenario.keeping = try keeping.split(separator: ",").map { number in
                guard let number = Int(number) else { throw ValidationError("\"\(number)\" is no number of a step") }
                return number
            }
        }
        LastWords.set(scenario, endsWithin: 600)
        if self.shrink { scenario = try scenario.shrunk().scenario }
        let report = try scenario.run { line in
            print(line)
            // What came before a failed precondition is shown as well.
            fflush(nil)
        }
        print(report)
        if report.violation != nil { throw ExitCode.failure }
    }
}

extension Defect: ExpressibleByArgument {}
