package import TorporJSON
package import TorporSystem

/// What is to be measured, and how.
package struct SoakOptions: Sendable {
    /// Which requests agents make, where a server would take others, too.
    package enum Era: String, Sendable, CaseIterable {
        /// Sessions, up to 2025-11-25.
        case legacy
        /// Requests that stand alone, from 2026-07-28 on.
        case modern
    }

    /// What a server may do before it has failed.
    package struct Limits: Sendable, Equatable {
        /// Bytes that may stay of each session. Default 1,024.
        package var bytesPerSession = 1_024.0
        /// Bytes that may stay of each request. Default 16.
        package var bytesPerRequest = 16.0
        /// Bytes of memory at any time. Default no limit.
        package var memoryMax: Int?

        package init() {}

        func bytes(per unit: Scenario.Unit) -> Double {
            switch unit {
            case .session: self.bytesPerSession
            case .request: self.bytesPerRequest
            }
        }
    }

    package var endpoint: Endpoint
    package var scenarios = Scenario.ordinary
    /// How many agents work at once. Default 200.
    package var agents = 200
    /// For all scenarios together. Default 60.
    package var seconds = 60.0
    /// Units of work of each scenario, warm-up aside; `nil` for what fits into the time.
    package var units: Int?
    package var seed: UInt64 = 1
    package var era: Era?
    package var tool: String?
    package var arguments: JSONObject?
    /// The value of the header field `Authorization`.
    package var authorization: String?
    /// How long an agent waits for an answer. Default 10.
    package var timeoutSeconds = 10
    package var limits = Limits()
    package var measure = ProcessTree.Measure.resident
    /// Gets every use of a session, once the server has been looked at.
    package var recording: SessionRecording?
    /// How each scenario is divided; `nil` for what the time suggests.
    package var plan: SoakPlan?

    package init(endpoint: Endpoint) { self.endpoint = endpoint }
}
