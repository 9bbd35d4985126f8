import Testing
import TorporCore

struct ResidencyStateMachineTests {
    private typealias Residency = ResidencyStateMachine<Int>

    private func loading(_ waiters: Int...) -> Residency {
        var residency = Residency()
        for waiter in waiters { _ = residency.requested(by: waiter) }
        return residency
    }

    @Test func theFirstCallerLoadsAndTheOthersJoin() {
        var residency = Residency()
        #expect(residency.isAsleep && residency.isForgettable)
        #expect(residency.requested(by: 1) == .load)
        #expect(residency.requested(by: 2) == .wait)
        #expect(residency.isLoading && !residency.isForgettable)
        #expect(residency.loaded() == [1, 2])
        #expect(residency.isResident && residency.users == 2)
        #expect(residency.requested(by: 3) == .use)
        #expect(residency.users == 3)
    }

    @Test func aFailedLoadLeavesNothingBehind() {
        var residency = self.loading(1, 2)
        #expect(residency.loadFailed() == [1, 2])
        #expect(residency.isForgettable)
        #expect(residency.requested(by: 3) == .load)
    }

    @Test func whatNobodyUsesIsEvicted() {
        var residency = self.loading(1)
        _ = residency.loaded()
        residency.released()
        residency.evicted()
        #expect(residency.isForgettable)
    }

    @Test func whoArrivesDuringAnEvictionKeepsTheObject() {
        var residency = Residency(isResident: true)
        residency.evictionStarted()
        #expect(residency.isEvicting && residency.requested(by: 1) == .wait)
        #expect(residency.requested(by: 2) == .wait)
        let end = residency.evictionEnded()
        #expect(!end.leaves && end.waiters == [1, 2])
        #expect(residency.isResident && residency.users == 2)
    }

    @Test func anEvictionThatNobodyMindsEndsAsleep() {
        var residency = Residency(isResident: true)
        residency.evictionStarted()
        let end = residency.evictionEnded()
        #expect(end.leaves && end.waiters.isEmpty && residency.isForgettable)
    }

    @Test func droppedChangesSendTheObjectToSleepUnderItsUsers() {
        var residency = self.loading(1)
        _ = residency.loaded()
        #expect(residency.dropped().isEmpty)
        #expect(residency.isAsleep && residency.users == 1 && !residency.isForgettable)
        #expect(residency.requested(by: 2) == .load)
        #expect(residency.loaded() == [2] && residency.users == 2)
        residency.released()
        residency.released()
        #expect(residency.users == 0)
    }

    @Test(arguments: [true, false])
    func anUnknownOutcomeMakesCallersWait(isCommitted: Bool) {
        var residency = self.loading(1)
        _ = residency.loaded()
        residency.outcomeUnknown()
        #expect(residency.isClosed && residency.requested(by: 2) == .wait)
        if isCommitted {
            #expect(residency.settled() == [2] && residency.users == 2)
        } else {
            #expect(residency.dropped() == [2] && residency.users == 1)
        }
    }

    @Test func whoWaitedLongEnoughForAnUnknownOutcomeGoes() {
        var residency = Residency(isResident: true)
        residency.outcomeUnknown()
        _ = residency.requested(by: 1)
        #expect(residency.waitedLongEnough() == [1])
        #expect(residency.isClosed && residency.settled().isEmpty)
    }

    @Test func whoArrivesDuringADeletionAsksAgainAfterIt() {
        for isResident in [true, false] {
            var residency = Residency(isResident: isResident)
            #expect(residency.deletionStarted() && residency.isDeleting)
            #expect(residency.requested(by: 1) == .wait)
            let isStartedAgain = residency.deletionStarted()
            #expect(!isStartedAgain, "it is being deleted already")
            #expect(residency.deleted() == [1])
            #expect(residency.isForgettable)
        }
    }

    @Test func aRefusedDeletionSendsTheObjectToSleep() {
        var residency = Residency(isResident: true)
        _ = residency.deletionStarted()
        _ = residency.requested(by: 1)
        #expect(residency.dropped() == [1] && residency.isForgettable)
    }

    @Test func anUnknownDeletionIsSettledEitherWay() {
        for isDeleted in [true, false] {
            var residency = Residency(isResident: true)
            _ = residency.deletionStarted()
            residency.outcomeUnknown()
            _ = residency.requested(by: 1)
            let woken = isDeleted ? residency.deleted() : residency.dropped()
            #expect(woken == [1] && residency.isForgettable)
        }
    }

    @Test func whatIsBetweenMemoryAndStoreIsNotDeleted() {
        var loading = self.loading(1)
        var evicting = Residency(isResident: true)
        evicting.evictionStarted()
        var closed = Residency(isResident: true)
        closed.outcomeUnknown()
        let started = [loading.deletionStarted(), evicting.deletionStarted(), closed.deletionStarted()]
        #expect(started == [false, false, false])
    }

    @Test func impossibleEventsStopTheProcess() async {
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>()
            _ = residency.loaded()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>(isResident: true)
            _ = residency.loadFailed()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>(isResident: true)
            residency.released()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>(isResident: true)
            _ = residency.requested(by: 1)
            residency.evicted()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>()
            residency.evictionStarted()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>(isResident: true)
            _ = residency.evictionEnded()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>()
            _ = residency.dropped()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>()
            residency.outcomeUnknown()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>(isResident: true)
            _ = residency.settled()
        }
        await #expect(processExitsWith: .failure) {
            var residency = ResidencyStateMachine<Int>(isResident: true)
            _ = residency.deleted()
        }
    }
}

struct TurnStateMachineTests {
    @Test func updatesRunOneAtATimeInTheOrderInWhichTheyCame() {
        var turn = TurnStateMachine<Int>()
        #expect(turn.isIdle && turn.requested(by: 1, waitersMax: 2) == .go)
        #expect(turn.requested(by: 2, waitersMax: 2) == .wait)
        #expect(turn.requested(by: 3, waitersMax: 2) == .wait)
        #expect(turn.requested(by: 4, waitersMax: 2) == .refuse)
        #expect(turn.passed() == 2)
        #expect(turn.passed() == 3)
        #expect(!turn.isIdle)
        #expect(turn.passed() == nil)
        #expect(turn.isIdle && turn.requested(by: 5, waitersMax: 0) == .go)
    }

    @Test func aTurnThatNobodyHasIsNotPassed() async {
        await #expect(processExitsWith: .failure) {
            var turn = TurnStateMachine<Int>()
            _ = turn.passed()
        }
    }
}
