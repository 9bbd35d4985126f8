/// A moment of civil time, in milliseconds since 1970-01-01T00:00:00Z. For what outlives a process or crosses machines.
package struct WallTime: Hashable, Comparable, Sendable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Later than any other moment that matters.
    package static let distantFuture = WallTime(milliseconds: .max)

    package static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }
    package static func + (time: WallTime, duration: Duration) -> WallTime {
        WallTime(milliseconds: time.milliseconds + Int64(duration.wholeMilliseconds))
    }

    /// How long after `earlier` this is; negative when it lies before.
    package func since(_ earlier: WallTime) -> Duration { .milliseconds(self.milliseconds - earlier.milliseconds) }
}
