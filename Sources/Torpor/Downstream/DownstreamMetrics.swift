import CoreMetrics
import Metrics
import TorporCore

/// How one try of a run ended.
enum DownstreamEnd: String, CaseIterable {
    case success, failed, refused, cancelled
    case timedOut = "timed_out"

    init(_ verdict: DownstreamVerdict) {
        switch verdict {
        case .failed: self = .failed
        case .refused: self = .refused
        }
    }

    /// What it says of the downstream.
    var outcome: CircuitBreaker.Outcome {
        switch self {
        case .success, .refused: .success
        case .failed, .timedOut: .failure
        case .cancelled: .unknown
        }
    }
}

/// The metrics of one downstream, behind swift-metrics. Their number does not depend on calls or callers.
struct DownstreamMetrics: Sendable {
    /// Why a call was not made.
    enum Reason: String, CaseIterable {
        case open, expired
        case queueFull = "queue_full"
        case callerQueueFull = "caller_queue_full"

        init(_ refusal: DownstreamGate.Machine.Refusal) {
            switch refusal {
            case .open: self = .open
            case .queueFull: self = .queueFull
            case .callerQueueFull: self = .callerQueueFull
            }
        }
    }

    private let runningCalls: Meter
    private let waitingCalls: Meter
    private let retries: Counter
    private let breakers: [CircuitBreaker.Standing: Meter]
    private let refusals: [Reason: Counter]
    private let durations: [DownstreamEnd: Timer]

    init(_ name: String, factory: any MetricsFactory) {
        let place = ("downstream", name)
        self.runningCalls = Meter(label: "torpor_downstream_running_calls", dimensions: [place], factory: factory)
        self.waitingCalls = Meter(label: "torpor_downstream_waiting_calls", dimensions: [place], factory: factory)
        self.retries = Counter(label: "torpor_downstream_retries_total", dimensions: [place], factory: factory)
        self.breakers = Self.each { standing in
            Meter(
                label: "torpor_breaker",
                dimensions: [("kind", "downstream"), ("name", name), ("state", standing.rawValue)], factory: factory)
        }
        self.refusals = Self.each { reason in
            Counter(
                label: "torpor_downstream_refusals_total", dimensions: [place, ("reason", reason.rawValue)],
                factory: factory)
        }
        self.durations = Self.each { end in
            Timer(
                label: "torpor_downstream_duration_seconds", dimensions: [place, ("outcome", end.rawValue)],
                factory: factory)
        }
        // Shown from the start, so that a first one is an increase.
        for meter in [self.runningCalls, self.waitingCalls] + self.breakers.values { meter.set(0) }
        for counter in [self.retries] + self.refusals.values { counter.increment(by: 0) }
        self.breakers[.closed]?.set(1)
    }

    private static func each<Key: CaseIterable & Hashable, Value>(_ make: (Key) -> Value) -> [Key: Value] {
        Dictionary(uniqueKeysWithValues: Key.allCases.map { ($0, make($0)) })
    }

    func ended(_ end: DownstreamEnd, after duration: Duration) {
        self.durations[end]?.recordNanoseconds(duration.wholeNanoseconds)
    }

    func refused(_ reason: Reason) { self.refusals[reason]?.increment() }

    func retried() { self.retries.increment() }

    /// Moves the gauges by the difference, so that it does not matter in which order threads do that.
    func changed(from old: DownstreamGate.Figures, to new: DownstreamGate.Figures) {
        if old.running != new.running { self.runningCalls.increment(by: Double(new.running - old.running)) }
        if old.waiting != new.waiting { self.waitingCalls.increment(by: Double(new.waiting - old.waiting)) }
        guard old.breaker != new.breaker else { return }
        self.breakers[old.breaker]?.decrement(by: 1)
        self.breakers[new.breaker]?.increment(by: 1)
    }
}
