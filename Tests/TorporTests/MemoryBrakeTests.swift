import Synchronization
import Testing
import TorporCore

@testable import Torpor

/// When handlers begin whose memory a test sets, of 1,000 MiB.
@Suite(.timeLimit(.minutes(1))) struct MemoryBrakeTests {
    private static let mebibyte = 1 << 20

    private final class Trial: Sendable {
        private final class World: Sendable {
            let used = Atomic<Int>(0)
            let nanoseconds = Atomic<Int64>(1_000_000_000)
        }

        let brake: MemoryBrake
        private let world = World()

        init(countsHeap: Bool = true) {
            let world = self.world
            self.brake = MemoryBrake(
                waitMax: .seconds(10), countsHeap: countsHeap, now: { world.nanoseconds.load(ordering: .relaxed) })
            self.brake.arm(
                MemoryMeter(
                    limit: .mebibytes(1_000), source: "a test",
                    used: { .mebibytes(world.used.load(ordering: .relaxed)) }))
        }

        var now: Instant { Instant(nanoseconds: self.world.nanoseconds.load(ordering: .relaxed)) }

        /// So many MiB are in use, which a reading of now on finds.
        func use(_ mebibytes: Int) {
            self.world.used.store(mebibytes, ordering: .relaxed)
            self.advance(by: MemoryBrake.freshness)
        }

        func advance(by time: Duration) {
            self.world.nanoseconds.add(time.wholeNanoseconds, ordering: .relaxed)
        }

        func pass(_ operation: Operation) -> Task<CallWaitEnd, Never> { Task { await self.brake.pass(operation) } }

        func untilWaiting(_ count: Int) async {
            while self.brake.waitingCount != count, !Task.isCancelled { await Task.yield() }
        }
    }

    /// A call of the tool of that name.
    private static func call(_ tool: String) throws -> Operation {
        let bytes = Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(tool)"}}"#.utf8)
        return Operation(
            message: IncomingMessage(bytes: bytes), envelope: try Envelope.parse(bytes.span, from: 0),
            method: .toolsCall, revision: .v2026_07_28, session: nil, startNanoseconds: 0)
    }

    @Test(arguments: [(true, 950), (false, 850)])
    func aCallOfWhichNothingIsKnownBeginsUpToItsShare(countsHeap: Bool, share: Int) async throws {
        let trial = Trial(countsHeap: countsHeap)
        let call = try Self.call("any")
        #expect(await trial.brake.pass(call) == .begun, "one runs, so that others may have to wait")
        trial.use(share - 1)
        #expect(await trial.brake.pass(call) == .begun)
        trial.use(share)
        let waits = trial.pass(call)
        await trial.untilWaiting(1)
        trial.use(share - 1)
        trial.brake.release()
        #expect(await waits.value == .begun)
    }

    @Test func whatHeldMuchBeginsOnlyWhereThereIsRoomForAsMuch() async throws {
        let trial = Trial()
        let (heavy, light) = (try Self.call("heavy"), try Self.call("light"))
        #expect(await trial.brake.pass(light) == .begun)
        trial.brake.noteHeld(300 * Self.mebibyte, by: heavy)
        trial.use(401)
        #expect(await trial.brake.pass(heavy) == .begun)
        // By the same reading: 401 are used and 300 expected.
        let waits = trial.pass(heavy)
        await trial.untilWaiting(1)
        #expect(await trial.brake.pass(light) == .begun, "little is not expected to take much")
        trial.use(700)
        trial.brake.release()
        #expect(await waits.value == .begun, "exactly what is left")
        trial.use(701)
        let another = trial.pass(heavy)
        await trial.untilWaiting(1)
        another.cancel()
        #expect(await another.value == .cancelled)
        #expect(trial.brake.waitingCount == 0)
    }

    @Test func whatIsKnownOfAHandlerIsForgottenWithTime() async throws {
        let trial = Trial()
        let (heavy, light) = (try Self.call("heavy"), try Self.call("light"))
        #expect(await trial.brake.pass(light) == .begun)
        trial.brake.noteHeld(2 * Self.mebibyte, by: heavy)
        trial.use(900)
        let waits = trial.pass(heavy)
        await trial.untilWaiting(1)
        // Three quarters of 2 MiB are more than little, and three quarters of that are the same as nothing.
        for _ in 0..<2 { trial.brake.expire(now: trial.now) }
        #expect(trial.brake.waitingCount == 1)
        trial.advance(by: .seconds(1))
        waits.cancel()
        _ = await waits.value
        for _ in 0..<4 {
            trial.advance(by: .seconds(10))
            trial.brake.expire(now: trial.now)
        }
        #expect(await trial.brake.pass(heavy) == .begun)
    }

    @Test func aCallWaitsForAsLongAsItMay() async throws {
        let trial = Trial()
        let call = try Self.call("any")
        #expect(await trial.brake.pass(call) == .begun)
        trial.use(990)
        let waits = trial.pass(call)
        await trial.untilWaiting(1)
        trial.advance(by: .seconds(10) - .nanoseconds(1))
        trial.brake.expire(now: trial.now)
        #expect(trial.brake.waitingCount == 1)
        trial.advance(by: .nanoseconds(1))
        trial.brake.expire(now: trial.now)
        #expect(await waits.value == .expired)
    }

    @Test func theLastHandlersEndLetsOneBeginWhateverIsInUse() async throws {
        let trial = Trial()
        let call = try Self.call("any")
        #expect(await trial.brake.pass(call) == .begun)
        trial.use(990)
        let waits = trial.pass(call)
        await trial.untilWaiting(1)
        trial.brake.ended()
        #expect(await waits.value == .begun)
        // At the limit itself not even that.
        trial.use(1_000)
        let late = trial.pass(call)
        await trial.untilWaiting(1)
        trial.brake.ended()
        #expect(trial.brake.waitingCount == 1)
        trial.brake.refuseAll()
        #expect(await late.value == .expired)
        #expect(await trial.brake.pass(call) == .expired, "as do those that come later")
    }

    @Test func memoryIsTightFromItsShareOnOrHalfFullBesideHeavyHandlers() async throws {
        let trial = Trial()
        let call = try Self.call("any")
        for (used, isTight) in [(849, false), (850, true), (100, false)] {
            trial.use(used)
            _ = await trial.brake.pass(call)
            #expect(trial.brake.isTight == isTight, "\(used)")
        }
        trial.brake.noteHeld(2 * Self.mebibyte, by: try Self.call("heavy"))
        for (used, isTight) in [(499, false), (500, true)] {
            trial.use(used)
            _ = await trial.brake.pass(call)
            #expect(trial.brake.isTight == isTight, "\(used) beside a heavy one")
        }
    }
}
