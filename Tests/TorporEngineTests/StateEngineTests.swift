import Synchronization
import Testing
import TorporCore
@testable import TorporEngine
import TorporStore

struct StateEngineTests {
    @Test func whatWasSetIsReadAndStored() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            #expect(try await fixture.get("a", of: name) == "one")
            #expect(fixture.store.values(of: name.id)?.keys.sorted() == ["a"])
        }
    }

    @Test func readingWhatNeverWasKeepsNothing() async throws {
        try await EngineFixture.run { fixture in
            let absent = try await fixture.get("a", of: .session(1))
            #expect(absent == nil)
            #expect(fixture.store.state.withLock { $0.objects.isEmpty && $0.batches.isEmpty })
            #expect(fixture.engine.state.withLock { $0.numbers.isEmpty && $0.ledger.usedBytes == 0 })
        }
    }

    @Test func anEvictedObjectWakesAsItWas() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            try await fixture.set("b", "two", of: name)
            #expect(fixture.engine.evict(name.id))
            #expect(fixture.engine.state.withLock { $0.numbers.isEmpty && $0.ledger.usedBytes == 0 })
            #expect(try await fixture.get("a", of: name) == "one")
            try await fixture.set("b", "three", of: name)
            #expect(fixture.engine.evict(name.id))
            #expect(try await fixture.get("b", of: name) == "three")
        }
    }

    @Test func concurrentCallsShareOneLoad() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            #expect(fixture.engine.evict(name.id))
            let before = fixture.store.state.withLock { $0.loadCount }
            fixture.store.holdLoads()
            try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<10 { group.addTask { try await fixture.get("a", of: name) } }
                await fixture.store.arrival()
                fixture.store.releaseLoads()
                for try await value in group { #expect(value == "one") }
            }
            #expect(fixture.store.state.withLock { $0.loadCount } == before + 1)
        }
    }

    @Test func concurrentUpdatesAllTakeEffect() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await fixture.call { use in
                            try await use.update(name) { transaction in
                                let count = try transaction.value([1])?.first ?? 0
                                transaction.set([1], [count + 1])
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.call({ try await $0.value([1], of: name) }) == [100])
        }
    }

    @Test func anUpdateThatThrowsChangesNothing() async throws {
        struct Failure: Error {}
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            await #expect(throws: Failure.self) {
                try await fixture.call { use in
                    try await use.update(name) { transaction in
                        transaction.set(Array("a".utf8), [])
                        throw Failure()
                    }
                }
            }
            #expect(try await fixture.get("a", of: name) == "one")
        }
    }

    @Test func nothingLeavesACallBeforeItsChangeIsDurable() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            fixture.store.holdCommits()
            let use = fixture.engine.use()
            defer { use.end() }
            try await use.update(name) { $0.set([1], [1]) }
            async let passes: Void = use.durable()
            await fixture.store.arrival()
            #expect(fixture.store.values(of: name.id) == nil)
            fixture.store.releaseCommits()
            try await passes
            #expect(fixture.store.values(of: name.id) != nil)
        }
    }

    @Test func aReaderWaitsForTheWriterBeforeIt() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            fixture.store.holdCommits()
            let writer = fixture.engine.use()
            try await writer.update(name) { $0.set([1], [1]) }
            await fixture.store.arrival()
            let reader = fixture.engine.use()
            #expect(try await reader.value([1], of: name) == [1])
            async let passes: Void = reader.durable()
            fixture.store.releaseCommits()
            try await passes
            #expect(fixture.store.values(of: name.id) != nil)
            reader.end()
            writer.end()
        }
    }

    @Test func aRefusedCommitFailsWhoSawItAndNobodyElse() async throws {
        try await EngineFixture.run { fixture in
            let (offender, neighbour) = (ObjectName.session(1), ObjectName.session(2, account: .principal(2)))
            try await fixture.set("a", "kept", of: offender)
            let early = fixture.engine.use()
            #expect(try await early.value(Array("a".utf8), of: offender) == Array("kept".utf8))
            fixture.store.script(.refusedObjects([offender.id], .full))
            async let other: Void = fixture.set("a", "two", of: neighbour)
            await #expect(throws: EngineError.self) { try await fixture.set("a", "lost", of: offender) }
            try await other
            // Who saw only what is durable goes on, and sees what is stored.
            try await early.durable()
            #expect(try await early.value(Array("a".utf8), of: offender) == Array("kept".utf8))
            early.end()
            #expect(try await fixture.get("a", of: offender) == "kept")
            #expect(try await fixture.get("a", of: neighbour) == "two")
            try await fixture.set("a", "new", of: offender)
            #expect(try await fixture.get("a", of: offender) == "new")
        }
    }

    @Test func whoSawWhatIsLostFailsAtItsNextAccess() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            fixture.store.holdCommits()
            fixture.store.script(.refused(.revisionMismatch))
            let use = fixture.engine.use()
            defer { use.end() }
            try await use.update(name) { $0.set([1], [1]) }
            await fixture.store.arrival()
            let gate = Task { try await use.durable() }
            fixture.store.releaseCommits()
            await #expect(throws: EngineError.self) { try await gate.value }
            await #expect(throws: EngineError.self) { try await use.value([1], of: name) }
        }
    }

    @Test(arguments: [true, false])
    func anUnknownOutcomeIsSettledBeforeAnybodyGoesOn(isDone: Bool) async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            fixture.store.script(isDone ? .unknownButDone : .unknownAndLost)
            if isDone {
                try await fixture.set("a", "two", of: name)
            } else {
                await #expect(throws: EngineError.self) { try await fixture.set("a", "two", of: name) }
            }
            #expect(try await fixture.get("a", of: name) == (isDone ? "two" : "one"))
            try await fixture.set("a", "three", of: name)
            #expect(try await fixture.get("a", of: name) == "three")
        }
    }

    @Test func aStoreThatIsAwayForAMomentIsWaitedFor() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.unavailable, .unavailable)
            async let done: Void = fixture.set("a", "one", of: .session(1))
            // The collector's sleep and the pause before the next attempt.
            for _ in 0..<2 {
                await fixture.time.arrival(ofSleepers: 2)
                fixture.time.advance(by: .milliseconds(20))
            }
            try await done
        }
    }

    @Test func aStoreThatStaysAwayRefusesTheChange() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.unavailable, .unavailable)
            let done = Task { try await fixture.set("a", "one", of: .session(1)) }
            await fixture.time.arrival(ofSleepers: 2)
            fixture.time.advance(by: .seconds(11))
            await #expect(throws: EngineError.self) { try await done.value }
            let absent = try await fixture.get("a", of: .session(1))
            #expect(absent == nil)
        }
    }

    @Test func aHandleIsMadeAndNobodyElseReachesIt() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.handle(1)
            try await fixture.call { try await $0.create(name) }
            try await fixture.set("a", "one", of: name)
            for stranger in [
                ObjectName.handle(1, account: .principal(2)), .handle(1, account: .anonymous(1)),
                .handle(1, name: "cart"), .handle(2),
            ] {
                let error = await #expect(throws: EngineError.self) { try await fixture.get("a", of: stranger) }
                #expect(error?.code == .missing)
            }
            _ = fixture.engine.evict(name.id)
            let error = await #expect(throws: EngineError.self) {
                try await fixture.get("a", of: .handle(1, account: .principal(2)))
            }
            #expect(error?.code == .missing)
            #expect(try await fixture.get("a", of: name) == "one")
        }
    }

    @Test func aDeletedObjectIsGoneForWhoHasItInUse() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.handle(1)
            try await fixture.call { try await $0.create(name) }
            try await fixture.set("a", "one", of: name)
            let use = fixture.engine.use()
            _ = try await use.value(Array("a".utf8), of: name)
            try await fixture.engine.delete(name, tombstone: nil)
            let error = await #expect(throws: EngineError.self) { try await use.value(Array("a".utf8), of: name) }
            #expect(error?.code == .missing)
            use.end()
            #expect(fixture.store.values(of: name.id) == nil)
            #expect(fixture.engine.state.withLock { $0.quota.objectCount == 0 && $0.quota.usedBytes == 0 })
        }
    }

    @Test func whoMayNotDeleteIsNotRemembered() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.holdCommits()
            let owner = fixture.engine.use()
            defer { owner.end() }
            try await owner.create(.handle(1))
            let stranger = ObjectName.handle(1, account: .principal(2))
            await #expect(throws: EngineError.self) { try await fixture.engine.delete(stranger, tombstone: nil) }
            #expect(fixture.engine.state.withLock { $0.quota.accountCount } == 1)
            fixture.store.releaseCommits()
            try await owner.durable()
        }
    }

    @Test func whatIsGoneIsNotDeletedOnceMore() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            try await fixture.set("a", "one", of: .session(2))
            _ = fixture.engine.evict(name.id)
            let deletionCount = fixture.engine.state.withLock { $0.deletionCount }
            let header = try await fixture.store.header(of: name.id)
            try await fixture.engine.delete(name, tombstone: fixture.time.wallTime)
            // Somebody else who had read the header before.
            let (now, time) = (fixture.time.now, fixture.time.wallTime)
            let hasStarted = try fixture.engine.state.withLock { state in
                try state.delete(
                    name, header, deletionCount: deletionCount, tombstone: time, by: Parked(), now: now, time: time)
            }
            #expect(!hasStarted)
            #expect(fixture.engine.state.withLock { $0.quota.objectCount } == 1)
        }
    }

    @Test(arguments: [true, false])
    func anEndedSessionIsNotServedAgain(hasObject: Bool) async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            if hasObject { try await fixture.set("a", "one", of: name) }
            _ = fixture.engine.evict(name.id)
            try await fixture.engine.delete(name, tombstone: fixture.time.wallTime + .seconds(60))
            #expect(fixture.engine.hasEnded(name.id))
            let error = await #expect(throws: EngineError.self) { try await fixture.get("a", of: name) }
            #expect(error?.code == .missing)
            #expect(fixture.store.state.withLock { $0.tombstones.map(\.session) } == [name.id])
        }
    }

    /// Nobody has them in use, so nothing but the deletion itself keeps what is known of them.
    @Test func sessionsThatNeverWereAreEndedWhileOthersAreCommitted() async throws {
        try await EngineFixture.run { fixture in
            let until = fixture.time.wallTime + .seconds(60)
            try await withThrowingDiscardingTaskGroup { group in
                for first in 0..<4 {
                    group.addTask {
                        for number in 0..<1_000 {
                            try await fixture.engine.delete(.session(first * 1_000 + number), tombstone: until)
                        }
                    }
                }
            }
            for number in 0..<4_000 { #expect(fixture.engine.hasEnded(ObjectName.session(number).id)) }
        }
    }

    @Test func idleObjectsLeaveMemoryAtTheirTimeAndNotBefore() async throws {
        let limits = EngineLimits(idleTimeout: .seconds(60))
        try await EngineFixture.run(limits: limits) { fixture in
            try await fixture.set("a", "one", of: .session(1))
            fixture.time.advance(by: .milliseconds(59_000))
            fixture.engine.evictIdle()
            #expect(fixture.engine.state.withLock { $0.numbers.count } == 1)
            #expect(try await fixture.get("a", of: .session(1)) == "one")
            fixture.time.advance(by: .seconds(59))
            fixture.engine.evictIdle()
            #expect(fixture.engine.state.withLock { $0.numbers.count } == 1)
            fixture.time.advance(by: .milliseconds(1_500))
            fixture.engine.evictIdle()
            #expect(fixture.engine.state.withLock { $0.numbers.isEmpty })
        }
    }

    @Test func aCallLongerThanTheIdleTimeoutKeepsItsObject() async throws {
        try await EngineFixture.run(limits: EngineLimits(idleTimeout: .seconds(60))) { fixture in
            let use = fixture.engine.use()
            try await use.update(.session(1)) { $0.set([1], [1]) }
            try await use.durable()
            fixture.time.advance(by: .seconds(600))
            fixture.engine.evictIdle()
            #expect(fixture.engine.state.withLock { $0.numbers.count } == 1)
            use.end()
            fixture.time.advance(by: .seconds(61))
            fixture.engine.evictIdle()
            #expect(fixture.engine.state.withLock { $0.numbers.isEmpty })
        }
    }

    @Test func theColdestLeaveWhenRoomIsNeededAndTheCapHolds() async throws {
        let limits = EngineLimits(
            memory: MemoryLimits(
                residentMax: .kibibytes(64), objectMax: .kibibytes(16), accountMax: .kibibytes(64),
                anonymousMax: .kibibytes(64), dirtyMax: .kibibytes(32)), evictionPolicy: .leastRecentlyUsed)
        try await EngineFixture.run(limits: limits) { fixture in
            for number in 1...40 {
                let name = ObjectName.session(number, account: .principal(UInt128(number)))
                try await fixture.set("a", String(repeating: "x", count: 8_000), of: name)
                #expect(fixture.engine.state.withLock { $0.ledger.usedBytes } <= 64 << 10)
            }
            for number in 1...40 {
                let name = ObjectName.session(number, account: .principal(UInt128(number)))
                #expect(try await fixture.get("a", of: name)?.utf8.count == 8_000)
            }
        }
    }

    @Test func anAccountMakesRoomAmongItsOwn() async throws {
        let limits = EngineLimits(
            memory: MemoryLimits(
                residentMax: .kibibytes(128), objectMax: .kibibytes(16), accountMax: .kibibytes(32),
                anonymousMax: .kibibytes(64), dirtyMax: .kibibytes(32)))
        try await EngineFixture.run(limits: limits) { fixture in
            let neighbour = ObjectName.session(1_000, account: .principal(2))
            try await fixture.set("a", "kept", of: neighbour)
            for number in 1...20 {
                try await fixture.set("a", String(repeating: "x", count: 8_000), of: .session(number))
            }
            #expect(fixture.engine.state.withLock { $0.numbers[neighbour.id] } != nil)
            for number in 1...20 { #expect(try await fixture.get("a", of: .session(number)) != nil) }
        }
    }

    @Test func aWriteOverTheLimitSaysSoAndChangesNothing() async throws {
        let limits = EngineLimits(
            memory: MemoryLimits(
                residentMax: .mebibytes(1), objectMax: .kibibytes(16), dirtyMax: .kibibytes(32)),
            storage: StorageLimits(totalMax: .kibibytes(64), accountMax: .kibibytes(32), objectValuesMax: 3))
        try await EngineFixture.run(limits: limits) { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            let tooLarge = await #expect(throws: EngineError.self) {
                try await fixture.set("a", String(repeating: "x", count: 17 << 10), of: name)
            }
            #expect(tooLarge?.code == .overLimit && tooLarge?.reason.contains("16 KiB") ?? false)
            try await fixture.set("b", "", of: name)
            try await fixture.set("c", "", of: name)
            let tooMany = await #expect(throws: EngineError.self) { try await fixture.set("d", "", of: name) }
            #expect(tooMany?.code == .overLimit)
            #expect(try await fixture.get("a", of: name) == "one")
            let absent = try await fixture.get("d", of: name)
            #expect(absent == nil)
            for number in 2...3 {
                try await fixture.set("a", String(repeating: "x", count: 14 << 10), of: .session(number))
            }
            let full = await #expect(throws: EngineError.self) {
                try await fixture.set("a", String(repeating: "x", count: 14 << 10), of: .session(4))
            }
            #expect(full?.code == .overLimit)
            try await fixture.engine.delete(.session(2), tombstone: nil)
            try await fixture.set("a", String(repeating: "x", count: 14 << 10), of: .session(4))
        }
    }

    @Test func expiredValuesAreNotThere() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            let expiry = fixture.time.wallTime + .seconds(10)
            try await fixture.call { use in
                try await use.update(name) { transaction in
                    transaction.set([1], [1], expiry: expiry)
                    transaction.set([2], [2])
                }
            }
            #expect(try await fixture.call({ try await $0.keys(prefix: [], limit: 10, of: name) }) == [[1], [2]])
            fixture.time.advance(by: .seconds(10))
            let absent = try await fixture.call({ try await $0.value([1], of: name) })
            #expect(absent == nil)
            #expect(try await fixture.call({ try await $0.keys(prefix: [], limit: 10, of: name) }) == [[2]])
            _ = fixture.engine.evict(name.id)
            let stillAbsent = try await fixture.call({ try await $0.value([1], of: name) })
            #expect(stillAbsent == nil)
            #expect(try await fixture.call({ try await $0.value([2], of: name) }) == [2])
        }
    }

    @Test func keysAreListedByPrefixInOrder() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.call { use in
                try await use.update(name) { transaction in
                    for key in ["m/b", "m/a", "n", "l", "m/", "m/c"] { transaction.set(Array(key.utf8), []) }
                    let keys = try transaction.keys(prefix: Array("m/".utf8), limit: 3)
                    #expect(keys.map { String(decoding: $0, as: UTF8.self) } == ["m/", "m/a", "m/b"])
                }
            }
            let keys = try await fixture.call {
                try await $0.keys(prefix: Array("m/".utf8), after: Array("m/a".utf8), limit: 10, of: name)
            }
            #expect(keys.map { String(decoding: $0, as: UTF8.self) } == ["m/b", "m/c"])
        }
    }

    @Test func removedValuesStayRemovedAfterAWake() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            try await fixture.set("b", "two", of: name)
            try await fixture.call { try await $0.update(name) { $0.remove(Array("a".utf8)) } }
            _ = fixture.engine.evict(name.id)
            let absent = try await fixture.get("a", of: name)
            #expect(absent == nil)
            #expect(try await fixture.get("b", of: name) == "two")
        }
    }

    @Test func aCancelledCallThatWaitsForALoadHoldsNothing() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "one", of: name)
            _ = fixture.engine.evict(name.id)
            fixture.store.holdLoads()
            let first = Task { try await fixture.get("a", of: name) }
            await fixture.store.arrival()
            let second = Task { try await fixture.get("a", of: name) }
            second.cancel()
            await #expect(throws: CancellationError.self) { try await second.value }
            fixture.store.releaseLoads()
            #expect(try await first.value == "one")
            #expect(fixture.engine.evict(name.id), "nobody has it in use")
        }
    }

    @Test func expiredObjectsAreDeletedAndTheirSessionsRemembered() async throws {
        let limits = EngineLimits(retention: .seconds(100), sessionLifetime: .seconds(100))
        try await EngineFixture.run(limits: limits) { fixture in
            try await fixture.set("a", "one", of: .session(1))
            _ = fixture.engine.evict(StateObjectID(bits: 1))
            fixture.time.advance(by: .seconds(120))
            await fixture.engine.deleteExpired()
            #expect(fixture.store.state.withLock { $0.objects.isEmpty })
            #expect(fixture.engine.state.withLock { $0.quota.objectCount } == 0)
        }
    }

    @Test func everythingIsCommittedAtTheEndAndNoCallBegins() async throws {
        let store = ScriptedStore()
        let limits = EngineLimits(durability: .interval(.seconds(3_600)))
        try await EngineFixture.run(limits: limits, store: store) { fixture in
            for number in 1...50 { try await fixture.set("a", "\(number)", of: .session(number)) }
            #expect(store.state.withLock { $0.objects.isEmpty })
            fixture.engine.stop()
            let error = await #expect(throws: EngineError.self) { try await fixture.get("a", of: .session(1)) }
            #expect(error?.code == .stopping)
        }
        #expect(store.state.withLock { $0.objects.count == 50 && $0.isClosed })
    }

    @Test(.timeLimit(.minutes(1))) func whoCountsOnWhatItHasChangedWaitsForNoInterval() async throws {
        let limits = EngineLimits(durability: .interval(.seconds(3_600)))
        try await EngineFixture.run(limits: limits) { fixture in
            let use = fixture.engine.use()
            defer { use.end() }
            try await use.update(.session(1)) { $0.set([1], [1]) }
            // Returns at once, as nothing has to be durable before an answer.
            try await use.durable()
            #expect(fixture.store.state.withLock { $0.objects.isEmpty })
            try await use.stored()
            #expect(fixture.store.state.withLock { $0.objects.count } == 1)
            // Also when it changes again while it is on its way.
            fixture.store.holdCommits()
            try await use.update(.session(1)) { $0.set([1], [2]) }
            async let first: Void = use.stored()
            await fixture.store.arrival()
            try await use.update(.session(1)) { $0.set([1], [3]) }
            async let second: Void = use.stored()
            fixture.store.releaseCommits()
            _ = try await (first, second)
            #expect(fixture.store.state.withLock { $0.objects.values.first?.values[[1]]?.last } == 3)
            try await fixture.engine.delete(.session(1), tombstone: nil, isUrgent: true)
            #expect(fixture.store.state.withLock { $0.objects.isEmpty })
        }
    }

    @Test(.timeLimit(.minutes(1))) func whatChangesWhileTheProcessStopsWaitsForNoInterval() async throws {
        let limits = EngineLimits(durability: .interval(.seconds(3_600)))
        try await EngineFixture.run(limits: limits) { fixture in
            try await fixture.set("a", "one", of: .session(1))
            fixture.store.holdCommits()
            fixture.engine.stop()
            await fixture.store.arrival()
            let deletion = Parked()
            let (now, time) = (fixture.time.now, fixture.time.wallTime)
            let hasStarted = try fixture.engine.state.withLock { state in
                try state.delete(
                    .session(2), nil, deletionCount: 0, tombstone: time, by: deletion, now: now, time: time)
            }
            #expect(hasStarted)
            fixture.store.releaseCommits()
            let isDeleted = try await deletion.wait()
            #expect(isDeleted)
        }
    }

    @Test func aBatchCarriesManyObjects() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.holdCommits()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await fixture.set("a", "0", of: .session(0)) }
                await fixture.store.arrival()
                let uses = (1...64).map { _ in fixture.engine.use() }
                for (number, use) in uses.enumerated() {
                    try await use.update(.session(number + 1)) { $0.set([1], [1]) }
                }
                fixture.store.releaseCommits()
                for use in uses {
                    try await use.durable()
                    use.end()
                }
                try await group.waitForAll()
            }
            #expect(fixture.store.state.withLock { $0.batches.map(\.count) } == [1, 64])
        }
    }

    @Test func theLastTenthOfTheDiskIsNotForState() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "one", of: .session(1))
            fixture.store.state.withLock { $0.disk = DiskSpace(freeBytes: 99, sizeBytes: 1_000) }
            await fixture.engine.lookAtStore()
            let refused = await #expect(throws: EngineError.self) {
                try await fixture.set("a", "longer", of: .session(1))
            }
            #expect(refused?.code == .overLimit)
            await #expect(throws: EngineError.self) { try await fixture.call { try await $0.create(.handle(1)) } }
            try await fixture.set("a", "1", of: .session(1))
            fixture.store.state.withLock { $0.disk = DiskSpace(freeBytes: 100, sizeBytes: 1_000) }
            await fixture.engine.lookAtStore()
            try await fixture.set("a", "longer", of: .session(1))
        }
    }
}
