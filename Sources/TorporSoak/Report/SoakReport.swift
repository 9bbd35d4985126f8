/// What a run showed.
package struct SoakReport: Sendable {
    package let url: String
    /// The server's name and version.
    package let server: String
    /// What it speaks.
    package let eras: String
    /// What agents called.
    package let call: String
    package let agents: Int
    package let seed: UInt64
    package let limits: SoakOptions.Limits
    /// What of the memory was counted.
    package let measure: String
    /// When the run began, in seconds since 1970.
    package let date: Int
    package internal(set) var scenarios: [ScenarioReport] = []
    package internal(set) var series = MemorySeries()
    /// Seconds of the whole run.
    package internal(set) var seconds = 0.0
    /// What ended the run early.
    package internal(set) var interruption: String?

    /// Whether the server kept every limit in every scenario.
    package var hasFailed: Bool { self.interruption != nil || self.scenarios.contains { $0.status == .failed } }

    /// The status with which the program ends: 0 passed, 1 failed, 3 not measured.
    package var exitStatus: Int32 {
        if self.hasFailed { return 1 }
        let isMeasured = self.scenarios.contains { $0.status == .passed }
        return isMeasured && !self.scenarios.contains { $0.status == .unmeasured }
            ? 0 : SoakError.Code.unmeasurable.rawValue
    }

    /// Passed, failed or not measured, in one word.
    package var outcome: String {
        switch self.exitStatus {
        case 0: "PASS"
        case 1: "FAIL"
        default: "NOT MEASURED"
        }
    }
}
