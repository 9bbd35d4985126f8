import Testing
import TorporTestSupport

@testable import TorporCore

/// When calls go through.
@Suite struct CircuitBreakerTests {
    private static func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: Int64(milliseconds) * 1_000_000) }

    /// A breaker, and the time in milliseconds.
    private struct Trial {
        var breaker: CircuitBreaker
        var now = 0

        init(_ limits: CircuitBreakerLimits = CircuitBreakerLimits()) { self.breaker = CircuitBreaker(limits: limits) }

        mutating func admit() -> CircuitBreaker.Pass? {
            if case .admitted(let pass) = self.breaker.admit(now: at(self.now)) { pass } else { nil }
        }
        mutating func end(_ pass: CircuitBreaker.Pass, _ outcome: CircuitBreaker.Outcome) -> Bool {
            self.breaker.ended(pass, outcome, now: at(self.now), jitter: 1)
        }
        /// Makes a call, which ends at once.
        /// - Returns: Whether it opened; `nil` when it was not let through.
        mutating func call(_ outcome: CircuitBreaker.Outcome) -> Bool? {
            guard let pass = self.admit() else { return nil }
            return self.end(pass, outcome)
        }
        var standing: CircuitBreaker.Standing { self.breaker.standing(now: at(self.now)) }
        var retryAfter: Duration? { self.breaker.refusal(now: at(self.now)) }
    }

    // MARK: Opening

    @Test func failuresInARowOpenItAndASuccessBetweenDoesNot() {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 3))
        for outcome in [.failure, .failure, .success, .failure, .failure] as [CircuitBreaker.Outcome] {
            let opened = trial.call(outcome)
            #expect(opened == false)
        }
        let opened = trial.call(.failure)
        #expect(opened == true)
        #expect(trial.standing == .open && trial.retryAfter == .seconds(1) && trial.breaker.openings == 1)
        let refused = trial.breaker.admit(now: Self.at(0))
        #expect(refused == .refused(retryAfter: .seconds(1)))
    }

    @Test func itTellsSinceWhenItHasFailed() {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 1))
        #expect(trial.breaker.failingSince == nil)
        trial.now = 500
        _ = trial.call(.failure)
        #expect(trial.breaker.failingSince == Self.at(500))
        // Trials that fail change nothing about it; one that succeeds ends it.
        trial.now = 1_500
        _ = trial.call(.failure)
        #expect(trial.breaker.failingSince == Self.at(500) && trial.breaker.openings == 2)
        trial.now = 3_500
        _ = trial.call(.success)
        #expect(trial.breaker.failingSince == nil && trial.standing == .closed)
    }

    @Test func whatNobodyCanTellIsNoFailureAndNoSuccess() {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 2))
        let outcomes = [.failure, .unknown, .failure].map { trial.call($0) }
        #expect(outcomes == [false, false, true])
    }

    @Test(arguments: [(9, false), (10, true)])
    func aLargeShareOfFailuresOpensItOnceThereAreEnoughCalls(failures: Int, opens: Bool) {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 100, failureShareMax: 0.5, windowCallsMin: 20))
        for _ in 0..<(20 - failures) { _ = trial.call(.success) }
        for _ in 0..<(failures - 1) {
            let opened = trial.call(.failure)
            #expect(opened == false, "there are too few calls to tell")
        }
        let opened = trial.call(.failure)
        #expect(opened == opens)
    }

    @Test func failuresOutsideTheWindowDoNotCount() {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 100, windowCallsMin: 4, window: .seconds(10)))
        for _ in 0..<3 { _ = trial.call(.failure) }
        trial.now = 10_000
        let later = trial.call(.failure)
        #expect(later == false)
        var second = Trial(CircuitBreakerLimits(failuresMax: 100, windowCallsMin: 4, window: .seconds(10)))
        for _ in 0..<3 { _ = second.call(.failure) }
        second.now = 9_999
        let sooner = second.call(.failure)
        #expect(sooner == true)
    }

    // MARK: Trials

    @Test func whenItsTimeIsOverOneCallIsTriedAndItsSuccessCloses() throws {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 1))
        _ = trial.call(.failure)
        trial.now = 999
        #expect(trial.standing == .open && trial.retryAfter == .milliseconds(1))
        trial.now = 1_000
        #expect(trial.standing == .halfOpen)
        let first = trial.admit()
        let pass = try #require(first)
        let second = trial.admit()
        #expect(second == nil && trial.retryAfter == .seconds(1))
        let opened = trial.end(pass, .success)
        #expect(!opened && trial.standing == .closed && trial.retryAfter == nil)
    }

    @Test func eachTrialThatFailsDoublesItsTimeUpToTheMost() {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 1, openMin: .seconds(1), openMax: .seconds(10)))
        for seconds in [1, 2, 4, 8, 10, 10] {
            let opened = trial.call(.failure)
            #expect(opened == true && trial.retryAfter == .seconds(seconds))
            trial.now += seconds * 1_000
        }
        _ = trial.call(.success)
        _ = trial.call(.failure)
        #expect(trial.retryAfter == .seconds(1), "a success makes up for it all")
    }

    @Test(arguments: [(0.0, 500), (0.5, 750), (1.0, 1_000)])
    func theJitterTakesUpToHalfOfTheTimeAway(jitter: Double, milliseconds: Int) {
        var breaker = CircuitBreaker(limits: CircuitBreakerLimits(failuresMax: 1))
        guard case .admitted(let pass) = breaker.admit(now: Self.at(0)) else {
            Issue.record("it is closed")
            return
        }
        _ = breaker.ended(pass, .failure, now: Self.at(0), jitter: jitter)
        #expect(breaker.refusal(now: Self.at(0)) == .milliseconds(milliseconds))
    }

    @Test func asManyAreOnTrialAsMayAndAsManyHaveToSucceed() throws {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 1, trialsMax: 2, trialSuccessesMin: 3))
        _ = trial.call(.failure)
        trial.now = 1_000
        let passes = (0..<3).compactMap { _ in trial.admit() }
        try #require(passes.count == 2)
        _ = trial.end(passes[0], .success)
        // Who does not get to an end that says something makes room for another.
        _ = trial.end(passes[1], .unknown)
        #expect(trial.standing == .halfOpen)
        _ = trial.call(.success)
        #expect(trial.standing == .halfOpen)
        _ = trial.call(.success)
        #expect(trial.standing == .closed)
    }

    @Test func theEndsOfCallsBegunBeforeSayNothing() throws {
        var trial = Trial(CircuitBreakerLimits(failuresMax: 1))
        let passes = (0..<4).compactMap { _ in trial.admit() }
        try #require(passes.count == 4)
        _ = trial.end(passes[0], .failure)
        let success = trial.end(passes[1], .success)
        let failure = trial.end(passes[2], .failure)
        #expect(!success && !failure && trial.retryAfter == .seconds(1) && trial.breaker.openings == 1)
        trial.now = 1_000
        _ = trial.call(.success)
        let late = trial.end(passes[3], .failure)
        #expect(!late && trial.standing == .closed)
    }

    // MARK: By seed

    /// Every call that ended, in a list, from which all is worked out anew.
    private struct Model {
        let limits: CircuitBreakerLimits
        var ends: [(isFailure: Bool, at: Int)] = []
        var openUntil: Int?
        var isHalfOpen = false
        var trials = 0
        var successes = 0
        var openings = 0
        var generation = 0

        mutating func admits(_ now: Int) -> Bool {
            if let until = self.openUntil {
                guard now >= until else { return false }
                (self.openUntil, self.isHalfOpen, self.trials, self.successes) = (nil, true, 0, 0)
                self.generation += 1
            }
            if self.isHalfOpen {
                guard self.trials < self.limits.trialsMax else { return false }
                self.trials += 1
            }
            return true
        }

        mutating func ended(_ generation: Int, _ outcome: CircuitBreaker.Outcome, _ now: Int) {
            guard generation == self.generation else { return }
            if self.isHalfOpen {
                self.trials -= 1
                if outcome == .failure { return self.open(now) }
                if outcome == .success { self.successes += 1 }
                guard self.successes >= self.limits.trialSuccessesMin else { return }
                (self.isHalfOpen, self.ends, self.openings) = (false, [], 0)
                self.generation += 1
            } else if outcome != .unknown {
                self.ends.append((outcome == .failure, now))
                guard outcome == .failure else { return }
                let inRow = self.ends.reversed().prefix { $0.isFailure }.count
                let slot = self.limits.window.wholeMilliseconds / 10
                let recent = self.ends.filter { $0.at / slot > now / slot - 10 }
                let share = Double(recent.count { $0.isFailure }) / Double(recent.count)
                let isShare = recent.count >= self.limits.windowCallsMin && share >= self.limits.failureShareMax
                if inRow >= self.limits.failuresMax || isShare { self.open(now) }
            }
        }

        private mutating func open(_ now: Int) {
            let (least, most) = (self.limits.openMin.wholeMilliseconds, self.limits.openMax.wholeMilliseconds)
            self.openUntil = now + min(least << min(self.openings, 20), most)
            self.openings += 1
            self.isHalfOpen = false
            self.generation += 1
        }
    }

    @Test func itDoesWhatASimplerBreakerDoes() {
        var standings: [CircuitBreaker.Standing: Int] = [:]
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let limits = CircuitBreakerLimits(
                failuresMax: Int.random(in: 1...12, using: &random),
                failureShareMax: [0.25, 0.5, 0.75, 1].randomElement(using: &random) ?? 1,
                windowCallsMin: Int.random(in: 1...30, using: &random),
                window: .seconds(Int.random(in: 1...20, using: &random)),
                openMin: .milliseconds(Int.random(in: 100...2_000, using: &random)), openMax: .seconds(20),
                trialsMax: Int.random(in: 1...3, using: &random),
                trialSuccessesMin: Int.random(in: 1...4, using: &random))
            var trial = Trial(limits)
            var model = Model(limits: limits)
            var running: [(pass: CircuitBreaker.Pass, generation: Int)] = []
            let share = Double.random(in: 0...0.8, using: &random)
            for step in 0..<1_000 {
                switch Int.random(in: 0..<7, using: &random) {
                case 0..<3:
                    let pass = trial.admit()
                    let admits = model.admits(trial.now)
                    #expect((pass != nil) == admits, "seed \(seed), step \(step)")
                    if let pass { running.append((pass, model.generation)) }
                case 3..<6:
                    guard !running.isEmpty else { continue }
                    let (pass, generation) = running.remove(at: Int.random(in: 0..<running.count, using: &random))
                    let outcome: CircuitBreaker.Outcome =
                        Int.random(in: 0..<9, using: &random) == 0
                        ? .unknown : Double.random(in: 0..<1, using: &random) < share ? .failure : .success
                    let opened = trial.end(pass, outcome)
                    let before = model.openUntil
                    model.ended(generation, outcome, trial.now)
                    #expect(opened == (before == nil && model.openUntil != nil), "seed \(seed), step \(step)")
                default: trial.now += Int.random(in: 0...400, using: &random)
                }
                standings[trial.standing, default: 0] += 1
            }
        }
        for standing in CircuitBreaker.Standing.allCases { #expect(standings[standing, default: 0] > 1_000) }
    }

    // MARK: Impossible calls

    @Test func limitsThatMakeNoSenseAreImpossible() async {
        await #expect(processExitsWith: .failure) { _ = CircuitBreakerLimits(failuresMax: 0) }
        await #expect(processExitsWith: .failure) { _ = CircuitBreakerLimits(failureShareMax: 0) }
        await #expect(processExitsWith: .failure) { _ = CircuitBreakerLimits(window: .zero) }
        await #expect(processExitsWith: .failure) {
            _ = CircuitBreakerLimits(openMin: .seconds(2), openMax: .seconds(1))
        }
    }

    @Test func aTrialThatEndsTwiceIsImpossible() async {
        await #expect(processExitsWith: .failure) {
            var breaker = CircuitBreaker(limits: CircuitBreakerLimits(failuresMax: 1, trialSuccessesMin: 2))
            guard case .admitted(let pass) = breaker.admit(now: Instant(nanoseconds: 0)) else { return }
            _ = breaker.ended(pass, .failure, now: Instant(nanoseconds: 0), jitter: 0)
            let later = Instant(nanoseconds: 60_000_000_000)
            guard case .admitted(let trial) = breaker.admit(now: later) else { return }
            _ = breaker.ended(trial, .success, now: later, jitter: 0)
            _ = breaker.ended(trial, .success, now: later, jitter: 0)
        }
    }
}
