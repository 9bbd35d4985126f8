import Torpor
import TorporCore
import TorporHosting
import TorporMetrics

/// What metrics and admin pages tell of hosted servers.
enum HostingReporting {
    static func expose(_ hosting: Hosting, in registry: MetricsRegistry) {
        registry.collect { scrape in
            for server in hosting.servers { self.expose(server, in: &scrape) }
            let folders = hosting.folderCounts
            scrape.gauge(
                "torpor_folders", help: "Folders of children on the disk, by standing.", labels: [("standing", "open")],
                Double(folders.open))
            scrape.gauge(
                "torpor_folders", help: "Folders of children on the disk, by standing.", labels: [("standing", "left")],
                Double(folders.left))
        }
    }

    private static func expose(_ server: HostedServer, in scrape: inout MetricsScrape) {
        let name = ("server", server.name)
        let figures = server.host.figures
        for (phase, count) in [
            ("waking", figures.waking), ("busy", figures.busy), ("idle", figures.idle), ("spare", figures.spare),
            ("stopping", figures.stopping),
        ] {
            scrape.gauge(
                "torpor_children", help: "Children of hosted servers, by phase.", labels: [name, ("phase", phase)],
                Double(count))
        }
        scrape.gauge(
            "torpor_children_limit", help: "Most children of a hosted server.", labels: [name],
            Double(server.host.limits.childrenMax))
        scrape.gauge(
            "torpor_children_memory_bytes", help: "Memory of the children of a hosted server, with all they started.",
            labels: [name], Double(server.host.children.reduce(0) { $0 + ($1.memory?.bytes ?? 0) }))
        scrape.gauge(
            "torpor_child_calls", help: "Calls that children of a hosted server run.", labels: [name],
            Double(figures.running))
        scrape.gauge(
            "torpor_child_held_calls", help: "Calls that wait for their clients between two requests.", labels: [name],
            Double(figures.held))
        scrape.gauge(
            "torpor_child_waiting_calls", help: "Calls that wait for a child.", labels: [name], Double(figures.waiting))
        scrape.counter(
            "torpor_child_starts_total", help: "Children started.", labels: [name], Double(figures.starts))
        scrape.counter(
            "torpor_child_start_failures_total", help: "Starts that failed, or took too long.", labels: [name],
            Double(figures.startFailures))
        scrape.counter(
            "torpor_child_endings_total", help: "Children that ended without being asked to.", labels: [name],
            Double(figures.endings))
        scrape.counter(
            "torpor_child_spares_taken_total", help: "Children of a key that had been started ahead.", labels: [name],
            Double(figures.sparesTaken))
        scrape.counter(
            "torpor_child_unsaved_folders_total", help: "Folders that could not be stored when their child stopped.",
            labels: [name], Double(figures.unsavedFolders))
        for failure in HostFailure.allCases {
            scrape.counter(
                "torpor_child_failures_total", help: "Calls that reached their child and were given up, by reason.",
                labels: [name, ("reason", failure.rawValue)], Double(figures.failures[failure] ?? 0))
        }
        for reason in HostStopReason.allCases {
            scrape.counter(
                "torpor_child_stops_total", help: "Children that were stopped, by reason.",
                labels: [name, ("reason", reason.rawValue)], Double(figures.stops[reason] ?? 0))
        }
        for reason in HostRefusal.Reason.allCases {
            scrape.counter(
                "torpor_child_refusals_total", help: "Calls that got no child, by reason.",
                labels: [name, ("reason", reason.rawValue)], Double(figures.refusals[reason] ?? 0))
        }
        scrape.gauge(
            "torpor_hosted_server_failing", help: "Whether starts of a hosted server fail.", labels: [name],
            server.host.failure == nil ? 0 : 1)
        BreakerReporting.expose(server.host.breaker, kind: "starts", name: server.name, in: &scrape)
        if let breaker = server.breaker {
            BreakerReporting.expose(breaker.standing, kind: "server", name: server.name, in: &scrape)
        }
    }

    /// For `/readyz`: the servers whose starts fail.
    static func faults(_ hosting: Hosting?) -> [String] {
        (hosting?.servers ?? []).compactMap { server in
            server.host.failure.map { "\(server.name) cannot be started: \($0.prefix(200))" }
        }
    }

    /// For `/debug/overview`.
    static func list(_ hosting: Hosting?) -> JSONValue {
        .array(
            (hosting?.servers ?? []).map { server in
                let figures = server.host.figures
                let children = server.host.children.map { child -> JSONValue in
                    [
                        "number": .number(JSONNumber(child.number)),
                        "for": child.key.map { .string("\($0.kind)") } ?? .null,
                        "pid": child.pid.map { .number(JSONNumber($0)) } ?? .null,
                        "calls": .number(JSONNumber(child.calls)),
                        "memory_bytes": child.memory.map { .number(JSONNumber($0.bytes)) } ?? .null,
                    ]
                }
                return [
                    "name": .string(server.name), "failure": server.host.failure.map { .string($0) } ?? .null,
                    "children": .array(children), "children_limit": .number(JSONNumber(server.host.limits.childrenMax)),
                    "waking": .number(JSONNumber(figures.waking)), "busy": .number(JSONNumber(figures.busy)),
                    "idle": .number(JSONNumber(figures.idle)), "spare": .number(JSONNumber(figures.spare)),
                    "stopping": .number(JSONNumber(figures.stopping)),
                    "waiting_calls": .number(JSONNumber(figures.waiting)),
                    "starts": .number(JSONNumber(figures.starts)),
                    "start_failures": .number(JSONNumber(figures.startFailures)),
                    "endings": .number(JSONNumber(figures.endings)),
                ]
            })
    }
}
