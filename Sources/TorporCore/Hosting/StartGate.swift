/// Lets no start through for a while after starts have failed. Holds no clock.
///
/// It closes with the failure that makes the threshold full, and with each one after that, for twice as long each time,
/// until something succeeds.
struct StartGate: Sendable {
    /// Failures in a row.
    private(set) var failures = 0
    /// When the last failure leaves off mattering; `nil` when the gate has not closed since something succeeded.
    private(set) var reopens: Instant?

    /// Whether it has closed since something succeeded.
    var isTripped: Bool { self.reopens != nil }

    func isClosed(now: Instant) -> Bool { self.reopens.map { now < $0 } ?? false }

    /// For how much longer it is closed; not below zero.
    func remaining(now: Instant) -> Duration { self.reopens.map { max($0.since(now), .zero) } ?? .zero }

    /// Something failed. What fails while it is closed was begun before, and counts no more.
    /// - Parameters:
    ///   - threshold: With how many failures it closes for the first time.
    ///   - jitter: Random, between 0 and 1: it closes for half the time that the failures are worth, or up to all.
    mutating func failed(now: Instant, jitter: Double, threshold: Int, limits: HostLimits) {
        precondition((0...1).contains(jitter), "jitter lies between 0 and 1")
        guard !self.isClosed(now: now) else { return }
        self.failures += 1
        guard self.failures >= threshold else { return }
        let doublings = min(self.failures - threshold, 40)
        let least = Double(limits.backoffMin.wholeNanoseconds)
        let most = Double(limits.backoffMax.wholeNanoseconds)
        let nanoseconds = min(least * Double(UInt64(1) << UInt64(doublings)), most) * (1 + jitter) / 2
        self.reopens = now + .nanoseconds(Int64(nanoseconds))
    }

    mutating func succeeded() { self = StartGate() }
}
