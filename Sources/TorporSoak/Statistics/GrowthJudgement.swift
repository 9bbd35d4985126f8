/// What the readings after each phase say about a server's memory.
package struct GrowthJudgement: Sendable, Equatable {
    package enum Outcome: String, Sendable {
        /// Memory does not grow by more than the limit, as far as can be seen.
        case flat
        /// Memory rose by more than the limit, but not all the time: a cache that filled, or a single jump.
        case rose
        /// Memory grows by more than the limit with each unit, and goes on doing so.
        case grows
    }

    /// The least rise of the line over all readings that counts, in bytes: the kernel itself counts pages as late as that.
    package static let riseMin = 512.0 * 1_024

    /// Bytes for each unit of work.
    package let fit: LinearFit
    /// The median slope of the first half of the readings.
    package let earlierSlope: Double
    /// The median slope of the second half.
    package let laterSlope: Double
    /// Bytes a unit may leave behind.
    package let limit: Double
    package let outcome: Outcome

    /// Judges readings in the order in which they were taken.
    ///
    /// A server grows when all of this holds: the line rises by ``riseMin`` or more; the whole interval of its slope lies above the limit; so does the median
    /// slope, so that no single reading made it so; and so does the median slope of each half, so that neither a cache
    /// that filled nor a single jump is a leak.
    ///
    /// - Parameters:
    ///   - readings: `x` counts units of work so far, `y` bytes of memory.
    ///   - limit: Bytes a unit may leave behind.
    /// - Returns: `nil` when there are fewer than three readings, or all of them after the same work.
    package init?(_ readings: [LinearFit.Point], limit: Double) {
        guard let fit = LinearFit(readings) else { return nil }
        self.fit = fit
        self.limit = limit
        // The halves share the reading in the middle, so that a jump lies in one of them alone.
        let middle = readings.count / 2
        self.earlierSlope = LinearFit.medianSlope(Array(readings[...middle])) ?? fit.robustSlope
        self.laterSlope = LinearFit.medianSlope(Array(readings[middle...])) ?? fit.robustSlope
        let rise = fit.slope * ((readings.last?.x ?? 0) - (readings.first?.x ?? 0))
        if fit.interval.lowerBound <= limit || fit.robustSlope <= limit || rise < Self.riseMin {
            self.outcome = .flat
        } else {
            self.outcome = min(self.earlierSlope, self.laterSlope) > limit ? .grows : .rose
        }
    }

    /// Whether the interval is too wide to tell: growth above the limit cannot be excluded.
    package var isUncertain: Bool { self.outcome == .flat && self.fit.interval.upperBound > self.limit }
}
