import ArgumentParser
import TorporFuzzing

/// The program that fuzzes Torpor; see Fuzzing/README.md.
@main
struct TorporFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "TorporFuzz", abstract: "Fuzzes Torpor.",
        subcommands: [ListCommand.self, RunCommand.self, ReplayCommand.self, MinimiseCommand.self])
}

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Prints the names of the targets.")

    func run() { for target in FuzzTarget.all { print(target.name) } }
}

extension FuzzTarget: ExpressibleByArgument {
    public init?(argument: String) {
        guard let target = FuzzTarget.named(argument) else { return nil }
        self = target
    }

    public static var allValueStrings: [String] { self.all.map(\.name) }
}
