import Testing
import Torpor

@testable import TorporServers
import TorporTestSupport

struct RowChunksTests {
    private static func row(_ number: Int, bytes: Int = 0) -> Row {
        Row([.number(JSONNumber(number)), .string(String(repeating: "x", count: bytes))])
    }

    private static func numbers(_ rows: some Sequence<Row>) -> [Int] {
        rows.map { row in
            guard case .number(let number) = row.cells[0] else { return -1 }
            return number.int ?? -1
        }
    }

    /// What is stored after changes, as a table would have it.
    private struct Stored {
        var chunks: [Int: RowChunk] = [:]

        mutating func apply(_ changes: RowChunks) {
            for (number, chunk) in changes.changes { self.chunks[number] = chunk }
            #expect(changes.end == (self.chunks.keys.max().map { $0 + 1 } ?? 0))
        }

        var sorted: [(number: Int, chunk: RowChunk)] {
            self.chunks.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
        var rows: [Row] { self.sorted.flatMap { $0.chunk.rows.map { Row($0) } } }

        func expectLimits() {
            for (_, chunk) in self.chunks where chunk.rows.count > 1 {
                #expect(chunk.rows.count <= RowChunks.rowCountMax)
                #expect(chunk.rows.reduce(0) { $0 + Row($1).byteCount } <= RowChunks.byteCountMax)
            }
        }
    }

    @Test func aRowIsAddedToTheLastChunkAlone() {
        var stored = Stored()
        var chunks = RowChunks(end: 0)
        chunks.append((0..<100).map { Self.row($0) })
        stored.apply(chunks)
        let last = stored.sorted.last!
        var next = RowChunks([last])
        next.append([Self.row(100)])
        #expect(next.changes.map(\.number) == [last.number])
        stored.apply(next)
        #expect(Self.numbers(stored.rows) == Array(0...100))
        stored.expectLimits()
    }

    @Test func largeRowsHaveChunksOfTheirOwn() {
        var chunks = RowChunks(end: 3)
        chunks.append([Self.row(0, bytes: 10_000), Self.row(1, bytes: 10_000), Self.row(2)])
        #expect(chunks.changes.map(\.number) == [3, 4, 5])
        #expect(chunks.end == 6)
    }

    @Test func rowsThatOutgrowTheirChunkAreLaidDownAgain() {
        var stored = Stored()
        var chunks = RowChunks(end: 0)
        chunks.append((0..<200).map { Self.row($0) })
        stored.apply(chunks)
        var changed = RowChunks(stored.sorted)
        let count = changed.replace { row in
            let number = Self.numbers([row])[0]
            return (70..<80).contains(number) ? Self.row(number, bytes: 5_000) : nil
        }
        #expect(count == 10)
        #expect(!changed.changes.map(\.number).contains(0), "what comes before stays as it is")
        stored.apply(changed)
        stored.expectLimits()
        #expect(Self.numbers(stored.rows) == Array(0..<200))
    }

    @Test func whatIsLeftOfAChunkMovesIntoTheOneBefore() {
        var stored = Stored()
        var chunks = RowChunks(end: 0)
        chunks.append((0..<640).map { Self.row($0) })
        stored.apply(chunks)
        var changed = RowChunks(stored.sorted)
        #expect(changed.remove { Self.numbers([$0])[0] % 64 != 0 } == 630)
        stored.apply(changed)
        #expect(Self.numbers(stored.rows) == (0..<10).map { $0 * 64 })
        #expect(stored.chunks.count == 1)
        var emptied = RowChunks(stored.sorted)
        #expect(emptied.remove { _ in true } == 10)
        stored.apply(emptied)
        #expect(stored.chunks.isEmpty)
    }

    @Test func whatDoesNotChangeIsNotStored() {
        var chunks = RowChunks(end: 0)
        chunks.append((0..<200).map { Self.row($0) })
        var stored = Stored()
        stored.apply(chunks)
        var same = RowChunks(stored.sorted)
        #expect(same.replace { _ in nil } == 0 && same.remove { _ in false } == 0)
        #expect(same.changes.isEmpty)
    }

    /// Any changes in any order leave the rows that a plain array has.
    @Test(arguments: 0..<10)
    func rowsAreThoseOfAPlainArray(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var stored = Stored()
        var plain: [Int] = []
        var next = 0
        for _ in 0..<30 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let count = Int.random(in: 1...120, using: &random)
                let rows = (next..<next + count).map { Self.row($0, bytes: $0 % 7 == 0 ? 900 : 0) }
                var chunks = stored.sorted.last.map { RowChunks([$0]) } ?? RowChunks(end: 0)
                chunks.append(rows)
                stored.apply(chunks)
                plain += next..<next + count
                next += count
            case 2:
                let modulus = Int.random(in: 2...9, using: &random)
                let bytes = Int.random(in: 0...3_000, using: &random)
                var chunks = RowChunks(stored.sorted)
                _ = chunks.replace { row in
                    let number = Self.numbers([row])[0]
                    return number % modulus == 0 ? Self.row(number, bytes: bytes) : nil
                }
                stored.apply(chunks)
            default:
                let modulus = Int.random(in: 1...5, using: &random)
                var chunks = RowChunks(stored.sorted)
                let removed = chunks.remove { Self.numbers([$0])[0] % modulus == 0 }
                let former = plain.count
                plain.removeAll { $0 % modulus == 0 }
                #expect(removed == former - plain.count)
                stored.apply(chunks)
            }
            #expect(Self.numbers(stored.rows) == plain)
            stored.expectLimits()
        }
    }
}
