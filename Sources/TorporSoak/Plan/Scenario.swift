/// One way in which agents use a server, and may bring it to grow.
package struct Scenario: Sendable, Equatable {
    package enum Name: String, Sendable, CaseIterable {
        case requests, sessions
        case refusedRequests = "refused-requests"
        case abandonedInitialize = "abandoned-initialize"
        case deletes
        case modernProbe = "modern-probe"
        case cancelledCalls = "cancelled-calls"
        case halfOpenStreams = "half-open-streams"
        case largeOutputs = "large-outputs"
        case equalIDs = "equal-ids"
        case stateless
        case atCapacity = "at-capacity"
        case accounts
        case restoredSessions = "restored-sessions"
        case cancelledStreams = "cancelled-streams"
        case unrelievedPressure = "unrelieved-pressure"
        case anonymousFlood = "anonymous-flood"
    }

    /// What is counted, and which limit holds for it.
    package enum Unit: String, Sendable {
        case session, request
    }

    /// What a server must speak for the scenario to make sense.
    package enum Need: Sendable {
        case nothing, legacy, modern, tool
    }

    package let name: Name
    package let unit: Unit
    package let need: Need
    /// What agents do, in a sentence.
    package let summary: String
    /// What servers were seen to do wrong; nothing for the two of the ordinary run.
    package let pitfall: String
    /// The most units in a phase for each agent.
    let unitsPerAgentMax: Int

    private init(
        _ name: Name, _ unit: Unit, needs need: Need = .nothing, _ summary: String, pitfall: String = "",
        unitsPerAgentMax: Int = 10_000
    ) {
        self.name = name
        self.unit = unit
        self.need = need
        self.summary = summary
        self.pitfall = pitfall
        self.unitsPerAgentMax = unitsPerAgentMax
    }

    /// Those of a run for which none was named.
    package static let ordinary: [Scenario] = [.named(.requests), .named(.sessions)]

    package static func named(_ name: Name) -> Scenario {
        self.all.first { $0.name == name }!  // Every name has its scenario; a test looks.
    }

    package static let all: [Scenario] = [
        Scenario(.requests, .request, "Agents that stay call a tool again and again."),
        Scenario(
            .sessions, .session,
            "Agents come, call and go, with and without a farewell; some come back, cancel, or listen to a stream."),
        Scenario(
            .refusedRequests, .request, "Requests that must be refused: wrong method, host, session, or body.",
            pitfall: "Each refused request left a session behind."),
        Scenario(
            .abandonedInitialize, .session, needs: .legacy, "Clients send initialize and vanish.",
            pitfall: "The session of a client that vanished stayed for ever."),
        Scenario(
            .deletes, .session, needs: .legacy, "Clients open a session, call, and end it with DELETE.",
            pitfall: "DELETE freed the session and forgot its side tables."),
        Scenario(
            .modernProbe, .request, "Clients probe for the protocol of 2026-07-28 and go away.",
            pitfall: "Each probe of a newer protocol leaked: 19 to 348 MiB in a week."),
        Scenario(
            .cancelledCalls, .request, "Clients call a tool and cancel the call.",
            pitfall: "Counts of running calls never returned to zero after a cancellation."),
        Scenario(
            .halfOpenStreams, .session, "Clients open a stream, stop reading it, and vanish.",
            pitfall: "The half-open stream of a dead client held its session."),
        Scenario(
            .largeOutputs, .request, needs: .tool, "Clients call a tool with texts of up to 256 KiB.",
            pitfall: "Buffers kept the size of the largest message: 3.15 GB.", unitsPerAgentMax: 100),
        Scenario(
            .equalIDs, .request, "Two clients use the same JSON-RPC id at the same moment.",
            pitfall: "One of them hung, or got the other's answer."),
        Scenario(
            .stateless, .request, needs: .modern, "Requests of 2026-07-28 that stand alone, some on a new connection.",
            pitfall: "Each stateless request left 2 KB; after 20,000 the server crashed."),
        Scenario(
            .atCapacity, .session, "Every agent holds up to ten sessions and five streams at once, and calls.",
            pitfall: "At capacity memory grew, or running calls were cut off.", unitsPerAgentMax: 20),
        Scenario(
            .accounts, .session, "Clients come together, listen and call, and all leave before memory is read.",
            pitfall: "What a client held was not given back when it left.", unitsPerAgentMax: 5),
        Scenario(
            .restoredSessions, .request, needs: .legacy, "Clients come back to their old session on new connections.",
            pitfall: "Each return leaked what it replaced: the heap was full after 2,091."),
        Scenario(
            .cancelledStreams, .session, "Clients reset the connection while the answer to a call arrives.",
            pitfall: "Buffers of streams without a reader grew to 150 GB."),
        Scenario(
            .unrelievedPressure, .session, "Clients send large calls in sessions that they keep, as fast as they can.",
            pitfall: "Under memory pressure that nothing relieved, a server crawled for hours.", unitsPerAgentMax: 10),
        Scenario(
            .anonymousFlood, .session, needs: .legacy,
            "One initialize after another, without more, on few connections.",
            pitfall: "A flood of initialize filled the memory: 709 KiB each."),
    ]
}
