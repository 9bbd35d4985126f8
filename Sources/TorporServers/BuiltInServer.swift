public import Torpor

/// The servers that come with the program.
public enum BuiltInServer: String, CaseIterable, Sendable {
    /// Notes, a memory and small tables for an agent, kept for each principal, session or handle.
    case workbench
    /// Tools without a purpose of their own, to measure and to try the server with.
    case bench
    /// The fixture of the protocol's official conformance suite: what its scenarios expect to find.
    case conformance

    /// A new server, with nothing in it yet.
    /// - Parameter version: What the server calls its version.
    public func make(version: String) -> MCPServer {
        switch self {
        case .workbench: Workbench.server(version: version)
        case .bench: BenchServer.make(version: version)
        case .conformance: ConformanceServer.make(version: version)
        }
    }
}
