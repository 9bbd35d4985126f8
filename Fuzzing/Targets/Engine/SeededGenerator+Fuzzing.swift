package import TorporTestSupport

extension SeededGenerator {
    /// A generator that depends on every byte of `bytes`: what a check draws is then a part of its input.
    package init(seededBy bytes: some Sequence<UInt8>) {
        // FNV-1a.
        self.init(seed: bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    }

    /// True in `percent` of a hundred cases.
    package mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    /// - Precondition: `elements` is not empty.
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }

    /// A range within `0..<count`, of at most `lengthMax` and, where there is room, at least one.
    package mutating func range(in count: Int, lengthMax: Int) -> Range<Int> {
        guard count > 0 else { return 0..<0 }
        let start = Int.random(in: 0..<count, using: &self)
        return start..<min(count, start + Int.random(in: 1...lengthMax, using: &self))
    }
}
