import TorporCore
import TorporMetrics

/// Circuit breakers in metrics: one family, whatever they guard.
enum BreakerReporting {
    private static let name = "torpor_breaker"
    private static let help =
        "How circuit breakers stand: 1 for the state of each, by kind (downstream, server, starts, store) and name."

    static func describe(in registry: MetricsRegistry) { registry.help(Self.name, Self.help) }

    static func expose(_ standing: CircuitBreaker.Standing, kind: String, name: String, in scrape: inout MetricsScrape)
    {
        for state in CircuitBreaker.Standing.allCases {
            scrape.gauge(
                Self.name, help: Self.help, labels: [("kind", kind), ("name", name), ("state", state.rawValue)],
                state == standing ? 1 : 0)
        }
    }
}
