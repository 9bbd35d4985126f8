/// One answer as it stood on the wire.
struct WireAnswer: Equatable, CustomStringConvertible {
    var status: Int
    /// By name in lower case. A field that is repeated would make the answer unreadable.
    var fields: [String: String]
    var body: String

    var description: String { "\(self.status) \(self.fields) \(self.body)" }

    /// Whether the server said that nothing follows.
    var closes: Bool { self.fields["connection"] == "close" }
}

extension WireAnswer {
    struct Malformed: Error { let text: String }

    /// Takes the first answer from `bytes`; `nil` when it is not complete yet.
    /// - Parameter isBodyless: Whether the answer is one to HEAD.
    static func take(from bytes: inout [UInt8], isBodyless: Bool = false) throws -> WireAnswer? {
        let mark = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }) else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        var lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let first = lines.removeFirst().split(separator: " ", maxSplits: 2)
        guard first.count == 3, first[0] == "HTTP/1.1", let status = Int(first[1]) else { throw Malformed(text: head) }
        var fields: [String: String] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { throw Malformed(text: head) }
            let name = line[..<colon].lowercased()
            guard fields[name] == nil else { throw Malformed(text: head) }
            fields[name] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let isWithoutLength = status == 100 || status == 204
        guard isWithoutLength == (fields["content-length"] == nil) else { throw Malformed(text: head) }
        let length = isBodyless || isWithoutLength ? 0 : Int(fields["content-length"] ?? "") ?? 0
        let bodyStart = end + mark.count
        guard bytes.count >= bodyStart + length else { return nil }
        let body = String(decoding: bytes[bodyStart..<bodyStart + length], as: UTF8.self)
        bytes.removeFirst(bodyStart + length)
        return WireAnswer(status: status, fields: fields, body: body)
    }

    /// All answers that `bytes` hold.
    static func all(in bytes: [UInt8]) throws -> [WireAnswer] {
        var rest = bytes
        var answers: [WireAnswer] = []
        while let answer = try self.take(from: &rest) { answers.append(answer) }
        guard rest.isEmpty else { throw Malformed(text: String(decoding: rest, as: UTF8.self)) }
        return answers
    }
}

/// Requests as a client would write them.
enum WireRequest {
    /// A request with `Host`, `Content-Type` and `Content-Length` beside `fields`.
    static func post(
        _ body: String, path: String = "/mcp", host: String = "localhost", contentType: String? = "application/json",
        fields: [String] = [], version: String = "1.1"
    ) -> String {
        var lines = ["POST \(path) HTTP/\(version)", "Host: \(host)"]
        if let contentType { lines.append("Content-Type: \(contentType)") }
        lines += fields
        lines.append("Content-Length: \(body.utf8.count)")
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    static func bare(_ method: String, path: String = "/mcp", host: String = "localhost", fields: [String] = [])
        -> String
    {
        (["\(method) \(path) HTTP/1.1", "Host: \(host)"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    }

    static func ping(id: Int = 1) -> String { #"{"jsonrpc":"2.0","id":\#(id),"method":"ping"}"# }

    /// The body of a tool call of the legacy era, without a session.
    static func legacyCall(_ tool: String, _ arguments: String = "{}", id: Int = 1) -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{"name":"\#(tool)","arguments":\#(arguments)}}"#
    }

    /// A whole tool call of 2026-07-28.
    static func modernCall(_ tool: String, _ arguments: String = "{}", id: Int = 1) -> String {
        let meta =
            #"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        let params = #"{"name":"\#(tool)","arguments":\#(arguments),"_meta":\#(meta)}"#
        return self.post(
            #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":\#(params)}"#,
            fields: ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: \(tool)"])
    }

    static func initialize(id: Int = 1) -> String {
        let params = #"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}"#
        return self.post(#"{"jsonrpc":"2.0","id":\#(id),"method":"initialize","params":\#(params)}"#)
    }
}
