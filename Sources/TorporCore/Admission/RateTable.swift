/// The token buckets of many callers. Holds no clock.
///
/// A full bucket says nothing, and is forgotten: for each caller that is new, two of those known longest are looked at.
/// When ``callersMax`` are known and none of the first few is full, the one known longest is forgotten all the same; it
/// gets a new burst. So an attacker with more addresses than that gains bursts, and locks nobody out.
package struct RateTable<Caller: Hashable> {
    /// How many buckets are looked at for a full one before one that is not is forgotten.
    private static var looksMax: Int { 8 }

    package let limits: RateLimits
    /// How many callers are known at most. Default 65,536, which take about 5 MB when names take 16 bytes.
    package let callersMax: Int
    private var buckets: [Caller: TokenBucket] = [:]
    /// Each caller that is known, once; those to look at next in front.
    private var line = WaitingLine<Caller>()

    /// - Precondition: `callersMax` is above 0.
    package init(limits: RateLimits, callersMax: Int = 65_536) {
        precondition(callersMax > 0, "a table has room for one caller")
        self.limits = limits
        self.callersMax = callersMax
    }

    /// Callers whose buckets are known.
    package var count: Int { self.buckets.count }

    /// A caller wants to do something.
    /// - Parameter now: Not before that of an earlier call.
    /// - Complexity: O(1), amortised.
    package mutating func take(_ caller: Caller, now: Instant) -> RateDecision {
        if let index = self.buckets.index(forKey: caller) {
            return self.buckets.values[index].take(limits: self.limits, now: now)
        }
        self.makeRoom(now: now)
        var bucket = TokenBucket(now: now)
        let decision = bucket.take(limits: self.limits, now: now)
        self.buckets[caller] = bucket
        self.line.append(caller)
        return decision
    }

    /// Forgets buckets that are full; to be called now and then, so that the last callers are forgotten too.
    /// - Parameter countMax: How many buckets to look at.
    package mutating func forgetFull(now: Instant, lookingAt countMax: Int) {
        for _ in 0..<min(countMax, self.buckets.count) { self.lookAtNext(now: now) }
        self.tidy()
    }

    private mutating func makeRoom(now: Instant) {
        for looks in 0..<Self.looksMax where looks < 2 || self.buckets.count >= self.callersMax {
            self.lookAtNext(now: now)
        }
        if self.buckets.count >= self.callersMax, let caller = self.line.popFirst() { self.buckets[caller] = nil }
        self.tidy()
    }

    /// Forgets the next bucket if it is full.
    private mutating func lookAtNext(now: Instant) {
        guard let caller = self.line.popFirst(), let bucket = self.buckets[caller] else { return }
        if bucket.isFull(now: now) {
            self.buckets[caller] = nil
        } else {
            self.line.append(caller)
        }
    }

    private mutating func tidy() {
        self.line.tidy(meaningful: self.buckets.count) { _ in true }
        self.buckets.shrinkIfSparse()
    }
}

extension RateTable: Sendable where Caller: Sendable {}
