import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import TorporJSON
import TorporProtocol

/// A request as the server got it.
struct StubRequest: Sendable {
    let method: HTTPMethod
    /// Path and query.
    let uri: String
    let headers: HTTPHeaders
    let body: [UInt8]

    /// The body as a tree; `null` when there is none.
    var json: JSONValue { (try? JSONValue(parsing: self.body)) ?? .null }  // A body that is no JSON is none here.
    var rpcMethod: String {
        if case .string(let method)? = self.json["method"] { method } else { "" }
    }
    var id: JSONValue { self.json["id"] ?? .null }
    func header(_ name: String) -> String? { self.headers.first(name: name) }
}

/// Answers one request, at once or bit by bit.
struct StubResponder: Sendable {
    fileprivate let channel: any Channel

    func json(_ value: JSONValue, status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:]) {
        self.send(value.text, type: "application/json", status: status, headers: headers)
    }

    func result(_ request: StubRequest, _ result: JSONObject, headers: HTTPHeaders = [:]) {
        self.json(["jsonrpc": "2.0", "id": request.id, "result": .object(result)], headers: headers)
    }

    func error(_ request: StubRequest, _ code: Int, status: HTTPResponseStatus = .ok, data: JSONValue? = nil) {
        var error: JSONObject = ["code": .integer(code), "message": "No."]
        error["data"] = data
        self.json(["jsonrpc": "2.0", "id": request.id, "error": .object(error)], status: status)
    }

    func status(_ status: HTTPResponseStatus, text: String = "", headers: HTTPHeaders = [:]) {
        self.send(text, type: "text/plain", status: status, headers: headers)
    }

    private func send(_ text: String, type: String, status: HTTPResponseStatus, headers: HTTPHeaders) {
        var headers = headers
        headers.replaceOrAdd(name: "Content-Type", value: type)
        headers.replaceOrAdd(name: "Content-Length", value: "\(text.utf8.count)")
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        // At one go: a client that has read all may send its next request before the rest is written.
        let channel = self.channel
        channel.eventLoop.execute {
            channel.write(HTTPServerResponsePart.head(head), promise: nil)
            channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text))), promise: nil)
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        }
    }

    func beginEvents(headers: HTTPHeaders = [:]) {
        var headers = headers
        headers.replaceOrAdd(name: "Content-Type", value: "text/event-stream")
        self.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)))
    }

    func event(_ value: JSONValue, id: String? = nil) {
        self.raw((id.map { "id: \($0)\n" } ?? "") + "data: \(value.text)\n\n")
    }

    func raw(_ text: String) { self.write(.body(.byteBuffer(ByteBuffer(string: text)))) }

    func end() { self.write(.end(nil)) }

    /// Ends the connection, in the middle of an answer or before it.
    func hangUp() { self.channel.close(promise: nil) }

    private func write(_ part: HTTPServerResponsePart) { self.channel.writeAndFlush(part, promise: nil) }

    /// Returns when the client has closed the connection.
    func untilHungUp() async { try? await self.channel.closeFuture.get() }  // It never fails.
}

/// An HTTP server on loopback that does what a test says.
final class StubServer: Sendable {
    typealias Handler = @Sendable (StubRequest, StubResponder) -> Void

    private let channel: any Channel
    private let scheme: String
    private let connections: ConnectionTable

    private init(_ channel: any Channel, scheme: String, connections: ConnectionTable) {
        self.channel = channel
        self.scheme = scheme
        self.connections = connections
    }

    var url: String { "\(self.scheme)://127.0.0.1:\(self.channel.localAddress?.port ?? 0)/mcp" }

    func stop() async {
        try? await self.channel.close().get()  // It may be closed already.
        await self.connections.closeAll()
    }

    static func start(tls: TLSConfiguration? = nil, _ handler: @escaping Handler) async throws -> StubServer {
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let connections = ConnectionTable()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                connections.add(channel)
                return channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(StubHandler(handler))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return StubServer(channel, scheme: tls == nil ? "http" : "https", connections: connections)
    }
}

private final class ConnectionTable: Sendable {
    private let channels = Mutex<[any Channel]>([])

    func add(_ channel: any Channel) { self.channels.withLock { $0.append(channel) } }

    func closeAll() async {
        for channel in self.channels.withLock({ $0 }) { try? await channel.close().get() }  // Most are closed already.
    }
}

private final class StubHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private let handler: StubServer.Handler
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ handler: @escaping StubServer.Handler) { self.handler = handler }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let bytes): self.body += bytes.readableBytesView
        case .end:
            guard let head = self.head.take() else { return }
            let request = StubRequest(method: head.method, uri: head.uri, headers: head.headers, body: self.body)
            self.body = []
            self.handler(request, StubResponder(channel: context.channel))
        }
    }
}
