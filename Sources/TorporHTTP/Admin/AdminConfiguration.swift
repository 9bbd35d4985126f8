package import Torpor
package import TorporJSON

/// Where the admin listener listens, whom it answers, and its limits.
package struct AdminConfiguration: Sendable {
    /// Name or address to listen on. Default `127.0.0.1`.
    package var host: String
    /// TCP port; 0 takes any free one. Default 9464.
    package var port: Int
    /// Names in `Host` that are answered beside those of loopback, with a port or, for any port, without. Default none.
    ///
    /// A listener beyond loopback with none of them answers every `Host`: scrapers and load balancers call it by
    /// address, and it offers nothing worth rebinding a name for.
    package var allowedHosts: [String]
    /// Connections open at once; further ones wait in the kernel's queue until one closes. Default 64.
    package var connectionsMax: Int
    /// How long a connection may wait for a request, or for the rest of one, before it is closed. Default 10 s.
    package var idleTimeout: Duration
    /// Who may look at state and act on it: any bearer of a token of this file, who then has to show one on loopback, too.
    ///
    /// Default none: on loopback everybody, and nobody on a listener beyond. Health and metrics never need a token.
    package var tokens: TokenFile?

    package init(
        host: String = "127.0.0.1",
        port: Int = 9464,
        allowedHosts: [String] = [],
        connectionsMax: Int = 64,
        idleTimeout: Duration = .seconds(10),
        tokens: TokenFile? = nil
    ) {
        precondition(connectionsMax > 0, "a listener accepts at least one connection")
        precondition(idleTimeout > .zero, "an idle timeout is positive")
        self.host = host
        self.port = port
        self.allowedHosts = allowedHosts
        self.connectionsMax = connectionsMax
        self.idleTimeout = idleTimeout
        self.tokens = tokens
    }
}

/// What the admin listener shows. The closures run on its event loop: they must not block.
package struct AdminSources: Sendable {
    /// Prometheus text, format 0.0.4.
    package var metricsText: @Sendable () -> String
    /// Whether the process still makes progress. When it does not, it should be restarted.
    package var liveness: @Sendable () -> HealthReport
    /// Whether the process should be sent requests now.
    package var readiness: @Sendable () -> HealthReport
    /// What operators may look at and do beyond that; `nil` for nothing.
    package var operations: AdminOperations?

    package init(
        metricsText: @escaping @Sendable () -> String,
        liveness: @escaping @Sendable () -> HealthReport,
        readiness: @escaping @Sendable () -> HealthReport,
        operations: AdminOperations? = nil
    ) {
        self.metricsText = metricsText
        self.liveness = liveness
        self.readiness = readiness
        self.operations = operations
    }
}

/// What the pages below `/debug` show and do. The closures run off the admin listener's event loop, and must not block.
package struct AdminOperations: Sendable {
    /// What `/debug/memory` and `/debug/overview` tell beside the state: memory, descriptors, tables with their bounds.
    package var process: @Sendable () -> JSONObject
    /// The server's state; `nil` for a server that keeps none.
    package var state: StateOperations?
    /// What `/debug/overview` tells beyond all of that: version, uptime, totals, latencies.
    package var overview: @Sendable () -> JSONObject
    /// What governs the process's memory: pressure, rung, why; `nil` where nothing does.
    package var governor: @Sendable () -> JSONObject?

    /// Who takes heap profiles; `nil` where none can be taken, which is said.
    package var heapProfile: AdminHeapProfile?

    package init(
        process: @escaping @Sendable () -> JSONObject, state: StateOperations?,
        overview: @escaping @Sendable () -> JSONObject = { [:] },
        governor: @escaping @Sendable () -> JSONObject? = { nil }, heapProfile: AdminHeapProfile? = nil
    ) {
        self.process = process
        self.state = state
        self.overview = overview
        self.governor = governor
        self.heapProfile = heapProfile
    }
}

/// Takes heap profiles of the process. The closures run off the event loops, and may take some milliseconds.
package struct AdminHeapProfile: Sendable {
    /// Why there is no profile.
    package struct Refusal: Error, Sendable {
        package enum Code: Sendable {
            /// This process cannot take any. It never will.
            case unsupported
            /// None is being taken; or one is already.
            case conflict
            case failed
        }

        package let code: Code
        /// What to do about it.
        package let message: String

        package init(_ code: Code, _ message: String) {
            self.code = code
            self.message = message
        }
    }

    /// How far apart samples may lie, in bytes.
    package var sampleRange: ClosedRange<Int>
    /// How far apart they lie at present, in bytes; `nil` while none are taken.
    package var status: @Sendable () throws(Refusal) -> Int?
    /// Begins to sample, so many bytes apart, or as many as is best.
    package var start: @Sendable (Int?) throws(Refusal) -> Void
    /// What was allocated since and is still in use, in a format that pprof reads.
    package var dump: @Sendable () throws(Refusal) -> [UInt8]
    /// Ends sampling.
    package var stop: @Sendable () throws(Refusal) -> Void

    package init(
        sampleRange: ClosedRange<Int>, status: @escaping @Sendable () throws(Refusal) -> Int?,
        start: @escaping @Sendable (Int?) throws(Refusal) -> Void,
        dump: @escaping @Sendable () throws(Refusal) -> [UInt8], stop: @escaping @Sendable () throws(Refusal) -> Void
    ) {
        self.sampleRange = sampleRange
        self.status = status
        self.start = start
        self.dump = dump
        self.stop = stop
    }
}

/// The answer to a health check: healthy, or why not.
package struct HealthReport: Equatable, Sendable {
    /// Why it is not healthy, each for a line of its own; empty when it is.
    package var reasons: [String]

    package static let healthy = HealthReport(reasons: [])

    package init(reasons: [String]) {
        self.reasons = reasons
    }

    package var isHealthy: Bool { self.reasons.isEmpty }
}
