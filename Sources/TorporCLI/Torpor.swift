import ArgumentParser

/// The program `torpor`.
@main
struct TorporCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torpor",
        abstract: "An MCP server runtime that keeps clients' state without running out of memory.",
        version: torporVersion,
        subcommands: [ServeCommand.self, ClientConfigCommand.self, KeysCommand.self, SessionsCommand.self])
}

/// The version of the program, as the changelog has it.
let torporVersion = "0.1.0"
