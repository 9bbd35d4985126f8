import Testing
import TorporCore

@Suite struct DictionaryShrinkingTests {
    private func dictionary(_ count: Int) -> [Int: String] {
        Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, "\($0)") })
    }

    @Test func aTableOfWhichLittleIsLeftIsReplacedByASmallerOne() {
        var table = self.dictionary(100_000)
        let full = table.capacity
        for key in 1_000..<100_000 {
            table[key] = nil
            table.shrinkIfSparse()
        }
        #expect(table == self.dictionary(1_000))
        #expect(table.capacity < full / 8)
    }

    @Test func aTableThatIsAnEighthFullStays() {
        var table = self.dictionary(100_000)
        let full = table.capacity
        for key in full / 8..<100_000 { table[key] = nil }
        table.shrinkIfSparse()
        #expect(table.capacity == full)
        table[0] = nil
        table.shrinkIfSparse()
        #expect(table.capacity < full)
    }

    @Test func aSmallTableStays() {
        var table = self.dictionary(1_000)
        let full = table.capacity
        table.removeAll(keepingCapacity: true)
        table.shrinkIfSparse()
        #expect(table.capacity == full)
    }
}
