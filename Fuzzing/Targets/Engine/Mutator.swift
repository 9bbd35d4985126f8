package import TorporTestSupport

/// Changes inputs: a few random changes of bytes, of words, and of what the target's shape knows about.
package struct Mutator: Sendable {
    private let shape: FuzzTarget.Shape
    private let lengthMax: Int
    let dictionary: [[UInt8]]

    package init(_ target: FuzzTarget) {
        self.shape = target.shape
        self.lengthMax = target.lengthMax
        self.dictionary = target.dictionary
    }

    /// `input` after one to four changes.
    /// - Parameter other: Another input, pieces of which may be taken over.
    package func mutate(_ input: [UInt8], with other: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = input
        for _ in 0..<random.pick([1, 1, 1, 2, 2, 3, 4]) {
            switch self.shape {
            case .json where random.chance(60): self.mutateJSON(&bytes, with: other, using: &random)
            case .lines where random.chance(50): self.mutateLines(&bytes, with: other, using: &random)
            default: self.mutateBytes(&bytes, with: other, using: &random)
            }
        }
        return Array(bytes.prefix(self.lengthMax))
    }

    // MARK: Bytes

    /// Lengths around which buffers, words and limits change.
    private static let lengths = [1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 257, 1_024, 4_096]
    /// Numbers around which integers change.
    private static let numbers = [
        "0", "-0", "1", "-1", "00", "127", "128", "255", "256", "65535", "65536", "2147483647", "2147483648",
        "4294967295", "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e400",
        "1e-400", "1E+2", "0.1", "340282366920938463463374607431768211456",
    ].map { Array($0.utf8) }
    /// Bytes that are no text of their own, or text that is easily taken for other text.
    private static let oddText: [[UInt8]] =
        [
            [0x00], [0x7F], [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFE], [0xFF], [0xEF, 0xBB, 0xBF],
            [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
        ]
        // A combining accent, canonical equivalents of `K`, `;` and `` ` ``, a line separator, a joiner, an emoji.
        + ["\u{301}", "\u{212A}", "\u{37E}", "\u{1FEF}", "\u{2028}", "\u{200D}", "\u{1F600}", "e\u{301}", "\u{E9}"]
        .map { Array($0.utf8) }

    func mutateBytes(_ bytes: inout [UInt8], with other: [UInt8], using random: inout SeededGenerator) {
        let index = Int.random(in: 0...bytes.count, using: &random)
        let range = random.range(in: bytes.count, lengthMax: 32)
        switch Int.random(in: 0..<15, using: &random) {
        case 0 where index < bytes.count: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where index < bytes.count: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 2 where index < bytes.count: bytes[index] &+= random.chance(50) ? 1 : 255
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
        case 4: bytes.removeSubrange(range)
        case 5: bytes.insert(contentsOf: bytes[range], at: index)
        case 6: bytes.removeLast(bytes.count - index)
        case 7: bytes.insert(contentsOf: other[random.range(in: other.count, lengthMax: 64)], at: index)
        case 8: bytes.replaceSubrange(index..., with: other[Int.random(in: 0...other.count, using: &random)...])
        case 9: bytes.insert(contentsOf: random.pick(Self.oddText), at: index)
        case 10: self.mutateNumber(&bytes, using: &random)
        case 11: self.lengthen(&bytes, at: index, using: &random)
        case 12 where !self.dictionary.isEmpty: bytes.replaceSubrange(range, with: random.pick(self.dictionary))
        default:
            let word = self.dictionary.isEmpty ? random.pick(Self.oddText) : random.pick(self.dictionary)
            bytes.insert(contentsOf: word, at: index)
        }
    }

    /// Puts another number in the place of one.
    private func mutateNumber(_ bytes: inout [UInt8], using random: inout SeededGenerator) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let index = Int.random(in: 0...bytes.count, using: &random)
        guard let start = bytes[index...].firstIndex(where: digits.contains) else {
            bytes.insert(contentsOf: random.pick(Self.numbers), at: index)
            return
        }
        let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
        if random.chance(50), let number = Int(String(decoding: bytes[start..<end], as: UTF8.self)), number < .max {
            bytes.replaceSubrange(start..<end, with: String(random.chance(50) ? number + 1 : number - 1).utf8)
        } else {
            bytes.replaceSubrange(start..<end, with: random.pick(Self.numbers))
        }
    }

    /// Repeats a byte until a length is reached that may be an edge.
    private func lengthen(_ bytes: inout [UInt8], at index: Int, using random: inout SeededGenerator) {
        let byte = index < bytes.count ? bytes[index] : UInt8(ascii: "a")
        let length = random.pick(Self.lengths)
        let missing = random.chance(50) ? length : max(0, length - bytes.count)
        bytes.insert(contentsOf: repeatElement(byte, count: min(missing, self.lengthMax)), at: index)
    }

    // MARK: Lines

    private func mutateLines(_ bytes: inout [UInt8], with other: [UInt8], using random: inout SeededGenerator) {
        var lines = Self.lines(of: bytes)
        guard !lines.isEmpty else { return self.mutateBytes(&bytes, with: other, using: &random) }
        let index = Int.random(in: 0..<lines.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: lines.remove(at: index)
        case 1: lines.insert(lines[index], at: random.chance(50) ? index : lines.count)
        case 2: lines.swapAt(index, Int.random(in: 0..<lines.count, using: &random))
        case 3:
            let others = Self.lines(of: other)
            if !others.isEmpty { lines.insert(random.pick(others), at: index) }
        case 4 where !self.dictionary.isEmpty:
            lines.insert(random.pick(self.dictionary) + random.pick(Self.lineEnds), at: index)
        default:
            let content = lines[index].prefix { $0 != 0x0D && $0 != 0x0A }
            lines[index] = content + random.pick(Self.lineEnds)
        }
        bytes = Array(lines.joined())
    }

    private static let lineEnds = ["\r\n", "\r\n", "\n", "\r", "\r\r\n", " \r\n", "\r\n ", "\r\n\r\n", "", "\u{B}"]
        .map { Array($0.utf8) }

    /// The lines, each with its line feed.
    private static func lines(of bytes: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        for index in bytes.indices where bytes[index] == 0x0A || index == bytes.count - 1 {
            lines.append(Array(bytes[start...index]))
            start = index + 1
        }
        return lines
    }
}
