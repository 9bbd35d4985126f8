import Testing

@testable import TorporCore

/// Starts that fail, children that end by themselves, and who pays for it.
@Suite struct HostFailureTests {
    // MARK: Starts

    @Test func whoWaitsForAStartThatFailsIsTold() throws {
        let trial = HostTrial()
        let child = try #require(trial.call(1, 7).startedChild)
        #expect(trial.call(2, 7) == .wait([]))
        let refusal = HostRefusal(reason: .startFailed, retryAfter: .seconds(1))
        #expect(trial.startFailed(child) == [.refuse(HostCallID(1), refusal), .refuse(HostCallID(2), refusal)])
        #expect(trial.machine.figures.children == 0 && trial.machine.figures.startFailures == 1)
    }

    @Test func aKeyIsLeftAloneForATimeThatDoubles() throws {
        let trial = HostTrial(HostLimits(queueTimeout: .seconds(100), keyFailuresMax: 9))
        var child = try #require(trial.call(1, 7).startedChild)
        for (id, seconds) in [(2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 32), (8, 60), (9, 60)] {
            let id = UInt64(id)
            #expect(trial.startFailed(child).refusals()?.count == 1)
            #expect(trial.call(id, 7) == .wait([]), "who comes meanwhile waits")
            #expect(trial.pass(milliseconds: seconds * 1_000 - 1).isEmpty)
            let next = try #require(trial.pass(milliseconds: 1).started(7), "after \(seconds) s it is tried again")
            child = next
        }
    }

    @Test(arguments: [(0.0, 500), (0.5, 750), (1.0, 1_000)])
    func theJitterTakesUpToHalfOfTheTimeAway(jitter: Double, milliseconds: Int) throws {
        let trial = HostTrial()
        trial.jitter = jitter
        _ = trial.startFailed(try #require(trial.call(1, 7).startedChild))
        #expect(trial.call(2, 7) == .wait([]))
        #expect(trial.nextTickMilliseconds == milliseconds)
    }

    @Test func afterManyFailuresOfAKeyNobodyWaits() throws {
        let trial = HostTrial(HostLimits(keyFailuresMax: 2))
        for id in 1...2 as ClosedRange<UInt64> {
            #expect(trial.startFailed(try #require(trial.call(id, 7).startedChild)).count == 1)
            #expect(trial.pass(milliseconds: 1_000).isEmpty)
        }
        #expect(trial.call(3, 7) == .refuse(HostRefusal(reason: .failing, retryAfter: .seconds(1))))
        // Others are not concerned.
        #expect(trial.call(4, 8).startedChild != nil)
        #expect(trial.pass(milliseconds: 1_000).isEmpty)
        let child = try #require(trial.call(5, 7).startedChild)
        #expect(trial.started(child) == [.use(HostCallID(5), child)])
        #expect(trial.ended(5).isEmpty)
        // A child that is stopped in order makes up for it all.
        #expect(trial.retire(7) == [.stop(child, .retired)])
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.startFailed(try #require(trial.call(6, 7).startedChild)).count == 1)
        #expect(trial.call(7, 7) == .wait([]))
    }

    @Test func aStartThatTakesTooLongIsStopped() throws {
        let trial = HostTrial(HostLimits(queueTimeout: .seconds(90), startTimeout: .seconds(60)))
        let child = try #require(trial.call(1, 7).startedChild)
        #expect(trial.nextTickMilliseconds == 60_000)
        #expect(trial.pass(milliseconds: 59_999).isEmpty)
        #expect(
            trial.pass(milliseconds: 1) == [
                .refuse(HostCallID(1), HostRefusal(reason: .startFailed, retryAfter: .seconds(1))),
                .stop(child, .startTimeout),
            ])
        // It is too late for either.
        #expect(trial.started(child).isEmpty && trial.startFailed(child).isEmpty)
        #expect(trial.call(2, 7) == .wait([]))
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.machine.figures.startFailures == 1)
        #expect(trial.pass(milliseconds: 1_000).started(7) != nil, "it is tried again")
    }

    // MARK: All keys

    @Test func whenStartsOfManyKeysFailNobodyWaitsAndOneIsTried() throws {
        let trial = HostTrial(HostLimits(childrenMax: 16, accountChildrenMax: 16, serverFailuresMax: 3))
        let children = (1...4).compactMap { trial.call(UInt64($0), $0).startedChild }
        #expect(children.count == 4)
        #expect(trial.startFailed(children[0]).count == 1 && trial.startFailed(children[1]).count == 1)
        // The first backs off meanwhile, and is refused with the third failure.
        #expect(trial.call(11, 1) == .wait([]))
        #expect(trial.startFailed(children[2]).refusals() == [3: .startFailed, 11: .failing])
        #expect(trial.call(12, 12) == .refuse(HostRefusal(reason: .failing, retryAfter: .seconds(1))))
        // A start that was begun before says nothing new when it fails.
        #expect(trial.startFailed(children[3]).count == 1)
        #expect(trial.pass(milliseconds: 999).isEmpty)
        #expect(trial.call(13, 13).refusal?.reason == .failing)
        #expect(trial.pass(milliseconds: 1).isEmpty)
        let probe = try #require(trial.call(14, 14).startedChild)
        #expect(trial.call(15, 15).refusal?.reason == .failing, "one at a time")
        #expect(trial.call(16, 14) == .wait([]), "but who wants that one waits for it")
        #expect(trial.startFailed(probe).count == 2)
        #expect(trial.call(17, 17) == .refuse(HostRefusal(reason: .failing, retryAfter: .seconds(2))))
        #expect(trial.pass(milliseconds: 2_000).isEmpty)
        let second = try #require(trial.call(18, 18).startedChild)
        #expect(trial.started(second) == [.use(HostCallID(18), second)])
        #expect(trial.call(19, 19).startedChild != nil && trial.call(20, 20).startedChild != nil)
    }

    @Test func aStartBegunBeforeThatSucceedsOpensTheWayForAll() throws {
        let trial = HostTrial(HostLimits(childrenMax: 16, accountChildrenMax: 16, serverFailuresMax: 2))
        let children = (1...3).compactMap { trial.call(UInt64($0), $0).startedChild }
        #expect(trial.startFailed(children[0]).count == 1 && trial.startFailed(children[1]).count == 1)
        #expect(trial.call(11, 11).refusal?.reason == .failing)
        #expect(trial.started(children[2]) == [.use(HostCallID(3), children[2])])
        #expect(trial.call(12, 12).startedChild != nil)
    }

    @Test func whileOneIsTriedOnlyOneMakesRoom() throws {
        let trial = HostTrial(HostLimits(childrenMax: 4, accountChildrenMax: 1, serverFailuresMax: 1))
        let first = try #require(trial.wakeIdle(1, with: 1, of: 1))
        let second = try #require(trial.wakeIdle(2, with: 2, of: 2))
        #expect(trial.startFailed(try #require(trial.call(9, 9, of: 3).startedChild)).count == 1)
        #expect(trial.machine.breaker(now: trial.now) == .open)
        #expect(trial.pass(milliseconds: 1_000).isEmpty)
        #expect(trial.machine.breaker(now: trial.now) == .halfOpen)
        #expect(trial.call(3, 3, of: 1) == .wait([.stop(first, .room)]))
        #expect(trial.call(4, 4, of: 2) == .wait([]))
        let probe = try #require(trial.stopped(first).started(3))
        #expect(trial.started(probe) == [.use(HostCallID(3), probe), .stop(second, .room)])
        #expect(trial.machine.breaker(now: trial.now) == .closed)
    }

    @Test func aSpareIsTriedWhenItsTimeHasComeThoughNobodyCalls() throws {
        let limits = HostLimits(
            childrenMax: 16, accountChildrenMax: 16, sparesMax: 2, backoffMin: .seconds(4), serverFailuresMax: 1)
        let trial = HostTrial(limits)
        let spares = try #require(trial.pass(milliseconds: 0).spares)
        for spare in spares { #expect(trial.startFailed(spare).isEmpty) }
        #expect(trial.call(1, 1).refusal?.reason == .failing)
        #expect(trial.nextTickMilliseconds == 4_000)
        #expect(trial.pass(milliseconds: 3_999).isEmpty)
        let probe = try #require(trial.pass(milliseconds: 1).spares?.first)
        #expect(trial.machine.figures.children == 1, "one at a time")
        #expect(trial.call(2, 2).refusal?.reason == .failing)
        let second = try #require(trial.started(probe).spares)
        #expect(second.count == 1 && trial.call(3, 3) != .wait([]))
    }

    @Test func aKeyWhoseTimeIsOverDoesNotWaitForAnotherThatIsTried() throws {
        let trial = HostTrial(HostLimits(serverFailuresMax: 2))
        // The second failure closes the gate for all, and a third of the same key its own for longer.
        for key in 1...2 {
            #expect(trial.startFailed(try #require(trial.call(UInt64(key), key).startedChild)).count == 1)
        }
        #expect(trial.pass(milliseconds: 1_000).isEmpty)
        #expect(trial.startFailed(try #require(trial.call(3, 1).startedChild)).count == 1)
        #expect(trial.pass(milliseconds: 2_000).isEmpty)
        let child = try #require(trial.call(4, 1).startedChild)
        #expect(trial.started(child).count == 1 && trial.childEnded(child).count == 2)
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.call(5, 1) == .wait([]), "its own gate is closed for 4 s")
        for key in 6...7 {
            #expect(trial.startFailed(try #require(trial.call(UInt64(key), key).startedChild)).count >= 1)
        }
        #expect(trial.pass(milliseconds: 1_000).isEmpty)
        #expect(trial.call(8, 1) == .wait([]), "all may be tried, and it waits for its own time")
        let probe = try #require(trial.call(9, 9).startedChild)
        #expect(trial.pass(milliseconds: 3_000).refusals() == [8: .failing])
        #expect(trial.started(probe) == [.use(HostCallID(9), probe)])
    }

    @Test func oneBadKeyDoesNotBlockTheOthers() throws {
        let trial = HostTrial(HostLimits(serverFailuresMax: 3))
        for id in 1...20 as ClosedRange<UInt64> {
            guard let child = trial.call(id, 7).startedChild else {
                Issue.record("its time was over")
                return
            }
            #expect(trial.startFailed(child).count == 1)
            #expect(trial.pass(milliseconds: 60_000).isEmpty)
        }
        #expect(trial.call(98, 8).startedChild != nil && trial.call(99, 9).startedChild != nil)
    }

    @Test func aKeyWhoseTimeIsOverIsStartedByTheTick() throws {
        let trial = HostTrial(HostLimits(childrenMax: 4, accountChildrenMax: 4))
        for key in 1...3 {
            #expect(trial.startFailed(try #require(trial.call(UInt64(key), key).startedChild)).count == 1)
            trial.milliseconds += 10
        }
        for key in [2, 3, 1] { #expect(trial.call(UInt64(10 + key), key) == .wait([])) }
        let actions = trial.pass(milliseconds: 1_000)
        let keys = actions.compactMap { if case .start(_, let key, _) = $0 { key.number } else { nil } }
        #expect(keys == [1, 2, 3], "in the order in which their time was over")
    }

    // MARK: Readiness

    @Test func threeFailuresInARowShowUntilAStartSucceeds() throws {
        let trial = HostTrial()
        for id in 1...3 as ClosedRange<UInt64> {
            #expect(!trial.isFailing)
            #expect(trial.startFailed(try #require(trial.call(id, 7).startedChild)).count == 1)
            #expect(trial.pass(milliseconds: 4_000).isEmpty)
        }
        #expect(trial.isFailing)
        let child = try #require(trial.call(9, 7).startedChild)
        #expect(trial.isFailing)
        _ = trial.started(child)
        #expect(!trial.isFailing)
    }

    @Test func failuresOfOneKeyDoNotShowWhileAnotherIsAwake() throws {
        let trial = HostTrial(HostLimits(childrenMax: 9, accountChildrenMax: 9))
        _ = try #require(trial.wake(1, with: 1))
        for id in 2...4 as ClosedRange<UInt64> {
            #expect(trial.startFailed(try #require(trial.call(id, 7).startedChild)).count == 1)
            #expect(trial.pass(milliseconds: 4_000).isEmpty)
        }
        #expect(!trial.isFailing)
        for id in 5...6 as ClosedRange<UInt64> {
            #expect(trial.startFailed(try #require(trial.call(id, Int(id)).startedChild)).count == 1)
        }
        #expect(trial.isFailing, "three keys failed")
    }

    @Test func failuresAreForgottenAfterAWhileSoThatClientsComeBack() throws {
        let trial = HostTrial(HostLimits(backoffMax: .seconds(60)))
        for id in 1...3 as ClosedRange<UInt64> {
            #expect(trial.startFailed(try #require(trial.call(id, 7).startedChild)).count == 1)
            trial.milliseconds += 4_000
        }
        trial.milliseconds += 120_000 - 4_000 - 1
        #expect(trial.isFailing)
        trial.milliseconds += 1
        #expect(!trial.isFailing)
    }

    // MARK: Children that end

    @Test func theCallsOfAChildThatEndsFailAndTheNextWakesItsKey() throws {
        let trial = HostTrial(HostLimits(callsMax: 2, steadyMin: .seconds(10)))
        let child = try #require(trial.wake(7, with: 2))
        #expect(trial.call(1, 7) == .use(child) && trial.call(3, 7) == .wait([]))
        #expect(trial.pass(milliseconds: 10_000).isEmpty)
        #expect(
            trial.childEnded(child) == [
                .fail(HostCallID(1), .childEnded), .fail(HostCallID(2), .childEnded), .stop(child, .ended),
            ])
        #expect(trial.childEnded(child).isEmpty, "it is heard of once")
        #expect(trial.ended(1).isEmpty)
        let next = try #require(
            trial.stopped(child).started(7), "who waits gets a new start, at once as the child had been steady")
        #expect(trial.started(next) == [.use(HostCallID(3), next)])
        #expect(trial.machine.figures.endings == 1 && trial.machine.figures.stops == [.ended: 1])
    }

    @Test func aChildThatEndsTooSoonMakesItsKeyWait() throws {
        let trial = HostTrial(HostLimits(keyFailuresMax: 2, steadyMin: .seconds(10)))
        let child = try #require(trial.wake(7, with: 1))
        trial.milliseconds += 9_999
        #expect(trial.childEnded(child, .overMemory).count == 2)
        #expect(trial.call(2, 7) == .wait([]))
        #expect(trial.stopped(child).isEmpty)
        let second = try #require(trial.pass(milliseconds: 1_000).started(7), "a second later it is started")
        #expect(trial.started(second) == [.use(HostCallID(2), second)])
        // Being up is not enough to be forgiven.
        #expect(trial.call(3, 7) == .use(second))
        #expect(trial.childEnded(second, .overMemory).count == 3)
        #expect(trial.call(4, 7) == .wait([]))
        #expect(trial.stopped(second).refusals() == [4: .failing])
        // And it is nothing to others, nor to who asks for readiness.
        #expect(trial.wake(8, with: 5) != nil && !trial.isFailing)
    }

    @Test func theEndOfAChildThatWakesOrStopsIsHeardFromThose() throws {
        let trial = HostTrial()
        let child = try #require(trial.call(1, 7).startedChild)
        #expect(trial.childEnded(child).isEmpty)
        #expect(trial.started(child) == [.use(HostCallID(1), child)])
        #expect(trial.ended(1).isEmpty)
        #expect(trial.retire(7) == [.stop(child, .retired)])
        #expect(trial.childEnded(child).isEmpty)
        #expect(trial.stopped(child).isEmpty)
        #expect(trial.childEnded(child).isEmpty && trial.started(child).isEmpty && trial.startFailed(child).isEmpty)
        #expect(trial.machine.figures.endings == 0 && trial.machine.tableCount == 0)
    }

    @Test func aFolderThatIsNotSavedMakesItsKeyWait() throws {
        let trial = HostTrial()
        let child = try #require(trial.wakeIdle(7, with: 1))
        #expect(trial.retire(7).count == 1)
        #expect(trial.call(2, 7) == .wait([]))
        #expect(trial.stopped(child, isSaved: false).isEmpty)
        #expect(trial.machine.figures.unsavedFolders == 1)
        #expect(trial.pass(milliseconds: 999).isEmpty)
        #expect(trial.pass(milliseconds: 1).count == 1)
    }

    // MARK: Memory

    @Test func keysThatFailedAreForgottenInTime() throws {
        let trial = HostTrial(HostLimits(backoffMin: .seconds(1), backoffMax: .seconds(60)))
        #expect(trial.startFailed(try #require(trial.call(1, 7).startedChild)).count == 1)
        #expect(trial.pass(milliseconds: 60_999).isEmpty)
        #expect(trial.machine.tableCount == 1)
        #expect(trial.nextTickMilliseconds == 61_000)
        #expect(trial.pass(milliseconds: 1).isEmpty)
        #expect(trial.machine.tableCount == 0 && trial.nextTickMilliseconds == nil)
    }

    @Test func noMoreKeysThatFailedAreKeptInMindThanMay() throws {
        let limits = HostLimits(
            childrenMax: 4, accountChildrenMax: 4, queuedMax: 4, accountQueuedMax: 4, serverFailuresMax: 100_000)
        let trial = HostTrial(limits)
        let keysMax = limits.childrenMax + limits.queuedMax + HostLimits.failingKeysMax
        for key in 0..<keysMax + 100 {
            let child = try #require(trial.call(UInt64(key), key).startedChild)
            #expect(trial.startFailed(child).count == 1)
            trial.milliseconds += 1
            #expect(trial.machine.tableCount <= keysMax)
        }
        #expect(trial.machine.tableCount == keysMax)
        // Those known longest went: the first may start at once, the last has to wait.
        #expect(trial.call(1_000_000, 0).startedChild != nil)
        #expect(trial.call(1_000_001, keysMax + 99) == .wait([]))
    }
}
