public import Torpor
public import TorporHTTP

/// How a test reaches its server.
public enum TestTransport: Sendable, CaseIterable, CustomStringConvertible {
    /// Without a socket: messages and headers go straight to the dispatcher.
    case memory
    /// Over a loopback socket, through the real listener.
    case http

    public var description: String {
        switch self {
        case .memory: "memory"
        case .http: "HTTP"
        }
    }
}

/// What a test's server is like, beside what it offers.
public struct TestOptions: Sendable {
    /// Names of principals that may call; each has a token. Empty: nobody has to prove who they are.
    public var principals: [String] = []
    public var sessionLifetime = Duration.seconds(86_400)
    /// The keys that seal session ids. With the same keys and the same state, sessions go on in another server.
    public var keys = SealingKeys.perProcess()
    public var limits = CallLimits()
    public var streams = StreamLimits()
    /// Where the server's state is kept. Default: in memory, anew.
    public var state: StateService?
    /// Whether all state is put to sleep after each answer, so that the next request wakes what it uses. What a server
    /// does must not depend on it.
    public var sleepsBetweenRequests = false
    /// Over HTTP only.
    public var http = HTTPConfiguration()

    public init() {
        self.http.port = 0
        self.http.eventLoopCount = 1
        self.http.drainDelay = .zero
    }

    /// The bearer token of a principal.
    public static func token(of principal: String) -> String { "token-of-\(principal)-0123456789abcdef" }
}

/// Runs a server for the length of `body`, and gives it a client.
///
/// On return the server has stopped, its socket is closed and nothing of it runs any more.
/// - Throws: what `body` throws, or why the server could not start or stop.
public func withTestClient<Result: Sendable>(
    _ server: MCPServer, over transport: TestTransport, options: TestOptions = TestOptions(),
    _ body: @Sendable (TestClient) async throws -> Result
) async throws -> Result {
    var options = options
    options.state = server.stateService(options.state)
    let sleeper = options.sleepsBetweenRequests ? options.state : nil
    switch transport {
    case .memory:
        let memory = MemoryTransport(server, options: options)
        return try await memory.run {
            do {
                let result = try await body(TestClient(transport: memory, sleeper: sleeper))
                await memory.stop()
                return result
            } catch {
                await memory.stop()
                throw error
            }
        }
    case .http:
        return try await withHTTPServer(server, options: options) { port in
            try await body(TestClient(transport: SocketTransport(port: port), sleeper: sleeper))
        }
    }
}

/// Carries one message there and its answer back.
protocol MessageTransport: Sendable {
    /// Sends a request and lets `body` read the answer; when `body` returns, the connection is closed.
    func exchange<Result: Sendable>(
        _ request: TestRequest, _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result
}

/// An answer as it arrives: a head, then events, or one body.
public struct TestStream {
    public let status: Int
    /// Header fields by lower-case name.
    public let headers: [String: String]
    private let source: () async throws -> TestEvent?

    init(status: Int, headers: [String: String], source: @escaping () async throws -> TestEvent?) {
        self.status = status
        self.headers = headers
        self.source = source
    }

    /// The next event of a stream; the body of an answer that is none. `nil` at its end.
    public mutating func next() async throws -> TestEvent? { try await self.source() }

    /// The next event that carries a message.
    /// - Throws: ``TestClientError`` when the stream ends before.
    public mutating func nextMessage() async throws -> JSONValue {
        while let event = try await self.next() { if let message = event.message { return message } }
        throw TestClientError(description: "the stream ended")
    }

    /// Everything up to the end.
    mutating func rest() async throws -> [TestEvent] {
        var events: [TestEvent] = []
        while let event = try await self.next() { events.append(event) }
        return events
    }
}

/// One server-sent event, or the body of an answer that is no stream.
public struct TestEvent: Sendable, Hashable {
    public let message: JSONValue?
    /// Where a client may go on.
    public let id: String?
    public let retryMilliseconds: Int?

    init(message: JSONValue?, id: String? = nil, retryMilliseconds: Int? = nil) {
        self.message = message
        self.id = id
        self.retryMilliseconds = retryMilliseconds
    }
}
