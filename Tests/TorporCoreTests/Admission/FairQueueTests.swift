import Testing
import TorporTestSupport

@testable import TorporCore

/// Who runs, who waits, in which order, and that nothing is kept of those who left.
@Suite struct FairQueueTests {
    private typealias Queue = FairQueue<Int, Int>

    private static func second(_ seconds: Int) -> Instant { Instant(nanoseconds: Int64(seconds) * 1_000_000_000) }

    private static func outcome(_ entry: Queue.Entry) -> FairQueueModel.Entry {
        switch entry {
        case .start: .start
        case .queued: .queued
        case .refused(.queueFull): .queueFull
        case .refused(.callerQueueFull): .callerQueueFull
        }
    }

    private static func plain(_ waiting: Queue.Waiting?) -> FairQueueModel.Waiting? {
        waiting.map { FairQueueModel.Waiting(item: $0.item, caller: $0.caller, since: $0.since) }
    }

    private static func enter(_ queue: inout Queue, _ item: Int, from caller: Int, at second: Int = 0)
        -> FairQueueModel.Entry
    {
        self.outcome(queue.enter(item, from: caller, now: self.second(second)))
    }

    // MARK: Limits

    @Test func asManyRunAsMayAndTheNextWaits() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 2, waitingMax: 4))
        #expect(Self.enter(&queue, 1, from: 1) == .start)
        #expect(Self.enter(&queue, 2, from: 1) == .start)
        #expect(Self.enter(&queue, 3, from: 1) == .queued)
        #expect(queue.runningTotal == 2 && queue.waitingTotal == 1)
        #expect(queue.finished(1)?.item == 3)
        #expect(queue.finished(1)?.item == nil && queue.finished(1)?.item == nil)
        #expect(queue.runningTotal == 0 && queue.callerCount == 0)
    }

    @Test func asManyOfOneCallerWaitAsMay() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 1, waitingMax: 3, callerWaitingMax: 2))
        #expect(Self.enter(&queue, 0, from: 0) == .start)
        #expect(Self.enter(&queue, 1, from: 1) == .queued)
        #expect(Self.enter(&queue, 2, from: 1) == .queued)
        #expect(Self.enter(&queue, 3, from: 1) == .callerQueueFull)
        #expect(Self.enter(&queue, 4, from: 2) == .queued)
        #expect(Self.enter(&queue, 5, from: 2) == .queueFull)
        // Who is refused leaves nothing behind.
        #expect(Self.enter(&queue, 6, from: 3) == .queueFull)
        #expect(queue.callerCount == 2 && queue.waitingTotal == 3)
        #expect(queue.finished(0)?.item == 1)
        #expect(Self.enter(&queue, 7, from: 3) == .queued)
    }

    @Test func nobodyWaitsWhereNobodyMay() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 1, waitingMax: 0))
        #expect(Self.enter(&queue, 0, from: 0) == .start)
        #expect(Self.enter(&queue, 1, from: 0) == .callerQueueFull)
        #expect(queue.finished(0)?.item == nil)
        #expect(Self.enter(&queue, 2, from: 0) == .start)
    }

    @Test func aCallerAtItsOwnLimitWaitsWhileOthersRun() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 3, callerRunningMax: 1, waitingMax: 8))
        #expect(Self.enter(&queue, 1, from: 1) == .start)
        #expect(Self.enter(&queue, 2, from: 1) == .queued)
        #expect(Self.enter(&queue, 3, from: 2) == .start)
        // The call of another caller ends, and the first is still at its limit.
        #expect(queue.finished(2)?.item == nil)
        #expect(queue.runningTotal == 1)
        #expect(queue.finished(1)?.item == 2)
        #expect(queue.finished(1)?.item == nil)
        #expect(queue.callerCount == 0 && queue.tableCount == 0)
    }

    // MARK: Turns

    @Test func callersTakeTurns() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 1, waitingMax: 100, callerWaitingMax: 100))
        #expect(Self.enter(&queue, 0, from: 0) == .start)
        for item in 1...3 { #expect(Self.enter(&queue, 100 + item, from: 1) == .queued) }
        for item in 1...2 { #expect(Self.enter(&queue, 200 + item, from: 2) == .queued) }
        #expect(Self.enter(&queue, 301, from: 3) == .queued)
        var order: [Int] = []
        var caller = 0
        while let next = queue.finished(caller) {
            order.append(next.item)
            caller = next.caller
        }
        #expect(order == [101, 201, 301, 102, 202, 103])
    }

    @Test(arguments: [nil, 2] as [Int?])
    func aFloodDelaysOthersByOneTurnEach(callerRunningMax: Int?) {
        let (runningMax, others) = (8, 50)
        var queue = Queue(
            limits: FairQueueLimits(
                runningMax: runningMax, callerRunningMax: callerRunningMax, waitingMax: 20_000, callerWaitingMax: 10_000
            ))
        var running: [Int] = []
        for item in 0..<10_000 where Self.enter(&queue, item, from: 0) == .start { running.append(0) }
        // Fill what the first caller's own limit leaves free.
        for caller in 1_000..<(1_000 + runningMax - running.count) {
            #expect(Self.enter(&queue, caller, from: caller) == .start)
            running.append(caller)
        }
        for caller in 1...others { #expect(Self.enter(&queue, caller, from: caller) == .queued) }
        var turnsUntilAllStarted = 0
        var started = 0
        while started < others {
            turnsUntilAllStarted += 1
            guard let next = queue.finished(running.removeFirst()) else { continue }
            running.append(next.caller)
            if next.caller != 0 { started += 1 }
        }
        #expect(turnsUntilAllStarted <= others + 1 + runningMax)
    }

    // MARK: Time

    @Test func aCallWaitsItsWholeTimeAndNoLonger() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 1, waitingMax: 9, waitMax: .seconds(10)))
        #expect(queue.nextExpiry == nil)
        #expect(Self.enter(&queue, 0, from: 0, at: 1) == .start)
        #expect(queue.nextExpiry == nil)
        #expect(Self.enter(&queue, 1, from: 1, at: 2) == .queued)
        #expect(Self.enter(&queue, 2, from: 2, at: 5) == .queued)
        #expect(queue.nextExpiry == Self.second(12))
        #expect(queue.expire(now: Instant(nanoseconds: 11_999_999_999)).isEmpty)
        #expect(queue.expire(now: Self.second(12)).map(\.item) == [1])
        #expect(queue.nextExpiry == Self.second(15))
        #expect(queue.expire(now: Self.second(14)).isEmpty)
        // Who has expired is not started.
        #expect(queue.finished(0)?.item == 2)
        #expect(queue.nextExpiry == nil && queue.expire(now: Self.second(99)).isEmpty)
    }

    @Test func aCancelledCallIsNeitherStartedNorExpired() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 1, waitingMax: 9))
        #expect(Self.enter(&queue, 0, from: 0) == .start)
        guard case .queued(let ticket) = queue.enter(1, from: 1, now: Self.second(0)) else {
            Issue.record("it waits")
            return
        }
        #expect(Self.enter(&queue, 2, from: 2, at: 1) == .queued)
        #expect(queue.cancel(ticket)?.item == 1)
        #expect(queue.cancel(ticket)?.item == nil)
        #expect(queue.nextExpiry == Self.second(11))
        #expect(queue.finished(0)?.item == 2)
        #expect(queue.expire(now: Self.second(99)).isEmpty)
    }

    @Test func allThatWaitAreGivenBackAtTheEnd() {
        var queue = Queue(limits: FairQueueLimits(runningMax: 1, waitingMax: 90, callerWaitingMax: 90))
        for item in 0..<50 { _ = Self.enter(&queue, item, from: item % 7) }
        #expect(queue.removeAll().map(\.item) == Array(1..<50))
        #expect(queue.waitingTotal == 0 && queue.callerCount == 0 && queue.runningTotal == 1)
        #expect(queue.finished(0)?.item == nil)
    }

    // MARK: Tables

    @Test(arguments: [nil, 1] as [Int?])
    func nothingIsKeptOfThoseWhoCameAndWent(callerRunningMax: Int?) {
        var queue = Queue(
            limits: FairQueueLimits(
                runningMax: 1, callerRunningMax: callerRunningMax, waitingMax: 20_000, waitMax: .seconds(5)))
        #expect(Self.enter(&queue, 0, from: 0) == .start)
        // One that goes on waiting must not keep the remains of those behind it.
        #expect(Self.enter(&queue, 1, from: 1) == .queued)
        var largest = 0
        for caller in 2..<20_000 {
            guard case .queued(let ticket) = queue.enter(caller, from: caller, now: Self.second(0)) else {
                Issue.record("it waits")
                return
            }
            #expect(queue.cancel(ticket)?.item == caller)
            largest = max(largest, queue.tableCount)
        }
        #expect(largest < 60)
        for caller in 2..<5_000 { _ = Self.enter(&queue, caller, from: caller, at: 1) }
        #expect(queue.expire(now: Self.second(6)).count == 4_999)
        #expect(queue.callerCount == (callerRunningMax == nil ? 0 : 1))
        #expect(queue.tableCount == queue.callerCount)
    }

    // MARK: By seed

    @Test func itDoesWhatASimplerQueueDoes() {
        for seed in 0..<200 as Range<UInt64> { Self.compare(seed: seed) }
    }

    private static func compare(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let runningMax = Int.random(in: 1...4, using: &random)
        let waitingMax = Int.random(in: 0...24, using: &random)
        let limits = FairQueueLimits(
            runningMax: runningMax,
            callerRunningMax: Bool.random(using: &random) ? nil : Int.random(in: 1...runningMax, using: &random),
            waitingMax: waitingMax,
            callerWaitingMax: waitingMax == 0 ? 0 : Int.random(in: 1...waitingMax, using: &random),
            waitMax: .seconds(Int.random(in: 1...20, using: &random)))
        var queue = Queue(limits: limits)
        var model = FairQueueModel(limits: limits)
        var tickets: [(item: Int, ticket: Queue.Ticket)] = []
        var seconds = 0
        for step in 0..<300 {
            let now = Self.second(seconds)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let caller = Int.random(in: 0..<6, using: &random)
                let entry = queue.enter(step, from: caller, now: now)
                if case .queued(let ticket) = entry { tickets.append((step, ticket)) }
                #expect(Self.outcome(entry) == model.enter(step, from: caller, now: now), "seed \(seed), step \(step)")
            case 5..<8:
                guard let caller = model.running.randomElement(using: &random) else { continue }
                let next = Self.plain(queue.finished(caller))
                #expect(next == model.finished(caller), "seed \(seed), step \(step)")
            case 8:
                // Some of these wait no more.
                guard let (item, ticket) = tickets.randomElement(using: &random) else { continue }
                let cancelled = Self.plain(queue.cancel(ticket))
                #expect(cancelled == model.cancel(item), "seed \(seed), step \(step)")
            default:
                seconds += Int.random(in: 0...3, using: &random)
                let expired = queue.expire(now: Self.second(seconds)).compactMap { Self.plain($0) }
                #expect(expired == model.expire(now: Self.second(seconds)), "seed \(seed), step \(step)")
            }
            #expect(queue.runningTotal == model.running.count && queue.waitingTotal == model.waiting.count)
            #expect(queue.callerCount == model.callerCount, "seed \(seed), step \(step)")
            #expect(queue.nextExpiry == model.waiting.first.map { $0.since + limits.waitMax })
        }
    }

    // MARK: Impossible calls

    @Test func aCallEndsOnce() async {
        await #expect(processExitsWith: .failure) {
            var queue = FairQueue<Int, Int>()
            _ = queue.finished(1)
        }
        await #expect(processExitsWith: .failure) {
            var queue = FairQueue<Int, Int>(limits: FairQueueLimits(callerRunningMax: 1))
            _ = queue.enter(0, from: 1, now: Instant(nanoseconds: 0))
            _ = queue.finished(2)
        }
    }

    @Test func limitsThatContradictEachOtherAreImpossible() async {
        await #expect(processExitsWith: .failure) { _ = FairQueueLimits(runningMax: 0) }
        await #expect(processExitsWith: .failure) { _ = FairQueueLimits(runningMax: 1, callerRunningMax: 2) }
        await #expect(processExitsWith: .failure) { _ = FairQueueLimits(waitingMax: 1, callerWaitingMax: 2) }
        await #expect(processExitsWith: .failure) { _ = FairQueueLimits(waitingMax: 1, callerWaitingMax: 0) }
        await #expect(processExitsWith: .failure) { _ = FairQueueLimits(waitMax: .zero) }
    }
}
