import Synchronization
import Testing
import TorporCore
import TorporEngine

/// Where values are kept, for how long, and how much memory that takes.
@Suite struct ResidentArenaTests {
    private typealias Name = ArenaModel.Name

    private static func arena() throws -> TestArena { try TestArena(residentMax: .mebibytes(64)) }

    private static func model() throws -> ArenaModel { ArenaModel(try ResidentArena(residentMax: .mebibytes(64))) }

    // MARK: Values

    @Test(arguments: [0, 1, 7, 8, 9, 4_096, ResidentArena.packedMax, ResidentArena.packedMax + 1, 1 << 20])
    func aValueHasTheBytesThatWereWritten(count: Int) throws {
        let arena = try Self.arena()
        let place = try #require(arena.allocate(count: count, owner: 1, tag: 2))
        arena.fill(place, 7)
        #expect(arena.isFilled(place, 7, count: count))
        #expect(arena.count(of: place) == count)
        #expect(place.ownsPages == (count > ResidentArena.packedMax))
        #expect(arena.liveBytes == ResidentArena.footprint(of: count))
        arena.free(place)
        #expect(arena.liveBytes == 0)
    }

    @Test func aSmallValueTakesAtMostFifteenBytesMore() {
        for count in 0...ResidentArena.packedMax { #expect(ResidentArena.footprint(of: count) - count <= 15) }
        #expect(MemoryLayout<Place>.size == 8)
    }

    @Test func aLargeValueTakesWholePages() {
        let page = ResidentArena.pageSize
        #expect(ResidentArena.footprint(of: 16 * page) == 16 * page)
        #expect(ResidentArena.footprint(of: 16 * page + 1) == 17 * page)
    }

    @Test func aValueThatIsTooLargeOrFindsNoSpaceIsRefused() throws {
        let arena = try Self.arena()
        #expect(arena.allocate(count: ResidentArena.countMax + 1) == nil)
        var places: [Place] = []
        while let place = arena.allocate(count: 256 << 20) { places.append(place) }
        #expect(places.count == 5)
        // What is freed is there for the next.
        arena.free(places[2])
        #expect(arena.allocate(count: 256 << 20) == places[2])
        // Small values have space of their own.
        #expect(arena.allocate(count: 1) != nil)
    }

    @Test func smallValuesFindNoSpaceOnceAllSegmentsAreInUse() throws {
        let arena = try TestArena(residentMax: ByteCount(0))
        var places: [Place] = []
        while let place = arena.allocate(count: ResidentArena.packedMax) { places.append(place) }
        #expect(places.count == 64 * 15)
        // Freeing all of one segment makes that segment empty.
        for place in places[15..<30] { arena.free(place) }
        #expect(arena.allocate(count: ResidentArena.packedMax) == places[15])
    }

    @Test func aRefusedReservationSaysWhatToDo() {
        let refusal = ArenaUnavailable(reserved: .gibibytes(5), systemError: 12)
        #expect("\(refusal)".hasPrefix("The system refused 5120 MiB of address space (error 12)."))
    }

    // MARK: Committed pages

    @Test func pagesAreCommittedAsTheyAreTouched() throws {
        let arena = try Self.arena()
        let page = ResidentArena.pageSize
        #expect(arena.committedBytes == 0)
        let first = try #require(arena.allocate(count: page - 8))
        #expect(arena.committedBytes == page && arena.segmentCount == 1)
        let second = try #require(arena.allocate(count: 0, owner: 1, tag: 1))
        #expect(arena.committedBytes == 2 * page && arena.liveBytes == page + 8)
        arena.free(first)
        #expect(arena.releasableBytes == 0)
        arena.free(second)
        #expect(arena.committedBytes == 2 * page && arena.releasableBytes == 2 * page && arena.segmentCount == 0)
        arena.giveBack()
        #expect(arena.committedBytes == 0 && arena.releasableBytes == 0)
    }

    @Test func whatWasFreedServesTheNextValueBeforeItIsGivenBack() throws {
        let arena = try Self.arena()
        let large = try #require(arena.allocate(count: 100_000))
        arena.free(large)
        #expect(arena.allocate(count: 80_000) == large)
        // The pages of the larger one are still there, and counted.
        #expect(arena.committedBytes == ResidentArena.footprint(of: 100_000))
        #expect(arena.releasableBytes == 0)
        let small = try #require(arena.allocate(count: 100))
        arena.free(small)
        #expect(arena.allocate(count: 100) == small)
    }

    @Test func pagesThatAreBeingGivenBackAreNotUsed() throws {
        let arena = try Self.arena()
        let large = try #require(arena.allocate(count: 100_000))
        let small = try #require(arena.allocate(count: 100))
        arena.free(large)
        arena.free(small)
        let pages = arena.takeReleasable()
        #expect(!pages.isEmpty && arena.releasableBytes == 0 && arena.committedBytes > 0)
        let otherLarge = try #require(arena.allocate(count: 100_000))
        let otherSmall = try #require(arena.allocate(count: 100))
        #expect(otherLarge != large && otherSmall != small)
        for place in [otherLarge, otherSmall] { arena.fill(place, 3) }
        pages.giveBack()
        #expect(arena.isFilled(otherLarge, 3, count: 100_000) && arena.isFilled(otherSmall, 3, count: 100))
        arena.finishRelease(pages)
        #expect(arena.committedBytes == ResidentArena.footprint(of: 100_000) + ResidentArena.pageSize)
        // Now it is there again.
        #expect(arena.allocate(count: 100_000) == large)
    }

    @Test func noMoreIsTakenThanAskedForButOneSegmentOrRun() throws {
        let arena = try Self.arena()
        let places = try (0..<4).map { _ in try #require(arena.allocate(count: 64 << 10)) }
        for place in places { arena.free(place) }
        #expect(arena.takeReleasable(atMost: 0).isEmpty)
        var pages = arena.takeReleasable(atMost: 64 << 10)
        #expect(arena.releasableBytes == 3 * 64 << 10)
        pages.giveBack()
        arena.finishRelease(pages)
        #expect(arena.committedBytes == 3 * 64 << 10)
        pages = arena.takeReleasable(atMost: (64 << 10) + 1)
        #expect(arena.releasableBytes == 64 << 10)
        arena.finishRelease(pages)
    }

    // MARK: Pins

    @Test func aPinnedValueStaysUntilItsLastPinGoes() throws {
        let arena = try Self.arena()
        let place = try #require(arena.allocate(count: 50_000))
        arena.fill(place, 11)
        let first = arena.pin(place)
        let second = arena.pin(place)
        arena.free(place)
        #expect(arena.liveBytes == ResidentArena.footprint(of: 50_000))
        arena.giveBack()
        #expect(try #require(arena.allocate(count: 50_000)) != place)
        arena.unpin(first)
        #expect(second.bytes.count == 50_000 && ArenaModel.isFilled(second.bytes, 11))
        #expect(arena.releasableBytes == 0)
        arena.unpin(second)
        #expect(arena.releasableBytes == ResidentArena.footprint(of: 50_000))
        #expect(arena.liveBytes == ResidentArena.footprint(of: 50_000))
    }

    @Test func anUnpinnedValueThatWasNotFreedStays() throws {
        let arena = try Self.arena()
        let place = try #require(arena.allocate(count: 50_000))
        arena.unpin(arena.pin(place))
        #expect(arena.liveBytes == ResidentArena.footprint(of: 50_000) && arena.releasableBytes == 0)
        arena.fill(place, 1)
    }

    // MARK: Compaction

    @Test func whatIsLeftOfAFreedSegmentMoves() throws {
        let model = try Self.model()
        // Three segments of 248 values each, and the beginning of a fourth.
        for tag in 0..<800 as Range<UInt16> { #expect(model.add(Name(owner: 9, tag: tag), count: 1_044)) }
        #expect(model.segmentCount == 4 && !model.isFragmented)
        while model.count > 80 { _ = model.remove(at: model.count * 7 / 8) }
        #expect(model.isFragmented)
        let result = model.compact(atMost: .max)
        #expect(result.isConsistent && result.done > 0)
        #expect(!model.isFragmented && model.segmentCount == 1)
        #expect(model.holdsEverything() && model.arena.liveBytes == model.liveBytes)
        model.giveBack()
        #expect(model.committedBytes <= 256 << 10)
    }

    @Test func compactingStopsAtItsBoundAndGoesOnThere() throws {
        let model = try Self.model()
        for tag in 0..<800 as Range<UInt16> { #expect(model.add(Name(owner: 9, tag: tag), count: 1_044)) }
        while model.count > 80 { _ = model.remove(at: model.count * 7 / 8) }
        let footprint = ResidentArena.footprint(of: 1_044)
        var steps = 0
        while model.isFragmented {
            let result = model.compact(atMost: 1_000)
            #expect(result.isConsistent && result.done < 1_000 + 8 + footprint)
            #expect(model.holdsEverything())
            steps += 1
        }
        #expect(steps > 20 && model.segmentCount == 1)
        #expect(model.compact(atMost: 1_000).done == 0)
    }

    @Test func exactlyHalfIsNotSparseAndOneLessIs() throws {
        let arena = try Self.arena()
        // 16 values of 16 KiB fill a segment; one more seals it.
        let places = try (0..<17).map { tag in
            try #require(arena.allocate(count: (16 << 10) - 8, owner: 1, tag: UInt16(tag)))
        }
        #expect(arena.segmentCount == 2)
        for place in places[0..<8] { arena.free(place) }
        #expect(!arena.isFragmented)
        arena.free(places[8])
        #expect(arena.isFragmented)
        for place in places[9..<16] { arena.free(place) }
        #expect(!arena.isFragmented && arena.segmentCount == 1 && arena.releasableBytes == 256 << 10)
    }

    @Test func theEmptiestSegmentIsEmptiedFirst() throws {
        let arena = try Self.arena()
        // Four segments of 16 values, of which 7, 2, 5 and 16 stay.
        let places = try (0..<64).map { tag in
            try #require(arena.allocate(count: (16 << 10) - 8, tag: UInt16(tag)))
        }
        for index in Array(7..<16) + Array(18..<32) + Array(37..<48) { arena.free(places[index]) }
        var tags: [UInt16] = []
        while arena.isFragmented { _ = arena.compact(atMost: 1) { _, tag, _, _ in tags.append(tag) } }
        #expect(tags == Array(16..<18) + Array(32..<37) + Array(0..<7))
    }

    @Test func aSegmentMayBeFreedWhileItIsEmptied() throws {
        let model = try Self.model()
        for tag in 0..<300 as Range<UInt16> { #expect(model.add(Name(owner: 1, tag: tag), count: 1_044)) }
        // Of the first segment the last 50 stay.
        for index in (0..<198).reversed() { _ = model.remove(at: index) }
        #expect(model.isFragmented)
        while model.count > 0 {
            #expect(model.compact(atMost: 2_000).isConsistent)
            _ = model.remove(at: model.count / 2)
        }
        #expect(!model.isFragmented && model.arena.liveBytes == 0 && model.segmentCount == 0)
    }

    @Test func aRelabelledValueMovesUnderItsNewName() throws {
        let arena = try Self.arena()
        let kept = try #require(arena.allocate(count: 1_000, owner: 1, tag: 1))
        let others = try (0..<400).map { _ in try #require(arena.allocate(count: 1_000, owner: 2, tag: 0)) }
        arena.relabel(kept, owner: 3, tag: 4)
        for place in others { arena.free(place) }
        var names: [[UInt32]] = []
        _ = arena.compact(atMost: .max) { owner, tag, from, _ in
            #expect(from == kept)
            names.append([owner, UInt32(tag)])
        }
        #expect(names == [[3, 4]])
    }

    // MARK: Impossible calls

    @Test func aValueIsFreedOnce() async {
        await #expect(processExitsWith: .failure) {
            let arena = try TestArena(residentMax: .mebibytes(1))
            let place = try #require(arena.allocate(count: 10))
            _ = arena.allocate(count: 10, owner: 1, tag: 1)
            arena.free(place)
            arena.free(place)
        }
        await #expect(processExitsWith: .failure) {
            let arena = try TestArena(residentMax: .mebibytes(1))
            let place = try #require(arena.allocate(count: 50_000))
            arena.free(place)
            arena.free(place)
        }
    }

    @Test func aSmallValueIsNotPinned() async {
        await #expect(processExitsWith: .failure) {
            let arena = try TestArena(residentMax: .mebibytes(1))
            _ = arena.pin(try #require(arena.allocate(count: 10)))
        }
    }

    @Test func aValueIsUnpinnedAsOftenAsItWasPinned() async {
        await #expect(processExitsWith: .failure) {
            let arena = try TestArena(residentMax: .mebibytes(1))
            let value = arena.pin(try #require(arena.allocate(count: 50_000)))
            arena.unpin(value)
            arena.unpin(value)
        }
    }

    @Test func aPinnedValueIsReadWhileOthersComeAndGo() async throws {
        final class Owner: Sendable {
            let arena: Mutex<ResidentArena>
            init(_ arena: consuming sending ResidentArena) { self.arena = Mutex(arena) }
        }
        let owner = Owner(try ResidentArena(residentMax: .mebibytes(64)))
        await withTaskGroup { group in
            for worker in 0..<4 as Range<UInt64> {
                group.addTask {
                    for step in 0..<100 as Range<UInt64> {
                        let pattern = worker << 32 | step
                        let value = owner.arena.withLock { arena in
                            // There is space for more than all of them.
                            let place = arena.allocate(count: 40_000, owner: UInt32(worker), tag: 0)!
                            arena.withMutableBytes(of: place) { ArenaModel.fill($0, pattern) }
                            let value = arena.pin(place)
                            arena.free(place)
                            return value
                        }
                        let pages = owner.arena.withLock { $0.takeReleasable() }
                        pages.giveBack()
                        owner.arena.withLock { $0.finishRelease(pages) }
                        #expect(ArenaModel.isFilled(value.bytes, pattern))
                        owner.arena.withLock { $0.unpin(value) }
                    }
                }
            }
        }
        owner.arena.withLock { arena in
            let pages = arena.takeReleasable()
            pages.giveBack()
            arena.finishRelease(pages)
        }
        let (live, committed) = owner.arena.withLock { ($0.liveBytes, $0.committedBytes) }
        #expect(live == 0 && committed == 0)
    }

    @Test func aPinnedValueIsNotWritten() async {
        await #expect(processExitsWith: .failure) {
            let arena = try TestArena(residentMax: .mebibytes(1))
            let place = try #require(arena.allocate(count: 50_000))
            _ = arena.pin(place)
            arena.fill(place, 1)
        }
    }

    @Test func nobodyOwnsNothing() async {
        await #expect(processExitsWith: .failure) {
            let arena = try TestArena(residentMax: .mebibytes(1))
            _ = arena.allocate(count: 10, owner: .max, tag: 0)
        }
    }
}
