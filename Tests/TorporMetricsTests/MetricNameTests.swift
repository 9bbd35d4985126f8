import Testing

@testable import TorporMetrics

@Suite struct MetricNameTests {
    @Test(arguments: [
        ("mcp.server.operation.duration", "mcp_server_operation_duration"), ("a:b", "a:b"), ("a-b c/é", "a_b_c__"),
        ("9lives", "_9lives"), ("", "_"), ("_x", "_x"),
    ])
    func aNameKeepsOnlyWhatPrometheusAllows(label: String, name: String) {
        #expect(MetricName.metric(label) == name)
    }

    @Test func aSuffixIsAppendedOnce() {
        #expect(MetricName.metric("calls", suffix: "_total") == "calls_total")
        #expect(MetricName.metric("calls.total", suffix: "_total") == "calls_total")
    }

    @Test func labelsAreSortedAndTheirNamesCleaned() {
        let labels = MetricName.labels([("tool.name", "echo"), ("era", "modern"), ("a:b", "1")])
        #expect(labels == #"a_b="1",era="modern",tool_name="echo""#)
    }

    @Test(arguments: [("9", "key_9"), ("__name__", "key___name__"), ("", "key_"), ("le", "key_le"), ("_a", "_a")])
    func aLabelNameThatMayNotStandIsPrefixed(name: String, expected: String) {
        #expect(MetricName.labels([(name, "x")], reserved: "le") == expected + #"="x""#)
    }

    @Test func labelsWhoseNamesBecomeTheSameAreJoined() {
        #expect(MetricName.labels([("a.b", "1"), ("a-b", "2")]) == #"a_b="1;2""#)
    }

    @Test func aLabelValueIsCutAtItsLimitBetweenScalars() {
        func kept(_ value: String) -> Int { MetricName.labels([("a", value)]).utf8.count - #"a="""#.utf8.count }
        #expect(kept(String(repeating: "x", count: 255)) == 255)
        #expect(kept(String(repeating: "x", count: 256)) == 256)
        #expect(kept(String(repeating: "x", count: 257)) == 256)
        #expect(kept(String(repeating: "x", count: 255) + "é") == 255)
        #expect(kept(String(repeating: "x", count: 254) + "é") == 256)
    }
}
