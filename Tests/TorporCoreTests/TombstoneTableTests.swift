import Testing
import TorporCore

@Suite struct TombstoneTableTests {
    private let start = WallTime(milliseconds: 1_000)

    private static func insert(_ name: UInt64, _ expiry: WallTime, _ now: WallTime, into table: inout TombstoneTable)
        -> Bool
    {
        table.insert(name, expiry: expiry, now: now)
    }

    @Test func anEntryIsFoundUntilItExpires() {
        var table = TombstoneTable(capacity: 10)
        #expect(Self.insert(1, self.start + .seconds(10), self.start, into: &table))
        #expect(table.contains(1))
        #expect(!table.contains(2))
        // Expired entries go when the next one comes.
        #expect(Self.insert(2, self.start + .seconds(20), self.start + .milliseconds(9_999), into: &table))
        #expect(table.contains(1))
        #expect(Self.insert(3, self.start + .seconds(30), self.start + .seconds(10), into: &table))
        #expect(!table.contains(1) && table.contains(2) && table.contains(3))
    }

    @Test func theSameEntryIsTakenOnce() {
        var table = TombstoneTable(capacity: 10)
        #expect(Self.insert(1, self.start + .seconds(10), self.start, into: &table))
        #expect(!Self.insert(1, self.start + .seconds(10), self.start, into: &table))
        #expect(table.count == 1)
    }

    @Test func atCapacityTheOldestGoes() {
        var table = TombstoneTable(capacity: 3)
        for name in 1...3 as ClosedRange<UInt64> {
            #expect(Self.insert(name, self.start + .seconds(10), self.start, into: &table))
        }
        #expect(table.count == 3 && table.contains(1))
        #expect(Self.insert(4, self.start + .seconds(10), self.start, into: &table))
        #expect(table.count == 3 && !table.contains(1) && table.contains(2) && table.contains(4))
    }

    @Test func aLongRunStaysWithinItsCapacity() {
        var table = TombstoneTable(capacity: 1_000)
        for name in 0..<100_000 as Range<UInt64> {
            #expect(Self.insert(name, self.start + .seconds(10), self.start, into: &table))
            #expect(table.count <= 1_000)
        }
        for name in 0..<100_000 as Range<UInt64> { #expect(table.contains(name) == (name >= 99_000)) }
    }
}
