/// The characters that one place of an expression matches.
struct CharacterSet: Sendable {
    /// The characters below 128, everything taken into account.
    private var asciiLow: UInt64 = 0
    private var asciiHigh: UInt64 = 0
    private let ranges: [ClosedRange<UInt32>]
    private let properties: [(property: CharacterProperty, isNegated: Bool)]
    private let isNegated: Bool

    /// - Parameter isNegated: Whether the set is all characters but those given.
    init(
        _ ranges: [ClosedRange<UInt32>], properties: [(property: CharacterProperty, isNegated: Bool)] = [],
        isNegated: Bool = false
    ) {
        self.ranges = Self.merged(ranges)
        self.properties = properties
        self.isNegated = isNegated
        for character in UInt32(0)..<128 where self.containsByRules(character) {
            if character < 64 { self.asciiLow |= 1 << character } else { self.asciiHigh |= 1 << (character - 64) }
        }
    }

    func contains(_ character: UInt32) -> Bool {
        if character < 64 { return self.asciiLow >> character & 1 == 1 }
        if character < 128 { return self.asciiHigh >> (character - 64) & 1 == 1 }
        return self.containsByRules(character)
    }

    private func containsByRules(_ character: UInt32) -> Bool {
        var isContained = self.isInRanges(character)
        if !isContained, !self.properties.isEmpty, let scalar = Unicode.Scalar(character) {
            isContained = self.properties.contains { $0.property.holds(scalar) != $0.isNegated }
        }
        return isContained != self.isNegated
    }

    private func isInRanges(_ character: UInt32) -> Bool {
        var low = 0
        var high = self.ranges.count
        while low < high {
            let middle = (low + high) / 2
            if self.ranges[middle].contains(character) { return true }
            if character < self.ranges[middle].lowerBound { high = middle } else { low = middle + 1 }
        }
        return false
    }

    private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        ranges.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { merged, range in
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
    }
}

/// The character classes that have a letter.
enum CharacterClass {
    static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
    static let words: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
    /// White space and line ends, as ECMA-262 has them.
    static let spaces: [ClosedRange<UInt32>] = [
        0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
        0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ]
    static let lineEnds: [ClosedRange<UInt32>] = [0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029]

    /// All characters but those given.
    static func complement(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var others: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { others.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { others.append(next...0x10FFFF) }
        return others
    }
}
