/// What was found out about a server before it is loaded.
package struct ServerFacts: Sendable {
    /// Its name and version, as it says.
    package var name = "unknown"
    /// The revision that it agreed on after `initialize`; `nil` when it refused, or was not asked.
    package var legacyRevision: String?
    /// Whether it gives ids to sessions.
    package var hasSessions = false
    /// Whether it answers stateless requests of 2026-07-28.
    package var isModern = false
    /// What agents call; `nil` for `ping`, or `server/discover`.
    package var tool: ToolCall?

    package var isLegacy: Bool { self.legacyRevision != nil }
}

/// What every agent of a run has in common.
struct AgentContext: Sendable {
    let endpoint: Endpoint
    /// The header field of that name.
    let authorization: String?
    let timeoutSeconds: Int
    let seed: UInt64
    var recording: SessionRecording?
    var facts = ServerFacts()
    let tally = Tally()
}
