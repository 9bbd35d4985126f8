import Glibc
import Testing

@testable import TorporMetrics

@Suite struct ProcessMetricsTests {
    @Test func theProcessShowsItselfInTheText() throws {
        let registry = MetricsRegistry()
        registry.collectProcessMetrics()
        let values = registry.values().compactMapValues(Double.init)
        let resident = try #require(values["process_resident_memory_bytes"])
        #expect(resident > 1_000_000)
        #expect(try #require(values["process_virtual_memory_bytes"]) > resident)
        #expect(try #require(values["process_open_fds"]) >= 3)
        #expect(try #require(values["process_threads"]) >= 1)
        #expect(try #require(values["process_cpu_seconds_total"]) > 0)
        let start = try #require(values["process_start_time_seconds"])
        let now = Double(time(nil))
        #expect(start <= now + 1 && start > now - 86_400)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #expect(values["process_max_fds"] == Double(limit.rlim_cur))
    }
}
