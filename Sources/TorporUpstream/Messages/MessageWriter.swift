package import TorporJSON
package import TorporProtocol

/// The parameters of a request.
package enum UpstreamParams: Sendable {
    case none
    /// The text of a JSON object that the scanner has validated, alone and whole.
    case text([UInt8])
    case object(JSONObject)
}

/// What is put into the `_meta` of a request's parameters.
package struct RequestMeta: Sendable, Equatable {
    /// The request's own number, when progress is wanted.
    package var progressToken: RequestNumber?
    /// The members that a modern server needs on every request, as text without braces; empty for a legacy one.
    package var modern: [UInt8] = []
    /// For a modern server: what it may log during the request.
    package var logLevel: LogLevel?

    package init() {}

    /// - Parameter identity: The client's `clientInfo`.
    package static func modern(
        _ revision: ProtocolRevision, identity: JSONObject, capabilities: ClientCapabilities
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.key("io.modelcontextprotocol/protocolVersion")
        writer.string(revision.rawValue)
        writer.key("io.modelcontextprotocol/clientInfo")
        writer.value(.object(identity))
        writer.key("io.modelcontextprotocol/clientCapabilities")
        // Which has no notification for that any more.
        writer.value(.object(capabilities.subtracting(.rootsListChanged).json))
        return writer.finish()
    }

    fileprivate var isEmpty: Bool { self.progressToken == nil && self.modern.isEmpty && self.logLevel == nil }

    fileprivate func write(to writer: inout JSONWriter) {
        if !self.modern.isEmpty { writer.rawValue(self.modern.span) }
        if let logLevel {
            writer.key("io.modelcontextprotocol/logLevel")
            writer.string(logLevel.rawValue)
        }
        if let progressToken {
            writer.key("progressToken")
            writer.integer(progressToken.value)
        }
    }
}

/// Writes the messages that go to a server.
package enum MessageWriter {
    package static func request(
        _ number: RequestNumber, _ method: String, _ params: UpstreamParams, meta: RequestMeta
    ) -> [UInt8] {
        let text: [UInt8]
        switch params {
        case .none: text = []
        case .text(let bytes): text = bytes
        case .object(let object):
            var writer = JSONWriter()
            writer.value(.object(object))
            text = writer.finish()
        }
        var writer = JSONWriter(capacity: 96 + method.utf8.count + text.count + meta.modern.count)
        writer.beginObject()
        writer.key("jsonrpc")
        writer.rawValue("\"2.0\"")
        writer.key("id")
        writer.integer(number.value)
        writer.key("method")
        writer.string(method)
        if !text.isEmpty || !meta.isEmpty {
            writer.key("params")
            self.write(text, meta, to: &writer)
        }
        writer.endObject()
        return writer.finish()
    }

    /// Writes parameters, of whose `_meta` only what the client means for any server is kept.
    private static func write(_ text: [UInt8], _ meta: RequestMeta, to writer: inout JSONWriter) {
        let bytes = text.span
        var sentMeta = JSONSlice()
        writer.beginObject()
        if !text.isEmpty {
            self.eachMember(of: bytes, from: 0) { scanner, key, member, value in
                if scanner.key(key, equals: "_meta") {
                    if value.kind == .object { sentMeta = value }
                } else {
                    writer.rawValue(bytes.extracting(member))
                }
            }
        }
        var members = JSONWriter(capacity: sentMeta.isPresent ? sentMeta.range.count : 0)
        if sentMeta.isPresent {
            self.eachMember(of: bytes, from: sentMeta.range.lowerBound) { scanner, key, member, _ in
                let isOurs =
                    scanner.key(key, equals: "progressToken")
                    || scanner.key(key, equals: "io.modelcontextprotocol/protocolVersion")
                    || scanner.key(key, equals: "io.modelcontextprotocol/clientCapabilities")
                    || scanner.key(key, equals: "io.modelcontextprotocol/clientInfo")
                    || scanner.key(key, equals: "io.modelcontextprotocol/logLevel")
                if !isOurs { members.rawValue(bytes.extracting(member)) }
            }
        }
        if !meta.isEmpty || !members.bytes.isEmpty {
            writer.key("_meta")
            writer.beginObject()
            if !members.bytes.isEmpty { writer.rawValue(members.bytes.span) }
            meta.write(to: &writer)
            writer.endObject()
        }
        writer.endObject()
    }

    /// Goes through the members of an object.
    /// - Parameter body: Gets each key, the range of the whole member, and its value.
    private static func eachMember(
        of bytes: Span<UInt8>, from start: Int, _ body: (borrowing JSONScanner, JSONKey, Range<Int>, JSONSlice) -> Void
    ) {
        var scanner = JSONScanner(bytes, at: start, depthMax: JSONScanner.depthMaxLimit)
        do {
            try scanner.beginObject()
            var isFirst = true
            while let key = try scanner.nextKey(&isFirst) {
                let value = try JSONSlice(&scanner)
                body(scanner, key, key.range.lowerBound - 1..<scanner.position, value)
            }
        } catch {
            preconditionFailure("parameters are text that was validated: \(error)")
        }
    }

    package static func notification(_ method: String, _ params: JSONObject = [:]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("jsonrpc")
        writer.rawValue("\"2.0\"")
        writer.key("method")
        writer.string(method)
        if !params.isEmpty {
            writer.key("params")
            writer.value(.object(params))
        }
        writer.endObject()
        return writer.finish()
    }

    /// Tells the server that the answer to a request is of no more use.
    package static func cancellation(of number: RequestNumber, reason: String) -> [UInt8] {
        self.notification(
            "notifications/cancelled", ["requestId": .number(JSONNumber(number.value)), "reason": .string(reason)])
    }

    /// The answer to a request of the server.
    /// - Parameter id: The text of its id.
    package static func answer(to id: [UInt8], _ result: Result<JSONObject, MCPError>) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("jsonrpc")
        writer.rawValue("\"2.0\"")
        writer.key("id")
        writer.rawValue(id.span)
        switch result {
        case .success(let object):
            writer.key("result")
            writer.value(.object(object))
        case .failure(let error):
            writer.key("error")
            writer.beginObject()
            writer.key("code")
            writer.integer(error.code.rawValue)
            writer.key("message")
            writer.string(error.message)
            writer.member("data", error.data)
            writer.endObject()
        }
        writer.endObject()
        return writer.finish()
    }
}

extension MessageWriter {
    /// What the header `Mcp-Name` says of a request (2026-07-28, transports, request headers); `nil` for a method that
    /// has no name, or when the parameters lack it.
    package static func mirroredName(_ method: String, _ params: UpstreamParams) -> String? {
        let member: String
        switch method {
        case "tools/call", "prompts/get": member = "name"
        case "resources/read": member = "uri"
        case "tasks/get", "tasks/update", "tasks/cancel": member = "taskId"
        default: return nil
        }
        switch params {
        case .none: return nil
        case .object(let object):
            guard case .string(let name)? = object[member] else { return nil }
            return name
        case .text(let bytes):
            let object = JSONSlice(range: 0..<bytes.count, kind: .object)
            return JSONSlice.member(member, of: object, in: bytes.span).string(in: bytes.span)
        }
    }
}
