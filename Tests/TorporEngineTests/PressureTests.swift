import Testing
import TorporCore
import TorporStore

@testable import TorporEngine

/// What the engine does when the governor says that memory is short.
@Suite struct PressureTests {
    @Test func evictingBytesTakesTheColdestFirstAndNoMoreThanNeeded() async throws {
        try await EngineFixture.run { fixture in
            for id in 1...10 {
                try await fixture.set("a", String(repeating: "x", count: 1_000), of: .session(id))
                fixture.time.advance(by: .seconds(1))
            }
            let before = fixture.engine.memoryUse
            #expect(before.held == 0, "nothing is in use or dirty")
            let freed = fixture.engine.evict(bytes: 2_500)
            #expect(freed >= 2_500 && freed < 5_000)
            #expect(fixture.engine.memoryUse.resident == before.resident - freed)
            let areResident = fixture.engine.areResident((1...10).map { ObjectName.session($0).id })
            #expect(areResident.last == true && areResident.filter(\.self).count < 10)
            // What was evicted is there when it is asked for.
            #expect(try await fixture.get("a", of: .session(1))?.count == 1_000)
            #expect(fixture.engine.evict(bytes: .max) > 0)
            #expect(fixture.engine.memoryUse.resident == 0)
            #expect(fixture.engine.evict(bytes: 1) == 0, "nothing is left that may go")
        }
    }

    @Test func whatIsInUseOrDirtyIsHeldAndStays() async throws {
        try await EngineFixture.run { fixture in
            let name = ObjectName.session(1)
            try await fixture.set("a", "b", of: name)
            let use = fixture.engine.use()
            try await use.open(name)
            let (held, resident) = fixture.engine.memoryUse
            #expect(held == resident && held > 0)
            #expect(fixture.engine.evict(bytes: .max) == 0)
            use.end()
            #expect(fixture.engine.memoryUse.held == 0)
            #expect(fixture.engine.evict(bytes: .max) == resident)
        }
    }

    @Test func aShorterIdleTimeoutHoldsAtOnceAndUntilItIsTakenBack() async throws {
        let limits = EngineLimits(idleTimeout: .seconds(100))
        try await EngineFixture.run(limits: limits) { fixture in
            try await fixture.set("a", "b", of: .session(1))
            fixture.time.advance(by: .seconds(30))
            try await fixture.set("a", "b", of: .session(2))
            #expect(fixture.engine.shortenIdleTimeout(to: .seconds(31)) == 0)
            #expect(fixture.engine.shortenIdleTimeout(to: .seconds(30)) > 0)
            let ids = [ObjectName.session(1).id, ObjectName.session(2).id, ObjectName.session(3).id]
            #expect(fixture.engine.areResident(ids) == [false, true, false])
            // What comes now is scheduled by the shorter time, too.
            try await fixture.set("a", "b", of: .session(3))
            fixture.time.advance(by: .seconds(30))
            fixture.engine.evictIdle()
            #expect(fixture.engine.areResident(ids) == [false, false, false])
            #expect(fixture.engine.shortenIdleTimeout(to: nil) == 0)
            try await fixture.set("a", "b", of: .session(1))
            fixture.time.advance(by: .seconds(99))
            fixture.engine.evictIdle()
            #expect(fixture.engine.areResident(ids) == [true, false, false])
            fixture.time.advance(by: .seconds(1))
            fixture.engine.evictIdle()
            #expect(fixture.engine.areResident(ids) == [false, false, false])
        }
    }

    @Test func newStateIsRefusedRetryablyAndOldStateServed() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "b", of: .session(1))
            fixture.engine.admit(.noNewState)
            let refused = await #expect(throws: EngineError.self) {
                try await fixture.set("a", "b", of: .session(2))
            }
            #expect(refused?.code == .shortOfMemory && refused?.isRetryable == true)
            #expect(try await fixture.get("a", of: .session(2)) == nil, "reading makes nothing")
            try await fixture.set("a", "c", of: .session(1))
            _ = fixture.engine.evict(bytes: .max)
            #expect(try await fixture.get("a", of: .session(1)) == "c", "what sleeps is woken")
            fixture.engine.admit(.everything)
            try await fixture.set("a", "b", of: .session(2))
        }
    }

    @Test func loadsAreRefusedRetryablyAndResidentStateServed() async throws {
        try await EngineFixture.run { fixture in
            try await fixture.set("a", "b", of: .session(1))
            _ = fixture.engine.evict(bytes: .max)
            try await fixture.set("a", "b", of: .session(2))
            fixture.engine.admit(.noLoads)
            for operation in 0..<2 {
                let refused = await #expect(throws: EngineError.self) {
                    if operation == 0 { _ = try await fixture.get("a", of: .session(1)) }
                    if operation == 1 { try await fixture.set("a", "c", of: .session(1)) }
                }
                #expect(refused?.code == .shortOfMemory)
            }
            try await fixture.set("a", "c", of: .session(2))
            #expect(try await fixture.get("a", of: .session(2)) == "c")
            fixture.engine.admit(.everything)
            #expect(try await fixture.get("a", of: .session(1)) == "b")
        }
    }
}
