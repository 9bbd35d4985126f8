import TorporJSON
import TorporTestSupport

extension Mutator {
    /// Values at the edges of what JSON can say.
    private static let values = [
        "null", "true", "false", "0", "-0", "1", "-1", "0.5", "1e2", "1E-2", "1.0", "1e999", "-1e-999",
        "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "0.1000000000000000055511151231257827", "\"\"", "\"a\"", "\"2.0\"", "\"\\u0000\"", "\"\\ud800\"",
        "\"\\ud83d\\ude00\"", "\"\\udc00\\ud800\"", "\"\\u212a\"", "\"e\u{301}\"", "{}", "[]", "[[]]", "{\"\":{}}",
        "[1,2,3]", "{\"a\":1,\"a\":2}", "\"2026-07-28\"", "\"2025-11-25\"",
    ].map { Array($0.utf8) }

    /// Changes the structure of the JSON text in `bytes`, or some bytes where there is none.
    func mutateJSON(_ bytes: inout [UInt8], with other: [UInt8], using random: inout SeededGenerator) {
        let parts = JSONParts(of: bytes)
        guard !parts.values.isEmpty else { return self.mutateBytes(&bytes, with: other, using: &random) }
        let value = random.pick(parts.values)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: bytes.replaceSubrange(value, with: self.value(from: other, using: &random))
        case 1: bytes.replaceSubrange(value, with: bytes[random.pick(parts.values)])
        case 2: self.wrap(value, in: &bytes, using: &random)
        case 3 where !parts.members.isEmpty:
            let member = random.pick(parts.members)
            let copy = random.chance(50) ? member : random.pick(parts.members)
            bytes.insert(contentsOf: [UInt8(ascii: ",")] + bytes[copy], at: member.upperBound)
        case 4 where !parts.members.isEmpty: Self.remove(random.pick(parts.members), from: &bytes)
        case 5: Self.remove(value, from: &bytes)
        case 6 where !parts.keys.isEmpty:
            bytes.replaceSubrange(random.pick(parts.keys), with: self.name(using: &random))
        case 7:
            let addition = self.name(using: &random) + [UInt8(ascii: ":")] + self.value(from: other, using: &random)
            self.add(addition, to: value, of: &bytes)
        case 8: Self.escape(random.pick(parts.values + parts.keys), in: &bytes, using: &random)
        default:
            let blanks: [UInt8] = random.pick([[0x20], [0x0A], [0x0D], [0x09], [0x0C], [0x20, 0x20]])
            bytes.insert(contentsOf: blanks, at: random.chance(50) ? value.lowerBound : value.upperBound)
        }
    }

    private func value(from other: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        let choice = Int.random(in: 0..<3, using: &random)
        if choice == 0, let range = JSONParts(of: other).values.randomElement(using: &random) {
            return Array(other[range])
        }
        return choice == 1 ? self.name(using: &random) : random.pick(Self.values)
    }

    /// A word of the dictionary, quoted.
    private func name(using random: inout SeededGenerator) -> [UInt8] {
        guard !self.dictionary.isEmpty else { return random.pick([Array("\"\"".utf8), Array("\"a\"".utf8)]) }
        var writer = JSONWriter()
        writer.string(String(decoding: random.pick(self.dictionary), as: UTF8.self))
        return writer.bytes
    }

    private func wrap(_ value: Range<Int>, in bytes: inout [UInt8], using random: inout SeededGenerator) {
        let count = random.pick([1, 1, 1, 2, 60, 61, 62, 63, 64, 65])
        let isObject = random.chance(50)
        let (opening, closing) = isObject ? (Array("{\"a\":".utf8), UInt8(ascii: "}")) : ([0x5B], 0x5D)
        bytes.insert(contentsOf: repeatElement(closing, count: count), at: value.upperBound)
        bytes.insert(contentsOf: repeatElement(opening, count: count).joined(), at: value.lowerBound)
    }

    /// Adds a member to an object; puts an object that has only this member in the place of any other value.
    private func add(_ member: [UInt8], to value: Range<Int>, of bytes: inout [UInt8]) {
        if bytes[value.lowerBound] == UInt8(ascii: "{") {
            let isEmpty = bytes[value].dropFirst().first { $0 > 0x20 } == UInt8(ascii: "}")
            bytes.insert(contentsOf: member + (isEmpty ? [] : [UInt8(ascii: ",")]), at: value.lowerBound + 1)
        } else {
            bytes.replaceSubrange(value, with: [UInt8(ascii: "{")] + member + [UInt8(ascii: "}")])
        }
    }

    /// Removes a member or element, and one of the commas beside it.
    private static func remove(_ range: Range<Int>, from bytes: inout [UInt8]) {
        var range = range
        if range.upperBound < bytes.count, bytes[range.upperBound] == UInt8(ascii: ",") {
            range = range.lowerBound..<range.upperBound + 1
        } else if range.lowerBound > 0, bytes[range.lowerBound - 1] == UInt8(ascii: ",") {
            range = range.lowerBound - 1..<range.upperBound
        }
        bytes.removeSubrange(range)
    }

    /// Writes one character of a string as `\uXXXX`, or as two of them; leaves escapes that are there alone.
    private static func escape(_ range: Range<Int>, in bytes: inout [UInt8], using random: inout SeededGenerator) {
        let inside = range.dropFirst().dropLast()
        guard bytes[range.lowerBound] == UInt8(ascii: "\""), !bytes[inside].contains(UInt8(ascii: "\\")) else { return }
        let text = Array(String(decoding: bytes[inside], as: UTF8.self).unicodeScalars)
        guard let index = text.indices.randomElement(using: &random) else { return }
        let before = String(String.UnicodeScalarView(text[..<index]))
        let behind = String(String.UnicodeScalarView(text[(index + 1)...]))
        let escapes = String(text[index]).utf16.map { unit in
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        bytes.replaceSubrange(inside, with: Array((before + escapes.joined() + behind).utf8))
    }
}

/// Where the values, keys and members of the JSON text in an input lie; empty where it has none.
private struct JSONParts {
    var values: [Range<Int>] = []
    /// With their quotes.
    var keys: [Range<Int>] = []
    /// From a key to the end of its value.
    var members: [Range<Int>] = []

    init(of bytes: [UInt8]) {
        var scanner = JSONScanner(bytes.span, at: Self.start(in: bytes), depthMax: JSONScanner.depthMaxLimit)
        do throws(JSONError) {
            try self.read(&scanner)
        } catch {
            // What was read up to the fault can be changed; the values around it are not among that.
        }
    }

    /// Where the JSON text begins: behind an empty line, else behind the first line if JSON does not begin there.
    private static func start(in bytes: [UInt8]) -> Int {
        if let first = bytes.first, "{[\"".utf8.contains(first) { return 0 }
        var firstLineEnd: Int?
        for index in bytes.indices where bytes[index] == 0x0A {
            if index > 0, bytes[index - 1] == 0x0A { return index + 1 }
            firstLineEnd = firstLineEnd ?? index + 1
        }
        return firstLineEnd ?? 0
    }

    private mutating func read(_ scanner: inout JSONScanner) throws(JSONError) {
        let kind = try scanner.peek()
        let start = scanner.position
        var isFirst = true
        switch kind {
        case .object:
            try scanner.beginObject()
            while let key = try scanner.nextKey(&isFirst) {
                try self.read(&scanner)
                self.keys.append(key.range.lowerBound - 1..<key.range.upperBound + 1)
                self.members.append(key.range.lowerBound - 1..<scanner.position)
            }
        case .array:
            try scanner.beginArray()
            while try scanner.nextElement(&isFirst) { try self.read(&scanner) }
        case .string, .number, .true, .false, .null: _ = try scanner.skipValue()
        }
        self.values.append(start..<scanner.position)
    }
}
