import TorporTestSupport

extension SeededGenerator {
    /// A generator of its own for each purpose, so that one use of chance does not shift another.
    init(seed: UInt64, stream: Stream) {
        var mixer = SeededGenerator(seed: seed ^ (UInt64(stream.rawValue) << 56))
        self.init(seed: mixer.next())
    }

    enum Stream: UInt8 { case scenario = 1, executor, store, environment, late }

    /// True once in so many times.
    mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// A number whose magnitude is as likely to be small as large.
    mutating func magnitude(_ range: ClosedRange<Int>) -> Int {
        let widest = Int.bitWidth - range.upperBound.leadingZeroBitCount
        return min(max(self.number(0...(1 << self.number(0...widest))), range.lowerBound), range.upperBound)
    }
}
