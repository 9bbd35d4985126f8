import Synchronization
import Testing
import TorporCore
@testable import TorporEngine
import TorporStore

struct InspectionTests {
    @Test func everyObjectCountsOnceByWhatIsTheMatterWithIt() async throws {
        try await EngineFixture.run { fixture in
            for number in 1...3 { try await fixture.set("a", "one", of: .session(number)) }
            let using = fixture.engine.use()
            try await using.open(.session(1))
            let before = fixture.engine.snapshot()
            #expect(before.objects == .init(atRest: 2, inUse: 1))
            #expect(before.storedObjects == 3 && before.storedBytes == 12 && before.accounts == 1)
            #expect(before.residentBytes > 12 && before.arenaLiveBytes > 0 && before.tombstones == 0)
            #expect(fixture.engine.evict(ObjectName.session(2).id))
            let changing = fixture.engine.use()
            try await changing.open(.session(4))
            fixture.store.holdLoads()
            async let woken = fixture.get("a", of: .session(2))
            await fixture.store.arrival()
            fixture.store.holdCommits()
            try await changing.update(.session(4)) { $0.set([1], [1]) }
            changing.end()
            async let deleted: Void = fixture.engine.delete(.session(3), tombstone: WallTime(milliseconds: .max))
            await fixture.store.arrival(ofHeld: 2)
            // The deletion waits for the commit under way.
            while fixture.engine.snapshot().objects.deleting == 0 { await Task.yield() }
            let during = fixture.engine.snapshot()
            #expect(during.objects == .init(inUse: 1, loading: 1, dirty: 1, deleting: 1))
            #expect(during.dirtyBytes == 0 && during.waitingCalls == 2)
            fixture.store.releaseLoads()
            fixture.store.releaseCommits()
            #expect(try await woken == "one")
            try await deleted
            using.end()
            let after = fixture.engine.snapshot()
            #expect(after.objects == .init(atRest: 3) && after.tombstones == 1 && after.storedObjects == 3)
        }
    }

    @Test func moreActiveObjectsThanOneLookTakesAreAllCounted() async throws {
        try await EngineFixture.run { fixture in
            let use = fixture.engine.use()
            for number in 1...4_100 { try await use.update(.session(number)) { $0.set([1], [1]) } }
            #expect(fixture.engine.snapshot().objects.inUse == 4_100)
            try await use.durable()
            use.end()
            #expect(fixture.engine.snapshot().objects == .init(atRest: 4_100))
        }
    }

    @Test func anUnknownOutcomeShowsAsAClosedObjectAndAFault() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.unknownButDone)
            fixture.store.state.withLock {
                $0.acquireFaults = [StoreError(.unavailable, "away"), StoreError(.unavailable, "away")]
            }
            async let done: Void = fixture.set("a", "one", of: .session(1))
            await fixture.time.arrival(ofSleepers: 2)
            #expect(fixture.engine.snapshot().objects.closed == 1)
            #expect(fixture.engine.storeFaults() == [], "a moment is nothing to report")
            fixture.time.advance(by: .milliseconds(999))
            #expect(fixture.engine.storeFaults() == [])
            await fixture.time.arrival(ofSleepers: 2)
            fixture.time.advance(by: .milliseconds(1))
            #expect(fixture.engine.storeFaults() == [.outcomesUnknown(count: 1, for: .seconds(1))])
            await fixture.time.arrival(ofSleepers: 1)
            fixture.time.advance(by: .seconds(1))
            try await done
            #expect(fixture.engine.storeFaults() == [])
        }
    }

    @Test func aStoreThatTakesNoChangesIsAFaultUntilItAnswers() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.unavailable, .unavailable)
            let done = Task { try await fixture.set("a", "one", of: .session(1)) }
            await fixture.time.arrival(ofSleepers: 2)
            #expect(fixture.engine.storeFaults() == [])
            fixture.time.advance(by: .seconds(11))
            await #expect(throws: EngineError.self) { try await done.value }
            let faults = fixture.engine.storeFaults()
            #expect(faults == [.commitsFail(for: .seconds(11), reason: "scripted")])
            #expect(faults.first.map { "\($0)" } == "the store has taken no changes for 11 s: scripted")
            // Nothing is left to commit, so nothing but a try shows that the store is back. That it can be read does not.
            await fixture.engine.lookAtStore()
            #expect(fixture.engine.storeFaults().count == 1)
            fixture.store.scriptQuarantine(StoreError(.unavailable, "read-only"))
            // The breaker has opened twice in a row, for 20 ms by now; then a third time.
            fixture.time.advance(by: .milliseconds(20))
            await fixture.engine.probeStore()
            #expect(
                fixture.engine.storeFaults() == [.commitsFail(for: .milliseconds(11_020), reason: "read-only")])
            await fixture.engine.probeStore()
            #expect(fixture.engine.storeFaults().count == 1, "it is not asked before its time")
            fixture.time.advance(by: .milliseconds(40))
            await fixture.engine.probeStore()
            #expect(fixture.engine.storeFaults() == [])
            guard case .storeRecovered(after: .milliseconds(11_060))? = fixture.events.all.last else {
                Issue.record("nobody was told that the store is back")
                return
            }
        }
    }

    @Test(arguments: [CommitRefusal.Reason.full, .unwritable])
    func aStoreThatRefusesAllOfABatchTakesNoChanges(reason: CommitRefusal.Reason) async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "one", of: .session(1))
            fixture.store.script(.refused(reason))
            await #expect(throws: EngineError.self) { try await fixture.set("a", "two", of: .session(1)) }
            fixture.time.advance(by: .seconds(1))
            #expect(fixture.engine.storeFaults() == [.commitsFail(for: .seconds(1), reason: "scripted")])
            try await fixture.set("a", "three", of: .session(1))
            #expect(fixture.engine.storeFaults() == [])
        }
    }

    @Test func anObjectThatIsRefusedIsNoFaultOfTheStore() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.refused(.unacceptable))
            await #expect(throws: EngineError.self) { try await fixture.set("a", "one", of: .session(1)) }
            fixture.time.advance(by: .seconds(60))
            #expect(fixture.engine.storeFaults() == [])
        }
    }

    @Test func aFullStoreIsFullUntilThereIsRoom() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.refused(.full))
            await #expect(throws: EngineError.self) { try await fixture.set("a", "one", of: .session(1)) }
            fixture.time.advance(by: .seconds(2))
            fixture.store.state.withLock { $0.disk = DiskSpace(freeBytes: 1, sizeBytes: 100) }
            await fixture.engine.lookAtStore()
            await fixture.engine.probeStore()
            #expect(fixture.engine.storeFaults().count == 1, "a change of nothing needs no room")
            fixture.store.state.withLock { $0.disk = DiskSpace(freeBytes: 50, sizeBytes: 100) }
            await fixture.engine.lookAtStore()
            await fixture.engine.probeStore()
            #expect(fixture.engine.storeFaults() == [])
        }
    }

    @Test func whatACallDoesNotGetIsTold() async throws {
        try await EngineFixture.run { fixture in
            let refusals = {
                fixture.events.all.compactMap { event in if case .refused(let code) = event { code } else { nil } }
            }
            await #expect(throws: EngineError.self) { try await fixture.get("a", of: .handle(1)) }
            #expect(refusals() == [.missing])
            let large = String(repeating: "x", count: fixture.engine.limits.memory.objectMax.bytes + 1)
            await #expect(throws: EngineError.self) { try await fixture.set("a", large, of: .session(1)) }
            #expect(refusals() == [.missing, .overLimit])
            fixture.store.script(.refused(.full))
            await #expect(throws: EngineError.self) { try await fixture.set("a", "one", of: .session(1)) }
            #expect(refusals() == [.missing, .overLimit, .lost], "once, at the gate")
            fixture.store.state.withLock { $0.loadFaults = [StoreError(.corruptRecord, "torn")] }
            await #expect(throws: EngineError.self) { try await fixture.get("a", of: .session(2)) }
            #expect(refusals().last == .corrupt)
        }
    }

    @Test func everythingAtRestIsEvictedAtOnceAndNothingElse() async throws {
        try await EngineFixture.run { fixture in
            for number in 1...1_500 { try await fixture.set("a", "one", of: .session(number)) }
            let use = fixture.engine.use()
            defer { use.end() }
            try await use.open(.session(7))
            #expect(fixture.engine.evictAll() == 1_499)
            #expect(
                fixture.engine.snapshot().objects.atRest == 0
                    && fixture.engine.resident(ObjectName.session(7).id) != nil)
            #expect(fixture.engine.evictAll() == 0)
            let told = fixture.events.all.compactMap { event in
                if case .evicted(.operatorRequest, let count) = event { count } else { nil }
            }
            #expect(told == [1_499])
        }
    }

    @Test func theCommittersStepsStandStillWhileTheStoreDoesNotAnswer() async throws {
        try await EngineFixture.run { fixture in
            let engine = fixture.engine
            try await fixture.set("a", "one", of: .session(1))
            #expect(!engine.committerProgress().hasWork)
            fixture.store.holdCommits()
            async let done: Void = fixture.set("a", "two", of: .session(1))
            await fixture.store.arrival()
            let first = engine.committerProgress()
            fixture.time.advance(by: .seconds(20))
            let second = engine.committerProgress()
            #expect(first.hasWork && second.hasWork && first.steps == second.steps)
            fixture.store.releaseCommits()
            try await done
            #expect(engine.committerProgress().steps > second.steps)
        }
    }

    @Test func theLargestObjectsComeFirst() async throws {
        try await EngineFixture.run { fixture in
            // More than one step looks at.
            for number in 1...1_100 { try await fixture.set("a", "x", of: .session(number, account: .principal(7))) }
            try await fixture.call { use in
                try await use.create(.handle(1))
                try await use.update(.handle(1)) { $0.set([1], [UInt8](repeating: 0, count: 5_000)) }
            }
            try await fixture.set("a", String(repeating: "x", count: 100), of: .session(900, account: .principal(7)))
            let largest = await fixture.engine.largestObjects(3)
            #expect(largest.map(\.bytes) == [5_001, 101, 2])
            #expect(largest[0].name == "basket" && largest[0].kind == .handle && largest[0].values == 1)
            #expect(largest[1].id == ObjectName.session(900).id && largest[1].account == .principal(7))
            #expect(largest[0].standing == .atRest && largest[0].lastUse == fixture.time.now)
            let accounts = fixture.engine.largestAccounts(1)
            #expect(accounts.map(\.account) == [.principal(7)] && accounts[0].storedObjects == 1_100)
            #expect(
                fixture.engine.areResident([ObjectName.session(1).id, ObjectName.session(9_999).id]) == [true, false])
        }
    }

    @Test func valuesThatAreThereSeveralTimesAreToldWithTheirState() async throws {
        try await EngineFixture.run { fixture in
            let same = [UInt8](repeating: 7, count: 200)
            let short = [UInt8](repeating: 7, count: DuplicatedValues.bytesMin - 1)
            for number in 1...3 {
                try await fixture.call { use in
                    try await use.update(.session(number)) { transaction in
                        transaction.set(Array("notes/a".utf8), same)
                        transaction.set(Array("Secret Key".utf8), [UInt8](repeating: UInt8(number), count: 300))
                        transaction.set([255], short)
                        if number == 1 { transaction.set(Array("notes/b".utf8), same) }
                    }
                }
            }
            let found = await fixture.engine.duplicatedValues()
            #expect(found.sampledValues == 7 && found.isComplete)
            #expect(found.values.count == 1)
            #expect(found.values.first?.bytes == 200 && found.values.first?.count == 4)
            #expect(found.values.first?.objects == 3 && found.values.first?.state == "notes")
            #expect(found.values.first?.wastedBytes == 600)
        }
    }

    @Test func theSampleOfValuesHasAnEnd() async throws {
        let limits = EngineLimits(storage: StorageLimits(objectValuesMax: 30_000))
        try await EngineFixture.run(limits: limits) { fixture in
            for number in 1...2 {
                try await fixture.call { use in
                    try await use.update(.session(number)) { transaction in
                        for key in 0..<DuplicatedValues.valuesMax / 2 + (number - 1) {
                            transaction.set(
                                [UInt8(key >> 8), UInt8(key & 255)],
                                [UInt8](repeating: 0, count: DuplicatedValues.bytesMin))
                        }
                    }
                }
            }
            let found = await fixture.engine.duplicatedValues()
            #expect(found.sampledValues == DuplicatedValues.valuesMax && !found.isComplete)
            #expect(found.values.first?.count == DuplicatedValues.valuesMax)
        }
    }

    @Test func evictionsForRoomAreTold() async throws {
        let limits = EngineLimits(
            memory: MemoryLimits(
                residentMax: .kibibytes(64), objectMax: .kibibytes(16), accountMax: .kibibytes(64),
                anonymousMax: .kibibytes(64), dirtyMax: .kibibytes(16)))
        try await EngineFixture.run(limits: limits) { fixture in
            for number in 1...8 {
                try await fixture.set("a", String(repeating: "x", count: 12_000), of: .session(number))
            }
            var evicted = 0
            for case .evicted(let reason, let count) in fixture.events.all {
                #expect(reason == .room)
                evicted += count
            }
            let snapshot = fixture.engine.snapshot()
            #expect(evicted + snapshot.objects.atRest == 8 && evicted > 0)
            #expect(snapshot.residentBytes <= snapshot.residentLimitBytes)
        }
    }

    @Test func loadsAndDeletionsAreToldWithWhatCameOfThem() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "one", of: .session(1))
            #expect(try await fixture.engine.evictOnRequest(ObjectName.session(1).id) == .evicted)
            _ = try await fixture.get("a", of: .session(1))
            _ = fixture.engine.evict(ObjectName.session(1).id)
            fixture.store.state.withLock { $0.loadFaults = [StoreError(.corruptRecord, "torn")] }
            await #expect(throws: EngineError.self) { try await fixture.get("a", of: .session(1)) }
            #expect(try await fixture.engine.deleteOnRequest(ObjectName.session(1).id))
            try await fixture.engine.delete(.session(2), tombstone: nil)
            var loads: [LoadEnd] = []
            var deletions: [DeletionReason] = []
            var failures = 0
            for event in fixture.events.all {
                switch event {
                case .loaded(let end, _): loads.append(end)
                case .deleted(let reason): deletions.append(reason)
                case .loadFailed(let id, _): failures += id == ObjectName.session(1).id ? 1 : 0
                default: break
                }
            }
            #expect(loads == [.missing, .found(bytes: 4), .unreadable] && failures == 1)
            #expect(deletions == [.operatorRequest], "what was not there is not deleted")
            let starts = fixture.events.all.filter { if case .started(0, 0) = $0 { true } else { false } }
            #expect(starts.count == 1)
        }
    }

    @Test func whatIsUsedOrAsleepIsNotEvicted() async throws {
        try await EngineFixture.run { fixture in
            let id = ObjectName.session(1).id
            #expect(try await fixture.engine.evictOnRequest(id) == .unknown)
            try await fixture.set("a", "one", of: .session(1))
            let use = fixture.engine.use()
            try await use.open(.session(1))
            #expect(try await fixture.engine.evictOnRequest(id) == .busy(.inUse))
            use.end()
            #expect(try await fixture.engine.evictOnRequest(id) == .evicted)
            #expect(try await fixture.engine.evictOnRequest(id) == .asleep)
        }
    }

    @Test func aSessionThatAnOperatorDeletedStaysEnded() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "one", of: .session(1))
            #expect(try await fixture.engine.deleteOnRequest(ObjectName.session(1).id))
            #expect(fixture.engine.hasEnded(ObjectName.session(1).id))
            let until = fixture.store.state.withLock { $0.tombstones.first?.until }
            #expect(until == fixture.time.wallTime + .seconds(86_400))
            let isDeletedAgain = try await fixture.engine.deleteOnRequest(ObjectName.session(1).id)
            #expect(!isDeletedAgain)
        }
    }

    // MARK: Copies

    private func copy(_ fixture: EngineFixture, _ name: ObjectName) async throws -> (RecordHeader, OpenedRecord) {
        guard let copy = try await fixture.engine.copy(of: name.id) else { throw CancellationError() }
        return (copy.header, copy.values)
    }

    @Test(arguments: [ObjectName.session(1), .handle(1), .session(1, account: .anonymous(3))])
    func aCopiedObjectComesBackAsItWas(name: ObjectName) async throws {
        try await EngineFixture.run { fixture in
            let lasting = fixture.time.wallTime + .seconds(3_600)
            try await fixture.call { use in
                if name.kind == .handle { try await use.create(name) }
                try await use.update(name) { transaction in
                    transaction.set([1], [1, 2, 3])
                    transaction.set([2], [], expiry: lasting)
                    transaction.set([3], [9], expiry: fixture.time.wallTime + .seconds(5))
                }
            }
            let (header, values) = try await self.copy(fixture, name)
            try await fixture.engine.delete(name, tombstone: nil)
            fixture.time.advance(by: .seconds(6))
            #expect(try await fixture.engine.restore(header, values, replaces: false) == .restored)
            let (again, restored) = try await self.copy(fixture, name)
            #expect(again.kind == header.kind && again.name == header.name && again.account == header.account)
            #expect(again.expiry >= header.expiry && again.valueCount == 2)
            #expect(restored.values.map { Array(restored.bytes[$0.key]) } == [[1], [2]])
            #expect(restored.values.map { Array(restored.bytes[$0.value]) } == [[1, 2, 3], []])
            #expect(restored.values.map(\.expiry) == [nil, lasting])
            #expect(try await fixture.call({ try await $0.value([1], of: name) }) == [1, 2, 3])
        }
    }

    @Test func whatIsThereIsReplacedOnlyWhenAskedFor() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "one", of: .session(1))
            let (header, values) = try await self.copy(fixture, .session(1))
            try await fixture.set("a", "two", of: .session(1))
            try await fixture.set("b", "more", of: .session(1))
            #expect(try await fixture.engine.restore(header, values, replaces: false) == .exists)
            #expect(try await fixture.get("a", of: .session(1)) == "two")
            #expect(try await fixture.engine.restore(header, values, replaces: true) == .restored)
            #expect(try await fixture.get("a", of: .session(1)) == "one")
            let absent = try await fixture.get("b", of: .session(1))
            #expect(absent == nil)
            var foreign = header
            foreign.account = .principal(99)
            #expect(try await fixture.engine.restore(foreign, values, replaces: true) == .foreign)
            try await fixture.engine.delete(.session(1), tombstone: WallTime(milliseconds: .max))
            #expect(try await fixture.engine.restore(header, values, replaces: false) == .ended)
        }
    }

    @Test func aCopyBeyondALimitChangesNothing() async throws {
        let limits = EngineLimits(storage: StorageLimits(objectValuesMax: 2))
        try await EngineFixture.run(limits: limits) { fixture in
            try await fixture.set("a", "one", of: .handle(1).asSession)
            let (header, values) = try await self.copy(fixture, .handle(1).asSession)
            var larger = values
            larger.bytes += [200, 201]
            let end = larger.bytes.count
            larger.values.append(.init(key: end - 2..<end - 1, value: 0..<1, expiry: nil))
            larger.values.append(.init(key: end - 1..<end, value: 0..<1, expiry: nil))
            let error = await #expect(throws: EngineError.self) {
                try await fixture.engine.restore(header, larger, replaces: true)
            }
            #expect(error?.code == .overLimit)
            #expect(try await fixture.get("a", of: .handle(1).asSession) == "one")
        }
    }
}

extension ObjectName {
    fileprivate var asSession: ObjectName { ObjectName(self.id, .session, account: self.account) }
}
