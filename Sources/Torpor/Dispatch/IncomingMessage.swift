/// One message as a transport hands it over: its bytes, and what the transport knows of its sender.
///
/// Everything else about the message is ranges into `bytes`; they are copied once, from the socket.
package struct IncomingMessage: Sendable {
    /// The body, which fills the end of `bytes`; before it the transport may keep its headers.
    package let bytes: [UInt8]
    package let bodyStart: Int
    package let headers: MessageHeaders
    /// Whether the transport has headers that mirror the body (HTTP) or has none (in memory, stdio).
    package let mirrorsHeaders: Bool
    /// Whether the client takes an event stream as the answer.
    package let acceptsStreams: Bool
    package let principal: Principal?
    /// The client's address, for limits on anonymous callers; `nil` when there is none.
    package let address: String?
    /// Where it came from, and where all answers go, on transports that are one stream of bytes.
    package let channel: MessageChannel?

    package init(
        bytes: [UInt8], bodyStart: Int = 0, headers: MessageHeaders = MessageHeaders(), mirrorsHeaders: Bool = false,
        acceptsStreams: Bool = false, principal: Principal? = nil, address: String? = nil,
        channel: MessageChannel? = nil
    ) {
        self.bytes = bytes
        self.bodyStart = bodyStart
        self.headers = headers
        self.mirrorsHeaders = mirrorsHeaders
        self.acceptsStreams = acceptsStreams
        self.principal = principal
        self.address = address
        self.channel = channel
    }

    /// One message of a batch, as if it had come alone.
    func element(_ range: Range<Int>) -> IncomingMessage {
        IncomingMessage(
            bytes: Array(self.bytes[range]), principal: self.principal, address: self.address, channel: self.channel)
    }
}

/// What goes back for one message.
package struct Reply: Sendable {
    /// HTTP status; other transports ignore it.
    package var status: Int
    /// The JSON-RPC message, or empty for an answer without a body.
    package var body: [UInt8]
    /// A new session's id, for `Mcp-Session-Id`.
    package var sessionID: String?
    package var retryAfterSeconds: Int?

    package init(status: Int, body: [UInt8] = [], sessionID: String? = nil, retryAfterSeconds: Int? = nil) {
        self.status = status
        self.body = body
        self.sessionID = sessionID
        self.retryAfterSeconds = retryAfterSeconds
    }
}

/// What the dispatcher made of a message.
package enum Dispatch: Sendable {
    /// Done: send this.
    case reply(Reply)
    /// A handler has to run, off the event loop. The transport runs it exactly once.
    case call(PendingCall)
    /// A stream is open: read it until it ends or the client goes.
    case stream(OpenStream)
}
