import Testing
import TorporTestSupport

@testable import TorporCore

/// Which calls of a downstream are made, and that none waits behind its breaker.
@Suite struct DownstreamStateMachineTests {
    private typealias Machine = DownstreamStateMachine<Int, Int>

    private static func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: Int64(milliseconds) * 1_000_000) }

    private static func machine(
        runningMax: Int = 2, callerRunningMax: Int? = nil, waitingMax: Int = 4, failuresMax: Int = 2, trialsMax: Int = 1
    ) -> Machine {
        Machine(
            bulkhead: FairQueueLimits(
                runningMax: runningMax, callerRunningMax: callerRunningMax, waitingMax: waitingMax,
                callerWaitingMax: waitingMax, waitMax: .seconds(10)),
            breaker: CircuitBreakerLimits(failuresMax: failuresMax, trialsMax: trialsMax),
            retries: RetryBudgetLimits(successShare: 0.5, perSecond: 0, savedMax: 1), now: self.at(0))
    }

    private static func start(_ entry: Machine.Entry) -> Machine.Pass? {
        if case .start(let pass) = entry { pass } else { nil }
    }
    private static func isQueued(_ entry: Machine.Entry) -> Bool { if case .queued = entry { true } else { false } }
    private static func refusal(_ entry: Machine.Entry) -> Machine.Refusal? {
        if case .refused(let refusal) = entry { refusal } else { nil }
    }
    private static func started(_ actions: [Machine.Action]) -> [Int] {
        actions.compactMap { if case .start(let item, _) = $0 { item } else { nil } }
    }
    private static func refused(_ actions: [Machine.Action]) -> [Int] {
        actions.compactMap { if case .refuse(let item, .open) = $0 { item } else { nil } }
    }

    @Test func asManyAreMadeAsMayAndTheNextWait() throws {
        var machine = Self.machine(waitingMax: 1)
        let pass = try #require(Self.start(machine.enter(1, from: 1, now: Self.at(0))))
        #expect(Self.start(machine.enter(2, from: 1, now: Self.at(0))) != nil)
        #expect(Self.isQueued(machine.enter(3, from: 2, now: Self.at(0))))
        #expect(Self.refusal(machine.enter(4, from: 1, now: Self.at(0))) == .queueFull)
        #expect(Self.refusal(machine.enter(4, from: 2, now: Self.at(0))) == .callerQueueFull)
        #expect(machine.running == 2 && machine.waiting == 1)
        #expect(Self.started(machine.ended(pass, .success, now: Self.at(0), jitter: 1)) == [3])
    }

    @Test func whenTheBreakerOpensNothingWaitsAnyMore() throws {
        var machine = Self.machine()
        let first = try #require(Self.start(machine.enter(1, from: 1, now: Self.at(0))))
        let second = try #require(Self.start(machine.enter(2, from: 1, now: Self.at(0))))
        for item in 3...5 { #expect(Self.isQueued(machine.enter(item, from: 2, now: Self.at(0)))) }
        #expect(Self.started(machine.ended(first, .failure, now: Self.at(0), jitter: 1)) == [3])
        let actions = machine.ended(second, .failure, now: Self.at(0), jitter: 1)
        #expect(Self.refused(actions) == [4, 5] && actions.count == 2)
        #expect(machine.waiting == 0 && machine.running == 1 && machine.openings == 1)
        #expect(Self.refusal(machine.enter(6, from: 3, now: Self.at(0))) == .open(retryAfter: .seconds(1)))
    }

    @Test func thoseWhoWaitBecauseOfTheirOwnLimitDoNotWaitEither() throws {
        var machine = Self.machine(callerRunningMax: 1, failuresMax: 1)
        let first = try #require(Self.start(machine.enter(1, from: 1, now: Self.at(0))))
        let second = try #require(Self.start(machine.enter(2, from: 2, now: Self.at(0))))
        #expect(Self.isQueued(machine.enter(3, from: 1, now: Self.at(0))))
        #expect(Self.refused(machine.ended(second, .failure, now: Self.at(0), jitter: 1)) == [3])
        #expect(machine.ended(first, .success, now: Self.at(0), jitter: 1).isEmpty && machine.running == 0)
    }

    @Test func nobodyWaitsForACallOnTrial() throws {
        var machine = Self.machine(runningMax: 1, failuresMax: 1, trialsMax: 1)
        let slow = try #require(Self.start(machine.enter(1, from: 1, now: Self.at(0))))
        #expect(machine.ended(slow, .failure, now: Self.at(0), jitter: 1).isEmpty)
        let trial = try #require(Self.start(machine.enter(2, from: 1, now: Self.at(1_000))))
        #expect(machine.standing(now: Self.at(1_000)) == .halfOpen)
        #expect(Self.refusal(machine.enter(3, from: 2, now: Self.at(1_000))) == .open(retryAfter: .seconds(1)))
        #expect(machine.ended(trial, .success, now: Self.at(1_000), jitter: 1).isEmpty)
        #expect(Self.start(machine.enter(4, from: 2, now: Self.at(1_000))) != nil)
    }

    @Test func aCallThatWaitsForAPlaceMayBeTheTrial() throws {
        var machine = Self.machine(callerRunningMax: 1, failuresMax: 1)
        let slow = try #require(Self.start(machine.enter(1, from: 1, now: Self.at(0))))
        let failing = try #require(Self.start(machine.enter(2, from: 2, now: Self.at(0))))
        #expect(machine.ended(failing, .failure, now: Self.at(0), jitter: 1).isEmpty)
        // The time is over, and a call from before takes its caller's place still.
        for item in 3...5 { #expect(Self.isQueued(machine.enter(item, from: 1, now: Self.at(1_000)))) }
        let actions = machine.ended(slow, .failure, now: Self.at(1_000), jitter: 1)
        #expect(Self.started(actions) == [3] && Self.refused(actions) == [4, 5])
        #expect(machine.standing(now: Self.at(1_000)) == .halfOpen && machine.openings == 1)
    }

    @Test func waitingHasItsTimeAndCanBeGivenUp() throws {
        var machine = Self.machine(runningMax: 1)
        let pass = try #require(Self.start(machine.enter(1, from: 1, now: Self.at(0))))
        guard case .queued(let ticket) = machine.enter(2, from: 1, now: Self.at(0)) else {
            Issue.record("it waits")
            return
        }
        #expect(Self.isQueued(machine.enter(3, from: 1, now: Self.at(1))))
        #expect(machine.cancel(ticket) == 2 && machine.cancel(ticket) == nil)
        #expect(machine.nextExpiry == Self.at(10_001))
        #expect(machine.expire(now: Self.at(10_000)).isEmpty && machine.expire(now: Self.at(10_001)) == [3])
        #expect(machine.ended(pass, .success, now: Self.at(10_001), jitter: 1).isEmpty)
    }

    @Test func retriesAreAShareOfWhatSucceeds() throws {
        var machine = Self.machine()
        #expect(machine.retry(now: Self.at(0)) && !machine.retry(now: Self.at(0)))
        for item in 1...2 {
            let pass = try #require(Self.start(machine.enter(item, from: 1, now: Self.at(0))))
            _ = machine.ended(pass, .success, now: Self.at(0), jitter: 1)
        }
        #expect(machine.retry(now: Self.at(0)) && !machine.retry(now: Self.at(0)))
    }

    @Test func everyCallHasOneEndAndNothingWaitsBehindAnOpenBreaker() {
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let runningMax = Int.random(in: 1...4, using: &random)
            var machine = Self.machine(
                runningMax: runningMax,
                callerRunningMax: Bool.random(using: &random) ? nil : Int.random(in: 1...runningMax, using: &random),
                waitingMax: Int.random(in: 1...8, using: &random), failuresMax: Int.random(in: 1...4, using: &random),
                trialsMax: Int.random(in: 1...2, using: &random))
            var running: [Machine.Pass] = []
            var waiting: Set<Int> = []
            var now = 0
            for step in 0..<600 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0..<4:
                    switch machine.enter(step, from: Int.random(in: 0..<4, using: &random), now: Self.at(now)) {
                    case .start(let pass): running.append(pass)
                    case .queued: waiting.insert(step)
                    case .refused: break
                    }
                case 4..<7:
                    guard !running.isEmpty else { continue }
                    let pass = running.remove(at: Int.random(in: 0..<running.count, using: &random))
                    let outcome = CircuitBreaker.Outcome.allCases.randomElement(using: &random) ?? .success
                    for action in machine.ended(pass, outcome, now: Self.at(now), jitter: 1) {
                        switch action {
                        case .start(let item, let pass):
                            #expect(waiting.remove(item) != nil, "seed \(seed)")
                            running.append(pass)
                        case .refuse(let item, .open): #expect(waiting.remove(item) != nil, "seed \(seed)")
                        case .refuse: Issue.record("seed \(seed): it is refused for the breaker")
                        }
                    }
                default:
                    now += Int.random(in: 0...800, using: &random)
                    for item in machine.expire(now: Self.at(now)) { #expect(waiting.remove(item) != nil) }
                }
                #expect(machine.running == running.count && running.count <= runningMax, "seed \(seed), step \(step)")
                #expect(machine.waiting == waiting.count, "seed \(seed), step \(step)")
                if machine.standing(now: Self.at(now)) == .open {
                    #expect(waiting.isEmpty, "seed \(seed), step \(step)")
                }
            }
            while let pass = running.popLast() {
                for case .start(let item, let next) in machine.ended(pass, .success, now: Self.at(now), jitter: 1) {
                    waiting.remove(item)
                    running.append(next)
                }
            }
            #expect(machine.running == 0 && machine.waiting == 0, "seed \(seed)")
        }
    }
}
