import Testing

@testable import TorporEngine
import TorporTestSupport

/// Which address space large values get.
@Suite struct RunTableTests {
    private static let unit = 32 << 10

    private static func table(units: Int) -> RunTable { RunTable(spaceMax: units * Self.unit, pageSize: 4_096) }

    private static func giveBack(_ table: inout RunTable) {
        while let run = table.release() { table.released(run) }
    }

    @Test func neighboursAreJoined() {
        var table = Self.table(units: 16)
        let runs = (0..<16).map { _ in table.allocate(Self.unit) }
        #expect(runs == Array(0..<16))
        var none = table.allocate(1)
        #expect(none == nil)
        for run in [3, 1, 2, 0, 9] as [UInt32] { table.free(run) }
        // Vacant runs are not joined, since their pages are still there.
        none = table.allocate(4 * Self.unit)
        #expect(none == nil)
        Self.giveBack(&table)
        let joined = table.allocate(4 * Self.unit)
        #expect(joined == 0 && table.span(of: 0) == 4 * Self.unit)
        let single = table.allocate(Self.unit)
        #expect(single == 9)
        none = table.allocate(1)
        #expect(none == nil)
    }

    @Test func aRunStartsAtAMultipleOfItsSpanAndTheGapIsUsed() {
        var table = Self.table(units: 64)
        let first = table.allocate(1)
        let large = table.allocate(7 * Self.unit + 1)
        #expect(first == 0 && large == 8 && table.unitCount == 16)
        let pair = table.allocate(2 * Self.unit)
        let single = table.allocate(Self.unit)
        let four = table.allocate(3 * Self.unit)
        #expect(single == 1 && pair == 2 && four == 4 && table.unitCount == 16)
    }

    @Test func aRunIsSplitForSmallerValues() {
        var table = Self.table(units: 8)
        let large = table.allocate(8 * Self.unit)
        #expect(large == 0)
        table.free(0)
        Self.giveBack(&table)
        let runs = (0..<8).map { _ in table.allocate(Self.unit) }
        #expect(Set(runs) == Set(0..<8))
    }

    /// Sixteen times what is live is enough, whatever comes and goes.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func addressSpaceDoesNotRunOut(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let liveMax = 4_096 * Self.unit
        var table = Self.table(units: 16 * 4_096)
        var runs: [(run: UInt32, count: Int)] = []
        var live = 0
        for phase in 0..<24 {
            // Another size in each phase: from a unit to 8 MiB, up and down.
            let scale = Self.unit << (phase < 12 ? phase % 9 : 8 - phase % 9)
            for _ in 0..<3_000 {
                let count = Int.random(in: scale / 2 + 1...scale, using: &random)
                while live + count > liveMax {
                    let index = Int.random(in: 0..<runs.count, using: &random)
                    let freed = runs[index]
                    runs[index] = runs[runs.count - 1]
                    runs.removeLast()
                    table.free(freed.run)
                    live -= freed.count
                }
                guard let run = table.allocate(count) else {
                    Issue.record("no space for \(count) bytes in phase \(phase)")
                    return
                }
                runs.append((run, count))
                live += count
                if runs.count % 64 == 0 { Self.giveBack(&table) }
            }
        }
        // No two overlap.
        let ends = runs.map { (Int($0.run), Int($0.run) + table.span(of: $0.run) / Self.unit) }.sorted { $0.0 < $1.0 }
        for (left, right) in zip(ends, ends.dropFirst()) { #expect(left.1 <= right.0) }
        for run in runs { table.free(run.run) }
        Self.giveBack(&table)
        #expect(table.liveBytes == 0 && table.committedBytes == 0 && table.vacantBytes == 0)
        // All is one again.
        let whole = table.allocate(table.unitMax / 2 * Self.unit)
        #expect(whole != nil)
    }
}
