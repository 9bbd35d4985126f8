public import Torpor
import TorporEngine

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
    /// What modern requests, and `initialize`, declare.
    public private(set) var capabilities: JSONObject = [:]
    /// Answers what the server asks.
    private var answerer: (@Sendable (TestQuestion) async throws -> JSONObject)?

    /// Whose state is put to sleep after each answer.
    private let sleeper: StateService?

    init(transport: any MessageTransport, sleeper: StateService? = nil) {
        self.transport = transport
        self.sleeper = sleeper
    }

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

    /// The same client, answering what the server asks while a request is under way: in the legacy era the requests on
    /// the call's stream, from 2026-07-28 on what `input_required` asks for, after which it repeats its request.
    ///
    /// - Parameter answer: Makes the `result` of a question. What it throws, the request throws.
    public func answering(_ answer: @escaping @Sendable (TestQuestion) async throws -> JSONObject) -> TestClient {
        var copy = self
        copy.answerer = answer
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
        var params = params
        while true {
            let response = try await self.send(self.makeRequest(method, params, id: id))
            guard let answerer = self.answerer, response.result?["resultType"] == "input_required",
                case .object(let asked)? = response.result?["inputRequests"]
            else { return response }
            var answers = JSONObject()
            for question in asked.members {
                answers[question.name] = .object(try await answerer(TestQuestion(question.value, key: question.name)))
            }
            params["inputResponses"] = .object(answers)
            params["requestState"] = response.result?["requestState"]
        }
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

    /// Sends whatever it is given, and reads the answer to its end.
    public func send(_ request: TestRequest) async throws -> TestResponse {
        let response = try await self.transport.exchange(request) { stream in
            var events: [TestEvent] = []
            while let event = try await stream.next() {
                events.append(event)
                if let message = event.message, message["method"] != nil, let id = message["id"] {
                    try await self.answer(message, id, to: request)
                }
            }
            return TestResponse(status: stream.status, headers: stream.headers, events: events)
        }
        Transcript.shared?.add(request, response)
        _ = self.sleeper?.engine.evictAll()
        return response
    }

    /// Posts the answer to a request of the server.
    private func answer(_ message: JSONValue, _ id: JSONValue, to request: TestRequest) async throws {
        var answer: JSONObject = ["jsonrpc": "2.0", "id": id]
        if let answerer = self.answerer {
            answer["result"] = .object(try await answerer(TestQuestion(message, key: nil)))
        } else {
            answer["error"] = ["code": -32601, "message": "This client answers nothing."]
        }
        var post = TestRequest(body: JSONValue.object(answer).text, of: self)
        post.headers["Mcp-Session-Id"] = request.headers["Mcp-Session-Id"]
        let status = try await self.transport.exchange(post) { $0.status }
        guard status == 202 else { throw TestClientError(description: "an answer was refused: \(status)") }
    }

    /// Sends a request and lets `body` read the answer as it comes; when `body` returns, the connection is closed.
    public func stream<Result: Sendable>(
        _ request: TestRequest, _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result { try await self.transport.exchange(request, body) }

    /// Opens a stream of the session, or goes on with one.
    /// - Parameter eventID: The last event that was seen, of any stream of the session.
    public func openStream<Result: Sendable>(
        after eventID: String? = nil, _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
        var request = TestRequest(body: "", of: self)
        request.method = "GET"
        request.headers["Accept"] = "text/event-stream"
        request.headers["Last-Event-ID"] = eventID
        return try await self.transport.exchange(request, body)
    }

    /// Sends a notification.
    public func notify(_ method: String, _ params: JSONObject = [:]) async throws -> TestResponse {
        let message: JSONObject = ["jsonrpc": "2.0", "method": .string(method), "params": .object(params)]
        return try await self.send(TestRequest(body: JSONValue.object(message).text, of: self))
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
    /// Whether the test cancels it, so that it may end without an answer. For the transcript alone. Default `false`.
    public var isCancelled = false

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
    /// What arrived, in order: the events of a stream, or the one body.
    public let events: [TestEvent]

    /// The answer as JSON: the body, or the last message of a stream; `nil` when there is none.
    public var body: JSONValue? {
        let message = self.events.last?.message
        return message?["method"] == nil ? message : nil
    }

    /// The messages before the answer.
    public var messages: [JSONValue] { self.events.compactMap(\.message).filter { $0["method"] != nil } }

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

/// Something that the server asks of its client.
public struct TestQuestion: Sendable {
    /// Its key among `inputRequests`; `nil` in the legacy era.
    public let key: String?
    /// Such as `elicitation/create`.
    public let method: String
    public let params: JSONObject

    init(_ message: JSONValue, key: String?) {
        self.key = key
        self.method = if case .string(let method)? = message["method"] { method } else { "" }
        self.params = if case .object(let params)? = message["params"] { params } else { [:] }
    }
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
