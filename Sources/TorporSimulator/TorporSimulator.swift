import ArgumentParser

/// Runs the state engine in simulation; see docs/simulation.md. scripts/simulate.sh builds and starts it.
@main
struct TorporSimulator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "TorporSimulator", abstract: "Runs the state engine in simulation, by seed.",
        subcommands: [SeedsCommand.self, ReplayCommand.self], defaultSubcommand: SeedsCommand.self)
}
