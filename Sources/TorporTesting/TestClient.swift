public import Torpor

/// A client for tests: speaks every revision, in memory or over HTTP, and keeps nothing but what it is told.
///
///     @Test(arguments: TestTransport.allCases)
///     func addsNumbers(over transport: TestTransport) async throws {
///         try await withTestClient(server, over: transport) { client in
///             let result = try await client.call("add", ["left": 1, "right": 2])
///             #expect(result.text == "3")
///         }
///     }
///
/// The same bytes go through the same dispatcher either way; over HTTP they also cross a real socket.
public struct TestClient: Sendable {
    let transport: any MessageTransport
    /// The revision that requests are made under. Default 2026-07-28.
    public private(set) var revision = ProtocolRevision.v2026_07_28
    /// The legacy session that requests belong to, or `nil`.
    public private(set) var sessionID: String?
    /// Who calls; `nil` for nobody in particular.
    public private(set) var principal: String?
    /// What modern requests declare.
    public private(set) var capabilities: JSONObject = [:]

    init(transport: any MessageTransport) { self.transport = transport }

    // MARK: Who and how

    /// The same client under another revision, without a session.
    public func under(_ revision: ProtocolRevision) -> TestClient {
        var copy = self
        copy.revision = revision
        copy.sessionID = nil
        return copy
    }

    /// The same client with another session id, which may be a wrong one.
    public func inSession(_ id: String?) -> TestClient {
        var copy = self
        copy.sessionID = id
        return copy
    }

    /// The same client as one of the principals of ``TestOptions/principals``, or as nobody.
    public func authenticated(as principal: String?) -> TestClient {
        var copy = self
        copy.principal = principal
        return copy
    }

    /// The same client with other capabilities on its modern requests.
    public func declaring(_ capabilities: JSONObject) -> TestClient {
        var copy = self
        copy.capabilities = capabilities
        return copy
    }

    // MARK: Requests

    /// Opens a legacy session: `initialize`, then `notifications/initialized`.
    /// - Returns: a client in that session, under the revision that the server chose.
    /// - Throws: ``TestClientError`` when the server refuses.
    public func openSession(_ revision: ProtocolRevision = .v2025_11_25) async throws -> TestClient {
        let opening = try await self.under(revision).request(
            "initialize",
            [
                "protocolVersion": .string(revision.rawValue), "capabilities": .object(self.capabilities),
                "clientInfo": ["name": "torpor-testing", "version": "1"],
            ])
        guard let result = opening.result, case .string(let agreed)? = result["protocolVersion"],
            let chosen = ProtocolRevision(rawValue: agreed)
        else { throw TestClientError(description: "initialize was refused: \(opening)") }
        let session = self.under(chosen).inSession(opening.headers["mcp-session-id"])
        let accepted = try await session.send(
            TestRequest(body: #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, of: session))
        guard accepted.status == 202 else {
            throw TestClientError(description: "notifications/initialized was refused: \(accepted)")
        }
        return session
    }

    /// Sends a well-formed request of the client's revision.
    /// - Parameter id: The JSON-RPC id.
    public func request(_ method: String, _ params: JSONObject = [:], id: JSONValue = 1) async throws -> TestResponse {
        try await self.send(self.makeRequest(method, params, id: id))
    }

    /// The request that ``request(_:_:id:)`` would send, to be changed first.
    public func makeRequest(_ method: String, _ params: JSONObject = [:], id: JSONValue = 1) -> TestRequest {
        var params = params
        if self.revision.era == .modern {
            var meta: JSONObject = [:]
            if case .object(let given)? = params["_meta"] { meta = given }
            meta["io.modelcontextprotocol/protocolVersion"] = .string(self.revision.rawValue)
            meta["io.modelcontextprotocol/clientCapabilities"] = .object(self.capabilities)
            params["_meta"] = .object(meta)
        }
        let message: JSONObject = ["jsonrpc": "2.0", "id": id, "method": .string(method), "params": .object(params)]
        var request = TestRequest(body: JSONValue.object(message).text, of: self)
        if self.revision.era == .modern {
            request.headers["Mcp-Method"] = method
            if case .string(let name)? = params[method == "resources/read" ? "uri" : "name"] {
                request.headers["Mcp-Name"] = name
            }
        }
        return request
    }

    /// Sends whatever it is given.
    public func send(_ request: TestRequest) async throws -> TestResponse {
        let response = try await self.transport.send(request)
        Transcript.shared?.add(request, response)
        return response
    }

    // MARK: Shorthands

    /// Calls a tool.
    /// - Throws: ``TestClientError`` when the answer is a JSON-RPC error. A tool error is a result.
    public func call(_ tool: String, _ arguments: JSONObject = [:]) async throws -> TestToolResult {
        let response = try await self.request("tools/call", ["name": .string(tool), "arguments": .object(arguments)])
        guard let result = response.result else {
            throw TestClientError(description: "\(tool) was refused: \(response)")
        }
        return TestToolResult(result: result)
    }

    /// Ends the session, as an HTTP DELETE does.
    public func endSession() async throws -> TestResponse {
        var request = TestRequest(body: "", of: self)
        request.method = "DELETE"
        return try await self.send(request)
    }
}

/// One request on its way.
public struct TestRequest: Sendable {
    /// The HTTP method. Default POST.
    public var method = "POST"
    public var path = "/mcp"
    /// Header fields, by the name under which they are sent.
    public var headers: [String: String]
    /// The body, as bytes or as text.
    public var body: [UInt8]
    /// Who sends it; over HTTP also sent as a bearer token, unless `Authorization` is among the headers.
    public var principal: String?

    /// A POST of `body` with the headers that the client's revision, session and principal need.
    public init(body: String, of client: TestClient) {
        self.body = Array(body.utf8)
        self.principal = client.principal
        self.headers = ["Content-Type": "application/json", "Accept": "application/json, text/event-stream"]
        if client.revision >= .v2025_06_18 { self.headers["MCP-Protocol-Version"] = client.revision.rawValue }
        if let id = client.sessionID { self.headers["Mcp-Session-Id"] = id }
    }
}

/// What came back.
public struct TestResponse: Sendable, CustomStringConvertible {
    public let status: Int
    /// Header fields by lower-case name.
    public let headers: [String: String]
    /// The body as JSON; `nil` when it is empty.
    public let body: JSONValue?

    /// The `result` member.
    public var result: JSONValue? { self.body?["result"] }
    /// The code of the `error` member.
    public var errorCode: Int? {
        if case .number(let number)? = self.body?["error"]?["code"] { number.int } else { nil }
    }
    /// The text of the `error` member.
    public var errorMessage: String? {
        if case .string(let text)? = self.body?["error"]?["message"] { text } else { nil }
    }
    /// The `id` member.
    public var id: JSONValue? { self.body?["id"] }

    public var description: String { "\(self.status) \(self.body?.text ?? "(no body)")" }
}

/// The result of a tool call.
public struct TestToolResult: Sendable {
    public let result: JSONValue

    /// The text of the first block.
    public var text: String? {
        if case .string(let text)? = self.result["content"]?[0]?["text"] { text } else { nil }
    }
    public var isError: Bool { self.result["isError"] == true }
    public var structured: JSONValue? { self.result["structuredContent"] }
}

/// Why a client could not go on.
public struct TestClientError: Error, CustomStringConvertible {
    public let description: String
}
