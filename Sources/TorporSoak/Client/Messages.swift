import TorporJSON

/// A legacy session, as the client knows it.
struct Session: Sendable, Equatable {
    /// `nil` when the server gave none, as servers without sessions do.
    var id: String?
    /// The revision that the server chose.
    var revision: String
}

/// The messages that agents send, in the shapes of both eras.
enum Messages {
    static let modernRevision = "2026-07-28"
    static let legacyRevision = "2025-11-25"
    private static let accept = (name: "Accept", value: "application/json, text/event-stream")
    private static let metaPrefix = "io.modelcontextprotocol/"

    /// - Parameter authorization: The value of that header field, or `nil`.
    static func initialize(authorization: String?) -> HTTPMessage {
        self.post(
            [
                "jsonrpc": "2.0", "id": 0, "method": "initialize",
                "params": [
                    "protocolVersion": .string(self.legacyRevision), "capabilities": [:],
                    "clientInfo": ["name": "torpor-soak", "version": "1"],
                ],
            ], headers: [], authorization)
    }

    /// A request, or a notification when it has no id, in a legacy session.
    static func legacy(
        _ method: String, _ params: JSONObject?, id: JSONValue?, in session: Session, authorization: String?
    ) -> HTTPMessage {
        var message: JSONObject = ["jsonrpc": "2.0"]
        if let id { message["id"] = id }
        message["method"] = .string(method)
        if let params { message["params"] = .object(params) }
        return self.post(message, headers: self.headers(of: session), authorization)
    }

    /// A request that stands alone, of 2026-07-28.
    static func modern(
        _ method: String, _ params: JSONObject = [:], id: JSONValue, headers: [(name: String, value: String)] = [],
        authorization: String?
    ) -> HTTPMessage {
        var params = params
        params["_meta"] = [
            self.metaPrefix + "protocolVersion": .string(self.modernRevision),
            self.metaPrefix + "clientCapabilities": [:],
            self.metaPrefix + "clientInfo": ["name": "torpor-soak", "version": "1"],
        ]
        var fields = [(name: "MCP-Protocol-Version", value: self.modernRevision), (name: "Mcp-Method", value: method)]
        if case .string(let name)? = params["name"] { fields.append(("Mcp-Name", self.headerText(name))) }
        return self.post(
            ["jsonrpc": "2.0", "id": id, "method": .string(method), "params": .object(params)],
            headers: fields + headers, authorization)
    }

    /// Opens the stream of a session.
    static func stream(of session: Session, authorization: String?) -> HTTPMessage {
        var message = HTTPMessage(method: "GET", headers: [(name: "Accept", value: "text/event-stream")])
        message.headers += self.headers(of: session)
        if let authorization { message.headers.append(("Authorization", authorization)) }
        return message
    }

    /// Ends a session.
    static func delete(_ session: Session, authorization: String?) -> HTTPMessage {
        var message = HTTPMessage(method: "DELETE", headers: self.headers(of: session))
        if let authorization { message.headers.append(("Authorization", authorization)) }
        return message
    }

    /// A header field's value: the text itself, or wrapped in base64 where a header could not carry it.
    static func headerText(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let isPlain =
            bytes.allSatisfy { (0x20...0x7E).contains($0) } && bytes.first != 0x20 && bytes.last != 0x20
            && !text.hasPrefix("=?base64?")
        return isPlain ? text : "=?base64?\(self.base64(bytes))?="
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func headers(of session: Session) -> [(name: String, value: String)] {
        var headers = [(name: "MCP-Protocol-Version", value: session.revision)]
        if let id = session.id { headers.append(("Mcp-Session-Id", id)) }
        return headers
    }

    private static func post(
        _ message: JSONObject, headers: [(name: String, value: String)], _ authorization: String?
    ) -> HTTPMessage {
        var post = HTTPMessage(headers: [self.accept, (name: "Content-Type", value: "application/json")] + headers)
        if let authorization { post.headers.append(("Authorization", authorization)) }
        post.body = Array(JSONValue.object(message).text.utf8)
        return post
    }
}
