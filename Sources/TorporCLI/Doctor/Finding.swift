import Torpor

/// Something that `torpor doctor` has found out.
struct Finding: Equatable, Sendable {
    enum Severity: Int, Comparable, CaseIterable, Sendable {
        /// Looked at, and as it should be.
        case ok
        /// Good to know; nothing will go wrong because of it.
        case note
        /// Something will go wrong under load, after a while, or after a crash.
        case warning
        /// The server does not start, loses data, or is killed.
        case fault

        static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
    }

    let severity: Severity
    /// One word for what was looked at; scripts tell findings apart by it.
    let topic: String
    /// One sentence.
    let what: String
    /// One sentence for what to do about it; empty when there is nothing.
    let advice: String

    static func ok(_ topic: String, _ what: String) -> Finding {
        Finding(severity: .ok, topic: topic, what: what, advice: "")
    }

    static func note(_ topic: String, _ what: String, _ advice: String) -> Finding {
        Finding(severity: .note, topic: topic, what: what, advice: advice)
    }

    static func warning(_ topic: String, _ what: String, _ advice: String) -> Finding {
        Finding(severity: .warning, topic: topic, what: what, advice: advice)
    }

    static func fault(_ topic: String, _ what: String, _ advice: String) -> Finding {
        Finding(severity: .fault, topic: topic, what: what, advice: advice)
    }
}

/// All findings of one look, the worst first.
struct DoctorReport {
    let findings: [Finding]

    init(_ findings: [Finding]) {
        // Those alike stay in the order in which they were looked for.
        self.findings = Finding.Severity.allCases.reversed().flatMap { severity in
            findings.filter { $0.severity == severity }
        }
    }

    /// The status of the program: 0 for nothing worse than notes, 1 for warnings, 2 for faults.
    var exitCode: Int32 {
        switch self.findings.first?.severity {
        case .fault: 2
        case .warning: 1
        case .note, .ok, nil: 0
        }
    }

    /// For people: a line for what, and one below it for what to do.
    var text: String {
        var lines: [String] = []
        for finding in self.findings {
            let label = "\(finding.severity)"
            lines.append(label + String(repeating: " ", count: 9 - label.count) + "\(finding.topic): \(finding.what)")
            if !finding.advice.isEmpty { lines.append(String(repeating: " ", count: 9) + "→ \(finding.advice)") }
        }
        let counts = Finding.Severity.allCases.reversed().compactMap { severity -> String? in
            let count = self.findings.count { $0.severity == severity }
            guard count > 0 else { return nil }
            if severity == .ok { return "\(count) ok" }
            return count == 1 ? "1 \(severity)" : "\(count) \(severity)s"
        }
        return (lines + ["", counts.joined(separator: ", ") + "."]).joined(separator: "\n")
    }

    /// For scripts.
    var object: JSONObject {
        [
            "worst": .string("\(self.findings.first?.severity ?? .ok)"),
            "findings": .array(
                self.findings.map { finding in
                    [
                        "severity": .string("\(finding.severity)"), "topic": .string(finding.topic),
                        "what": .string(finding.what), "advice": .string(finding.advice),
                    ]
                }),
        ]
    }
}
