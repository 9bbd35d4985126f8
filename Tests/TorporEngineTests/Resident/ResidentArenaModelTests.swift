import Testing
import TorporCore
import TorporEngine
import TorporTestSupport

/// Random workloads against a model: bytes are never mixed up, and memory stays within what is promised.
@Suite struct ResidentArenaModelTests {
    /// How long values are.
    enum Sizes: CaseIterable {
        case tiny, small, mixed, large

        func next(_ random: inout SeededGenerator) -> Int {
            switch self {
            case .tiny: Int.random(in: 0...24, using: &random)
            case .small: Int.random(in: 0...3_000, using: &random)
            case .mixed:
                switch Int.random(in: 0..<20, using: &random) {
                case 0: Int.random(in: 9_000...ResidentArena.packedMax + 200, using: &random)
                case 1: Int.random(in: ResidentArena.packedMax...300_000, using: &random)
                default: Int.random(in: 0...8_000, using: &random)
                }
            case .large: Int.random(in: ResidentArena.packedMax + 1...400_000, using: &random)
            }
        }

        /// Values of which a few MiB are made.
        var countMax: Int {
            switch self {
            case .tiny: 40_000
            case .small: 4_000
            case .mixed: 800
            case .large: 40
            }
        }
    }

    @Test(arguments: Sizes.allCases, [1, 2, 3] as [UInt64])
    func memoryStaysBelowTwiceWhatIsAlive(sizes: Sizes, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let model = ArenaModel(try ResidentArena(residentMax: .mebibytes(64)))
        var name: UInt64 = 0
        func nextName() -> ArenaModel.Name {
            name += 1
            return ArenaModel.Name(owner: UInt32(name >> 4), tag: UInt16(name & 15))
        }
        // Grows, churns, and shrinks to nothing, several times; evicting comes in bursts.
        for round in 0..<4 {
            let target = round == 3 ? 0 : Int.random(in: 1...sizes.countMax, using: &random)
            while model.count < target { #expect(model.add(nextName(), count: sizes.next(&random))) }
            #expect(model.holdsEverything())
            for _ in 0..<target / 4 {
                var freed = 0
                for _ in 0..<Int.random(in: 0...3, using: &random) where model.count > 0 {
                    freed += model.remove(at: Int.random(in: 0..<model.count, using: &random))
                }
                for _ in 0..<Int.random(in: 0...2, using: &random) {
                    #expect(model.add(nextName(), count: sizes.next(&random)))
                }
                Self.keepUp(model, freed: freed)
            }
            let floor = model.count / 12
            while model.count > (round == 3 ? 0 : floor) {
                let freed = model.remove(at: Int.random(in: 0..<model.count, using: &random))
                Self.keepUp(model, freed: freed)
            }
            #expect(model.holdsEverything())
        }
        #expect(model.arena.liveBytes == 0 && model.committedBytes == 0 && model.segmentCount == 0)
    }

    /// Does what the arena's documentation asks for after freeing, and checks what it promises.
    private static func keepUp(_ model: ArenaModel, freed: Int) {
        let result = model.compact(atMost: 4 * freed)
        #expect(result.isConsistent)
        model.giveBack()
        let (live, committed) = (model.arena.liveBytes, model.committedBytes)
        #expect(live == model.liveBytes)
        #expect(committed < 2 * live + 1 << 20, "\(committed) bytes for \(live)")
    }

    @Test(arguments: [11, 12] as [UInt64])
    func compactingToTheEndLeavesHalfFullSegments(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let model = ArenaModel(try ResidentArena(residentMax: .mebibytes(64)))
        for index in 0..<20_000 as Range<UInt32> {
            #expect(model.add(.init(owner: index, tag: 0), count: Int.random(in: 900...1_100, using: &random)))
        }
        for share in [2, 10, 100] {
            while model.count > 20_000 / share {
                _ = model.remove(at: Int.random(in: 0..<model.count, using: &random))
            }
            while model.isFragmented { #expect(model.compact(atMost: 64 << 10).isConsistent) }
            model.giveBack()
            #expect(model.holdsEverything())
            #expect(model.committedBytes < 2 * model.arena.liveBytes + 256 << 10)
        }
    }

    @Test func valuesThatWereReadWithoutTheLockAreTheOnesThatWereWritten() throws {
        var random = SeededGenerator(seed: 5)
        let arena = try TestArena(residentMax: .mebibytes(64))
        var held: [(place: Place, pattern: UInt64)] = []
        var pinned: [(value: PinnedValue, pattern: UInt64)] = []
        for step in 0..<4_000 as Range<UInt64> {
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where held.count < 30:
                let count = Int.random(in: ResidentArena.packedMax + 1...200_000, using: &random)
                let place = try #require(arena.allocate(count: count))
                arena.fill(place, step)
                held.append((place, step))
            case 1 where !held.isEmpty:
                let (place, pattern) = held[Int.random(in: 0..<held.count, using: &random)]
                pinned.append((arena.pin(place), pattern))
            case 2 where !held.isEmpty:
                arena.free(held.remove(at: Int.random(in: 0..<held.count, using: &random)).place)
            case 3 where !pinned.isEmpty:
                let (value, pattern) = pinned.remove(at: Int.random(in: 0..<pinned.count, using: &random))
                #expect(ArenaModel.isFilled(value.bytes, pattern))
                arena.unpin(value)
            default:
                arena.giveBack(atMost: Int.random(in: 0...500_000, using: &random))
            }
        }
        for (value, pattern) in pinned {
            #expect(ArenaModel.isFilled(value.bytes, pattern))
            arena.unpin(value)
        }
        for (place, _) in held { arena.free(place) }
        arena.giveBack()
        #expect(arena.liveBytes == 0 && arena.committedBytes == 0)
    }
}
