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

/// What the pages below `/debug` show and do.
package struct AdminOperations: Sendable {
    /// What `/debug/memory` tells beside the state: memory, descriptors, tables with their bounds. Must not block.
    package var process: @Sendable () -> JSONObject
    /// The server's state; `nil` for a server that keeps none.
    package var state: StateOperations?

    package init(process: @escaping @Sendable () -> JSONObject, state: StateOperations?) {
        self.process = process
        self.state = state
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
