import ArgumentParser
import Torpor

/// `torpor keys`: looks after the file of sealing keys.
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Look after the keys that seal session ids.", subcommands: [RotateCommand.self])

    struct RotateCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Put a new key first; older ones still open sessions until they are a session lifetime old.",
            discussion: "A running server notices within seconds. Sessions go on.")

        @Option(help: ArgumentHelp("File of the keys.", valueName: "path"))

        var keyFile: String
        @Option(help: ArgumentHelp("The server's --session-lifetime.", valueName: "duration"))
        var sessionLifetime = "24h"

        func run() throws {
            guard let lifetime = Duration(parsing: self.sessionLifetime), lifetime > .zero else {
                throw ValidationError("--session-lifetime: \"\(self.sessionLifetime)\" is no duration such as 24h")
            }
            let (kept, dropped) = try KeyFile(path: self.keyFile).rotate(sessionLifetime: lifetime)
            print("\(self.keyFile): a new key seals from now on; \(kept - 1) older still open, \(dropped) dropped.")
        }
    }
}
