import Logging
import Torpor
import TorporCore
import TorporProtocol

/// Hands messages to a dispatcher as the HTTP listener would, headers included.
struct MemoryTransport: MessageTransport {
    private let dispatcher: Dispatcher
    private let principals: [String]

    init(_ server: MCPServer, options: TestOptions) {
        let sessions = SessionAuthority(keys: .perProcess(), lifetime: options.sessionLifetime, store: 0)
        self.dispatcher = Dispatcher(
            server: server, sessions: sessions, limits: options.limits,
            environment: DispatcherEnvironment(
                logger: Logger(label: "torpor.testing") { _ in SwiftLogNoOpLogHandler() }))
        self.principals = options.principals
    }

    func send(_ request: TestRequest) async throws -> TestResponse {
        if !self.principals.isEmpty, request.principal.map({ !self.principals.contains($0) }) ?? true {
            return TestResponse(status: 401, headers: ["www-authenticate": "Bearer"], body: nil)
        }
        let message = Self.message(request)
        switch request.method {
        case "POST":
            switch self.dispatcher.dispatch(message) {
            case .reply(let reply): return try TestResponse(reply)
            case .call(let call): return try TestResponse(await call.run())
            }
        case "DELETE": return try TestResponse(self.dispatcher.endSession(message))
        case "GET": return try TestResponse(self.dispatcher.refuseStream(message))
        default: return TestResponse(status: 405, headers: [:], body: nil)
        }
    }

    /// Lays the headers before the body, as they lie in a request that came over a socket.
    private static func message(_ request: TestRequest) -> IncomingMessage {
        var bytes: [UInt8] = []
        var headers = MessageHeaders()
        for (name, value) in request.headers {
            let trimmed = value.drop { $0 == " " }
            let start = bytes.count
            bytes += Array(trimmed.prefix(trimmed.count - trimmed.reversed().prefix { $0 == " " }.count).utf8)
            switch name.lowercased() {
            case "mcp-protocol-version": headers.protocolVersion = start..<bytes.count
            case "mcp-method": headers.method = start..<bytes.count
            case "mcp-name": headers.name = start..<bytes.count
            case "mcp-session-id": headers.sessionID = start..<bytes.count
            default: bytes.removeLast(bytes.count - start)
            }
        }
        let bodyStart = bytes.count
        return IncomingMessage(
            bytes: bytes + request.body, bodyStart: bodyStart, headers: headers, mirrorsHeaders: true,
            principal: request.principal.map { Principal(subject: $0, issuer: "token-file") })
    }
}

extension TestResponse {
    init(_ reply: Reply) throws {
        var headers: [String: String] = [:]
        if let id = reply.sessionID { headers["mcp-session-id"] = id }
        if let seconds = reply.retryAfterSeconds { headers["retry-after"] = "\(seconds)" }
        self.init(
            status: reply.status, headers: headers, body: reply.body.isEmpty ? nil : try JSONValue(parsing: reply.body))
    }
}
