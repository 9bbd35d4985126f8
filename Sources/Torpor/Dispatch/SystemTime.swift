import Glibc

/// The system's clocks, for the edge of the program only.
package enum SystemTime {
    @Sendable package static func monotonicNanoseconds() -> Int64 { self.read(CLOCK_MONOTONIC) }

    @Sendable package static func wallTime() -> WallTime {
        WallTime(milliseconds: self.read(CLOCK_REALTIME) / 1_000_000)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
