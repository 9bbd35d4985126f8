/// What one scenario showed.
package struct ScenarioReport: Sendable {
    package enum Status: String, Sendable {
        case passed, failed
        /// The server does not offer what the scenario needs.
        case notApplicable = "not-applicable"
        /// So much failed that nothing can be said.
        case unmeasured
    }

    /// Memory at the end of a phase.
    package struct Reading: Sendable, Equatable {
        /// Since the run began.
        package var seconds: Double
        /// Units of work so far, warm-up aside.
        package var units: Int
        package var bytes: Int

        package init(seconds: Double, units: Int, bytes: Int) {
            self.seconds = seconds
            self.units = units
            self.bytes = bytes
        }
    }

    package let scenario: Scenario
    package internal(set) var status: Status
    /// One line for people: what came out.
    package internal(set) var verdict: String
    package internal(set) var readings: [Reading] = []
    package internal(set) var judgement: GrowthJudgement?
    package internal(set) var sessions = 0
    package internal(set) var requests = 0
    package internal(set) var refusals = 0
    package internal(set) var turnedAway = 0
    package internal(set) var failures: [String: Int] = [:]
    package internal(set) var violations: [String: Int] = [:]
    /// Seconds within which half of the requests, and 99 of 100, were answered.
    package internal(set) var latency: (median: Double, p99: Double)?
    /// From the beginning of the warm-up to the last reading, since the run began.
    package internal(set) var span = 0.0...0.0
    /// When the work of each phase began and ended; the first is the warm-up.
    package internal(set) var phases: [ClosedRange<Double>] = []

    package init(scenario: Scenario, status: Status, verdict: String) {
        self.scenario = scenario
        self.status = status
        self.verdict = verdict
    }

    /// Units of work in all phases.
    package var units: Int { self.readings.last?.units ?? 0 }
}

extension ScenarioReport {
    /// The share of failures beyond which a measurement says nothing.
    private static let failuresMax = 0.5

    /// Judges what a scenario showed.
    ///
    /// - Parameters:
    ///   - counts: Of all phases, with the warm-up.
    ///   - early: Latencies of the first third of the phases, and `late` of the last: a server that crawls shows there.
    static func judge(
        _ scenario: Scenario, readings: [Reading], counts: TallyCounts, early: LatencyHistogram, late: LatencyHistogram,
        limits: SoakOptions.Limits
    ) -> ScenarioReport {
        var report = ScenarioReport(scenario: scenario, status: .passed, verdict: "")
        report.readings = readings
        report.sessions = counts.sessions
        report.requests = counts.requests
        report.refusals = counts.refusals
        report.turnedAway = counts.turnedAway
        report.failures = counts.failures
        report.violations = counts.violations
        if let median = counts.latencies.quantile(0.5), let p99 = counts.latencies.quantile(0.99) {
            report.latency = (median, p99)
        }
        report.judgement = GrowthJudgement(
            readings.map { LinearFit.Point(x: Double($0.units), y: Double($0.bytes)) },
            limit: limits.bytes(per: scenario.unit))
        if scenario.isUnderPressure {
            // Here everything that fails is the server's fault.
            for (text, count) in counts.failures { report.violations[text, default: 0] += count }
        }
        report.settle(early: early, late: late)
        return report
    }

    private mutating func settle(early: LatencyHistogram, late: LatencyHistogram) {
        let failed = self.failures.values.reduce(0, +)
        if !self.violations.isEmpty {
            self.status = .failed
            self.verdict = Self.texts(self.violations)
            if let judgement, self.scenario.judgesGrowth { self.verdict += "; " + Self.words(judgement, self.scenario) }
        } else if !self.scenario.isUnderPressure, failed > 0, Double(failed) > Self.failuresMax * Double(self.units) {
            self.status = .unmeasured
            self.verdict = "\(failed) of \(self.units + failed) failed: " + Self.texts(self.failures)
        } else if self.scenario.name == .unrelievedPressure {
            self.settlePressure(early, late)
        } else if let judgement {
            self.status = judgement.outcome == .grows ? .failed : .passed
            self.verdict = Self.words(judgement, self.scenario)
        } else if self.refusals > 0 {
            self.verdict = "all is refused, and nothing is left: \(self.refusals) answers 429 or 503"
        } else {
            self.status = .unmeasured
            self.verdict = "too little was done to say anything; run for longer"
        }
    }

    private mutating func settlePressure(_ early: LatencyHistogram, _ late: LatencyHistogram) {
        guard let first = early.quantile(0.99), let last = late.quantile(0.99) else {
            self.verdict = "all was refused with 429 or 503"
            return
        }
        let isCrawling = last > max(1, 10 * first)
        self.status = isCrawling ? .failed : .passed
        let times = "99 of 100 answered within \(Format.seconds(first)) at first, \(Format.seconds(last)) at last"
        self.verdict = (isCrawling ? "it crawls: " : "it serves: ") + times
        if self.refusals > 0 { self.verdict += ", and \(self.refusals) refusals" }
    }

    private static func texts(_ counts: [String: Int]) -> String {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(3)
            .map { "\($0.value) × \($0.key)" }.joined(separator: "; ")
    }

    private static func words(_ judgement: GrowthJudgement, _ scenario: Scenario) -> String {
        let unit = scenario.unit.rawValue
        let interval = judgement.fit.interval
        let range = "(95 %: \(Format.signedBytes(interval.lowerBound)) to \(Format.signedBytes(interval.upperBound)))"
        let slope = "\(Format.signedBytes(judgement.fit.slope)) per \(unit) \(range)"
        switch judgement.outcome {
        case .grows: return "grows by \(slope); the limit is \(Format.bytes(judgement.limit))"
        case .rose:
            let halves =
                "\(Format.signedBytes(judgement.earlierSlope)) at first, \(Format.signedBytes(judgement.laterSlope)) later"
            return "rose, but not all the time: \(slope), \(halves)"
        case .flat where judgement.isUncertain:
            return "no growth above the limit is shown: \(slope); run for longer to say more"
        case .flat: return (interval.lowerBound > 0 ? "within the limit: " : "flat: ") + slope
        }
    }
}

extension Scenario {
    /// Whether agents ask for more than a server may be able to give.
    var isUnderPressure: Bool { self.name == .atCapacity || self.name == .unrelievedPressure }
    /// Whether memory is to be flat: not where agents keep what they open.
    var judgesGrowth: Bool { self.name != .unrelievedPressure }
}
