import Torpor

/// The server that comes with the program: somewhere for an agent to keep notes, facts and small tables between calls.
///
/// Each principal has a space of its own, the same in every session and without one; anonymous callers share a space.
struct Workbench: Sendable {
    let store: any WorkbenchStore

    func server(version: String) -> MCPServer {
        MCPServer(
            name: "workbench", version: version, title: "Torpor workbench",
            instructions: """
                A place to keep things between calls and conversations, for this caller alone. Notes are texts with a \
                title and tags; remember and recall keep small values under keys; tables keep rows to filter, sort and \
                sum up. Look first (search_notes, list_memory, list_tables) before you store something again. Limits \
                are in workbench://guide.
                """
        ) {
            self.noteTools
            self.memoryTools
            self.tableTools
            self.resources
            self.prompts
        }
    }
}

extension ToolAnnotations {
    /// Adds, and never takes away.
    static let adding = ToolAnnotations(readOnly: false, destructive: false, idempotent: false, openWorld: false)
    /// Replaces or removes; doing it again changes nothing more.
    static let replacing = ToolAnnotations(readOnly: false, destructive: true, idempotent: true, openWorld: false)
}
