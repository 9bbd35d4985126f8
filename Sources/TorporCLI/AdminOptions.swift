import ArgumentParser
import Glibc

/// Which server is asked at its admin port.
struct AdminOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The server's admin port.", valueName: "url"))
    var adminURL = "http://127.0.0.1:9464"
    @Option(
        help: ArgumentHelp("File of a bearer token, as the server's option of that name takes it.", valueName: "path"))
    var adminTokenFile: String?

    /// Runs `body`; an error is printed, and becomes the status of the program.
    func run(_ body: (AdminClient) async throws -> Void) async throws {
        do {
            try await body(try AdminClient(url: self.adminURL, tokenFile: self.adminTokenFile))
        } catch let error as AdminClientError {
            fflush(nil)
            var line = "Error: \(error)\n"
            // A terminal that is gone cannot be told.
            _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            throw ExitCode(error.exitCode)
        }
    }
}
