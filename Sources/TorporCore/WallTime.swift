/// A moment of civil time, in milliseconds since 1970-01-01T00:00:00Z. For what outlives a process or crosses machines.
package struct WallTime: Hashable, Comparable, BitwiseCopyable, Sendable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Later than any other moment that matters.
    package static let distantFuture = WallTime(milliseconds: .max)

    package static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }
    /// A moment that lies so far away that it cannot be told is ``distantFuture``, or as early as can be told.
    package static func + (time: WallTime, duration: Duration) -> WallTime {
        let (sum, overflows) = time.milliseconds.addingReportingOverflow(Int64(duration.wholeMilliseconds))
        return WallTime(milliseconds: overflows ? duration < .zero ? .min : .max : sum)
    }

    /// How long after `earlier` this is; negative when it lies before.
    package func since(_ earlier: WallTime) -> Duration { .milliseconds(self.milliseconds - earlier.milliseconds) }
}
