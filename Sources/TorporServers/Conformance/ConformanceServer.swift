import Torpor

/// What the scenarios of the official conformance suite expect a server to offer: tools, prompts and resources whose
/// names, arguments and answers the suite prescribes.
///
/// All of it is offered in both eras, also what the suite uses in one alone. Lists keep the suite's order: their first
/// tool can be called without arguments, and their first resource can be read.
enum ConformanceServer {
    static func make(version: String) -> MCPServer {
        MCPServer(
            name: "conformance", version: version, title: "Torpor conformance fixture",
            instructions: "This server is what the official conformance suite tests. Its tools do nothing useful.",
            announces: [.tools, .prompts, .resources, .resourceUpdates]
        ) {
            self.contentTools
            self.schemaTools
            self.streamTools
            self.askingTools
            self.announcingTools
            self.roundTripTools
            self.prompts
            self.resources
        }
    }
}
