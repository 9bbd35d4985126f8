extension SoakReport {
    /// The report for a terminal.
    package var text: String {
        var lines = [
            "", "\(self.outcome)  \(self.server) at \(self.url)",
            "      \(Format.seconds(self.seconds)), \(self.agents) agents; memory at most \(Format.bytes(self.series.peak))",
            "",
        ]
        for report in self.scenarios {
            let name = report.scenario.name.rawValue
            lines.append(
                "  \(report.mark)  \(name)\(String(repeating: " ", count: max(1, 20 - name.count)))\(report.verdict)")
            if report.units > 0 { lines.append(String(repeating: " ", count: 28) + report.workText) }
            if report.status != .unmeasured, !report.failures.isEmpty, !report.scenario.isUnderPressure {
                let failures = report.failures.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
                lines.append(String(repeating: " ", count: 28) + "could not: " + failures.joined(separator: "; "))
            }
        }
        if let interruption { lines.append("  FAIL  \(interruption)") }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension ScenarioReport {
    /// The status in four letters.
    package var mark: String {
        switch self.status {
        case .passed: "pass"
        case .failed: "FAIL"
        case .notApplicable: "skip"
        case .unmeasured: "none"
        }
    }

    /// How much was done.
    package var workText: String {
        var parts = ["\(Format.grouped(self.units)) \(self.scenario.unit.rawValue)s after the warm-up"]
        parts.append("\(Format.grouped(self.requests)) HTTP requests in all")
        if let latency {
            parts.append("p50 \(Format.seconds(latency.median)), p99 \(Format.seconds(latency.p99))")
        }
        if self.refusals > 0 { parts.append("\(Format.grouped(self.refusals)) refused with 429 or 503") }
        if self.turnedAway > 0 { parts.append("\(Format.grouped(self.turnedAway)) connections turned away") }
        return parts.joined(separator: ", ")
    }
}
