import Glibc

/// A straight line through measurements: how much `y` grows with each unit of `x`, and how sure that is.
///
/// The line is the one of least squares. Its slope comes with the interval that holds the true slope in 95 of 100 runs,
/// provided that readings scatter around a line independently of each other. Memory does not quite do so: what an
/// allocator took stays for a while. ``robustSlope``, after Theil and Sen, is the median of the slopes between all pairs
/// of measurements: a few wild readings, such as before and after a garbage collection, do not move it.
package struct LinearFit: Sendable, Equatable {
    package struct Point: Sendable, Equatable {
        package var x: Double
        package var y: Double

        package init(x: Double, y: Double) {
            self.x = x
            self.y = y
        }
    }

    /// The probability with which ``interval`` holds the true slope.
    package static let confidence = 0.95
    /// The fewest measurements that make an interval.
    package static let pointsMin = 3

    package let slope: Double
    /// `y` where `x` is 0.
    package let intercept: Double
    /// Where the true slope lies, with 95 % confidence.
    package let interval: ClosedRange<Double>
    /// The median slope of all pairs.
    package let robustSlope: Double
    /// How far measurements lie from the line: the standard deviation of the residuals.
    package let scatter: Double

    /// - Returns: `nil` for fewer than three points, or when all have the same `x`.
    package init?(_ points: [Point]) {
        let count = Double(points.count)
        guard points.count >= Self.pointsMin else { return nil }
        // Around the means, so that large numbers do not swallow small differences.
        let meanX = points.reduce(0) { $0 + $1.x } / count
        let meanY = points.reduce(0) { $0 + $1.y } / count
        var squares = 0.0
        var products = 0.0
        for point in points {
            squares += (point.x - meanX) * (point.x - meanX)
            products += (point.x - meanX) * (point.y - meanY)
        }
        guard squares > 0 else { return nil }
        let slope = products / squares
        self.slope = slope
        self.intercept = meanY - slope * meanX
        var residuals = 0.0
        for point in points {
            let residual = point.y - meanY - slope * (point.x - meanX)
            residuals += residual * residual
        }
        let degrees = points.count - 2
        self.scatter = (residuals / Double(degrees)).squareRoot()
        let margin =
            StudentT.quantile((1 + Self.confidence) / 2, degrees: degrees) * self.scatter / squares.squareRoot()
        self.interval = (slope - margin)...(slope + margin)
        self.robustSlope = Self.medianSlope(points) ?? slope
    }

    /// The value of the line at `x`.
    package func value(at x: Double) -> Double { self.intercept + self.slope * x }

    /// The slope after Theil and Sen; `nil` when no two points differ in `x`.
    ///
    /// - Complexity: O(n² log n).
    package static func medianSlope(_ points: [Point]) -> Double? {
        var slopes: [Double] = []
        for (index, left) in points.enumerated() {
            for right in points[(index + 1)...] where right.x != left.x {
                slopes.append((right.y - left.y) / (right.x - left.x))
            }
        }
        return slopes.isEmpty ? nil : slopes.median
    }
}

extension Array where Element == Double {
    /// The middle value, or the mean of the two in the middle. The array is not empty.
    var median: Double {
        let sorted = self.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
