package import CoreMetrics
import Metrics
import TorporCore

/// A place outside the server that its handlers call: a database, an API, another program.
///
///     let server = MCPServer(name: "sales", version: "1.0.0") {
///         Downstream("crm", limits: DownstreamLimits(runningMax: 16, durationMax: .seconds(5)))
///
///         Tool("customer", "Looks a customer up.") { (input: CustomerInput, call) in
///             try await call.downstream("crm").run(isRetryable: true) { try await crm.customer(input.id).summary }
///         }
///     }
///
/// Declaring it bounds what calls to it cost the server when it is slow or fails: see ``DownstreamLimits``. All
/// requests of the server share one bulkhead, one breaker and one retry budget for each place.
public struct Downstream: ServerComponent {
    private let name: String
    private let limits: DownstreamLimits
    private let time: DownstreamTime
    private let metrics: any MetricsFactory

    /// - Parameter name: What ``Call/downstream(_:)``, errors and metrics call it: 1 to 32 characters of `a-z 0-9 _ -`.
    /// - Precondition: `name` is such a name.
    public init(_ name: String, limits: DownstreamLimits = DownstreamLimits()) {
        self.init(name, limits: limits, time: .system)
    }

    package init(
        _ name: String, limits: DownstreamLimits = DownstreamLimits(), time: DownstreamTime,
        metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        precondition(Self.isName(name), "\(name) is no name of a downstream: 1 to 32 characters of a-z 0-9 _ -")
        self.name = name
        self.limits = limits
        self.time = time
        self.metrics = metrics
    }

    public func add(to definition: inout ServerDefinition) {
        definition.downstreams.append(
            DownstreamGate(self.name, limits: self.limits, time: self.time, metrics: self.metrics))
    }

    private static func isName(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "_")
                    || byte == UInt8(ascii: "-")
            }
    }
}

/// What a downstream's gate takes from outside: time and chance.
package struct DownstreamTime: Sendable {
    /// Of a clock that never goes back.
    package var now: @Sendable () -> Instant
    /// Suspends for so long; throws as soon as the task is cancelled.
    package var sleep: @Sendable (Duration) async throws -> Void
    /// Random, between 0 and 1.
    package var jitter: @Sendable () -> Double

    package init(
        now: @escaping @Sendable () -> Instant, sleep: @escaping @Sendable (Duration) async throws -> Void,
        jitter: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.sleep = sleep
        self.jitter = jitter
    }

    package static let system = DownstreamTime(
        now: { Instant(nanoseconds: SystemTime.monotonicNanoseconds()) }, sleep: { try await Task.sleep(for: $0) },
        jitter: { Double.random(in: 0...1) })
}
