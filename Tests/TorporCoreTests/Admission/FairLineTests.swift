import Testing
import TorporTestSupport

@testable import TorporCore

/// In which order callers get their turns, and that nothing is kept of those who left.
@Suite struct FairLineTests {
    @Test func callersTakeTurns() {
        var line = FairLine<Int, Int>()
        for item in [101, 102, 103] { _ = line.append(item, of: 1) }
        for item in [201, 202] { _ = line.append(item, of: 2) }
        #expect(line.oldest == 101 && line.count == 5)
        #expect((0..<5).compactMap { _ in line.popNext() } == [101, 201, 102, 202, 103])
        #expect(line.popNext() == nil && line.isEmpty && line.tableCount == 0)
    }

    @Test func whoIsPassedOverKeepsWhatItHas() {
        var line = FairLine<Int, Int>()
        for item in [101, 102] { _ = line.append(item, of: 1) }
        _ = line.append(201, of: 2)
        #expect(line.popNext { $0 != 1 } == 201)
        #expect(line.popNext { $0 != 1 } == nil)
        #expect(line.popNext() == 101 && line.popNext() == 102)
    }

    @Test func nothingIsKeptOfThoseWhoCameAndWent() {
        var line = FairLine<Int, Int>()
        _ = line.append(0, of: 0)
        var largest = 0
        for caller in 1..<10_000 {
            let ticket = line.append(caller, of: caller)
            #expect(line.remove(ticket) == caller && line.remove(ticket) == nil)
            largest = max(largest, line.tableCount)
        }
        #expect(largest < 60)
        #expect(line.popNext() == 0)
    }

    /// A line that is obviously right, and slow.
    private struct Model {
        var waiting: [(caller: Int, item: Int)] = []
        var ring: [Int] = []

        mutating func append(_ item: Int, of caller: Int) {
            self.waiting.append((caller, item))
            if !self.ring.contains(caller) { self.ring.append(caller) }
        }
        mutating func remove(_ item: Int) -> Int? {
            guard let place = self.waiting.firstIndex(where: { $0.item == item }) else { return nil }
            let caller = self.waiting.remove(at: place).caller
            if !self.waiting.contains(where: { $0.caller == caller }) { self.ring.removeAll { $0 == caller } }
            return item
        }
        mutating func popNext(where isEligible: (Int) -> Bool) -> Int? {
            for _ in self.ring {
                let caller = self.ring.removeFirst()
                self.ring.append(caller)
                guard isEligible(caller) else { continue }
                guard let item = self.waiting.first(where: { $0.caller == caller })?.item else { return nil }
                return self.remove(item)
            }
            return nil
        }
    }

    @Test func itDoesWhatASimplerLineDoes() {
        for seed in 0..<100 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var line = FairLine<Int, Int>()
            var model = Model()
            var tickets: [(item: Int, ticket: FairLine<Int, Int>.Ticket)] = []
            for step in 0..<400 {
                switch Int.random(in: 0..<9, using: &random) {
                case 0..<4:
                    let caller = Int.random(in: 0..<5, using: &random)
                    tickets.append((step, line.append(step, of: caller)))
                    model.append(step, of: caller)
                case 4..<7:
                    let bar = Int.random(in: 0..<6, using: &random)
                    let popped = line.popNext { $0 != bar }
                    #expect(popped == model.popNext { $0 != bar }, "seed \(seed), step \(step)")
                default:
                    guard let (item, ticket) = tickets.randomElement(using: &random) else { continue }
                    let removed = line.remove(ticket)
                    #expect(removed == model.remove(item), "seed \(seed), step \(step)")
                }
                #expect(line.count == model.waiting.count && line.oldest == model.waiting.first?.item)
                var callers: [Int] = []
                line.forEachCaller { caller, count in
                    callers.append(caller)
                    #expect(count == model.waiting.count { $0.caller == caller }, "seed \(seed), step \(step)")
                }
                #expect(callers == model.ring, "seed \(seed), step \(step)")
            }
        }
    }
}
