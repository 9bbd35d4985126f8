import Torpor

/// The server that comes with the program: somewhere for an agent to keep notes, facts and small tables between calls.
///
/// Each principal has a space of its own, the same in every session and without one. Callers without authentication have
/// one in each legacy session. Beyond that anybody makes spaces, and names them by their handles.
enum Workbench {
    static func server(version: String) -> MCPServer {
        MCPServer(
            name: "workbench", version: version, title: "Torpor workbench",
            instructions: """
                A place to keep things between calls and conversations, for this caller alone. Notes are texts with a \
                title and tags; remember and recall keep small values under keys; tables keep rows to filter, sort and \
                sum up. Look first (search_notes, list_memory, list_tables) before you store something again. If a \
                tool says that no space was named, make one with create_space, and give its handle as space from \
                then on. Limits are in workbench://guide.
                """
        ) {
            self.noteTools
            self.memoryTools
            self.tableTools
            self.states
            self.resources
            self.prompts
        }
    }

    /// What a space is made of. Its own value numbers changes of notes and tables made.
    @ServerBuilder static var states: [any ServerComponent] {
        State(Int.self, named: "space", initially: 0, scope: .principalOrSession)
        StateMap(NoteHead.self, named: "notes", scope: .principalOrSession, within: "space")
        StateMap(String.self, named: "texts", scope: .principalOrSession, within: "space")
        StateMap(MemoryEntry.self, named: "memory", scope: .principalOrSession, within: "space")
        StateMap(TableHead.self, named: "tables", scope: .principalOrSession, within: "space")
        StateMap(RowChunk.self, named: "rows", scope: .principalOrSession, within: "space")
    }
}

/// The argument of every tool that says whose space is meant.
let spaceField: Field = "The handle of a space, as create_space answered it. Default: your own space, if you have one."

extension ToolAnnotations {
    /// Adds, and never takes away.
    static let adding = ToolAnnotations(readOnly: false, destructive: false, idempotent: false, openWorld: false)
    /// Replaces or removes; doing it again changes nothing more.
    static let replacing = ToolAnnotations(readOnly: false, destructive: true, idempotent: true, openWorld: false)
}
