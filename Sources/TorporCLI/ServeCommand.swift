import ArgumentParser
import Glibc
import Logging
import Metrics
import ServiceLifecycle
import Torpor
import TorporAllocator
import TorporHTTP
import TorporMetrics
import TorporServers

/// `torpor serve`: runs a server until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve an MCP server over HTTP: a built-in one, or any other under management.",
        discussion: """
            torpor serve -- npx some-server hosts any stdio MCP server: a process for each client, started at its first call, \
            stopped when idle, capped in memory, with its folder kept while it sleeps.

            Settings come from flags, from TORPOR_* variables (TORPOR_MAX_REQUEST for --max-request), from torpor.yaml, and from defaults, \
            in that order. Sizes take units (4MiB), durations too (30s, 10m, 24h). The first SIGTERM or Ctrl-C drains; the second exits now.
            """)

    @OptionGroup var options: ServeOptions

    func run() async throws {
        Allocator.configure()
        let configuration: ServeConfiguration
        let files: ServeFiles
        do {
            configuration = try ServeConfiguration(self.options)
            files = try ServeFiles(configuration)
        } catch {
            throw Failure(error)
        }
        let registry = MetricsRegistry()
        MetricsSystem.bootstrap(registry)
        var logger = Logger(label: "torpor") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = configuration.logLevel
        let program = ServeProgram(
            configuration: configuration, files: files, registry: registry, logger: logger)
        do {
            try await program.run()
        } catch {
            throw Failure(error)
        }
    }

    /// An error as a person should read it, without the parser's hint on usage.
    private struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ error: any Error) { self.description = "\(error)" }
    }
}

/// The environment of the process.
enum ProcessEnvironment {
    static var all: [String: String] {
        var variables: [String: String] = [:]
        var pointer = environ
        while let entry = pointer.pointee {
            let text = String(cString: entry)
            if let sign = text.firstIndex(of: "=") {
                variables[String(text[..<sign])] = String(text[text.index(after: sign)...])
            }
            pointer += 1
        }
        return variables
    }
}
