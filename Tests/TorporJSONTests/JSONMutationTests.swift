import Foundation
import Testing
import TorporJSON
import TorporTestSupport

/// Random changes to valid documents, judged by Foundation's parser.
@Suite struct JSONMutationTests {
    /// Bytes that mean something to a JSON parser, so that changes often stay near the grammar.
    private static let tokens: [UInt8] =
        Array("{}[]\",:\\/0123456789.eE+-truefalsn ubdD8C\t\n".utf8) + [0x00, 0x1F, 0x7F, 0x80, 0xC3, 0xED, 0xF0, 0xFF]

    private func mutate(_ bytes: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let index = Int.random(in: 0...bytes.count, using: &generator)
            let token = Self.tokens.randomElement(using: &generator)!  // there are tokens
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes.insert(token, at: index)
            case 1 where index < bytes.count: bytes[index] = token
            case 2 where index < bytes.count: bytes.remove(at: index)
            default:
                let other = Int.random(in: 0...bytes.count, using: &generator)
                let piece = bytes[min(index, other)..<min(max(index, other), min(index, other) + 12)]
                bytes.insert(contentsOf: piece, at: index)
            }
        }
        return bytes
    }

    @Test(arguments: 1...UInt64(8))
    func whatIsAcceptedMeansTheSameToFoundation(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var acceptedCount = 0
        for round in 0..<3_000 {
            let document = sampleDocuments[round % sampleDocuments.count]
            let bytes = self.mutate(Array(document.utf8), using: &generator)
            let error = refusal(of: bytes)
            #expect(refusalByWalking(bytes) == error, "seed \(seed), round \(round): \(bytes)")
            guard error == nil else { continue }
            acceptedCount += 1
            let value = try JSONValue(parsing: bytes)
            #expect(try JSONValue(parsing: value.text) == value)
            // A lone surrogate and a number beyond any Double are JSON that Foundation does not take.
            if self.hasLoneSurrogate(bytes) || self.hasHugeNumber(value) { continue }
            let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            #expect(self.isSame(value, theirs), "seed \(seed), round \(round): \(text(bytes))")
        }
        #expect(acceptedCount > 300)
    }

    @Test(arguments: 1...UInt64(4))
    func arbitraryBytesNeverCrashAnything(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<5_000 {
            let count = Int.random(in: 0..<40, using: &generator)
            let bytes = (0..<count).map { _ in Self.tokens.randomElement(using: &generator)! }  // there are tokens
            #expect((refusal(of: bytes) == nil) == ((try? JSONValue(parsing: bytes)) != nil))
            // The text of what was never validated is repaired, not trusted.
            let repaired = JSONText.string(in: bytes.span, 0..<count, hasEscapes: true)
            guard String(validating: bytes, as: UTF8.self) != nil else { continue }
            #expect(contents(of: bytes, 0..<count, hasEscapes: true, equal: repaired))
        }
    }

    private func hasLoneSurrogate(_ bytes: [UInt8]) -> Bool {
        text(bytes).contains(/\\u[dD][89abcdefABCDEF]/)
    }

    private func hasHugeNumber(_ value: JSONValue) -> Bool {
        switch value {
        case .number(let number): number.double == nil
        case .array(let elements): elements.contains { self.hasHugeNumber($0) }
        case .object(let object): object.members.contains { self.hasHugeNumber($0.value) }
        case .null, .bool, .string: false
        }
    }

    private func isSame(_ ours: JSONValue, _ theirs: Any) -> Bool {
        switch (ours, theirs) {
        case (.null, is NSNull): return true
        case (.string(let ours), let theirs as String): return ours.utf8.elementsEqual(theirs.utf8)
        case (.array(let ours), let theirs as [Any]):
            return ours.count == theirs.count && zip(ours, theirs).allSatisfy { self.isSame($0, $1) }
        case (.object(let ours), let theirs as [String: Any]):
            return Set(ours.members.map(\.name)) == Set(theirs.keys)
                && theirs.allSatisfy { name, theirs in ours[name].map { self.isSame($0, theirs) } ?? false }
        case (.bool(let ours), let theirs as NSNumber): return ours == theirs.boolValue
        case (.number(let ours), let theirs as NSNumber):
            guard let ours = ours.double else { return false }
            return abs(ours - theirs.doubleValue) <= abs(ours) * 1e-14
        default: return false
        }
    }
}
