import Torpor
import TorporCore
import TorporProtocol

extension ListenerState {
    /// Checks `Host`, `Origin` and the path.
    func checkAccess(_ request: HTTPRequest, _ exchange: inout MCPConnection.Exchange) throws(Refusal) {
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
        guard path.count == self.path.count, request.bytes[path].elementsEqual(self.path) else {
            throw Refusal(
                404, .invalidRequest, "There is nothing at this path; the endpoint is \(self.configuration.path).")
        }
    }

    /// The message of a request, with the principal whose token it carries.
    func message(_ request: HTTPRequest, address: String) throws(Refusal) -> IncomingMessage {
        let head = request.head
        return IncomingMessage(
            bytes: request.bytes, bodyStart: request.body.lowerBound,
            headers: MessageHeaders(
                protocolVersion: head.protocolVersion, method: head.mcpMethod, name: head.mcpName,
                sessionID: head.sessionID),
            mirrorsHeaders: true, principal: try self.principal(request), address: address)
    }

    /// Who calls, from the bearer token (RFC 6750, 2.1). Other ways of sending a token are not looked at.
    private func principal(_ request: HTTPRequest) throws(Refusal) -> Principal? {
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
    func checkMediaTypes(_ request: HTTPRequest) throws(Refusal) {
        guard let type = request.head.contentType, MediaType.isJSON(request.bytes[type]) else {
            throw Refusal(415, .invalidRequest, "The body must be application/json.")
        }
        guard let accept = request.head.accept else { return }
        if MediaType.acceptsJSON(request.bytes[accept]) { return }
        for range in request.head.acceptRepeats where MediaType.acceptsJSON(request.bytes[range]) { return }
        throw Refusal(406, .invalidRequest, "The client must accept application/json and text/event-stream.")
    }
}

/// The two fields that speak of media types.
enum MediaType {
    /// Whether a `Content-Type` is `application/json`, with any parameters.
    static func isJSON(_ field: ArraySlice<UInt8>) -> Bool {
        self.type(field[...]).elementsEqual("application/json".utf8, by: { self.lowercased($0) == $1 })
    }

    /// Whether an `Accept` list has JSON in it, by name or by wildcard. Weights are not looked at.
    static func acceptsJSON(_ field: ArraySlice<UInt8>) -> Bool {
        field.split(separator: UInt8(ascii: ",")).contains { entry in
            let type = self.type(entry)
            return ["application/json", "*/*", "application/*"].contains { name in
                type.elementsEqual(name.utf8, by: { self.lowercased($0) == $1 })
            }
        }
    }

    /// What stands before the parameters, without blanks.
    private static func type(_ entry: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let type = entry.prefix { $0 != UInt8(ascii: ";") }
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let trimmed = type.drop(while: isBlank)
        return trimmed.prefix(trimmed.count - trimmed.reversed().prefix(while: isBlank).count)
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
}
