import Glibc

/// Durations by powers of the eighth root of two: exact to 9 %, in 2 KiB whatever is added.
struct LatencyHistogram: Sendable, Equatable {
    private static let steps = 8.0
    private static let buckets = 256

    private var counts = [Int](repeating: 0, count: Self.buckets)
    private(set) var count = 0

    mutating func add(seconds: Double) {
        let microseconds = max(seconds * 1e6, 1)
        self.counts[min(Int(log2(microseconds) * Self.steps), Self.buckets - 1)] += 1
        self.count += 1
    }

    /// The time, in seconds, that the given share of durations does not exceed; `nil` when there are none.
    func quantile(_ share: Double) -> Double? {
        guard self.count > 0 else { return nil }
        var rest = max(1, Int((Double(self.count) * share).rounded(.up)))
        for (bucket, count) in self.counts.enumerated() {
            rest -= count
            if rest <= 0 { return exp2(Double(bucket + 1) / Self.steps) / 1e6 }
        }
        return nil
    }

    /// What was added after `earlier`, which this histogram once was.
    func since(_ earlier: LatencyHistogram) -> LatencyHistogram {
        var later = self
        for bucket in later.counts.indices { later.counts[bucket] -= earlier.counts[bucket] }
        later.count -= earlier.count
        return later
    }
}
