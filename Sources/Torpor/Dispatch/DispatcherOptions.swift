package import Logging
package import Tracing
import TorporSystem

/// How many calls run and wait at once, and how often one caller may send. Reaching a limit is answered at once, with the
/// time after which to try again.
///
/// A caller is a principal, or an address of anonymous callers. Calls that wait begin in turn: one of each caller after
/// the other.
public struct CallLimits: Sendable {
    /// Calls that run off the event loop at once, in all. Default 1,024; further ones wait.
    public var callsMax: Int
    /// The same for one caller. Default `nil`: no limit.
    public var principalCallsMax: Int?
    /// Calls that wait for their turns, in all; 0: none waits. Default 1,024; one more is answered 503.
    public var queuedMax: Int
    /// The same for one caller. Default `nil`: a quarter of ``queuedMax``; one more is answered 429.
    public var principalQueuedMax: Int?
    /// How long a call waits for its turn; then it is answered 503. Default 10 s.
    public var queueTimeout: Duration
    /// What the jobs of one call may take of the heap and keep, as far as the allocator counts it (jemalloc does); then
    /// the call is cancelled, at its next suspension. Default `nil`: half of what the process may take.
    public var memoryMax: ByteCount?
    /// How often one caller may send a message. Default `nil`: no limit; one more is answered 429.
    public var principalRate: CallRate?
    /// An inline handler that takes longer is logged with its tool's name. Default 1 ms.
    public var inlineDurationMax: Duration

    /// - Precondition: Limits are positive; `queuedMax` may be 0, and `principalQueuedMax` then is.
    public init(
        callsMax: Int = 1_024, principalCallsMax: Int? = nil, queuedMax: Int = 1_024, principalQueuedMax: Int? = nil,
        queueTimeout: Duration = .seconds(10), memoryMax: ByteCount? = nil, principalRate: CallRate? = nil,
        inlineDurationMax: Duration = .milliseconds(1)
    ) {
        precondition(callsMax > 0 && principalCallsMax.map { $0 > 0 } ?? true, "at least one call runs")
        precondition(queuedMax >= 0 && principalQueuedMax.map { $0 >= 0 } ?? true, "no fewer than no calls wait")
        precondition(queueTimeout > .zero && queueTimeout <= .seconds(86_400), "a call waits for a while")
        self.callsMax = callsMax
        self.principalCallsMax = principalCallsMax
        self.queuedMax = queuedMax
        self.principalQueuedMax = principalQueuedMax
        self.queueTimeout = queueTimeout
        self.memoryMax = memoryMax
        self.principalRate = principalRate
        self.inlineDurationMax = inlineDurationMax
    }
}

/// How often something may happen: at this rate over a long time, and a few times at once after a pause.
public struct CallRate: Sendable, Equatable {
    /// Times a second.
    public var perSecond: Double
    /// Times at once, by who has paused. Default: what comes together in a second, and at least 1.
    public var burst: Int

    /// - Precondition: `perSecond` lies between 0.001 and 1,000,000, `burst` between 1 and 1,000,000.
    public init(perSecond: Double, burst: Int? = nil) {
        precondition(perSecond >= 0.001 && perSecond <= 1_000_000, "a rate is one in 1,000 s to a million a second")
        precondition(burst.map { (1...1_000_000).contains($0) } ?? true, "a burst is one to a million")
        self.perSecond = perSecond
        self.burst = burst ?? max(1, Int(perSecond.rounded(.up)))
    }

    /// For sentences: `20 a second`.
    var text: String {
        self.perSecond >= 1 && self.perSecond == self.perSecond.rounded()
            ? "\(Int(self.perSecond)) a second" : "\(self.perSecond) a second"
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
    /// How many jobs of handlers run at once. At least one.
    package var coreCount: Int
    /// The bytes of heap that the calling thread has taken, less what it has given back, so far; `nil` where the
    /// allocator does not count them. Tells which call holds most.
    package var heapBytesOfThread: (@Sendable () -> Int)?
    /// Gets a span for each handler that runs; `nil` when nobody traces.
    package var tracer: (any Tracer)?

    package init(
        monotonicNanoseconds: @escaping @Sendable () -> Int64 = SystemTime.monotonicNanoseconds,
        wallTime: @escaping @Sendable () -> WallTime = SystemTime.wallTime,
        randomBits: @escaping @Sendable () -> UInt128 = { UInt128.random(in: .min ... .max) },
        worker: UInt32 = UInt32.random(in: .min ... .max), logger: Logger,
        coreCount: Int = Processors.count, heapBytesOfThread: (@Sendable () -> Int)? = nil,
        tracer: (any Tracer)? = DispatcherEnvironment.bootstrappedTracer
    ) {
        self.monotonicNanoseconds = monotonicNanoseconds
        self.wallTime = wallTime
        self.randomBits = randomBits
        self.worker = worker
        self.logger = logger
        self.coreCount = coreCount
        self.heapBytesOfThread = heapBytesOfThread
        self.tracer = tracer
    }

    /// 64 random bits.
    func randomNumber() -> UInt64 { UInt64(truncatingIfNeeded: self.randomBits()) }
}
