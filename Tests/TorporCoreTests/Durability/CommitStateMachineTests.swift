import Testing
import TorporCore

struct CommitStateMachineTests {
    private let start = Instant(nanoseconds: 0)

    private func second(_ number: Int) -> Instant { self.start + .seconds(number) }

    /// Takes everything that waits.
    private func batch(_ commits: inout CommitStateMachine, at now: Instant) -> [UInt32] {
        commits.beginBatch(now: now)
        var taken: [UInt32] = []
        while let number = commits.takeNext() { taken.append(number) }
        return taken
    }

    @Test func changesAreSentAtOnceInTheirOrder() {
        var commits = CommitStateMachine(pace: .acknowledged, now: self.start)
        #expect(commits.next(now: self.start) == .wait(until: nil) && commits.isIdle)
        for number: UInt32 in [3, 1, 3, 2] { commits.changed(number) }
        #expect(commits.next(now: self.start) == .send && commits.queuedCount == 3)
        #expect(self.batch(&commits, at: self.start) == [3, 1, 2])
        #expect(commits.next(now: self.start) == .wait(until: nil) && !commits.isIdle)
        for number: UInt32 in [3, 1, 2] { commits.ended(number, .committed) }
        commits.endBatch()
        #expect(commits.isIdle)
    }

    @Test func whatChangesMeanwhileGoesWithTheNextBatch() {
        var commits = CommitStateMachine(pace: .acknowledged, now: self.start)
        commits.changed(1)
        #expect(self.batch(&commits, at: self.start) == [1])
        commits.changed(1)
        commits.changed(2)
        #expect(commits.next(now: self.start) == .wait(until: nil), "one batch is under way at a time")
        commits.ended(1, .committed)
        commits.endBatch()
        #expect(commits.next(now: self.start) == .send)
        #expect(self.batch(&commits, at: self.start) == [2, 1])
    }

    @Test func aDroppedObjectIsNotSentAgain() {
        var commits = CommitStateMachine(pace: .acknowledged, now: self.start)
        commits.changed(1)
        _ = self.batch(&commits, at: self.start)
        commits.changed(1)
        commits.ended(1, .dropped)
        commits.endBatch()
        #expect(commits.isIdle)
        commits.changed(1)
        #expect(self.batch(&commits, at: self.start) == [1])
    }

    @Test(arguments: [false, true])
    func anUnknownObjectIsInNoBatchUntilItIsSettled(changesMeanwhile: Bool) {
        var commits = CommitStateMachine(pace: .acknowledged, now: self.start)
        commits.changed(1)
        _ = self.batch(&commits, at: self.start)
        commits.ended(1, .unknown)
        commits.endBatch()
        if changesMeanwhile { commits.changed(1) }
        #expect(commits.next(now: self.start) == .wait(until: nil))
        commits.ended(1, .committed)
        #expect(commits.next(now: self.start) == (changesMeanwhile ? .send : .wait(until: nil)))
    }

    @Test func aHeldObjectWaitsUntilItIsResumed() {
        var commits = CommitStateMachine(pace: .acknowledged, now: self.start)
        commits.changed(1)
        commits.changed(2)
        commits.beginBatch(now: self.start)
        #expect(commits.takeNext() == 1)
        commits.held(1)
        #expect(commits.takeNext() == 2 && commits.takeNext() == nil)
        commits.ended(2, .committed)
        commits.endBatch()
        commits.changed(1)
        #expect(commits.next(now: self.start) == .wait(until: nil))
        commits.resumed(1)
        commits.resumed(2)
        #expect(self.batch(&commits, at: self.start) == [1])
    }

    @Test func anIntervalIsWaitedForAndAHurryIsNot() {
        var commits = CommitStateMachine(pace: .interval(.seconds(2)), now: self.start)
        commits.changed(1)
        #expect(commits.next(now: self.second(1)) == .wait(until: self.second(2)))
        #expect(commits.next(now: self.second(2)) == .send)
        #expect(self.batch(&commits, at: self.second(2)) == [1])
        commits.ended(1, .committed)
        commits.endBatch()
        commits.changed(2)
        #expect(commits.next(now: self.second(3)) == .wait(until: self.second(4)))
        commits.hurry()
        #expect(commits.next(now: self.second(3)) == .send)
        #expect(self.batch(&commits, at: self.second(3)) == [2])
        commits.ended(2, .committed)
        commits.endBatch()
        commits.changed(3)
        #expect(commits.next(now: self.second(3)) == .wait(until: self.second(5)), "a hurry is for what waits then")
    }

    @Test func aHurryIsAlsoForWhatHasChangedSinceItWasSent() {
        var commits = CommitStateMachine(pace: .interval(.seconds(2)), now: self.start)
        commits.changed(1)
        #expect(self.batch(&commits, at: self.second(2)) == [1])
        commits.changed(1)
        commits.hurry()
        commits.ended(1, .committed)
        commits.endBatch()
        #expect(commits.next(now: self.second(2)) == .send)
        #expect(self.batch(&commits, at: self.second(2)) == [1])
    }

    @Test func impossibleEventsStopTheProcess() async {
        await #expect(processExitsWith: .failure) {
            var commits = CommitStateMachine(pace: .acknowledged, now: Instant(nanoseconds: 0))
            commits.beginBatch(now: Instant(nanoseconds: 0))
            commits.beginBatch(now: Instant(nanoseconds: 0))
        }
        await #expect(processExitsWith: .failure) {
            var commits = CommitStateMachine(pace: .acknowledged, now: Instant(nanoseconds: 0))
            _ = commits.takeNext()
        }
        await #expect(processExitsWith: .failure) {
            var commits = CommitStateMachine(pace: .acknowledged, now: Instant(nanoseconds: 0))
            commits.changed(1)
            commits.ended(1, .committed)
        }
        await #expect(processExitsWith: .failure) {
            var commits = CommitStateMachine(pace: .acknowledged, now: Instant(nanoseconds: 0))
            commits.changed(1)
            commits.beginBatch(now: Instant(nanoseconds: 0))
            _ = commits.takeNext()
            commits.endBatch()
        }
        await #expect(processExitsWith: .failure) {
            var commits = CommitStateMachine(pace: .acknowledged, now: Instant(nanoseconds: 0))
            commits.changed(1)
            commits.beginBatch(now: Instant(nanoseconds: 0))
            _ = commits.takeNext()
            commits.ended(1, .unknown)
            commits.ended(1, .unknown)
        }
    }
}
