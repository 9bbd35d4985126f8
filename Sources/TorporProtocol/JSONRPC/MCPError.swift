public import TorporJSON

/// A JSON-RPC error: the call was not carried out as asked, and the client program, not the model, has to act.
///
/// A tool that fails at its own work throws ``ToolError`` instead, which the model sees.
public struct MCPError: Error, Sendable, Equatable {
    /// What went wrong, as JSON-RPC and the protocol number it.
    public struct Code: Hashable, Sendable {
        public let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        /// The body is not JSON.
        public static let parseError = Code(rawValue: -32700)
        /// The body is no JSON-RPC request.
        public static let invalidRequest = Code(rawValue: -32600)
        /// The method is unknown, or its capability is not offered.
        public static let methodNotFound = Code(rawValue: -32601)
        /// A parameter is missing or unusable: also an unknown tool, prompt, cursor, and in the modern era resource.
        public static let invalidParams = Code(rawValue: -32602)
        /// A fault of the server.
        public static let internalError = Code(rawValue: -32603)
        /// 2026-07-28: an HTTP header is missing, malformed, or differs from the body.
        package static let headerMismatch = Code(rawValue: -32020)
        /// 2026-07-28: the request does not declare a capability that it needs.
        package static let missingClientCapability = Code(rawValue: -32021)
        /// 2026-07-28: the protocol revision is not served.
        package static let unsupportedProtocolVersion = Code(rawValue: -32022)
        /// Legacy only: the session is unknown, or ended.
        package static let sessionNotFound = Code(rawValue: -32001)
        /// Legacy only: there is no such resource.
        package static let resourceNotFound = Code(rawValue: -32002)
    }

    public let code: Code
    /// One sentence for the developer of the client.
    public let message: String
    /// More for programs, or `nil`.
    public let data: JSONValue?

    public init(_ code: Code, _ message: String, data: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.data = data
    }

    public static func invalidParams(_ message: String, data: JSONValue? = nil) -> MCPError {
        MCPError(.invalidParams, message, data: data)
    }

    /// There is no resource at `uri`. The code on the wire depends on the era (`-32602` modern, `-32002` legacy).
    public static func resourceNotFound(_ uri: String) -> MCPError {
        MCPError(.resourceNotFound, "There is no resource at this URI.", data: ["uri": .string(uri)])
    }
}

/// An error answer with the HTTP status that the protocol gives it.
package struct Refusal: Error, Sendable, Equatable {
    /// HTTP status; transports without statuses ignore it.
    package let status: Int
    package let error: MCPError
    /// Seconds after which trying again makes sense, for 429 and 503.
    package let retryAfterSeconds: Int?

    package init(
        _ status: Int, _ code: MCPError.Code, _ message: String, data: JSONValue? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.status = status
        self.error = MCPError(code, message, data: data)
        self.retryAfterSeconds = retryAfterSeconds
    }
}
