/// The head of one request: its request line, its framing, and the fields that an MCP endpoint reads.
///
/// Everything textual is a range into the bytes that the head was parsed from; no strings are made. Field values come
/// without the blanks around them. They hold no control bytes but tabs, and may hold bytes above ASCII. Fields not
/// named here are checked and dropped.
package struct HTTPRequestHead: Sendable, Equatable {
    package enum Method: Sendable {
        case get, post, delete, options, head, put, patch
        /// Any other token, also a known method in lower case: methods are case-sensitive.
        case other
    }

    /// How long the body is.
    package enum Framing: Sendable, Equatable {
        /// Neither `Content-Length` nor `Transfer-Encoding`: there is no body.
        case none
        /// `Content-Length`: at most ``HTTPLimits/bodyBytesMax``.
        case length(Int)
        /// `Transfer-Encoding: chunked`.
        case chunked
    }

    package var method: Method
    /// The request target as sent: `/path?query`, `http://authority/path?query`, or `*` for OPTIONS.
    package var target: Range<Int>
    /// The target without scheme, authority and query. As sent: not percent-decoded, no dot segments removed.
    package var path: Range<Int>
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    package var minorVersion: Int
    /// Whether another request may follow on the connection, by version and `Connection`; `close` wins.
    package var isKeepAlive: Bool
    /// Whether the client of an HTTP/1.1 request waits for `100 Continue` before it sends the body.
    package var expectsContinue: Bool
    package var framing: Framing

    /// `Host`: not empty, letters, digits and `-._:[]` only. Nil only for HTTP/1.0. Of an absolute target without
    /// `Host`, its authority; with both, they are equal.
    package var host: Range<Int>?
    package var origin: Range<Int>?
    package var authorization: Range<Int>?
    package var contentType: Range<Int>?
    /// The first `Accept`.
    package var accept: Range<Int>?
    /// The values of further `Accept` fields, in order; normally empty. Together with `accept` they are one list.
    package var acceptRepeats: [Range<Int>]
    /// `MCP-Protocol-Version`.
    package var protocolVersion: Range<Int>?
    package var mcpMethod: Range<Int>?
    package var mcpName: Range<Int>?
    /// `Mcp-Session-Id`.
    package var sessionID: Range<Int>?
    package var lastEventID: Range<Int>?
    /// `X-Forwarded-For`, when it was sent once.
    package var forwardedFor: Range<Int>?
    /// Whether `X-Forwarded-For` was sent more than once. `forwardedFor` is nil then: none of them is to be trusted.
    package var isForwardedForRepeated: Bool
    /// The `Mcp-Param-*` fields in order; normally empty. The same name may appear more than once.
    package var parameters: [HTTPField]
}

/// One field of a head: ranges of its name and value.
package struct HTTPField: Sendable, Equatable {
    /// For `Mcp-Param-*` the name without that prefix; never empty.
    package let name: Range<Int>
    /// The value without the blanks around it.
    package let value: Range<Int>

    package init(name: Range<Int>, value: Range<Int>) {
        self.name = name
        self.value = value
    }
}
