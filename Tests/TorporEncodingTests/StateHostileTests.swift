import Testing
import TorporEncoding
import TorporJSON
@testable import TorporTestSupport

/// Random values come back; random damage is refused or read as something else, and nothing traps.
@Suite struct StateHostileTests {
    private struct Tree: Codable, Equatable {
        var name: String
        var number: Int64
        var ratio: Double?
        var bytes: [UInt8]
        var children: [Tree]
        var byName: [String: Tree]
        var shape: Shape
        var texts: [String]
        var optionals: [Int?]
    }

    private func tree(_ depth: Int, _ generator: inout SeededGenerator) -> Tree {
        func count(_ max: Int) -> Int { Int.random(in: 0...max, using: &generator) }
        func text() -> String {
            let letters = "aé😀z\u{0}\""
            return String((0..<count(count(9) == 0 ? 200 : 12)).map { _ in letters.randomElement(using: &generator)! })
        }
        let width = depth == 0 ? 0 : 3
        return Tree(
            name: text(), number: Int64.random(in: .min ... .max, using: &generator) >> count(63),
            ratio: count(1) == 0 ? nil : Double(bitPattern: generator.next() & ~(1 << 62)),
            bytes: (0..<count(200)).map { _ in UInt8(count(255)) },
            children: (0..<count(width)).map { _ in self.tree(depth - 1, &generator) },
            byName: Dictionary(
                (0..<count(width)).map { _ in (text(), self.tree(depth - 1, &generator)) }, uniquingKeysWith: { $1 }),
            shape: [.point, .circle(radius: 0.25), .named(text(), sides: count(9))].randomElement(using: &generator)!,
            texts: (0..<count(4)).map { _ in text() }, optionals: (0..<count(4)).map { $0 % 2 == 0 ? $0 * 1_000 : nil })
    }

    @Test(arguments: 1...UInt64(40))
    func randomValuesComeBack(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let tree = self.tree(3, &generator)
        let encoded = try StateEncoder.encode(tree)
        #expect(try StateDecoder.decode(Tree.self, from: encoded) == tree)
        // The same value in the middle of other bytes.
        let range = 3..<(3 + encoded.count)
        #expect(try StateDecoder.decode(Tree.self, from: [9, 9, 9] + encoded + [9], in: range) == tree)
        _ = try StateExport.jsonValue(of: encoded)
    }

    /// Reads `bytes` in every way there is. Only the two kinds of error may come of it.
    private func read(_ bytes: [UInt8], defaults: [UInt8]) {
        func attempt(_ body: () throws -> Void) {
            do {
                try body()
            } catch {
                #expect(error is StateEncodingError || error is DecodingError, "\(error)")
            }
        }
        attempt { _ = try StateDecoder.decode(Tree.self, from: bytes) }
        attempt { _ = try StateDecoder.decode(Tree.self, from: bytes, defaults: defaults) }
        attempt { _ = try StateDecoder.decode(Tree.self, from: defaults, defaults: bytes) }
        attempt { _ = try StateDecoder.decode(Everything.self, from: bytes) }
        attempt { _ = try StateDecoder.decode(JSONValue.self, from: bytes) }
        attempt { _ = try StateDecoder.decode(Interleaved.self, from: bytes) }
        attempt { _ = try StateDecoder.decode([String: [Int]].self, from: bytes) }
        attempt { _ = try StateExport.jsonValue(of: bytes) }
    }

    @Test func everyPrefixIsRefused() throws {
        var generator = SeededGenerator(seed: 9)
        for encoded in [
            try StateEncoder.encode(self.tree(2, &generator)), try StateEncoder.encode(Everything()),
            try StateEncoder.encode(Interleaved(left: [1, 2], right: ["a": 1], tail: 3)),
        ] {
            for count in 0..<encoded.count {
                let prefix = Array(encoded[..<count])
                #expect(throws: StateEncodingError.self) { try StateDecoder.decode(Tree.self, from: prefix) }
                #expect(throws: StateEncodingError.self) { try StateExport.jsonValue(of: prefix) }
            }
        }
    }

    @Test(arguments: 1...UInt64(8))
    func damagedBytesNeverTrap(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let samples = [
            try StateEncoder.encode(self.tree(2, &generator)), try StateEncoder.encode(self.tree(1, &generator)),
            try StateEncoder.encode(Everything()), bytes(StateFormatTests.sample),
            try StateEncoder.encode(Interleaved(left: [1, 2], right: ["a": 1], tail: 3)),
        ]
        for round in 0..<1_500 {
            var damaged = samples[round % samples.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<damaged.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: damaged[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: damaged[index] = UInt8.random(in: 0xC0...0xCC, using: &generator)
                case 2: damaged[index] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &generator)!
                case 3: damaged.insert(damaged[damaged.count - 1 - index], at: index)
                default: if damaged.count > 1 { damaged.remove(at: index) }
                }
            }
            self.read(damaged, defaults: samples[0])
        }
    }

    @Test(arguments: 1...UInt64(4))
    func arbitraryBytesNeverTrap(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let defaults = try StateEncoder.encode(self.tree(1, &generator))
        for _ in 0..<2_000 {
            let count = Int.random(in: 0..<60, using: &generator)
            self.read(
                [1] + (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }, defaults: defaults)
        }
    }
}
