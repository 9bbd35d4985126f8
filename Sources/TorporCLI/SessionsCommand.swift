import ArgumentParser
import Torpor

/// `torpor sessions`: looks at the stored state of a running server, and acts on single objects.
struct SessionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions",
        abstract: "Look at the state that a running server keeps, and act on it.",
        discussion: """
            State objects are those of sessions, of handles and of principals. Ends with 0; 1 when the server refuses; 3 when \
            no server answers; 4 when there is no such object; 64 when the command line is wrong.
            """,
        subcommands: [
            ListSessions.self, ShowSession.self, EvictSessions.self, DeleteSessions.self, ExportSession.self,
            ImportSession.self,
        ])
}

/// Which server is asked, and how it answers.
struct SessionsOptions: ParsableArguments {
    @OptionGroup var admin: AdminOptions
    @Flag(help: "Print JSON, an object a line.")
    var json = false

    /// Runs `body`; an error is printed, and becomes the status of the program.
    func run(_ body: (SessionsOperator) async throws -> Void) async throws {
        try await self.admin.run { client in
            try await body(SessionsOperator(client: client, printsJSON: self.json) { print($0) })
        }
    }
}

struct ListSessions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List stored state objects.")

    @OptionGroup var options: SessionsOptions
    @Option(help: ArgumentHelp("Only objects of this kind: session, handle or principal.", valueName: "kind"))
    var kind: String?
    @Option(help: ArgumentHelp("Only handles of this state.", valueName: "name"))
    var name: String?
    @Option(help: ArgumentHelp("At most so many; 0 for all.", valueName: "count"))
    var limit = 100

    func validate() throws {
        guard self.limit >= 0 else { throw ValidationError("--limit is 0 or more") }
    }

    func run() async throws {
        try await self.options.run { sessions in
            try await sessions.list(kind: self.kind, name: self.name, limit: self.limit)
        }
    }
}

struct ShowSession: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one state object, without its values.")

    @OptionGroup var options: SessionsOptions
    @Argument(help: "The object's id.") var id: String

    func run() async throws { try await self.options.run { try await $0.show(self.id) } }
}

struct EvictSessions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evict", abstract: "Take state objects out of memory; they wake when they are used.")

    @OptionGroup var options: SessionsOptions
    @Argument(help: "The objects' ids.") var ids: [String] = []
    @Flag(help: "All that nobody uses.") var all = false

    func validate() throws {
        guard self.all == self.ids.isEmpty else { throw ValidationError("Give ids, or --all.") }
    }

    func run() async throws {
        try await self.options.run { sessions in
            if self.all { return try await sessions.evictAll() }
            for id in self.ids { try await sessions.evict(id) }
        }
    }
}

struct DeleteSessions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete state objects for good; a session that is deleted has ended.")

    @OptionGroup var options: SessionsOptions
    @Argument(help: "The objects' ids.") var ids: [String]

    func run() async throws {
        try await self.options.run { sessions in for id in self.ids { try await sessions.delete(id) } }
    }
}

struct ExportSession: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write one state object, with its values, as JSON lines.")

    @OptionGroup var options: SessionsOptions
    @Argument(help: "The object's id.") var id: String
    @Option(help: ArgumentHelp("A new file, mode 0600. Default: standard output.", valueName: "path"))
    var output: String?

    func run() async throws { try await self.options.run { try await $0.export(self.id, to: self.output) } }
}

struct ImportSession: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Bring an exported state object back: all of it, or nothing.")

    @OptionGroup var options: SessionsOptions
    @Argument(help: "What export wrote; - for standard input.") var file: String
    @Flag(help: "Put it in place of the object that is there.") var replace = false

    func run() async throws {
        try await self.options.run { try await $0.restore(self.file, replaces: self.replace) }
    }
}
