import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Synchronization
package import Torpor
import TorporHTTP

/// Sends each request over a connection of its own.
struct SocketTransport: MessageTransport {
    let port: Int

    func send(_ request: TestRequest) async throws -> TestResponse {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: self.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await Self.write(request, to: outbound, port: self.port)
            return try await Self.read(inbound)
        }
    }

    private static func write(
        _ request: TestRequest, to outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>, port: Int
    ) async throws {
        var headers = HTTPHeaders(request.headers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        if !headers.contains(name: "Host") { headers.add(name: "Host", value: "127.0.0.1:\(port)") }
        if let principal = request.principal, !headers.contains(name: "Authorization") {
            headers.add(name: "Authorization", value: "Bearer \(TestOptions.token(of: principal))")
        }
        headers.add(name: "Connection", value: "close")
        if !request.body.isEmpty { headers.add(name: "Content-Length", value: "\(request.body.count)") }
        var parts: [HTTPClientRequestPart] = [
            .head(
                .init(
                    version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: request.path, headers: headers
                ))
        ]
        if !request.body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: request.body)))) }
        // All at once: a request without a body is answered, and the connection closed, as soon as its head has
        // arrived.
        try await outbound.write(contentsOf: parts + [.end(nil)])
    }

    private static func read(_ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>) async throws
        -> TestResponse
    {
        var head: HTTPResponseHead?
        var body: [UInt8] = []
        for try await part in inbound {
            switch part {
            case .head(let received): head = received
            case .body(let bytes): body += Array(bytes.readableBytesView)
            case .end:
                guard let head else { break }
                return TestResponse(
                    status: Int(head.status.code),
                    headers: head.headers.reduce(into: [:]) { $0[$1.name.lowercased()] = $1.value },
                    body: body.isEmpty ? nil : try JSONValue(parsing: body))
            }
        }
        throw TestClientError(description: "the server closed the connection without an answer")
    }
}

/// Runs a server on a free loopback port for the length of `body`.
package func withHTTPServer<Result: Sendable>(
    _ server: MCPServer, options: TestOptions, _ body: @Sendable (Int) async throws -> Result
) async throws -> Result {
    let (ports, announce) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
    let tokens = try options.principals.isEmpty ? nil : TemporaryTokens(options.principals)
    var configuration = options.http
    configuration.port = 0
    let http = HTTPServer(
        server, configuration: configuration,
        authentication: try tokens.map { .tokens(try TokenFile(path: $0.path)) } ?? .none,
        sessionLifetime: options.sessionLifetime, limits: options.limits,
        logger: Logger(label: "torpor.testing") { _ in SwiftLogNoOpLogHandler() },
        onListening: { port in
            announce.yield(port)
            announce.finish()
        })
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            // Ends the wait for a port when the server cannot start.
            defer { announce.finish() }
            try await http.run()
        }
        guard let port = await ports.first(where: { _ in true }) else {
            try await tasks.next()
            throw TestClientError(description: "the server did not start")
        }
        do {
            let result = try await body(port)
            tasks.cancelAll()
            try await tasks.waitForAll()
            return result
        } catch {
            tasks.cancelAll()
            throw error
        }
    }
}
