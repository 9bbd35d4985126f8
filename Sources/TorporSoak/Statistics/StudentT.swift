import Glibc

/// Student's t distribution: how far an estimate from few measurements may be off.
enum StudentT {
    /// The value that a variable of this distribution stays below with the given probability.
    ///
    /// - Parameters:
    ///   - probability: Above 0 and below 1.
    ///   - degrees: Degrees of freedom, 1 or more.
    /// - Returns: exact to about nine digits.
    static func quantile(_ probability: Double, degrees: Int) -> Double {
        precondition(probability > 0 && probability < 1, "a probability lies between 0 and 1")
        precondition(degrees >= 1, "there is at least one degree of freedom")
        if probability < 0.5 { return -self.quantile(1 - probability, degrees: degrees) }
        // The distribution rises, so halving finds the place; an interval of this width holds every usual quantile.
        var low = 0.0
        var high = 1.0
        while self.cumulative(high, degrees: degrees) < probability, high < 1e9 { high *= 2 }
        for _ in 0..<100 {
            let middle = (low + high) / 2
            if self.cumulative(middle, degrees: degrees) < probability { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }

    /// The probability of a value below `value`, which is 0 or more.
    static func cumulative(_ value: Double, degrees: Int) -> Double {
        let freedom = Double(degrees)
        return 1 - 0.5 * self.incompleteBeta(freedom / (freedom + value * value), freedom / 2, 0.5)
    }

    /// The regularised incomplete beta function.
    private static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        guard x > 0 else { return 0 }
        guard x < 1 else { return 1 }
        let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
        // The continued fraction converges fast below the mean; above it the function is one minus its mirror.
        if x < (a + 1) / (a + b + 2) { return front * self.fraction(x, a, b) / a }
        return 1 - front * self.fraction(1 - x, b, a) / b
    }

    /// The continued fraction of the incomplete beta function, after Lentz.
    private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
        let tiny = 1e-300
        var numerator = 1.0
        var denominator = 1 - (a + b) * x / (a + 1)
        denominator = 1 / (abs(denominator) < tiny ? tiny : denominator)
        var result = denominator
        for step in 1...300 {
            let m = Double(step)
            for factor in [
                m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
            ] {
                denominator = 1 + factor * denominator
                denominator = 1 / (abs(denominator) < tiny ? tiny : denominator)
                numerator = 1 + factor / numerator
                if abs(numerator) < tiny { numerator = tiny }
                result *= denominator * numerator
            }
            if abs(denominator * numerator - 1) < 1e-14 { break }
        }
        return result
    }
}
