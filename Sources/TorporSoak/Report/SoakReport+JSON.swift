package import TorporJSON

extension SoakReport {
    /// The report as JSON; `docs/guides/soak.md` describes it.
    package var json: JSONValue {
        var object: JSONObject = [
            "format": "torpor-soak-1", "outcome": .string(self.outcome),
            "exit_status": .number(JSONNumber(self.exitStatus)),
            "url": .string(self.url), "server": .string(self.server), "speaks": .string(self.eras),
            "calls": .string(self.call), "agents": .number(JSONNumber(self.agents)),
            "seed": .number(JSONNumber(self.seed)), "began_seconds": .number(JSONNumber(self.date)),
            "seconds": Self.number(self.seconds), "measure": .string(self.measure),
            "limits": [
                "bytes_per_session": Self.number(self.limits.bytesPerSession),
                "bytes_per_request": Self.number(self.limits.bytesPerRequest),
                "memory_bytes": self.limits.memoryMax.map { .number(JSONNumber($0)) } ?? .null,
            ],
            "peak_bytes": .number(JSONNumber(self.series.peak)),
        ]
        if let interruption { object["interruption"] = .string(interruption) }
        object["scenarios"] = .array(self.scenarios.map(\.json))
        object["samples"] = .array(
            self.series.samples.map { [Self.number($0.seconds), .number(JSONNumber($0.bytes))] })
        return .object(object)
    }

    /// A number with at most six digits behind the point; `null` when it is none.
    fileprivate static func number(_ value: Double) -> JSONValue {
        let rounded = (value * 1e6).rounded() / 1e6
        return JSONNumber(rounded).map(JSONValue.number) ?? .null
    }
}

extension ScenarioReport {
    fileprivate var json: JSONValue {
        var object: JSONObject = [
            "name": .string(self.scenario.name.rawValue), "status": .string(self.status.rawValue),
            "verdict": .string(self.verdict), "unit": .string(self.scenario.unit.rawValue),
            "units": .number(JSONNumber(self.units)), "sessions": .number(JSONNumber(self.sessions)),
            "requests": .number(JSONNumber(self.requests)), "refusals": .number(JSONNumber(self.refusals)),
            "turned_away": .number(JSONNumber(self.turnedAway)), "failures": Self.json(self.failures),
            "violations": Self.json(self.violations),
        ]
        if let latency {
            object["latency_seconds"] = [
                "median": SoakReport.number(latency.median), "p99": SoakReport.number(latency.p99),
            ]
        }
        if let judgement {
            object["growth"] = [
                "outcome": .string(judgement.outcome.rawValue),
                "bytes_per_unit": SoakReport.number(judgement.fit.slope),
                "interval_95": [
                    SoakReport.number(judgement.fit.interval.lowerBound),
                    SoakReport.number(judgement.fit.interval.upperBound),
                ],
                "median_bytes_per_unit": SoakReport.number(judgement.fit.robustSlope),
                "earlier_bytes_per_unit": SoakReport.number(judgement.earlierSlope),
                "later_bytes_per_unit": SoakReport.number(judgement.laterSlope),
                "limit": SoakReport.number(judgement.limit),
            ]
        }
        object["readings"] = .array(
            self.readings.map {
                [
                    "seconds": SoakReport.number($0.seconds), "units": .number(JSONNumber($0.units)),
                    "bytes": .number(JSONNumber($0.bytes)),
                ]
            })
        object["phases"] = .array(
            self.phases.map { [SoakReport.number($0.lowerBound), SoakReport.number($0.upperBound)] })
        return .object(object)
    }

    private static func json(_ counts: [String: Int]) -> JSONValue {
        .object(
            JSONObject(
                counts.sorted { $0.key < $1.key }.map {
                    JSONObject.Member(name: $0.key, value: .number(JSONNumber($0.value)))
                }))
    }
}
