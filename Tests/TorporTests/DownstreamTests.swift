import Logging
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporMetrics

/// What bounds calls to a downstream: places, turns, time, its breaker and its retries.
@Suite struct DownstreamTests {
    // MARK: Places

    @Test func oneCallBeyondTheLimitWaitsUntilAnotherEnds() async throws {
        let place = Place(DownstreamLimits(runningMax: 1))
        let first = place.waiting("first")
        await place.gate.arrival(of: "first")
        let second = place.waiting("second")
        await place.untilWaiting()
        #expect(place.figures == .init(running: 1, waiting: 1, breaker: .closed))
        place.gate.open("first")
        await place.gate.arrival(of: "second")
        #expect(place.figures == .init(running: 1, waiting: 0, breaker: .closed))
        place.gate.open("second")
        #expect(try await first.value == "first")
        #expect(try await second.value == "second")
        #expect(place.figures == .idle)
    }

    @Test func aCallThatHasWaitedForTooLongIsNotMade() async throws {
        let place = Place(DownstreamLimits(runningMax: 1, waitMax: .seconds(1)))
        let first = place.waiting("first")
        await place.gate.arrival(of: "first")
        let second = place.waiting("second")
        await place.untilWaiting()
        place.time.advance(by: .milliseconds(999))
        #expect(place.figures.waiting == 1)
        place.time.advance(by: .milliseconds(1))
        let error = await downstreamError(.busy) { _ = try await second.value }
        #expect(
            error?.isRetryable == true && error?.message.contains("waited 1s") == true, "\(String(describing: error))")
        place.gate.open("first")
        #expect(try await first.value == "first")
        #expect(place.figures == .idle)
        #expect(place.total("torpor_downstream_refusals_total", by: "reason", "expired") == 1)
    }

    @Test func aCancelledCallLeavesTheQueue() async throws {
        let place = Place(DownstreamLimits(runningMax: 1))
        let first = place.waiting("first")
        await place.gate.arrival(of: "first")
        let second = place.waiting("second")
        await place.untilWaiting()
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        #expect(place.figures == .init(running: 1, waiting: 0, breaker: .closed))
        place.gate.open("first")
        #expect(try await first.value == "first")
        #expect(place.figures == .idle)
    }

    @Test func noMoreCallsWaitThanMay() async throws {
        let place = Place(DownstreamLimits(runningMax: 1, waitingMax: 2, callerWaitingMax: 1))
        let first = place.waiting("first", from: .address("a"))
        await place.gate.arrival(of: "first")
        let second = place.waiting("second", from: .address("a"))
        await place.untilWaiting()
        // Of one caller, and of all.
        await downstreamError(.callerBusy) { _ = try await place.waiting("refused", from: .address("a")).value }
        let third = place.waiting("third", from: .address("b"))
        await place.untilWaiting(count: 2)
        await downstreamError(.busy) { _ = try await place.waiting("refused", from: .address("c")).value }
        for (name, run) in [("first", first), ("second", second), ("third", third)] {
            await place.gate.arrival(of: name)
            place.gate.open(name)
            #expect(try await run.value == name)
        }
        #expect(place.figures == .idle)
        #expect(place.total("torpor_downstream_refusals_total", by: "reason", "queue_full") == 1)
        #expect(place.total("torpor_downstream_refusals_total", by: "reason", "caller_queue_full") == 1)
    }

    @Test func everyPlaceIsGivenBackHoweverCallsEnd() async throws {
        let place = Place(DownstreamLimits(runningMax: 3, waitingMax: 400, callerWaitingMax: 400), system: true)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                group.addTask {
                    let run = Task {
                        try await place.run(from: .address("\(number % 7)"), isRetryable: false) {
                            await Task.yield()
                            if number % 5 == 0 { throw ToolError("no") }
                            return "\(number)"
                        }
                    }
                    if number % 3 == 0 { run.cancel() }
                    _ = await run.result
                }
            }
        }
        #expect(place.figures == .idle)
        #expect(place.total("torpor_downstream_running_calls", by: "downstream", "crm") == 0)
        #expect(place.total("torpor_downstream_waiting_calls", by: "downstream", "crm") == 0)
    }

    // MARK: Time

    @Test func aRunThatTakesTooLongIsCancelledAndIsAFailure() async throws {
        let place = Place(
            DownstreamLimits(durationMax: .seconds(10), breaker: .init(failuresMax: 1)))
        let run = place.waiting("slow", isRetryable: true)
        await place.gate.arrival(of: "slow")
        await place.time.sleepers(for: .seconds(10))
        place.time.advance(by: .milliseconds(9_999))
        #expect(place.figures.running == 1)
        place.time.advance(by: .milliseconds(1))
        let error = await downstreamError(.timedOut) { _ = try await run.value }
        #expect(error?.isRetryable == false)
        #expect(place.figures == .init(running: 0, waiting: 0, breaker: .open))
        #expect(place.count(of: "timed_out") == 1)
    }

    @Test func aBodyThatSucceedsAfterItsTimeHasSucceeded() async throws {
        let place = Place(DownstreamLimits(durationMax: .seconds(10)))
        let gate = place.gate
        let run = Task {
            try await place.run {
                // Does not heed the cancellation.
                try? await gate.wait(for: "slow")
                return "done"
            }
        }
        await gate.arrival(of: "slow")
        await place.time.sleepers(for: .seconds(10))
        place.time.advance(by: .seconds(10))
        #expect(try await run.value == "done")
        #expect(place.figures == .idle)
    }

    @Test func aRunThatNobodyWaitsForIsCancelledAndSaysNothingOfTheDownstream() async throws {
        let place = Place(DownstreamLimits(breaker: .init(failuresMax: 1)))
        let run = place.waiting("gone")
        await place.gate.arrival(of: "gone")
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(place.figures == .idle)
        #expect(place.count(of: "cancelled") == 1)
    }

    // MARK: The breaker

    @Test func aDownstreamThatKeepsFailingIsLeftAloneAndTriedAgainLater() async throws {
        let place = Place(DownstreamLimits(breaker: .init(failuresMax: 2, openMin: .seconds(1))))
        for _ in 0..<2 { await #expect(throws: Broken.self) { try await place.run { throw Broken() } } }
        let error = await downstreamError(.open) { _ = try await place.run { "not run" } }
        #expect(error?.isRetryable == true && error?.retryAfter == .seconds(1), "\(String(describing: error))")
        #expect(place.states == ["closed": 0, "half_open": 0, "open": 1])

        place.time.advance(by: .seconds(1))
        let trial = place.waiting("trial")
        await place.gate.arrival(of: "trial")
        #expect(place.states == ["closed": 0, "half_open": 1, "open": 0])
        await downstreamError(.open) { _ = try await place.run { "not run" } }
        place.gate.open("trial")
        #expect(try await trial.value == "trial")
        #expect(place.states == ["closed": 1, "half_open": 0, "open": 0])
        #expect(try await place.run { "again" } == "again")
        #expect(place.total("torpor_downstream_refusals_total", by: "reason", "open") == 2)
    }

    @Test func nothingWaitsForADownstreamThatIsLeftAlone() async throws {
        let place = Place(DownstreamLimits(runningMax: 1, breaker: .init(failuresMax: 1)))
        let gate = place.gate
        let first = Task {
            try await place.run { () -> String in
                try await gate.wait(for: "first")
                throw Broken()
            }
        }
        await gate.arrival(of: "first")
        let second = place.waiting("second")
        await place.untilWaiting()
        gate.open("first")
        await downstreamError(.open) { _ = try await second.value }
        await #expect(throws: Broken.self) { try await first.value }
        #expect(place.figures == .init(running: 0, waiting: 0, breaker: .open))
    }

    @Test(
        arguments: [
            ToolError("Not like this."), MCPError.invalidParams("Not like this."), CancellationError(),
        ] as [any Error])
    func whatARequestIsToBlameForIsNoFailure(_ error: any Error) async throws {
        let place = Place(DownstreamLimits(breaker: .init(failuresMax: 1)))
        for _ in 0..<3 {
            await #expect(throws: (any Error).self) { try await place.run(isRetryable: true) { throw error } }
        }
        #expect(place.figures == .idle)
        #expect(place.total("torpor_downstream_retries_total", by: "downstream", "crm") == 0)
    }

    @Test func theCallerMayJudgeErrors() async throws {
        let place = Place(DownstreamLimits(breaker: .init(failuresMax: 1)))
        await #expect(throws: Broken.self) { try await place.run(judge: { _ in .refused() }) { throw Broken() } }
        #expect(place.figures.breaker == .closed)
        await #expect(throws: ToolError.self) {
            try await place.run(judge: { _ in .failed() }) { throw ToolError("It is down.") }
        }
        #expect(place.figures.breaker == .open)
    }

    // MARK: Retries

    @Test func aRetryableRunIsTriedAgainAfterPausesThatGrow() async throws {
        let place = Place(
            DownstreamLimits(retries: .init(perRunMax: 2, pauseMin: .milliseconds(100), pauseMax: .milliseconds(150))))
        let tries = Atomic(0)
        let run = Task {
            try await place.run(isRetryable: true) {
                guard tries.add(1, ordering: .relaxed).newValue == 3 else { throw Broken() }
                return "at last"
            }
        }
        for (pause, count) in [(Duration.milliseconds(100), 1), (.milliseconds(150), 2)] {
            await place.time.sleepers(for: pause)
            // It keeps no place meanwhile.
            #expect(place.figures == .idle && tries.load(ordering: .relaxed) == count)
            place.time.advance(by: pause)
        }
        #expect(try await run.value == "at last")
        #expect(place.total("torpor_downstream_retries_total", by: "downstream", "crm") == 2)
        #expect(place.count(of: "failed") == 2 && place.count(of: "success") == 1)
    }

    @Test(arguments: [(true, 0), (false, 2)])
    func whatMayNotBeTriedAgainFailsAtOnce(isRetryable: Bool, perRunMax: Int) async throws {
        let place = Place(DownstreamLimits(retries: .init(perRunMax: perRunMax)))
        let tries = Atomic(0)
        await #expect(throws: Broken.self) {
            try await place.run(isRetryable: isRetryable) {
                tries.add(1, ordering: .relaxed)
                throw Broken()
            }
        }
        #expect(tries.load(ordering: .relaxed) == 1)
    }

    @Test func retriesEndWithTheirBudget() async throws {
        let place = Place(
            DownstreamLimits(
                breaker: .init(failuresMax: 100, windowCallsMin: 100),
                retries: .init(
                    perRunMax: 5, pauseMin: .milliseconds(100), pauseMax: .milliseconds(100), perSecond: 0, savedMax: 2)
            ))
        let tries = Atomic(0)
        let run = Task {
            try await place.run(isRetryable: true) { () -> String in
                tries.add(1, ordering: .relaxed)
                throw Broken()
            }
        }
        for _ in 0..<2 {
            await place.time.sleepers(for: .milliseconds(100))
            place.time.advance(by: .milliseconds(100))
        }
        await #expect(throws: Broken.self) { try await run.value }
        #expect(tries.load(ordering: .relaxed) == 3)
    }

    @Test func aLongerPauseThatTheDownstreamAsksForIsKept() async throws {
        let place = Place(DownstreamLimits(retries: .init(pauseMax: .seconds(2))))
        let tries = Atomic(0)
        let run = Task {
            try await place.run(isRetryable: true, judge: { _ in .refused(retryAfter: .seconds(2)) }) {
                guard tries.add(1, ordering: .relaxed).newValue == 2 else { throw Broken() }
                return "done"
            }
        }
        await place.time.sleepers(for: .seconds(2))
        place.time.advance(by: .seconds(2))
        #expect(try await run.value == "done")
        // One beyond the limit is not waited for.
        await #expect(throws: Broken.self) {
            try await place.run(isRetryable: true, judge: { _ in .failed(retryAfter: .milliseconds(2_001)) }) {
                throw Broken()
            }
        }
    }

    @Test func whenTheBreakerOpensARetryIsTheFailure() async throws {
        let place = Place(
            DownstreamLimits(breaker: .init(failuresMax: 1), retries: .init(pauseMin: .milliseconds(100))))
        let run = Task { try await place.run(isRetryable: true) { () -> String in throw Broken() } }
        await place.time.sleepers(for: .milliseconds(100))
        place.time.advance(by: .milliseconds(100))
        await #expect(throws: Broken.self) { try await run.value }
        #expect(place.figures == .init(running: 0, waiting: 0, breaker: .open))
    }

    @Test func aRunWhoseTimeEndsInAPauseFailsWithWhatWentWrong() async throws {
        let place = Place(
            DownstreamLimits(durationMax: .seconds(1), retries: .init(pauseMin: .seconds(2), pauseMax: .seconds(2))))
        let run = Task { try await place.run(isRetryable: true) { () -> String in throw Broken() } }
        await place.time.sleepers(for: .seconds(2))
        await place.time.sleepers(for: .seconds(1))
        place.time.advance(by: .seconds(1))
        await #expect(throws: Broken.self) { try await run.value }
    }

    @Test func aRunThatIsCancelledInAPauseIsCancelled() async throws {
        let place = Place(DownstreamLimits(retries: .init(pauseMin: .seconds(2), pauseMax: .seconds(2))))
        let run = Task { try await place.run(isRetryable: true) { () -> String in throw Broken() } }
        await place.time.sleepers(for: .seconds(2))
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(place.figures == .idle)
    }
}

private struct Broken: Error {}

/// The error that `body` throws.
@discardableResult
private func downstreamError(
    _ code: DownstreamError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async -> DownstreamError? {
    let error = await #expect(throws: DownstreamError.self, sourceLocation: sourceLocation) { try await body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    return error
}

extension DownstreamGate.Figures {
    fileprivate static let idle = Self(running: 0, waiting: 0, breaker: .closed)
}

/// A downstream with time by hand, and calls to it that the test lets go.
private final class Place: Sendable {
    let time = ManualTime()
    let gate = Gate()
    private let limits: DownstreamLimits
    private let downstream: DownstreamGate
    private let registry = MetricsRegistry()

    init(_ limits: DownstreamLimits, system: Bool = false) {
        self.limits = limits
        self.downstream = DownstreamGate(
            "crm", limits: limits, time: system ? .system : self.time.time, metrics: self.registry)
    }

    var figures: DownstreamGate.Figures { self.downstream.figures }
    var reading: MetricsReading { self.registry.reading() }
    var states: [String: Double] {
        Dictionary(
            uniqueKeysWithValues: self.reading.totals(of: "torpor_breaker", by: "state").map { ($0, $1) })
    }

    func total(_ name: String, by label: String, _ value: String) -> Double? {
        self.reading.totals(of: name, by: label).first { $0.value == value }?.total
    }

    /// Tries that ended so.
    func count(of outcome: String) -> Int? {
        let line = self.registry.text().split(separator: "\n").first {
            $0.hasPrefix("torpor_downstream_duration_seconds_count") && $0.contains("outcome=\"\(outcome)\"")
        }
        return line?.split(separator: " ").last.flatMap { Int($0) }
    }

    func run<Value: Sendable>(
        from caller: Caller = .unknown, isRetryable: Bool = false,
        judge: @escaping @Sendable (any Error) -> DownstreamVerdict = { DownstreamVerdict(of: $0) },
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await self.downstream.run(
            for: caller, isRetryable: isRetryable, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            judge: judge, body)
    }

    /// A call that ends when the gate is opened for its name, which it returns.
    func waiting(_ name: String, from caller: Caller = .unknown, isRetryable: Bool = false) -> Task<String, any Error> {
        Task {
            try await self.run(from: caller, isRetryable: isRetryable) {
                try await self.gate.wait(for: name)
                return name
            }
        }
    }

    /// Returns when so many calls wait for their turns.
    func untilWaiting(count: Int = 1) async { await self.time.sleepers(for: self.limits.waitMax, count: count) }
}
