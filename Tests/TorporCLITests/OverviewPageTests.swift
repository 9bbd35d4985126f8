import Metrics
import NIOHTTP1
import Testing
import TorporEngine
import TorporHTTP
import TorporMetrics

@testable import Torpor
@testable import TorporCLI

/// `/debug/overview` of a server with state in memory, and `torpor top` in front of it.
@Suite struct OverviewPageTests {
    private func withServer(
        governor: @escaping @Sendable () -> JSONObject? = { nil },
        _ body: @escaping @Sendable (AdminPage, MetricsRegistry) async throws -> Void
    ) async throws {
        let service = StateService.inMemory()
        let registry = MetricsRegistry()
        let metrics = StateMetrics(factory: registry)
        service.engine.addObserver { metrics.record($0) }
        let reporting = StateReporting(service, in: registry, logger: quietLogger)
        let sources = AdminSources(
            metricsText: { registry.text() }, liveness: { .healthy }, readiness: { .healthy },
            operations: AdminOperations(
                process: { ["process": ["resident_bytes": 7], "allocator": ["allocated_bytes": 5]] },
                state: reporting.operations,
                overview: {
                    OverviewReport.object(
                        registry.reading(), HealthReport(reasons: ["the disk is full"]), uptime: .milliseconds(1_500),
                        hosted: HostingReporting.list(nil))
                },
                governor: governor))
        try await service.run {
            let use = service.engine.use()
            defer { use.end() }
            let name = ObjectName(StateObjectID(bits: 1), .session, account: .anonymous(9))
            try await use.update(name) { $0.set(Array("count".utf8), [0, 1, 3]) }
            try await use.durable()
            try await withAdminListener(sources) { port in try await body(try AdminPage(port: port), registry) }
        }
    }

    @Test func onePageHasWhatADashboardShows() async throws {
        try await self.withServer(governor: { ["rung": "calm", "rung_index": 0] }) { page, registry in
            for (milliseconds, error) in [(5, nil), (15, nil), (15, "tool_error")] {
                Timer(
                    label: "mcp_server_operation_duration_seconds",
                    dimensions: [("mcp_method_name", "tools/call")] + (error.map { [("error_type", $0)] } ?? []),
                    factory: registry
                ).recordMilliseconds(milliseconds)
            }
            Counter(label: "torpor_shed_requests_total", dimensions: [("reason", "rate")], factory: registry)
                .increment(by: 4)
            let overview = JSONValue.object(try await page.client.object(.GET, "/debug/overview"))
            #expect(overview["version"] == .string(torporVersion) && overview["uptime_seconds"] == 1.5)
            #expect(overview["readiness_faults"] == ["the disk is full"])
            #expect(overview["hosted"] == [], "nothing is hosted")
            #expect(overview["process"]?["resident_bytes"] == 7 && overview["allocator"]?["allocated_bytes"] == 5)
            #expect(overview["governor"]?["rung"] == "calm")
            let totals = overview["totals"]
            #expect(totals?["operations"] == 3 && totals?["failed_operations"] == 1)
            #expect(totals?["shed_requests"] == ["rate": 4])
            #expect(totals?["evictions"] == ["done": 0, "idle": 0, "operator": 0, "pressure": 0, "room": 0])
            #expect(totals?["loads"]?["missing"] == 1 && totals?["loads_by_origin"] == ["store": 1])
            #expect(totals?["commit_outcomes"]?["committed"] == 1)
            let operations = overview["latency"]?["operations"]
            #expect(operations?["bounds_seconds"]?[0] == 0.01 && operations?["counts"]?[0] == 1)
            #expect(operations?["counts"]?[1] == 3 && operations?["sum_seconds"] == 0.035)
            #expect(overview["latency"]?["commits"]?["counts"] != nil)
            #expect(overview["state"]?["objects"]?["in_use"] == 1 && overview["state"]?["accounts"] == nil)
        }
    }

    @Test func topShowsWhatTheServerAnswers() async throws {
        try await self.withServer { page, _ in
            let source = TopSource(client: page.client)
            let frame = TopFrame(now: try await source.overview(), before: nil, largest: try await source.largest())
            let lines = frame.lines(url: "http://localhost", fault: nil, columns: 120, rows: nil)
                .map { $0.plain(columns: 120) }
            #expect(lines[0].hasPrefix("torpor \(torporVersion)") && lines[0].contains("not ready: the disk is full"))
            #expect(lines.contains { $0.hasPrefix("objects") && $0.contains("in use 1") })
            #expect(lines.last?.hasPrefix("00000000000000000000000000000001  session") == true)
        }
    }

    @Test func topOfAServerWithoutStateHasNoObjects() async throws {
        let sources = AdminSources(
            metricsText: { "" }, liveness: { .healthy }, readiness: { .healthy },
            operations: AdminOperations(process: { [:] }, state: nil))
        try await withAdminListener(sources) { port in
            let source = TopSource(client: try AdminPage(port: port).client)
            #expect(try await source.largest() == nil)
            #expect(try await source.overview().page["governor"] == .null)
        }
    }
}
