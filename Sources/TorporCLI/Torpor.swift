import ArgumentParser
import Glibc

/// The program `torpor`.
@main
struct TorporCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torpor",
        abstract: "An MCP server runtime that keeps clients' state without running out of memory.",
        version: torporVersion,
        subcommands: [
            ServeCommand.self, TopCommand.self, SessionsCommand.self, SoakCommand.self, DoctorCommand.self,
            HeapProfileCommand.self, ClientConfigCommand.self, KeysCommand.self,
        ])

    /// Ends as the parser has it, but for one status: `torpor soak` promises 2 for a wrong command line.
    static func main() async {
        do {
            var command = try self.parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch {
            guard CommandLine.arguments.dropFirst().first == "soak",
                self.exitCode(for: error) == .validationFailure
            else { self.exit(withError: error) }
            SoakCommand.complain(self.fullMessage(for: error) + "\n")
            Glibc.exit(SoakCommand.usageStatus)
        }
    }
}

/// The version of the program, as the changelog has it.
let torporVersion = "0.1.0"
