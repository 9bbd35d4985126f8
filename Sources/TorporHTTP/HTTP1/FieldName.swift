/// The field names that mean something here, told apart without making strings.
enum FieldName {
    case host, origin, authorization, contentType, accept, forwardedFor
    case protocolVersion, mcpMethod, mcpName, sessionID, lastEventID, parameter
    case contentLength, transferEncoding, connection, proxyConnection, expect
    case other

    /// Bytes of `Mcp-Param-`.
    static let parameterPrefixBytes = 10

    /// - Parameter name: A token, in any case.
    @inline(__always)
    init(_ bytes: Span<UInt8>, _ name: Range<Int>) {
        let start = name.lowerBound
        switch name.count {
        case 4 where bytes.starts(ignoringCase: "host", at: start): self = .host
        case 6 where bytes.starts(ignoringCase: "accept", at: start): self = .accept
        case 6 where bytes.starts(ignoringCase: "origin", at: start): self = .origin
        case 6 where bytes.starts(ignoringCase: "expect", at: start): self = .expect
        case 8 where bytes.starts(ignoringCase: "mcp-name", at: start): self = .mcpName
        case 10 where bytes.starts(ignoringCase: "mcp-method", at: start): self = .mcpMethod
        case 10 where bytes.starts(ignoringCase: "connection", at: start): self = .connection
        case 12 where bytes.starts(ignoringCase: "content-type", at: start): self = .contentType
        case 13 where bytes.starts(ignoringCase: "authorization", at: start): self = .authorization
        case 13 where bytes.starts(ignoringCase: "last-event-id", at: start): self = .lastEventID
        case 14 where bytes.starts(ignoringCase: "content-length", at: start): self = .contentLength
        case 14 where bytes.starts(ignoringCase: "mcp-session-id", at: start): self = .sessionID
        case 15 where bytes.starts(ignoringCase: "x-forwarded-for", at: start): self = .forwardedFor
        case 16 where bytes.starts(ignoringCase: "proxy-connection", at: start): self = .proxyConnection
        case 17 where bytes.starts(ignoringCase: "transfer-encoding", at: start): self = .transferEncoding
        case 20 where bytes.starts(ignoringCase: "mcp-protocol-version", at: start): self = .protocolVersion
        case (Self.parameterPrefixBytes + 1)... where bytes.starts(ignoringCase: "mcp-param-", at: start):
            self = .parameter
        default: self = .other
        }
    }

    /// Whether the field says where a message ends, what becomes of its connection or to whom it goes: in a trailer
    /// section it would come too late to be true.
    var isForbiddenInTrailers: Bool {
        switch self {
        case .contentLength, .transferEncoding, .connection, .proxyConnection, .host, .expect, .authorization: true
        default: false
        }
    }
}
