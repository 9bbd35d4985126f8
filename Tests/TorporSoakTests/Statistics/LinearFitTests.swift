import Testing

@testable import TorporSoak

@Suite struct LinearFitTests {
    private func points(_ values: [(Double, Double)]) -> [LinearFit.Point] {
        values.map { LinearFit.Point(x: $0.0, y: $0.1) }
    }

    @Test func anExactLineIsFoundExactly() throws {
        let values = (0..<10).map { (index: Int) -> (Double, Double) in
            let x = Double(index) * 100
            return (x, 5_000 + 36 * x)
        }
        let fit = try #require(LinearFit(points(values)))
        #expect(abs(fit.slope - 36) < 1e-9)
        #expect(abs(fit.intercept - 5_000) < 1e-6)
        #expect(abs(fit.robustSlope - 36) < 1e-9)
        #expect(fit.interval.upperBound - fit.interval.lowerBound < 1e-6)
        #expect(abs(fit.value(at: 50) - 6_800) < 1e-6)
    }

    /// Worked by hand: the residuals are 0.2, -0.6, 0.6, -0.2, so s² = 0.8 / 2 and the error of the slope √(0.4 / 5).
    @Test func theIntervalIsThatOfTheTDistribution() throws {
        let fit = try #require(LinearFit(points([(0, 1.2), (1, 2.4), (2, 5.6), (3, 6.8)])))
        #expect(abs(fit.slope - 2) < 1e-9)
        #expect(abs(fit.intercept - 1) < 1e-9)
        #expect(abs(fit.scatter - 0.4.squareRoot()) < 1e-9)
        let margin = 4.302653 * (0.4 / 5).squareRoot()
        #expect(abs(fit.interval.lowerBound - (2 - margin)) < 1e-5)
        #expect(abs(fit.interval.upperBound - (2 + margin)) < 1e-5)
    }

    @Test func fewerThanThreePointsMakeNoLine() {
        #expect(LinearFit(points([(0, 1), (1, 2)])) == nil)
        #expect(LinearFit(points([(0, 1), (1, 2), (2, 3)])) != nil)
    }

    @Test func pointsAboveEachOtherMakeNoLine() {
        #expect(LinearFit(points([(4, 1), (4, 2), (4, 3)])) == nil)
        #expect(LinearFit.medianSlope(points([(4, 1), (4, 2)])) == nil)
    }

    @Test func theMedianSlopeIsNotMovedByAWildReading() throws {
        var values = (0..<11).map { (Double($0), 3 * Double($0)) }
        values[5].1 += 10_000
        let fit = try #require(LinearFit(points(values)))
        #expect(abs(fit.robustSlope - 3) < 1e-9)
        values[10].1 += 10_000
        #expect(abs(LinearFit.medianSlope(points(values))! - 3) < 1e-9)
        #expect(abs(LinearFit(points(values))!.slope - 3) > 100)
    }

    @Test func largeOffsetsDoNotSwallowASmallSlope() throws {
        let gigabytes = 8e9
        let fit = try #require(LinearFit(points((0..<8).map { (1e6 + Double($0), gigabytes + 0.5 * Double($0)) })))
        #expect(abs(fit.slope - 0.5) < 1e-6)
    }

    /// Of 2,000 seeds the interval holds the true slope in about 95 of 100.
    @Test func theIntervalHoldsTheTruthInNinetyFiveOfAHundredRuns() throws {
        var held = 0
        for seed in 1...2_000 {
            var noise = Noise(seed: UInt64(seed))
            let fit = try #require(
                LinearFit(
                    points((0..<9).map { (Double($0) * 250, 7e7 + 90 * Double($0) * 250 + 200_000 * noise.next()) }))
            )
            if fit.interval.contains(90) { held += 1 }
        }
        // Three standard deviations of a binomial count on either side.
        #expect((1_871...1_929).contains(held), "\(held)")
    }
}
