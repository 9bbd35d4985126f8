/// A moment of a clock that never goes back, in nanoseconds. Means nothing outside the process.
package struct Instant: Hashable, Comparable, BitwiseCopyable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    package static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(nanoseconds: instant.nanoseconds + duration.wholeNanoseconds)
    }

    /// How long after `earlier` this is; negative when it lies before.
    package func since(_ earlier: Instant) -> Duration { .nanoseconds(self.nanoseconds - earlier.nanoseconds) }
}

extension Duration {
    /// Whole nanoseconds, rounded down.
    package var wholeNanoseconds: Int64 {
        self.components.seconds * 1_000_000_000 + self.components.attoseconds / 1_000_000_000
    }
}
