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
    public var limits = CallLimits()
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
    switch transport {
    case .memory: return try await body(TestClient(transport: MemoryTransport(server, options: options)))
    case .http:
        return try await withHTTPServer(server, options: options) { port in
            try await body(TestClient(transport: SocketTransport(port: port)))
        }
    }
}

/// Carries one message there and its answer back.
protocol MessageTransport: Sendable {
    func send(_ request: TestRequest) async throws -> TestResponse
}
