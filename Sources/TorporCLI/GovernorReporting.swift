import Torpor
import TorporAllocator
import TorporCore
import TorporHTTP
import TorporMetrics

/// What metrics and admin pages tell of the governor.
enum GovernorReporting {
    static func expose(_ governor: MemoryGovernor, in registry: MetricsRegistry) {
        registry.help("torpor_shed_requests_total", "Requests that were refused to protect the server, by reason.")
        registry.help("torpor_call_queue_seconds", "Time that calls waited for their turns, of those that did.")
        registry.collect { scrape in
            let report = governor.report
            scrape.gauge("torpor_pressure", help: "Memory pressure, from 0 to 1.", report.pressure.value)
            for source in Pressure.Source.allCases {
                scrape.gauge(
                    "torpor_pressure_source", help: "Memory pressure by source, from 0 to 1.",
                    labels: [("source", source.rawValue)], report.pressure[source])
            }
            scrape.gauge(
                "torpor_governor_rung", help: "How much is done about memory: 0, nothing, to 7, drain.",
                Double(report.rung.index))
            for rung in GovernorRung.allCases where rung != .calm {
                scrape.gauge(
                    "torpor_governor_rung_active", help: "Whether what a rung stands for is being done.",
                    labels: [("rung", rung.rawValue)], report.rung >= rung ? 1 : 0)
                scrape.counter(
                    "torpor_governor_freed_bytes_total", help: "Bytes that the actions of a rung have freed.",
                    labels: [("rung", rung.rawValue)], Double(report.freedBytes[rung]))
            }
            for rung in GovernorRung.allCases {
                scrape.counter(
                    "torpor_governor_changes_total", help: "Times a rung was entered.",
                    labels: [("rung", rung.rawValue)], Double(report.changes[rung]))
            }
            let statistics = Allocator.statistics()
            for (kind, bytes) in [
                ("allocated", statistics.allocated), ("active", statistics.active), ("resident", statistics.resident),
                ("retained", statistics.retained),
            ] {
                guard let bytes else { continue }
                scrape.gauge(
                    "torpor_allocator_bytes", help: "What the allocator has taken and given, by kind.",
                    labels: [("kind", kind)], Double(bytes))
            }
            scrape.gauge(
                "torpor_memory_used_bytes", help: "Memory that counts against the limit.", Double(report.usedBytes))
            scrape.gauge(
                "torpor_memory_children_bytes", help: "What of that children of hosted servers take.",
                Double(report.childBytes))
            scrape.counter(
                "torpor_governor_ended_children_total", help: "Children ended because memory was short.",
                Double(report.endedChildren))
            if let limit = report.limitBytes {
                scrape.gauge("torpor_memory_limit_bytes", help: "What the process may take.", Double(limit))
            }
        }
    }

    /// For `/debug/memory` and `/debug/overview`.
    static func object(_ governor: MemoryGovernor) -> JSONObject {
        let report = governor.report
        let sources = Pressure.Source.allCases.map { source in
            JSONObject.Member(name: source.rawValue, value: self.share(report.pressure[source]))
        }
        return [
            "pressure": self.share(report.pressure.value), "worst": .string(report.pressure.worst.rawValue),
            "sources": .object(JSONObject(sources)), "rung": .string(report.rung.rawValue),
            "rung_index": .number(JSONNumber(report.rung.index)),
            "limit_bytes": report.limitBytes.map { .number(JSONNumber($0)) } ?? .null,
            "limit_source": .string(governor.limitSource), "used_bytes": .number(JSONNumber(report.usedBytes)),
            "children_bytes": .number(JSONNumber(report.childBytes)),
            // While nothing is done about memory, how it stands tells more than how that came to be.
            "reason": .string(report.rung == .calm ? report.pressure.reason : report.reason),
            "since_seconds": self.share(
                Double(
                    Instant(nanoseconds: SystemTime.monotonicNanoseconds()).since(report.since).wholeMilliseconds)
                    / 1_000),
        ]
    }

    private static func share(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
}
