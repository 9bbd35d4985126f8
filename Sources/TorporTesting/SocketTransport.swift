import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Synchronization
package import Torpor
import TorporHTTP
import TorporProtocol

/// Sends each request over a connection of its own.
struct SocketTransport: MessageTransport {
    let port: Int

    func exchange<Result: Sendable>(
        _ request: TestRequest, _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
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
            return try await Self.read(inbound, body)
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

    private static func read<Result>(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>,
        _ body: (inout TestStream) async throws -> Result
    ) async throws -> Result {
        var parts = inbound.makeAsyncIterator()
        guard case .head(let head)? = try await parts.next(isolation: #isolation) else {
            throw TestClientError(description: "the server closed the connection without an answer")
        }
        let headers = head.headers.reduce(into: [:]) { $0[$1.name.lowercased()] = $1.value }
        let isStream = headers["content-type"] == "text/event-stream"
        var parser = ServerSentEventParser()
        var ready: [TestEvent] = []
        var bytes: [UInt8] = []
        var hasEnded = false
        var stream = TestStream(status: Int(head.status.code), headers: headers) {
            while ready.isEmpty {
                guard !hasEnded else { return nil }
                switch try await parts.next(isolation: #isolation) {
                case .body(let part) where isStream:
                    ready = try parser.parse(part.readableBytesView).map { event in
                        TestEvent(
                            message: event.data.isEmpty ? nil : try JSONValue(parsing: event.data), id: event.id,
                            retryMilliseconds: event.retryMilliseconds)
                    }.reversed()
                case .body(let part): bytes += Array(part.readableBytesView)
                case .end:
                    hasEnded = true
                    if !bytes.isEmpty { ready = [TestEvent(message: try JSONValue(parsing: bytes))] }
                // A stream whose connection is cut ends there.
                case nil where isStream: hasEnded = true
                case .head, nil:
                    throw TestClientError(description: "the server closed the connection amid its answer")
                }
            }
            return ready.popLast()
        }
        return try await body(&stream)
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
        keys: options.keys, sessionLifetime: options.sessionLifetime, limits: options.limits, streams: options.streams,
        state: options.state,
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
