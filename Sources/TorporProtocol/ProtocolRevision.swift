/// A revision of the Model Context Protocol that Torpor speaks, oldest first.
public enum ProtocolRevision: String, Hashable, Sendable, CaseIterable, Comparable {
    case v2024_11_05 = "2024-11-05"
    case v2025_03_26 = "2025-03-26"
    case v2025_06_18 = "2025-06-18"
    case v2025_11_25 = "2025-11-25"
    case v2026_07_28 = "2026-07-28"

    /// The two ways of talking: with a handshake and sessions, or with everything in each request.
    public enum Era: Hashable, Sendable {
        /// `initialize`, then a session. Up to 2025-11-25.
        case legacy
        /// Metadata on each request, no session. From 2026-07-28.
        case modern
    }

    public var era: Era { self == .v2026_07_28 ? .modern : .legacy }

    /// The newest revision that begins with `initialize`; what a client that asks for an unknown one is offered.
    package static let newestLegacy = ProtocolRevision.v2025_11_25
    /// What a request without any sign of its revision is taken for (2025-11-25, transports, protocol version header).
    package static let assumedLegacy = ProtocolRevision.v2025_03_26
    /// The modern revisions, as `server/discover` and `-32022` list them.
    package static let modern: [ProtocolRevision] = [.v2026_07_28]

    /// 0 for the oldest; a compact form for tables and tokens.
    package var index: Int {
        switch self {
        case .v2024_11_05: 0
        case .v2025_03_26: 1
        case .v2025_06_18: 2
        case .v2025_11_25: 3
        case .v2026_07_28: 4
        }
    }

    public static func < (left: ProtocolRevision, right: ProtocolRevision) -> Bool { left.index < right.index }

    /// The revision whose name stands at `range`, if it is one that Torpor knows.
    package init?(_ bytes: Span<UInt8>, in range: Range<Int>) {
        guard range.count == 10 else { return nil }
        for revision in Self.allCases where bytes.matches(revision.name, at: range) {
            self = revision
            return
        }
        return nil
    }

    private var name: StaticString {
        switch self {
        case .v2024_11_05: "2024-11-05"
        case .v2025_03_26: "2025-03-26"
        case .v2025_06_18: "2025-06-18"
        case .v2025_11_25: "2025-11-25"
        case .v2026_07_28: "2026-07-28"
        }
    }
}
