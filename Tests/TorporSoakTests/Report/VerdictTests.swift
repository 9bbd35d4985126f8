import Testing

@testable import TorporSoak

@Suite struct VerdictTests {
    private func report(
        _ name: Scenario.Name = .sessions, bytesPerUnit: Int = 0, units: Int = 1_000, early: Double = 0.01,
        late: Double = 0.01, _ change: (inout TallyCounts) -> Void = { _ in }
    ) -> ScenarioReport {
        var counts = TallyCounts()
        change(&counts)
        let readings = (0...5).map {
            ScenarioReport.Reading(
                seconds: Double($0), units: $0 * units / 5, bytes: 1 << 26 + bytesPerUnit * $0 * units / 5)
        }
        func histogram(_ seconds: Double) -> LatencyHistogram {
            var histogram = LatencyHistogram()
            histogram.add(seconds: seconds)
            return histogram
        }
        return .judge(
            .named(name), readings: readings, counts: counts, early: histogram(early), late: histogram(late),
            limits: SoakOptions.Limits())
    }

    @Test func growthFails() {
        #expect(report(bytesPerUnit: 0).status == .passed)
        let growing = report(bytesPerUnit: 36_000)
        #expect(growing.status == .failed)
        #expect(growing.verdict.contains("grows by +35.2 KiB per session"), "\(growing.verdict)")
    }

    @Test func aWrongAnswerFailsHoweverFlatTheMemory() {
        let wrong = report { $0.addViolation("a modern probe was given a session") }
        #expect(wrong.status == .failed)
        #expect(wrong.verdict.contains("a modern probe was given a session"))
    }

    @Test func moreFailuresThanWorkMeasureNothing() {
        let failing = report { counts in for _ in 0..<501 { counts.addFailure("no answer within 10 s") } }
        #expect(failing.status == .unmeasured)
        let fewer = report { counts in for _ in 0..<500 { counts.addFailure("no answer within 10 s") } }
        #expect(fewer.status == .passed)
    }

    @Test func atCapacityEveryFailureIsTheServers() {
        #expect(report(.atCapacity) { $0.refusals = 50 }.status == .passed)
        let hanging = report(.atCapacity) { $0.addFailure("no answer within 10 s") }
        #expect(hanging.status == .failed)
    }

    @Test func aServerThatCrawlsUnderPressureFails() {
        #expect(report(.unrelievedPressure, bytesPerUnit: 70_000).status == .passed)
        #expect(report(.unrelievedPressure, early: 0.2, late: 1.9).status == .passed)
        #expect(report(.unrelievedPressure, early: 0.01, late: 0.9).status == .passed)
        let crawling = report(.unrelievedPressure, early: 0.1, late: 5)
        #expect(crawling.status == .failed)
        #expect(crawling.verdict.hasPrefix("it crawls"))
    }

    @Test func nothingDoneMeasuresNothing() {
        #expect(report(units: 0).status == .unmeasured)
        #expect(report(.atCapacity, units: 0) { $0.refusals = 9 }.status == .passed)
    }

    private func status(_ statuses: [ScenarioReport.Status], interruption: String? = nil) -> Int32 {
        var report = SoakReport(
            url: "", server: "", eras: "", call: "", agents: 1, seed: 1, limits: .init(), measure: "resident", date: 0)
        report.scenarios = statuses.map { ScenarioReport(scenario: .named(.requests), status: $0, verdict: "") }
        report.interruption = interruption
        return report.exitStatus
    }

    @Test func theExitStatusTellsWhatCameOut() {
        #expect(status([.passed, .passed]) == 0)
        #expect(status([.passed, .notApplicable]) == 0)
        #expect(status([.passed, .failed]) == 1)
        #expect(status([.unmeasured, .failed]) == 1)
        #expect(status([.passed, .unmeasured]) == 3)
        #expect(status([.notApplicable]) == 3)
        #expect(status([.passed], interruption: "memory reached 1 GiB") == 1)
    }
}
