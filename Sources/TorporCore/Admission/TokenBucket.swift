/// How often one caller may do something.
package struct RateLimits: Hashable, Sendable {
    /// So many times a second, over a long time.
    package let perSecond: Double
    /// So many times at once, by who has done nothing for a while.
    package let burst: Int
    /// How long one takes to come back. In nanoseconds.
    let intervalNanoseconds: Int64
    /// How long the whole burst takes to come back. In nanoseconds.
    let burstNanoseconds: Int64

    /// - Precondition: `perSecond` lies between 0.001 and 1,000,000; `burst` between 1 and 1,000,000.
    package init(perSecond: Double, burst: Int) {
        precondition(
            perSecond >= 0.001 && perSecond <= 1_000_000, "a rate lies between one in 1,000 s and a million in 1 s")
        precondition(burst >= 1 && burst <= 1_000_000, "a burst lies between one and a million")
        self.perSecond = perSecond
        self.burst = burst
        self.intervalNanoseconds = Int64((1_000_000_000 / perSecond).rounded(.up))
        self.burstNanoseconds = self.intervalNanoseconds * Int64(burst)
    }
}

/// Whether somebody may do something now.
package enum RateDecision: Hashable, Sendable {
    case admitted
    /// Not now. The same succeeds after so long, if nothing else is admitted meanwhile.
    case refused(retryAfter: Duration)
}

/// The tokens that one caller has left, as one number: the moment at which all are back.
package struct TokenBucket: Hashable, BitwiseCopyable, Sendable {
    /// From this moment on the bucket is full, and the same as one that was never used.
    package private(set) var fullAt: Instant

    /// A full bucket.
    package init(now: Instant) { self.fullAt = now }

    package func isFull(now: Instant) -> Bool { self.fullAt <= now }

    /// Takes one token, or nothing.
    package mutating func take(limits: RateLimits, now: Instant) -> RateDecision {
        let missing = max(0, self.fullAt.nanoseconds - now.nanoseconds) + limits.intervalNanoseconds
        let excess = missing - limits.burstNanoseconds
        guard excess <= 0 else { return .refused(retryAfter: .nanoseconds(excess)) }
        self.fullAt = Instant(nanoseconds: now.nanoseconds + missing)
        return .admitted
    }
}
