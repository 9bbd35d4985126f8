/// A small seeded generator of random numbers, the same on every platform.
package struct SplitMix64: RandomNumberGenerator {
    package private(set) var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    /// A generator that depends on every byte of `bytes`: what a check draws is then a part of its input.
    package init(seededBy bytes: some Sequence<UInt8>) {
        self.state = bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }  // FNV-1a
    }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
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
