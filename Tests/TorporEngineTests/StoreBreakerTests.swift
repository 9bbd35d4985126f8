import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporStore

/// What calls get of a store that keeps failing, and how often it is asked.
@Suite struct StoreBreakerTests {
    private static let away = StoreError(.unavailable, "away")

    private static func loads(_ fixture: EngineFixture) -> Int { fixture.store.state.withLock { $0.loadCount } }

    /// What the store has of the first session. Its expiry stands before the value.
    private static func stored(_ fixture: EngineFixture) -> String? {
        fixture.store.values(of: ObjectName.session(1).id)?["a"].map {
            String(decoding: $0.dropFirst(8), as: UTF8.self)
        }
    }

    private static func expectUnavailable(_ fixture: EngineFixture, _ number: Int) async {
        let error = await #expect(throws: EngineError.self) { try await fixture.get("a", of: .session(number)) }
        #expect(error?.code == .unavailable && error?.isRetryable == true)
    }

    @Test func readsThatKeepFailingAreRefusedWithoutAskingTheStore() async throws {
        try await EngineFixture.run { fixture in
            let store = fixture.store
            store.state.withLock { $0.loadFaults = Array(repeating: Self.away, count: 11) }
            for number in 1...10 { await Self.expectUnavailable(fixture, number) }
            #expect(Self.loads(fixture) == 10)
            #expect(fixture.engine.storeStandings == StoreStandings(commits: .closed, reads: .open))
            for number in 11...50 { await Self.expectUnavailable(fixture, number) }
            #expect(Self.loads(fixture) == 10, "the store is left alone")
            // One is tried when it is time. It fails, so the store is left alone for twice as long.
            fixture.time.advance(by: .milliseconds(100))
            #expect(fixture.engine.storeStandings.reads == .halfOpen)
            for number in 51...53 { await Self.expectUnavailable(fixture, number) }
            #expect(Self.loads(fixture) == 11)
            fixture.time.advance(by: .milliseconds(199))
            await Self.expectUnavailable(fixture, 54)
            #expect(Self.loads(fixture) == 11)
            // The store is back.
            fixture.time.advance(by: .milliseconds(1))
            try await fixture.set("a", "one", of: .session(55))
            #expect(try await fixture.get("a", of: .session(1)) == nil)
            #expect(fixture.engine.storeStandings == StoreStandings(commits: .closed, reads: .closed))
        }
    }

    @Test func whatIsInMemoryIsServedWhileReadsFail() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "one", of: .session(1))
            fixture.store.state.withLock { $0.loadFaults = Array(repeating: Self.away, count: 10) }
            for number in 2...11 { await Self.expectUnavailable(fixture, number) }
            #expect(fixture.engine.storeStandings.reads == .open)
            #expect(try await fixture.get("a", of: .session(1)) == "one")
            try await fixture.set("a", "two", of: .session(1))
            #expect(Self.stored(fixture) == "two")
        }
    }

    @Test func damagedRecordsSayNothingAboutTheStore() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.state.withLock {
                $0.loadFaults = Array(repeating: StoreError(.corruptRecord, "torn"), count: 20)
            }
            for number in 1...20 {
                await #expect(throws: EngineError.self) { try await fixture.get("a", of: .session(number)) }
            }
            #expect(Self.loads(fixture) == 20 && fixture.engine.storeStandings.reads == .closed)
        }
    }

    @Test func aCommitIsSentAgainWheneverTheBreakerLetsItThroughAndIsNeverDropped() async throws {
        try await EngineFixture.run { fixture in
            fixture.store.script(.unavailable, .unavailable, .unavailable)
            let done = Task { try await fixture.set("a", "one", of: .session(1)) }
            // The collector's sleep, and that of the committer: 10 ms, then twice as long each time.
            for pause in [10, 20, 40] {
                await fixture.time.arrival(ofSleepers: 2)
                #expect(fixture.engine.storeStandings == StoreStandings(commits: .open, reads: .closed))
                fixture.time.advance(by: .milliseconds(pause - 1))
                #expect(fixture.engine.storeStandings.commits == .open)
                fixture.time.advance(by: .milliseconds(1))
            }
            try await done.value
            #expect(Self.stored(fixture) == "one")
            #expect(fixture.engine.storeStandings.commits == .closed)
        }
    }
}
