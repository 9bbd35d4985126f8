import Torpor
import TorporCore
import TorporProtocol

extension ListenerState {
    /// Checks `Host`, `Origin` and the path.
    func checkAccess(_ request: HTTPRequest, _ exchange: inout MCPConnection.Exchange) throws(Refusal) -> Endpoint {
        let bytes = request.bytes.span
        if let host = request.head.host, !self.rules.allows(host: host, in: bytes) {
            throw Refusal(
                403, .invalidRequest, "This server is not reached by that Host; allow it with --allowed-hosts.")
        }
        if let origin = request.head.origin {
            guard self.rules.allows(origin: origin, in: bytes) else {
                throw Refusal(
                    403, .invalidRequest, "Pages of this Origin may not call; allow it with --allowed-origins.")
            }
            exchange.origin = request.bytes[origin]
        }
        let path = request.head.path
        if path.count == self.path.count, request.bytes[path].elementsEqual(self.path) { return .mcp(self.dispatcher) }
        if self.configuration.servesSSETransport {
            if request.bytes[path].elementsEqual(Endpoint.ssePath.utf8) { return .sse }
            if request.bytes[path].elementsEqual(Endpoint.sseMessagesPath.utf8) { return .sseMessages }
        }
        if let mounted = self.mounted(at: request.bytes[path]) { return .mcp(mounted.dispatcher) }
        let endpoints = [self.configuration.path] + self.mounted.map(\.mount.path)
        throw Refusal(
            404, .invalidRequest,
            endpoints.count == 1
                ? "There is nothing at this path; the endpoint is \(endpoints[0])."
                : "There is nothing at this path; the endpoints are \(endpoints.joined(separator: ", ")).")
    }

    /// The message of a request.
    func message(
        _ request: HTTPRequest, _ principal: Principal?, _ accepted: MediaType, address: String
    ) -> IncomingMessage {
        let head = request.head
        return IncomingMessage(
            bytes: request.bytes, bodyStart: request.body.lowerBound,
            headers: MessageHeaders(
                protocolVersion: head.protocolVersion, method: head.mcpMethod, name: head.mcpName,
                sessionID: head.sessionID, lastEventID: head.lastEventID,
                parameters: head.parameters.isEmpty
                    ? [] : head.parameters.map { MessageHeaders.Parameter(name: $0.name, value: $0.value) }),
            mirrorsHeaders: true, acceptsStreams: accepted.contains(.events), principal: principal, address: address)
    }

    /// Who calls, from the bearer token (RFC 6750, 2.1). Other ways of sending a token are not looked at.
    func principal(_ request: HTTPRequest) throws(Refusal) -> Principal? {
        guard case .tokens(let file) = self.authentication.kind else { return nil }
        guard let field = request.head.authorization else {
            throw Refusal(401, .invalidRequest, "A bearer token is needed.")
        }
        let value = request.bytes[field]
        guard let blank = value.firstIndex(of: UInt8(ascii: " ")),
            value[..<blank].elementsEqual("bearer".utf8, by: { $0 | 0x20 == $1 }),
            let principal = file.principal(of: value[blank...].drop { $0 == UInt8(ascii: " ") })
        else { throw Refusal(401, .invalidRequest, "The bearer token is not valid.") }
        return principal
    }

    /// Checks `Content-Type` and `Accept` of a POST.
    func checkMediaTypes(_ request: HTTPRequest, _ accepted: MediaType) throws(Refusal) {
        guard let type = request.head.contentType, MediaType(of: request.bytes.span, type) == .json else {
            throw Refusal(415, .invalidRequest, "The body must be application/json.")
        }
        guard request.head.accept == nil || accepted.contains(.json) else {
            throw Refusal(406, .invalidRequest, "The client must accept application/json and text/event-stream.")
        }
    }
}

/// What a listener serves, by path.
enum Endpoint {
    /// Streamable HTTP, and who answers there.
    case mcp(Dispatcher)
    /// The stream of the transport of 2024-11-05.
    case sse
    /// Where its clients post.
    case sseMessages

    static let ssePath = "/sse"
    static let sseMessagesPath = "/sse/messages"
}

/// The media types that matter here, of those that a field names.
struct MediaType: OptionSet {
    let rawValue: UInt8

    /// `application/json`, by name or by a wildcard.
    static let json = MediaType(rawValue: 1 << 0)
    /// `text/event-stream`, by name: a wildcard does not tell that a client can read streams.
    static let events = MediaType(rawValue: 1 << 1)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// What a client accepts, by all its `Accept` fields. Weights are not looked at.
    static func accepted(by request: HTTPRequest) -> MediaType {
        guard let accept = request.head.accept else { return [] }
        return request.head.acceptRepeats.reduce(into: MediaType(request.bytes.span, accept)) { types, range in
            types.formUnion(MediaType(request.bytes.span, range))
        }
    }

    /// Reads one media type with parameters.
    init(of bytes: Span<UInt8>, _ field: Range<Int>) {
        self.rawValue = 0
        self.add(bytes, field)
    }

    /// Reads a list of media types with parameters.
    init(_ bytes: Span<UInt8>, _ field: Range<Int>) {
        self.rawValue = 0
        var start = field.lowerBound
        while start < field.upperBound {
            let end = bytes.firstIndex(of: ASCII.comma, from: start, to: field.upperBound) ?? field.upperBound
            self.add(bytes, start..<end)
            start = end + 1
        }
    }

    private mutating func add(_ bytes: Span<UInt8>, _ entry: Range<Int>) {
        let end = bytes.firstIndex(of: ASCII.semicolon, from: entry.lowerBound, to: entry.upperBound)
        let name = bytes.trimmed(entry.lowerBound..<(end ?? entry.upperBound))
        if bytes.equals(ignoringCase: "application/json", name) || bytes.equals("*/*", name)
            || bytes.equals(ignoringCase: "application/*", name)
        {
            self.insert(.json)
        } else if bytes.equals(ignoringCase: "text/event-stream", name) {
            self.insert(.events)
        }
    }
}
