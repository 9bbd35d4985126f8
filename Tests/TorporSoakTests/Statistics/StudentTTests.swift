import Testing

@testable import TorporSoak

@Suite struct StudentTTests {
    /// From the tables of any textbook.
    @Test(arguments: [
        (0.975, 1, 12.706205), (0.975, 2, 4.302653), (0.975, 5, 2.570582), (0.975, 10, 2.228139),
        (0.975, 30, 2.042272), (0.95, 10, 1.812461), (0.995, 10, 3.169273), (0.975, 1_000, 1.962339),
    ])
    func quantilesAreThoseOfTheTables(probability: Double, degrees: Int, value: Double) {
        #expect(abs(StudentT.quantile(probability, degrees: degrees) - value) < 1e-5)
    }

    @Test func theDistributionIsSymmetric() {
        #expect(abs(StudentT.quantile(0.5, degrees: 7)) < 1e-9)
        #expect(StudentT.quantile(0.1, degrees: 7) == -StudentT.quantile(0.9, degrees: 7))
    }

    @Test(arguments: [0.6, 0.9, 0.99, 0.9999], [1, 3, 40])
    func theQuantileIsTheInverseOfTheDistribution(probability: Double, degrees: Int) {
        let value = StudentT.quantile(probability, degrees: degrees)
        #expect(abs(StudentT.cumulative(value, degrees: degrees) - probability) < 1e-9)
    }
}
