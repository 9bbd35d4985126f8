import Testing
import TorporCore

struct VersionStateMachineTests {
    private typealias Versions = VersionStateMachine<String>

    @Test func whatTheStoreHasIsDurable() {
        let versions = Versions(stored: Revision(7))
        #expect(versions.current == Revision(7) && versions.durable == Revision(7) && !versions.isDirty)
        #expect(versions.standing(of: versions.seen) == .durable)
    }

    @Test func aChangeIsPendingUntilItsCommit() {
        var versions = Versions(stored: Revision(7))
        let seen = versions.changed()
        #expect(seen.revision == Revision(8) && versions.isDirty && versions.standing(of: seen) == .pending)
        versions.wait("a", for: seen)
        let commit = versions.commitStarted()
        #expect(commit.base == Revision(7) && commit.revision == Revision(8) && versions.isCommitting)
        #expect(versions.committed() == ["a"])
        #expect(versions.standing(of: seen) == .durable && !versions.isDirty && versions.stored == Revision(8))
    }

    @Test func aCommitLetsThosePassWhoWaitForNoMore() {
        var versions = Versions(stored: .zero)
        let first = versions.changed()
        let second = versions.changed()
        _ = versions.commitStarted()
        let third = versions.changed()
        versions.wait("third", for: third)
        versions.wait("second", for: second)
        versions.wait("first", for: first)
        #expect(versions.committed() == ["second", "first"])
        #expect(versions.isDirty && versions.standing(of: third) == .pending)
        let commit = versions.commitStarted()
        #expect(commit.base == Revision(2) && commit.revision == Revision(3))
        #expect(versions.committed() == ["third"])
    }

    @Test func aRefusedCommitLosesWhatIsNotDurableAndNothingElse() {
        var versions = Versions(stored: Revision(3))
        let before = versions.seen
        let sent = versions.changed()
        _ = versions.commitStarted()
        let later = versions.changed()
        versions.wait("sent", for: sent)
        versions.wait("later", for: later)
        #expect(versions.dropped(mayBeRemembered: true) == ["sent", "later"])
        versions.reloaded(Revision(3))
        #expect(versions.standing(of: before) == .durable)
        #expect(versions.standing(of: sent) == .lost && versions.standing(of: later) == .lost)
        #expect(versions.standing(of: versions.seen) == .durable && !versions.isDirty)
    }

    @Test func revisionsThatWereDroppedAreNotUsedAgain() {
        var versions = Versions(stored: Revision(3))
        _ = versions.changed()
        _ = versions.changed()
        _ = versions.commitStarted()
        _ = versions.dropped(mayBeRemembered: true)
        versions.reloaded(Revision(3))
        let seen = versions.changed()
        #expect(seen.revision == Revision(6))
        let commit = versions.commitStarted()
        #expect(commit.base == Revision(3) && commit.revision == Revision(6))
        #expect(versions.committed().isEmpty)
        #expect(versions.stored == Revision(6) && versions.standing(of: seen) == .durable)
    }

    @Test func everyLifeIsRememberedByItself() {
        var versions = Versions(stored: .zero)
        var seen: [SeenRevision] = []
        for _ in 0..<3 {
            seen.append(versions.changed())
            _ = versions.commitStarted()
            _ = versions.committed()
            seen.append(versions.changed())
            _ = versions.commitStarted()
            _ = versions.dropped(mayBeRemembered: true)
            versions.reloaded(versions.stored)
        }
        #expect(seen.map { versions.standing(of: $0) } == [.durable, .lost, .durable, .lost, .durable, .lost])
        versions.forgotten()
        #expect(versions.standing(of: versions.seen) == .durable)
    }

    @Test func anUnknownOutcomeBecomesOneOrTheOther() {
        for isCommitted in [true, false] {
            var versions = Versions(stored: .zero)
            let sent = versions.changed()
            _ = versions.commitStarted()
            versions.wait("a", for: sent)
            versions.outcomeUnknown()
            #expect(versions.isUnknown && versions.isCommitting && versions.standing(of: sent) == .pending)
            if isCommitted {
                #expect(versions.committed() == ["a"])
            } else {
                #expect(versions.dropped(mayBeRemembered: true) == ["a"])
            }
            #expect(!versions.isUnknown)
            #expect(versions.standing(of: sent) == (isCommitted ? .durable : .lost))
        }
    }

    @Test func whoHasWaitedLongEnoughIsGoneButTheOutcomeStillComes() {
        var versions = Versions(stored: .zero)
        let sent = versions.changed()
        _ = versions.commitStarted()
        versions.wait("a", for: sent)
        versions.outcomeUnknown()
        #expect(versions.waitedLongEnough() == ["a"])
        #expect(versions.committed().isEmpty && versions.standing(of: sent) == .durable)
    }

    @Test func impossibleEventsStopTheProcess() async {
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            _ = versions.commitStarted()
        }
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            _ = versions.changed()
            _ = versions.commitStarted()
            _ = versions.commitStarted()
        }
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            _ = versions.committed()
        }
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            versions.outcomeUnknown()
        }
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            versions.wait("a", for: versions.seen)
        }
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            _ = versions.changed()
            _ = versions.commitStarted()
            versions.reloaded(.zero)
        }
        await #expect(processExitsWith: .failure) {
            var versions = VersionStateMachine<String>(stored: .zero)
            _ = versions.waitedLongEnough()
        }
        await #expect(processExitsWith: .failure) {
            // A life that nobody was said to remember.
            var versions = VersionStateMachine<String>(stored: .zero)
            let seen = versions.changed()
            _ = versions.dropped(mayBeRemembered: false)
            _ = versions.standing(of: seen)
        }
    }
}
