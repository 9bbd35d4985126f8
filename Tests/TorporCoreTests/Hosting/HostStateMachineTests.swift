import Testing

@testable import TorporCore

/// The life of a key, its calls, and its end.
@Suite struct HostStateMachineTests {
    typealias Action = HostTrial.Action

    // MARK: Life

    @Test func theFirstCallStartsAChildAndTheNextUsesIt() throws {
        let trial = HostTrial()
        let child = try #require(trial.call(1, 7).startedChild)
        #expect(trial.started(child) == [.use(HostCallID(1), child)])
        #expect(trial.call(2, 7) == .use(child))
        #expect(trial.ended(1).isEmpty && trial.ended(2).isEmpty)
        #expect(trial.call(3, 7) == .use(child))
        #expect(trial.machine.figures.starts == 1 && trial.machine.figures.busy == 1)
    }

    @Test func callsThatArriveWhileAKeyWakesJoinThatStart() throws {
        let trial = HostTrial()
        let child = try #require(trial.call(1, 7).startedChild)
        #expect(trial.call(2, 7) == .wait([]) && trial.call(3, 7, of: 5) == .wait([]))
        #expect(
            trial.started(child) == [
                .use(HostCallID(1), child), .use(HostCallID(3), child), .use(HostCallID(2), child),
            ])
    }

    @Test func eachKeyHasAChildOfItsOwn() throws {
        let trial = HostTrial()
        let first = try #require(trial.wake(1, with: 1))
        let second = try #require(trial.wake(2, with: 2))
        #expect(first != second && trial.machine.child(of: 1) == first && trial.machine.child(of: 2) == second)
    }

    @Test func anIdleChildStopsAtItsTimeoutAndNotBefore() throws {
        let trial = HostTrial(HostLimits(idleTimeout: .seconds(300)))
        let child = try #require(trial.wake(7, with: 1))
        // A call that takes longer than the timeout is not idle.
        #expect(trial.pass(milliseconds: 900_000).isEmpty)
        #expect(trial.ended(1).isEmpty)
        #expect(trial.nextTickMilliseconds == 1_200_000)
        #expect(trial.pass(milliseconds: 299_999).isEmpty)
        #expect(trial.pass(milliseconds: 1) == [.stop(child, .idle)])
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.machine.figures.children == 0 && trial.machine.tableCount == 0)
        #expect(trial.nextTickMilliseconds == nil)
    }

    @Test func aUseBeginsTheIdleTimeAnew() throws {
        let trial = HostTrial(HostLimits(idleTimeout: .seconds(300)))
        let child = try #require(trial.wakeIdle(7, with: 1))
        #expect(trial.pass(milliseconds: 299_999).isEmpty)
        #expect(trial.call(2, 7) == .use(child) && trial.ended(2).isEmpty)
        #expect(trial.pass(milliseconds: 299_999).isEmpty)
        #expect(trial.pass(milliseconds: 1) == [.stop(child, .idle)])
    }

    @Test func shortIdleTimesHoldAsLongAsMemoryIsShort() throws {
        let trial = HostTrial(HostLimits(idleTimeout: .seconds(300)))
        let first = try #require(trial.wakeIdle(1, with: 1))
        let second = try #require(trial.wakeIdle(2, with: 2))
        trial.machine.shortenIdle(to: 0.25)
        #expect(trial.call(3, 2) == .use(second))
        #expect(trial.pass(milliseconds: 74_999).isEmpty)
        #expect(trial.pass(milliseconds: 1) == [.stop(first, .idle)])
        trial.machine.shortenIdle(to: 1)
        #expect(trial.ended(3).isEmpty)
        #expect(trial.pass(milliseconds: 299_999).isEmpty)
        #expect(trial.pass(milliseconds: 1) == [.stop(second, .idle)])
    }

    @Test func aCallForAKeyThatStopsWaitsAndWakesItAgain() throws {
        let trial = HostTrial(HostLimits(idleTimeout: .seconds(300)))
        let child = try #require(trial.wakeIdle(7, with: 1))
        #expect(trial.pass(milliseconds: 300_000) == [.stop(child, .idle)])
        #expect(trial.call(2, 7) == .wait([]) && trial.call(3, 7) == .wait([]))
        let next = try #require(trial.stopped(child).started(7), "who waits wakes the key")
        #expect(next != child)
        #expect(trial.started(next) == [.use(HostCallID(2), next), .use(HostCallID(3), next)])
    }

    // MARK: Turns

    @Test func aCallBeyondWhatAChildRunsWaitsForATurn() throws {
        let trial = HostTrial(HostLimits(callsMax: 2))
        let child = try #require(trial.wake(7, with: 1))
        #expect(trial.call(2, 7) == .use(child))
        #expect(trial.call(3, 7) == .wait([]) && trial.call(4, 7) == .wait([]))
        #expect(trial.ended(2) == [.use(HostCallID(3), child)])
        // Nobody overtakes those who wait.
        #expect(trial.call(5, 7) == .wait([]))
        #expect(trial.ended(1) == [.use(HostCallID(4), child)])
        #expect(trial.ended(3) == [.use(HostCallID(5), child)])
    }

    @Test func accountsTakeTurnsAtOneChild() throws {
        let trial = HostTrial(HostLimits(callsMax: 1))
        let child = try #require(trial.wake(7, with: 1))
        for id in 10..<14 as Range<UInt64> { #expect(trial.call(id, 7, of: 1) == .wait([])) }
        #expect(trial.call(20, 7, of: 2) == .wait([]))
        var order: [UInt64] = []
        var running: UInt64 = 1
        while case .use(let id, child)? = trial.ended(running).first {
            order.append(id.number)
            running = id.number
        }
        #expect(order == [10, 20, 11, 12, 13])
    }

    // MARK: Waiting

    @Test func asManyWaitAsMayInAllAndOfOneAccount() throws {
        let trial = HostTrial(HostLimits(queuedMax: 3, accountQueuedMax: 2))
        _ = try #require(trial.call(1, 7, of: 1).startedChild)
        #expect(trial.call(2, 7, of: 1) == .wait([]))
        #expect(trial.call(3, 7, of: 1).refusal?.reason == .accountQueueFull)
        #expect(trial.call(4, 7, of: 2) == .wait([]))
        #expect(trial.call(5, 7, of: 3).refusal?.reason == .queueFull)
        #expect(trial.cancelled(2) == [])
        #expect(trial.call(6, 7, of: 3) == .wait([]))
        #expect(trial.machine.figures.refusals == [.accountQueueFull: 1, .queueFull: 1])
    }

    @Test func aCallWaitsItsWholeTimeAndNoLonger() throws {
        let trial = HostTrial(HostLimits(callsMax: 1, queueTimeout: .seconds(10)))
        _ = try #require(trial.wake(7, with: 1))
        #expect(trial.call(2, 7) == .wait([]))
        #expect(trial.nextTickMilliseconds == 10_000)
        #expect(trial.pass(milliseconds: 9_999).isEmpty)
        #expect(trial.pass(milliseconds: 1).refusals() == [2: .busy])
        #expect(trial.ended(1).isEmpty)
    }

    @Test func whoWaitsIsToldWhatFor() throws {
        let trial = HostTrial(HostLimits(childrenMax: 1, queueTimeout: .seconds(10)))
        let child = try #require(trial.call(1, 1).startedChild)
        #expect(trial.pass(milliseconds: 10_000).refusals() == [1: .wakingTooLong])
        #expect(trial.call(2, 1) == .wait([]))
        #expect(trial.started(child) == [.use(HostCallID(2), child)])
        #expect(trial.call(3, 2) == .wait([]))
        #expect(trial.pass(milliseconds: 10_000).refusals() == [3: .noRoom])
        #expect(trial.ended(2).isEmpty)
        #expect(trial.pass(milliseconds: 300_000) == [.stop(child, .idle)])
        #expect(trial.call(4, 1) == .wait([]))
        #expect(trial.pass(milliseconds: 10_000).refusals() == [4: .stoppingTooLong])
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.machine.tableCount == 0)
    }

    @Test func whoLeavesWhileItWaitsLeavesNothingBehind() throws {
        let trial = HostTrial(HostLimits(childrenMax: 1))
        let child = try #require(trial.wake(1, with: 1))
        #expect(trial.call(2, 2) == .wait([]))
        #expect(trial.cancelled(2) == [])
        #expect(trial.cancelled(2) == nil && trial.cancelled(1) == nil)
        // Nobody waits for the room any more.
        #expect(trial.ended(1).isEmpty)
        #expect(trial.pass(milliseconds: 300_000) == [.stop(child, .idle)])
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.machine.tableCount == 0)
    }

    @Test func aStartThatNobodyWaitsForAnyMoreIsThereForTheNext() throws {
        let trial = HostTrial()
        let child = try #require(trial.call(1, 7).startedChild)
        #expect(trial.cancelled(1) == [])
        #expect(trial.started(child).isEmpty)
        #expect(trial.call(2, 7) == .use(child))
    }

    // MARK: One call only

    @Test func aChildForOneCallStopsRightAfterIt() throws {
        let trial = HostTrial(HostLimits(isPerCall: true))
        let child = try #require(trial.wake(1, with: 1))
        #expect(trial.ended(1) == [.stop(child, .callEnded)])
        #expect(trial.stopped(child).isEmpty)
        let second = try #require(trial.call(2, 2).startedChild)
        #expect(trial.cancelled(2) == [])
        #expect(trial.started(second) == [.stop(second, .callEnded)])
        #expect(trial.stopped(second).isEmpty)
        #expect(trial.machine.tableCount == 0 && trial.machine.figures.stops == [.callEnded: 2])
    }

    // MARK: Retiring

    @Test func theChildOfAKeyThatIsNoMoreStopsWhenItsCallsHaveEnded() throws {
        let trial = HostTrial()
        let first = try #require(trial.wakeIdle(1, with: 1))
        let second = try #require(trial.wake(2, with: 2))
        let third = try #require(trial.call(3, 3).startedChild)
        #expect(trial.retire(1) == [.stop(first, .retired)])
        #expect(trial.retire(1).isEmpty)
        #expect(trial.retire(2).isEmpty)
        #expect(trial.ended(2) == [.stop(second, .retired)])
        #expect(trial.retire(3).isEmpty)
        #expect(trial.started(third) == [.use(HostCallID(3), third)])
        #expect(trial.ended(3) == [.stop(third, .retired)])
        #expect(trial.retire(99).isEmpty)
    }

    // MARK: Memory

    @Test func whenMemoryIsShortTheColdestOfThoseWithoutCallsGo() throws {
        let trial = HostTrial()
        let first = try #require(trial.wakeIdle(1, with: 1))
        let second = try #require(trial.wakeIdle(2, with: 2))
        _ = try #require(trial.wake(3, with: 3))
        #expect(trial.call(4, 1) == .use(first) && trial.ended(4).isEmpty)
        #expect(trial.relieve(1) == [.stop(second, .memory)])
        #expect(trial.relieve(9) == [.stop(first, .memory)])
        #expect(trial.relieve(9).isEmpty)
    }

    @Test func sparesAreTheFirstToGoAndAreNotStartedAgainBeforeTheNextWake() throws {
        let trial = HostTrial(HostLimits(sparesMax: 2))
        let spares = try #require(trial.pass(milliseconds: 0).spares)
        for spare in spares { #expect(trial.started(spare).isEmpty) }
        trial.milliseconds = 50
        let taken = try #require(trial.takeSpare(1, with: 1, spares[0]))
        #expect(trial.nextToRelieve?.isSpare == true && trial.nextToRelieve?.child == spares[1])
        #expect(trial.relieve(1) == [.stop(spares[1], .memory)])
        #expect(trial.nextToRelieve == nil, "the other one has a call")
        #expect(trial.ended(1).isEmpty)
        let next = try #require(trial.nextToRelieve)
        #expect(next.child == taken && !next.isSpare && next.since == trial.now)
    }

    @Test func noChildIsStartedWhileMemoryIsTooShort() throws {
        let trial = HostTrial(HostLimits(queueTimeout: .seconds(60)))
        let child = try #require(trial.wakeIdle(1, with: 1))
        #expect(trial.refuseStarts(.seconds(5)).isEmpty)
        // Who has a child goes on; who needs one is told when to come back.
        #expect(trial.call(2, 1) == .use(child) && trial.ended(2).isEmpty)
        #expect(trial.call(3, 2).refusal == HostRefusal(reason: .memory, retryAfter: .seconds(5)))
        #expect(trial.machine.figures.refusals[.memory] == 1)
        // Who waits already is served when there is memory again.
        #expect(trial.relieve(1) == [.stop(child, .memory)])
        #expect(trial.call(4, 1) == .wait([]))
        #expect(trial.stopped(child).isEmpty)
        let next = try #require(trial.refuseStarts(nil).started(1))
        #expect(trial.started(next) == [.use(HostCallID(4), next)])
        #expect(trial.call(5, 2).startedChild != nil)
    }

    @Test func whoWaitsForMemoryForTooLongIsToldSo() throws {
        let trial = HostTrial(HostLimits(queueTimeout: .seconds(60)))
        let child = try #require(trial.wakeIdle(1, with: 1))
        #expect(trial.relieve(1) == [.stop(child, .memory)])
        #expect(trial.call(2, 1) == .wait([]))
        #expect(trial.refuseStarts(.seconds(5)).isEmpty)
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.pass(milliseconds: 60_000).refusals() == [2: .memory])
        #expect(trial.machine.keys.isEmpty && trial.machine.accounts.isEmpty)
    }

    // MARK: Draining

    @Test func aDrainRefusesWhoWaitsAndLetsCallsFinish() throws {
        let trial = HostTrial(HostLimits(callsMax: 1, queueTimeout: .seconds(10)))
        let busy = try #require(trial.wake(1, with: 1))
        let idle = try #require(trial.wakeIdle(2, with: 2))
        let waking = try #require(trial.call(3, 3).startedChild)
        #expect(trial.call(4, 1) == .wait([]))
        let draining = HostRefusal(reason: .draining, retryAfter: nil)
        #expect(
            trial.drain() == [
                .refuse(HostCallID(3), draining), .refuse(HostCallID(4), draining), .stop(idle, .drain),
                .stop(waking, .drain),
            ])
        #expect(trial.call(5, 1) == .refuse(draining))
        // What the start comes to is of no interest any more.
        #expect(trial.started(waking).isEmpty && trial.startFailed(waking).isEmpty)
        #expect(trial.stopped(waking).isEmpty && trial.stopped(idle).isEmpty)
        #expect(!trial.machine.isDrained)
        #expect(trial.ended(1) == [.stop(busy, .drain)])
        #expect(!trial.machine.isDrained)
        #expect(trial.stopped(busy).isEmpty)
        #expect(trial.machine.isDrained && trial.machine.tableCount == 0)
    }

    @Test func whenTheTimeToFinishRunsOutCallsFail() throws {
        let trial = HostTrial()
        let child = try #require(trial.wake(1, with: 2))
        #expect(trial.call(1, 1) == .use(child))
        guard case .hold = trial.hold(1) else {
            Issue.record("there is room to hold it")
            return
        }
        #expect(trial.drain().isEmpty)
        #expect(
            trial.abandon() == [
                .fail(HostCallID(1), .drained), .fail(HostCallID(2), .drained), .stop(child, .drain),
            ])
        #expect(trial.ended(1).isEmpty && trial.ended(2).isEmpty && trial.resume(1) == .gone)
        #expect(trial.stopped(child, isSaved: false).isEmpty)
        #expect(trial.machine.isDrained && trial.machine.figures.unsavedFolders == 1)
    }

    // MARK: Impossible events

    @Test func impossibleEventsEndTheProcess() async {
        await #expect(processExitsWith: .failure) {
            let trial = HostTrial()
            _ = trial.call(1, 1)
            _ = trial.call(1, 2)
        }
        await #expect(processExitsWith: .failure) {
            let trial = HostTrial()
            _ = trial.started(ChildNumber(1))
        }
        await #expect(processExitsWith: .failure) {
            let trial = HostTrial()
            guard let child = trial.wake(1, with: 1) else { return }
            _ = trial.stopped(child)
        }
        await #expect(processExitsWith: .failure) {
            let trial = HostTrial()
            guard trial.wake(1, with: 1) != nil else { return }
            _ = trial.resume(1)
        }
        await #expect(processExitsWith: .failure) {
            let trial = HostTrial()
            guard trial.wake(1, with: 1) != nil else { return }
            _ = trial.hold(1)
            _ = trial.hold(1)
        }
        await #expect(processExitsWith: .failure) {
            let trial = HostTrial()
            _ = trial.abandon()
        }
    }

    @Test func limitsThatContradictEachOtherAreImpossible() async {
        await #expect(processExitsWith: .failure) { _ = HostLimits(childrenMax: 0) }
        await #expect(processExitsWith: .failure) { _ = HostLimits(childrenMax: 2, accountChildrenMax: 3) }
        await #expect(processExitsWith: .failure) { _ = HostLimits(queuedMax: 2, accountQueuedMax: 3) }
        await #expect(processExitsWith: .failure) { _ = HostLimits(childrenMax: 2, sparesMax: 2) }
        await #expect(processExitsWith: .failure) { _ = HostLimits(backoffMin: .seconds(2), backoffMax: .seconds(1)) }
        await #expect(processExitsWith: .failure) { _ = HostLimits(heldMax: 1, accountHeldMax: 2) }
        await #expect(processExitsWith: .failure) { _ = HostLimits(idleTimeout: .zero) }
    }
}
