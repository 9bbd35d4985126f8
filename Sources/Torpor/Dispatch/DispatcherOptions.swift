package import Logging
package import Tracing

/// How many calls run at once. Reaching a limit is answered at once, with the time after which to try again.
public struct CallLimits: Sendable {
    /// Calls that run off the event loop at once, in all. Default 1,024; one more is answered 503.
    public var callsMax: Int
    /// The same for one principal, or for one address of anonymous callers. Default `nil`: no limit; one more is
    /// answered 429.
    public var principalCallsMax: Int?
    /// An inline handler that takes longer is logged with its tool's name. Default 1 ms.
    public var inlineDurationMax: Duration

    /// - Precondition: Limits are positive.
    public init(callsMax: Int = 1_024, principalCallsMax: Int? = nil, inlineDurationMax: Duration = .milliseconds(1)) {
        precondition(callsMax > 0 && principalCallsMax.map { $0 > 0 } ?? true, "at least one call runs")
        self.callsMax = callsMax
        self.principalCallsMax = principalCallsMax
        self.inlineDurationMax = inlineDurationMax
    }
}

/// What a dispatcher takes from outside: time, randomness, a logger.
package struct DispatcherEnvironment: Sendable {
    /// Nanoseconds of a clock that never goes back.
    package var monotonicNanoseconds: @Sendable () -> Int64
    package var wallTime: @Sendable () -> WallTime
    package var randomBits: @Sendable () -> UInt128
    /// Names this process to itself in what clients bring back.
    package var worker: UInt32
    package var logger: Logger
    /// Gets a span for each handler that runs; `nil` when nobody traces.
    package var tracer: (any Tracer)?

    package init(
        monotonicNanoseconds: @escaping @Sendable () -> Int64 = SystemTime.monotonicNanoseconds,
        wallTime: @escaping @Sendable () -> WallTime = SystemTime.wallTime,
        randomBits: @escaping @Sendable () -> UInt128 = { UInt128.random(in: .min ... .max) },
        worker: UInt32 = UInt32.random(in: .min ... .max), logger: Logger,
        tracer: (any Tracer)? = DispatcherEnvironment.bootstrappedTracer
    ) {
        self.monotonicNanoseconds = monotonicNanoseconds
        self.wallTime = wallTime
        self.randomBits = randomBits
        self.worker = worker
        self.logger = logger
        self.tracer = tracer
    }

    /// 64 random bits.
    func randomNumber() -> UInt64 { UInt64(truncatingIfNeeded: self.randomBits()) }
}
