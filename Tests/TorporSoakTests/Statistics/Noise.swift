import Glibc
import TorporTestSupport

/// Random numbers of the normal distribution, by seed.
struct Noise {
    private var generator: SeededGenerator

    init(seed: UInt64) { self.generator = SeededGenerator(seed: seed) }

    /// After Box and Muller.
    mutating func next() -> Double {
        let radius = (-2 * log(Double.random(in: Double.leastNonzeroMagnitude..<1, using: &self.generator)))
            .squareRoot()
        return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self.generator))
    }
}
