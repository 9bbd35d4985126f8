/// SplitMix64: random numbers that are the same for the same seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    /// A generator of its own for each purpose, so that one use of chance does not shift another.
    init(seed: UInt64, stream: Stream) {
        var mixer = SeededGenerator(seed: seed ^ (UInt64(stream.rawValue) << 56))
        self.state = mixer.next()
    }

    enum Stream: UInt8 { case scenario = 1, executor, store, environment, late }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// True once in so many times.
    mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// A number whose magnitude is as likely to be small as large.
    mutating func magnitude(_ range: ClosedRange<Int>) -> Int {
        let widest = Int.bitWidth - range.upperBound.leadingZeroBitCount
        return min(max(self.number(0...(1 << self.number(0...widest))), range.lowerBound), range.upperBound)
    }
}
