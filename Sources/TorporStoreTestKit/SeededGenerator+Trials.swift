package import TorporTestSupport

extension SeededGenerator {
    package mutating func below(_ bound: Int) -> Int { Int(self.next() % UInt64(bound)) }

    /// Whether something that happens `percent` times in a hundred happens now.
    package mutating func happens(_ percent: Int) -> Bool { self.below(100) < percent }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            let word = self.next()
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
