import Synchronization
import Testing
import TorporCore
import TorporStore

@testable import TorporEngine

/// What happens to the engine at the edges: of lifetimes, of limits, of calls that end early or meet a deletion.
@Suite struct EdgeTests {
    // MARK: Lifetimes

    @Test func valuesWhoseTimeIsOverMakeRoomForOthers() async throws {
        let limits = EngineLimits(storage: StorageLimits(objectValuesMax: 4))
        try await EngineFixture.run(limits: limits) { fixture in
            let name = ObjectName.session(1)
            let expiry = fixture.time.wallTime + .seconds(10)
            try await fixture.call { use in
                try await use.update(name) { transaction in
                    for key in 1...4 as ClosedRange<UInt8> { transaction.set([key], [key], expiry: expiry) }
                }
            }
            let refused = await #expect(throws: EngineError.self) { try await fixture.set("a", "new", of: name) }
            #expect(refused?.code == .overLimit)
            fixture.time.advance(by: .seconds(11))
            try await fixture.set("a", "new", of: name)
            let size = try await fixture.call { try await $0.size(of: name) }
            #expect(size == ObjectSize(values: 1, bytes: 4))
            #expect(fixture.store.values(of: name.id)?.count == 1)
            #expect(fixture.engine.state.withLock { $0.quota.usedBytes } == 4)
        }
    }

    @Test(arguments: [true, false])
    func valuesWhoseTimeIsOverLeaveAfterAWakeToo(isLater: Bool) async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            let expiry = fixture.time.wallTime + .seconds(10)
            try await fixture.call { use in
                try await use.update(name) { transaction in
                    transaction.set([1], [1], expiry: expiry)
                    transaction.set([2], [2], expiry: expiry + .seconds(isLater ? 100 : 0))
                }
            }
            #expect(fixture.engine.evict(name.id))
            fixture.time.advance(by: .seconds(11))
            try await fixture.set("a", "new", of: name)
            #expect(fixture.store.values(of: name.id)?.count == (isLater ? 2 : 1))
        }
    }

    @Test func aRefusedChangeKeepsWhatIsToBeSwept() async throws {
        let limits = EngineLimits(memory: MemoryLimits(objectMax: .kibibytes(16)))
        try await EngineFixture.run(limits: limits) { fixture in
            let name = ObjectName.session(1)
            try await fixture.call { use in
                try await use.update(name) { $0.set([1], [1], expiry: fixture.time.wallTime + .seconds(10)) }
            }
            fixture.time.advance(by: .seconds(11))
            let tooLarge = String(repeating: "x", count: 20 << 10)
            await #expect(throws: EngineError.self) { try await fixture.set("a", tooLarge, of: name) }
            try await fixture.set("a", "new", of: name)
            #expect(fixture.store.values(of: name.id)?.count == 1)
        }
    }

    @Test func aRetentionShorterThanTheIdleTimeoutHolds() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName(
                StateObjectID(bits: 1), .handle, name: "basket", account: .principal(1), retention: .seconds(100))
            try await fixture.call { try await $0.create(name) }
            fixture.time.advance(by: .seconds(90))
            await fixture.engine.deleteExpired()
            #expect(fixture.store.state.withLock { $0.objects.count } == 1)
            fixture.time.advance(by: .seconds(30))
            let use = fixture.engine.use()
            try await use.open(name)
            await fixture.engine.deleteExpired()
            #expect(fixture.store.state.withLock { $0.objects.count } == 1, "somebody uses it")
            try await use.update(name) { $0.set([1], [1]) }
            try await use.durable()
            use.end()
            fixture.time.advance(by: .seconds(120))
            await fixture.engine.deleteExpired()
            #expect(fixture.store.state.withLock { $0.objects.isEmpty })
            let gone = await #expect(throws: EngineError.self) { try await fixture.get("a", of: name) }
            #expect(gone?.code == .missing)
        }
    }

    @Test func retentionsOfAnyLengthAreKept() async throws {
        try await EngineFixture.run { fixture in
            var name = ObjectName.handle(1)
            name.retention = .seconds(Int64.max)
            try await fixture.call { [name] in try await $0.create(name) }
            #expect(fixture.store.state.withLock { $0.objects[name.id]?.header.expiry } == .distantFuture)
        }
    }

    // MARK: Nothing

    @Test func toRemoveNothingStoresNothing() async throws {
        try await EngineFixture.run { fixture in
            let remove: @Sendable (StateUse) async throws -> Void = {
                try await $0.update(.session(1)) { $0.remove([1]) }
            }
            try await fixture.call(remove)
            #expect(fixture.store.state.withLock { $0.batches.isEmpty && $0.objects.isEmpty })
            try await fixture.set("a", "one", of: .session(1))
            try await fixture.call(remove)
            #expect(fixture.store.state.withLock { $0.batches.count } == 1)
        }
    }

    @Test(arguments: [Int.min, -1, 0, 1, Int.max])
    func pagesOfAnyLengthAreAnswered(limit: Int) async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("b", "one", of: .session(1))
            let count = limit <= 0 ? 0 : limit == 1 ? 1 : 2
            try await fixture.call { use in
                let seen = try await use.update(.session(1)) { transaction in
                    transaction.set(Array("a".utf8), [])
                    return try transaction.keys(prefix: [], limit: limit)
                }
                #expect(seen.count == count)
                let keys = try await use.keys(prefix: [], limit: limit, of: .session(1))
                #expect(keys.count == count)
                let entries = try await use.entries(prefix: [], limit: limit, of: .session(1))
                #expect(entries.count == count)
            }
        }
    }

    // MARK: Deletion

    @Test func updatesThatMeetADeletionFailOrHappenBeforeIt() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.handle(1)
            try await fixture.call { try await $0.create(name) }
            let ends = try await withThrowingTaskGroup(of: EngineError.Code?.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        do {
                            if number == 50 {
                                try await fixture.engine.delete(name, tombstone: nil)
                            } else {
                                try await fixture.set("\(number)", "x", of: name)
                            }
                            return nil
                        } catch let error as EngineError {
                            return error.code
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(ends.allSatisfy { $0 == nil || $0 == .missing || $0 == .lost })
            let error = await #expect(throws: EngineError.self) { try await fixture.get("1", of: name) }
            #expect(error?.code == .missing)
            #expect(fixture.store.state.withLock { $0.objects.isEmpty })
            #expect(fixture.engine.state.withLock { $0.quota.objectCount == 0 && $0.quota.usedBytes == 0 })
        }
    }

    @Test func aDeletionThatCannotBeStoredChangesNothing() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.handle(1)
            try await fixture.call { try await $0.create(name) }
            try await fixture.set("a", "one", of: name)
            fixture.store.script(.refused(.unwritable))
            let error = await #expect(throws: EngineError.self) {
                try await fixture.engine.delete(name, tombstone: nil)
            }
            #expect(error?.code == .lost)
            #expect(try await fixture.get("a", of: name) == "one")
            try await fixture.engine.delete(name, tombstone: nil)
            #expect(fixture.store.state.withLock { $0.objects.isEmpty })
        }
    }

    @Test func manyDeletionsOfOneObjectAllEnd() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            let tombstone = fixture.time.wallTime + .seconds(60)
            try await fixture.set("a", "one", of: name)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { try await fixture.engine.delete(name, tombstone: tombstone) } }
                try await group.waitForAll()
            }
            #expect(fixture.engine.hasEnded(name.id))
            #expect(fixture.engine.state.withLock { $0.quota.objectCount == 0 && $0.active.isEmpty })
        }
    }

    @Test func aDeletionWhoseCallerIsGoneHappens() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.handle(1)
            try await fixture.call { try await $0.create(name) }
            fixture.store.holdCommits()
            let deletion = Task { try await fixture.engine.delete(name, tombstone: nil) }
            await fixture.store.arrival()
            deletion.cancel()
            await #expect(throws: CancellationError.self) { try await deletion.value }
            fixture.store.releaseCommits()
            let error = await #expect(throws: EngineError.self) { try await fixture.get("a", of: name) }
            #expect(error?.code == .missing)
        }
    }

    // MARK: Calls that end early

    @Test func callsThatAreCancelledInTheGateLeaveTheirChangesAndNothingElse() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            fixture.store.holdCommits()
            let calls = (0..<10).map { number in Task { try await fixture.set("\(number)", "x", of: name) } }
            await fixture.store.arrival()
            for call in calls.dropFirst(5) { call.cancel() }
            for call in calls.dropFirst(5) { _ = await call.result }
            fixture.store.releaseCommits()
            for call in calls.prefix(5) { try await call.value }
            // Who was cancelled before its turn has changed nothing; who was in the gate has.
            for number in 0..<5 { #expect(try await fixture.get("\(number)", of: name) == "x") }
            #expect(fixture.engine.evict(name.id), "nobody has it in use")
        }
    }

    @Test func whoIsCancelledWhileItWaitsForItsTurnIsPassedOver() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "", of: name)
            let holder = fixture.engine.use()
            try await holder.open(name)
            let number = try #require(fixture.engine.state.withLock { $0.numbers[name.id] })
            _ = try await fixture.engine.takeTurn(number)
            let cancelled = Task { try await fixture.set("a", "cancelled", of: name) }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            let next = Task { try await fixture.set("a", "next", of: name) }
            fixture.engine.passTurn(number)
            holder.end()
            try await next.value
            #expect(try await fixture.get("a", of: name) == "next")
        }
    }

    @Test func ofManyThatTakeAValueOneGetsIt() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "prize", of: name)
            let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        try await fixture.call { use in
                            try await use.update(name) { transaction in
                                let isThere = try transaction.value(Array("a".utf8)) != nil
                                if isThere { transaction.remove(Array("a".utf8)) }
                                return isThere
                            }
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
        }
    }

    // MARK: Failing commits

    @Test func aCallOverSeveralObjectsFailsWhenOneOfThemCannotBeStored() async throws {
        try await EngineFixture.run { fixture in
            for number in 1...2 { try await fixture.set("a", "old", of: .session(number)) }
            fixture.store.holdCommits()
            let other = Task { try await fixture.set("a", "other", of: .session(3)) }
            await fixture.store.arrival()
            let use = fixture.engine.use()
            defer { use.end() }
            for number in 1...2 {
                try await use.update(.session(number)) { $0.set(Array("a".utf8), Array("new".utf8)) }
            }
            // One for the commit that is held, one for that of the two.
            let refusal = ScriptedStore.Fault.refusedObjects([ObjectName.session(2).id], .full)
            fixture.store.script(refusal, refusal)
            fixture.store.releaseCommits()
            let error = await #expect(throws: EngineError.self) { try await use.durable() }
            #expect(error?.code == .lost)
            try await other.value
            #expect(try await fixture.get("a", of: .session(1)) == "new", "another object is another change")
            #expect(try await fixture.get("a", of: .session(2)) == "old")
        }
    }
}
