import CoreMetrics
import Metrics

/// The OpenTelemetry histograms of an MCP server, behind swift-metrics.
///
/// `mcp.server.operation.duration` counts each operation by method, tool and kind of error; tools that do not exist
/// share one series, so that clients cannot make series.
struct OperationMetrics: Sendable {
    /// By method, for operations without a tool that went well.
    private let durations: [Timer]

    init() {
        self.durations = RequestMethod.allCases.map { Self.timer($0, tool: nil, error: nil) }
    }

    /// - Parameter error: `tool_error`, or the JSON-RPC code; `nil` when it went well.
    static func timer(_ method: RequestMethod, tool: String?, error: String?) -> Timer {
        var dimensions = [("mcp_method_name", method.name.description)]
        if let tool { dimensions.append(("gen_ai_tool_name", tool)) }
        if let error { dimensions.append(("error_type", error)) }
        return Timer(label: "mcp_server_operation_duration_seconds", dimensions: dimensions)
    }

    func record(_ method: RequestMethod, tool: ToolMeter?, error: String?, nanoseconds: Int64) {
        guard let error else {
            (tool?.duration ?? self.durations[Int(method.rawValue)]).recordNanoseconds(nanoseconds)
            return
        }
        // Errors are rarer, and of few kinds: the registry finds the series.
        Self.timer(method, tool: tool?.name, error: error).recordNanoseconds(nanoseconds)
    }

    static func recordSession(_ age: Duration) {
        Timer(label: "mcp_server_session_duration_seconds").recordMilliseconds(Int64(age.wholeMilliseconds))
    }
}

/// A tool as metrics know it.
final class ToolMeter: Sendable {
    let name: String
    /// Of calls that went well.
    let duration: Timer

    init(name: String) {
        self.name = name
        self.duration = OperationMetrics.timer(.toolsCall, tool: name, error: nil)
    }
}
