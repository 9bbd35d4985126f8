import ArgumentParser
import Torpor

/// `torpor keys`: looks after the file of sealing keys.
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Look after the keys that seal session ids.", subcommands: [RotateCommand.self])

    struct RotateCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Put a new key first; older ones still open sessions until nobody can have one that they sealed.",
            discussion: """
                A running server notices within seconds. Sessions go on. A key is dropped when it was replaced longer ago than \
                --retention: sessions that nobody has used since are gone. One that is older and still in use ends then; its \
                client initialises again.
                """)

        @Option(help: ArgumentHelp("File of the keys.", valueName: "path"))
        var keyFile: String
        @Option(
            help: ArgumentHelp(
                "The server's --retention, for which the state of a session is kept that nobody uses.",
                valueName: "duration"))
        var retention = StateSettings().retention.text

        func run() throws {
            guard let retention = Duration(parsing: self.retention), retention > .zero else {
                throw ValidationError("--retention: \"\(self.retention)\" is no duration such as 7d")
            }
            let (kept, dropped) = try KeyFile(path: self.keyFile).rotate(keepingFor: retention)
            print("\(self.keyFile): a new key seals from now on; \(kept - 1) older still open, \(dropped) dropped.")
        }
    }
}
