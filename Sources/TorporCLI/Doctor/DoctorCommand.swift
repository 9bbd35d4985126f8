import ArgumentParser
import Torpor

/// `torpor doctor`: says what will go wrong, before it does.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at a configuration, this machine and a running server, and say what will go wrong.",
        discussion: """
            Takes the settings of torpor serve, from the same places. Changes nothing. Findings are faults (the server does not \
            start, loses data or is killed), warnings (something fails under load, after a while or after a crash) and notes. \
            Ends with 0 when there is nothing worse than notes, 1 with warnings, 2 with faults, 64 when the command line is wrong.
            """)

    @OptionGroup var options: ServeOptions
    @Option(help: ArgumentHelp("The admin port of a running server. Default: that of the settings.", valueName: "url"))
    var adminURL: String?
    @Flag(
        help: "Also read a database of more than 1 GiB whole; it takes about a second per GiB, or as long as the disk.")
    var full = false
    @Flag(help: "Print JSON: the worst severity, and all findings.")
    var json = false

    func run() async throws {
        let report = DoctorReport(await self.findings())
        print(self.json ? JSONValue.object(report.object).text : report.text)
        guard report.exitCode == 0 else { throw ExitCode(report.exitCode) }
    }

    private func findings() async -> [Finding] {
        let configuration: ServeConfiguration
        do {
            configuration = try ServeConfiguration(self.options)
        } catch {
            return [.fault("configuration", "\(error).", "Put it right; nothing else was looked at.")]
        }
        var facts = MachineFacts(reading: configuration, databaseMax: self.full ? .max : 1 << 30)
        guard let url = self.adminURL ?? Self.adminURL(of: configuration) else { return Doctor.findings(facts) }
        do {
            let client = try AdminClient(url: url, tokenFile: configuration.adminTokenFilePath)
            await facts.ask(client, url: url, wasNamed: self.adminURL != nil)
        } catch {
            facts.server = .refuses(error.description)
        }
        return Doctor.findings(facts)
    }

    /// `nil` when there is to be no admin port.
    private static func adminURL(of configuration: ServeConfiguration) -> String? {
        guard configuration.adminPort != 0, !configuration.isStdio else { return nil }
        let isAnyAddress = ["0.0.0.0", "::", "[::]"].contains(configuration.adminHost)
        let host = isAnyAddress ? "127.0.0.1" : configuration.adminHost
        return "http://\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host):\(configuration.adminPort)"
    }
}
