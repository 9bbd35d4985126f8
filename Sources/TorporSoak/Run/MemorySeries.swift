/// Memory over time, in bounded space: when it is full, every second sample is dropped, and from then on as many are
/// skipped.
package struct MemorySeries: Sendable, Equatable {
    package struct Sample: Sendable, Equatable {
        /// Since the run began.
        package var seconds: Double
        package var bytes: Int

        package init(seconds: Double, bytes: Int) {
            self.seconds = seconds
            self.bytes = bytes
        }
    }

    /// The most samples that are kept.
    package static let samplesMax = 4_096

    package private(set) var samples: [Sample] = []
    package private(set) var peak = 0
    private var stride = 1
    private var skipped = 0

    package init() {}

    package mutating func add(_ sample: Sample) {
        self.peak = max(self.peak, sample.bytes)
        self.skipped += 1
        guard self.skipped >= self.stride else { return }
        self.skipped = 0
        if self.samples.count == Self.samplesMax {
            self.samples = Swift.stride(from: 0, to: self.samples.count, by: 2).map { self.samples[$0] }
            self.stride *= 2
        }
        self.samples.append(sample)
    }
}
