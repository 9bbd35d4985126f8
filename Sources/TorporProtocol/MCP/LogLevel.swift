import TorporJSON

/// How serious a log message is, from least to most (RFC 5424).
public enum LogLevel: String, Sendable, Hashable, CaseIterable, Comparable {
    case debug, info, notice, warning, error, critical, alert, emergency

    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.severity < right.severity }

    private var severity: Int {
        switch self {
        case .debug: 0
        case .info: 1
        case .notice: 2
        case .warning: 3
        case .error: 4
        case .critical: 5
        case .alert: 6
        case .emergency: 7
        }
    }

    /// The level that a string of a message names, if there is one of that name.
    package init?(_ slice: JSONSlice, in bytes: Span<UInt8>) {
        guard let text = slice.string(in: bytes), let level = LogLevel(rawValue: text) else { return nil }
        self = level
    }
}
