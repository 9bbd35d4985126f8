import Testing

@testable import TorporCore

/// Who gets a child when there is no room, who makes room, spares, and held calls.
@Suite struct HostRoomTests {
    // MARK: Room

    @Test func whenFullTheColdestIdleChildMakesRoom() throws {
        let trial = HostTrial(HostLimits(childrenMax: 3, accountChildrenMax: 3))
        _ = try #require(trial.wake(1, with: 1))
        let second = try #require(trial.wakeIdle(2, with: 2))
        let third = try #require(trial.wakeIdle(3, with: 3))
        // The second is warmer now.
        #expect(trial.call(4, 2) == .use(second) && trial.ended(4).isEmpty)
        #expect(trial.call(5, 5) == .wait([.stop(third, .room)]))
        // One child makes room for one key, and calls of that key need no more.
        #expect(trial.call(6, 5) == .wait([]))
        let child = try #require(trial.stopped(third).started(5), "there is room now")
        #expect(trial.started(child) == [.use(HostCallID(5), child), .use(HostCallID(6), child)])
        #expect(trial.machine.figures.children == 3)
    }

    @Test func aChildWithCallsIsNeverStoppedForAnother() throws {
        let trial = HostTrial(HostLimits(childrenMax: 1))
        let child = try #require(trial.wake(1, with: 1))
        #expect(trial.call(2, 2) == .wait([]))
        #expect(trial.pass(milliseconds: 30_000).isEmpty)
        // It makes room as soon as its call ends.
        #expect(trial.ended(1) == [.stop(child, .room)])
        #expect(trial.call(3, 1) == .wait([]))
        let second = try #require(trial.stopped(child).started(2), "who waited first is first")
        #expect(trial.started(second) == [.use(HostCallID(2), second)])
        #expect(trial.ended(2) == [.stop(second, .room)])
    }

    @Test func aChildThatStopsAnywayMakesRoomForOne() throws {
        let trial = HostTrial(HostLimits(childrenMax: 2, accountChildrenMax: 2, idleTimeout: .seconds(10)))
        let first = try #require(trial.wakeIdle(1, with: 1))
        #expect(trial.pass(milliseconds: 5_000).isEmpty)
        let second = try #require(trial.wakeIdle(2, with: 2))
        #expect(trial.pass(milliseconds: 5_000) == [.stop(first, .idle)])
        #expect(trial.call(3, 3) == .wait([]))
        #expect(trial.call(4, 4) == .wait([.stop(second, .room)]))
    }

    @Test func anAccountAtItsLimitMakesRoomOfItsOwn() throws {
        let trial = HostTrial(HostLimits(childrenMax: 8, accountChildrenMax: 2))
        let other = try #require(trial.wakeIdle(9, with: 9, of: 2))
        let first = try #require(trial.wakeIdle(1, with: 1, of: 1))
        _ = try #require(trial.wake(2, with: 2, of: 1))
        // The other account's child is colder, and there is room for six more; but this account has its two.
        #expect(trial.call(3, 3, of: 1) == .wait([.stop(first, .room)]))
        #expect(trial.call(4, 4, of: 1) == .wait([]))
        // Others do not wait for it.
        #expect(trial.call(5, 5, of: 2).startedChild != nil)
        #expect(trial.stopped(first).started(3) != nil, "there is room for its third key")
        #expect(trial.machine.child(of: 9) == other)
    }

    @Test func accountsTakeTurnsWhenThereIsNoRoom() throws {
        let trial = HostTrial(HostLimits(childrenMax: 1, accountChildrenMax: 1))
        var child = try #require(trial.wake(0, with: 1, of: 9))
        for id in 10..<14 as Range<UInt64> { #expect(trial.call(id, Int(id), of: 1) == .wait([])) }
        #expect(trial.call(20, 20, of: 2) == .wait([]))
        var order: [UInt64] = []
        var running: UInt64 = 1
        while trial.ended(running) == [.stop(child, .room)] {
            guard case .start(let next, let key, _)? = trial.stopped(child).first else { break }
            child = next
            running = UInt64(key.number)
            order.append(running)
            #expect(trial.started(child) == [.use(HostCallID(running), child)])
        }
        #expect(order == [10, 20, 11, 12, 13])
    }

    @Test func anIdleChildStaysForAsLongAsItsStartTookWhileOthersWait() throws {
        let trial = HostTrial(HostLimits(childrenMax: 1))
        let child = try #require(trial.call(1, 1).startedChild)
        #expect(trial.pass(milliseconds: 800).isEmpty)
        #expect(trial.started(child) == [.use(HostCallID(1), child)])
        #expect(trial.call(2, 2) == .wait([]))
        #expect(trial.ended(1).isEmpty)
        #expect(trial.nextTickMilliseconds == 1_600)
        // Its key comes back in time, and it stays for as long again.
        #expect(trial.pass(milliseconds: 500).isEmpty)
        #expect(trial.call(3, 1) == .use(child) && trial.ended(3).isEmpty)
        #expect(trial.pass(milliseconds: 799).isEmpty)
        #expect(trial.pass(milliseconds: 1) == [.stop(child, .room)])
    }

    @Test func whoHasHadItsTurnStaysNoLonger() throws {
        let trial = HostTrial(HostLimits(childrenMax: 1, lingerMax: .seconds(2), turnMax: .seconds(10)))
        let child = try #require(trial.call(1, 1).startedChild)
        #expect(trial.pass(milliseconds: 5_000).isEmpty)
        #expect(trial.started(child) == [.use(HostCallID(1), child)])
        #expect(trial.call(2, 2) == .wait([]))
        // A start of five seconds is worth two.
        #expect(trial.ended(1).isEmpty && trial.nextTickMilliseconds == 7_000)
        for id in 3..<8 as Range<UInt64> {
            #expect(trial.pass(milliseconds: 1_900).isEmpty)
            #expect(trial.call(id, 1) == .use(child) && trial.ended(id).isEmpty)
        }
        #expect(trial.nextTickMilliseconds == 15_000)
        #expect(trial.pass(milliseconds: 500) == [.stop(child, .room)])
    }

    @Test func anIdleChildThatNobodyWaitsForIsNotLookedAt() throws {
        let trial = HostTrial(HostLimits(childrenMax: 2, accountChildrenMax: 1, idleTimeout: .seconds(20)))
        let child = try #require(trial.call(1, 1, of: 1).startedChild)
        #expect(trial.pass(milliseconds: 800).isEmpty)
        #expect(trial.started(child) == [.use(HostCallID(1), child)] && trial.ended(1).isEmpty)
        // Another account has room of its own.
        #expect(trial.wakeIdle(2, with: 2, of: 2) != nil)
        #expect(trial.nextTickMilliseconds == 20_800)
    }

    // MARK: Spares

    @Test func aSpareIsStartedAheadAndTakenAndReplaced() throws {
        let trial = HostTrial(HostLimits(childrenMax: 4, accountChildrenMax: 4, sparesMax: 1))
        let spare = try #require(trial.pass(milliseconds: 0).spares?.first, "there is room for a spare")
        #expect(trial.started(spare).isEmpty)
        #expect(trial.machine.figures.spare == 1)
        guard case .wait(let actions) = trial.call(1, 7), actions.count == 2,
            case .start(spare, 7, isSpare: true) = actions[0], case .startSpare(let next) = actions[1]
        else {
            Issue.record("the spare is taken, and the next started")
            return
        }
        #expect(trial.started(spare) == [.use(HostCallID(1), spare)])
        #expect(trial.started(next).isEmpty)
        #expect(trial.machine.figures.sparesTaken == 1 && trial.machine.figures.starts == 2)
    }

    @Test func aSpareTakesNoRoomFromThoseWhoWait() throws {
        let trial = HostTrial(HostLimits(childrenMax: 2, accountChildrenMax: 2, sparesMax: 1))
        let spare = try #require(trial.pass(milliseconds: 0).spares?.first, "there is room for a spare")
        let first = try #require(trial.wake(1, with: 1))
        // The spare is on its way and comes in useful, so that nobody has to make room.
        #expect(trial.ended(1).isEmpty)
        #expect(trial.call(2, 2) == .wait([]))
        #expect(trial.started(spare) == [.start(spare, 2, isSpare: true)])
        #expect(trial.started(spare) == [.use(HostCallID(2), spare)])
        // There is no room for another spare, and no idle child goes for one.
        #expect(trial.pass(milliseconds: 1_000).isEmpty)
        #expect(trial.machine.child(of: 1) == first)
    }

    @Test func sparesGoFirstWhenMemoryIsShortAndComeBackWithTheNextStart() throws {
        let trial = HostTrial(HostLimits(childrenMax: 8, accountChildrenMax: 8, sparesMax: 2))
        let spares = try #require(trial.pass(milliseconds: 0).spares, "there is room for two spares")
        let (first, second) = (spares[0], spares[1])
        #expect(trial.started(first).isEmpty)
        #expect(trial.relieve(9) == [.stop(first, .memory)])
        // One that comes up afterwards is not wanted any more.
        #expect(trial.started(second) == [.stop(second, .memory)])
        #expect(trial.stopped(first).isEmpty && trial.stopped(second).isEmpty)
        #expect(trial.pass(milliseconds: 1_000).isEmpty)
        guard case .wait(let actions) = trial.call(1, 1) else {
            Issue.record("it has to start")
            return
        }
        #expect(actions.count == 3)
    }

    @Test func aSpareThatFailsIsNotReplacedAtOnce() throws {
        let trial = HostTrial(HostLimits(sparesMax: 1))
        let first = try #require(trial.pass(milliseconds: 0).spares?.first, "there is room for a spare")
        #expect(trial.startFailed(first).isEmpty)
        #expect(trial.nextTickMilliseconds == 1_000)
        #expect(trial.pass(milliseconds: 999).isEmpty)
        let second = try #require(trial.pass(milliseconds: 1).spares?.first, "it is time to try again")
        #expect(trial.started(second).isEmpty)
        #expect(trial.childEnded(second) == [.stop(second, .ended)])
        #expect(trial.stopped(second).isEmpty)
        #expect(trial.pass(milliseconds: 999).isEmpty)
        #expect(trial.pass(milliseconds: 1).count == 1)
    }

    // MARK: Holding

    @Test func aHeldCallKeepsItsChildAndGivesUpItsPlace() throws {
        let trial = HostTrial(HostLimits(callsMax: 1, idleTimeout: .seconds(10)))
        let child = try #require(trial.wake(1, with: 1))
        #expect(trial.call(2, 1) == .wait([]))
        #expect(trial.hold(1) == .hold([.use(HostCallID(2), child)]))
        #expect(trial.ended(2).isEmpty)
        #expect(trial.machine.figures.held == 1 && trial.machine.figures.busy == 1)
        #expect(trial.pass(milliseconds: 100_000).isEmpty)
        #expect(trial.call(3, 1) == .use(child))
        // It needs no place to run on.
        #expect(trial.resume(1) == .use(child))
        #expect(trial.machine.figures.running == 2)
        #expect(trial.call(4, 1) == .wait([]))
        #expect(trial.ended(1).isEmpty)
        #expect(trial.ended(3) == [.use(HostCallID(4), child)])
        #expect(trial.ended(4).isEmpty)
        #expect(trial.pass(milliseconds: 10_000) == [.stop(child, .idle)])
    }

    @Test func aCallIsHeldItsWholeTimeAndNoLonger() throws {
        let trial = HostTrial(HostLimits(idleTimeout: .seconds(10), holdTimeout: .seconds(600)))
        let child = try #require(trial.wake(1, with: 1))
        #expect(trial.hold(1) == .hold([]))
        #expect(trial.resume(1) == .use(child))
        #expect(trial.pass(milliseconds: 100_000).isEmpty)
        #expect(trial.hold(1) == .hold([]))
        #expect(trial.nextTickMilliseconds == 700_000)
        #expect(trial.pass(milliseconds: 599_999).isEmpty)
        #expect(trial.pass(milliseconds: 1) == [.fail(HostCallID(1), .heldTooLong)])
        #expect(trial.resume(1) == .gone && trial.hold(1) == .gone && trial.ended(1).isEmpty)
        #expect(trial.machine.figures.held == 0 && trial.machine.figures.idle == 1)
    }

    @Test func asManyAreHeldAsMayInAllAndOfOneAccount() throws {
        let trial = HostTrial(HostLimits(heldMax: 3, accountHeldMax: 2))
        let child = try #require(trial.wake(1, with: 1, of: 1))
        for id in 2...3 as ClosedRange<UInt64> { #expect(trial.call(id, 1, of: 1) == .use(child)) }
        for id in 4...5 as ClosedRange<UInt64> { #expect(trial.call(id, 1, of: 2) == .use(child)) }
        #expect(trial.hold(1) == .hold([]) && trial.hold(2) == .hold([]))
        guard case .refuse(let refusal) = trial.hold(3), case .hold = trial.hold(4),
            case .refuse(let second) = trial.hold(5)
        else {
            Issue.record("two of one account are held, and three in all")
            return
        }
        #expect(refusal.reason == .accountHeldFull && second.reason == .heldFull)
        // Who is refused runs on, and may be held when another is not.
        #expect(trial.ended(1).isEmpty)
        #expect(trial.hold(3) == .hold([]))
        #expect(trial.machine.figures.held == 3 && trial.machine.figures.running == 1)
    }

    @Test func aHeldCallFailsWhenItsChildEnds() throws {
        let trial = HostTrial()
        let child = try #require(trial.wake(1, with: 1))
        #expect(trial.hold(1) == .hold([]))
        #expect(trial.childEnded(child, .overMemory) == [.fail(HostCallID(1), .overMemory), .stop(child, .overMemory)])
        #expect(trial.resume(1) == .gone)
        #expect(trial.machine.figures.held == 0)
    }
}
