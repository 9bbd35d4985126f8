import Testing

@testable import TorporHTTP

@Suite struct ProgressMonitorTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func aHeartbeatStallsPastTheLimitAndNotAtIt() {
        let monitor = ProgressMonitor()
        let heartbeat = monitor.beat(for: "event loop 1", at: 5 * Self.second)
        heartbeat.beat(at: 20 * Self.second)
        #expect(monitor.stalled(at: 30 * Self.second) == [])
        #expect(monitor.stalled(at: 30 * Self.second + 1) == ["event loop 1"])
        heartbeat.beat(at: 30 * Self.second + 1)
        #expect(monitor.stalled(at: 30 * Self.second + 1) == [])
    }

    @Test func oneThatNeverBeatsIsFoundByItsRegistration() {
        let monitor = ProgressMonitor()
        let heartbeat = monitor.beat(for: "committer", at: 100)
        #expect(monitor.stalled(at: 110, longerThan: .nanoseconds(10)) == [])
        #expect(monitor.stalled(at: 111, longerThan: .nanoseconds(10)) == ["committer"])
        heartbeat.end()
    }

    @Test func theStalledAreNamedInOrderAndTheOthersAreNot() {
        let monitor = ProgressMonitor()
        let heartbeats = ["c", "a", "b", "a"].map { monitor.beat(for: $0, at: 0) }
        heartbeats[2].beat(at: 11 * Self.second)
        #expect(monitor.stalled(at: 11 * Self.second) == ["a", "a", "c"])
    }

    @Test func anEndedHeartbeatIsForgottenAndALaterBeatDoesNotBringItBack() {
        let monitor = ProgressMonitor()
        let first = monitor.beat(for: "a", at: 0)
        let second = monitor.beat(for: "a", at: 0)
        first.end()
        first.beat(at: 0)
        #expect(monitor.stalled(at: 60 * Self.second) == ["a"])
        second.end()
        second.end()
        #expect(monitor.stalled(at: 60 * Self.second) == [])
    }

    @Test func aBeatFromAfterTheQuestionIsNoStall() {
        let monitor = ProgressMonitor()
        let heartbeat = monitor.beat(for: "a", at: 0)
        heartbeat.beat(at: .max)
        #expect(monitor.stalled(at: 1, longerThan: .zero) == [])
    }

    @Test func aHeartbeatDroppedWithoutAnEndIsStillMissed() {
        let monitor = ProgressMonitor()
        do { _ = monitor.beat(for: "a", at: 0) }
        #expect(monitor.stalled(at: 11 * Self.second) == ["a"])
    }

    @Test func theMonitorIsFreedWithItsHeartbeats() {
        weak var monitor: ProgressMonitor?
        let heartbeat = {
            let strong = ProgressMonitor()
            monitor = strong
            return strong.beat(for: "a", at: 0)
        }()
        #expect(monitor == nil)
        heartbeat.beat(at: 1)
        heartbeat.end()
    }
}
