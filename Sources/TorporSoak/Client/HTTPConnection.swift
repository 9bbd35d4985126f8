import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// An HTTP request as an agent sends it.
struct HTTPMessage: Sendable {
    var method = "POST"
    /// Fields, beside `Host` and `Content-Length`. A field `Host` here takes the place of the right one.
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
}

/// What came back, as far as it was waited for.
struct HTTPAnswer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    /// The JSON text of the answer: the body, or the last event of a stream. Empty when there was none, or when it was
    /// larger than ``EventReader/dataMax``.
    var body: [UInt8] = []
    /// All bytes of the body.
    var size = 0

    var sessionID: String? { self.headers.first(name: "Mcp-Session-Id") }
    var isStream: Bool { self.headers.first(name: "Content-Type")?.hasPrefix("text/event-stream") ?? false }
}

/// A connection to the server, with one request at a time.
///
/// It can end as real connections do: with a farewell, with a reset, or while an answer is under way.
final class HTTPConnection: Sendable {
    /// How much of an answer is waited for.
    enum Extent: Sendable {
        /// All of it.
        case whole
        /// Its status and header fields; the rest goes on arriving unheeded until the connection is closed.
        case head
        /// Nothing: the request has been written.
        case nothing
    }

    enum Ending: Sendable {
        /// As a program ends that closes its sockets.
        case farewell
        /// As a program ends that was killed with unread data: with a TCP reset.
        case reset
    }

    private let channel: any Channel
    private let handler: NIOLoopBound<AnswerHandler>
    private let authority: String
    private let path: String

    private init(channel: any Channel, handler: NIOLoopBound<AnswerHandler>, endpoint: Endpoint) {
        self.channel = channel
        self.handler = handler
        self.authority = endpoint.authority
        self.path = endpoint.path
    }

    static func connect(to endpoint: Endpoint, timeoutSeconds: Int) async throws -> HTTPConnection {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(Int64(timeoutSeconds)))
            .channelOption(.socketOption(.so_reuseaddr), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler())
                }
            }
        let channel = try await bootstrap.connect(host: endpoint.host, port: endpoint.port).get()
        let handler = try await channel.eventLoop.submit {
            NIOLoopBound(
                try channel.pipeline.syncOperations.handler(type: AnswerHandler.self), eventLoop: channel.eventLoop)
        }.get()
        return HTTPConnection(channel: channel, handler: handler, endpoint: endpoint)
    }

    /// Whether another request can be sent.
    var isReusable: Bool {
        get async {
            let (channel, handler) = (self.channel, self.handler)
            let isIdle = try? await channel.eventLoop.submit { handler.value.isIdle }.get()
            return channel.isActive && isIdle == true  // A loop that is gone takes no request.
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// - Returns: `nil` when nothing was to be waited for.
    /// - Throws: ``AgentFailure`` when the connection breaks or the time is over; the connection is then closed.
    func send(
        _ message: HTTPMessage, awaiting extent: Extent = .whole, timeoutSeconds: Int
    ) async throws -> HTTPAnswer? {
        let (channel, handler) = (self.channel, self.handler)
        var headers = HTTPHeaders(message.headers.map { ($0.name, $0.value) })
        if !headers.contains(name: "Host") { headers.add(name: "Host", value: self.authority) }
        if !message.body.isEmpty || message.method == "POST" {
            headers.add(name: "Content-Length", value: "\(message.body.count)")
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: message.method), uri: self.path, headers: headers)
        let body = message.body.isEmpty ? nil : ByteBuffer(bytes: message.body)
        let answer = channel.eventLoop.flatSubmit { () -> EventLoopFuture<HTTPAnswer?> in
            let promise = channel.eventLoop.makePromise(of: HTTPAnswer?.self)
            let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Int64(timeoutSeconds))) {
                handler.value.fail(AgentFailure("no answer within \(timeoutSeconds) s"))
                channel.close(promise: nil)
            }
            handler.value.expect(extent, promise)
            promise.futureResult.assumeIsolated().whenComplete { _ in deadline.cancel() }
            let operations = channel.pipeline.syncOperations
            operations.write(NIOAny(HTTPClientRequestPart.head(head)), promise: nil)
            if let body { operations.write(NIOAny(HTTPClientRequestPart.body(.byteBuffer(body))), promise: nil) }
            let written = channel.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { result in handler.value.written(result) }
            operations.writeAndFlush(NIOAny(HTTPClientRequestPart.end(nil)), promise: written)
            return promise.futureResult
        }
        return try await answer.get()
    }

    /// Stops reading: what the server sends then waits in the sockets' buffers, and at last in the server.
    func stopReading() { self.channel.setOption(.autoRead, value: false).whenComplete { _ in } }

    /// Ends the connection, whatever is under way. On return the socket is closed.
    func close(_ ending: Ending = .farewell) async {
        if ending == .reset, let options = self.channel as? any SocketOptionProvider {
            // A channel that is closed already refuses, and is closed.
            try? await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try? await self.channel.close().get()
    }
}

/// Why an agent could not do what it wanted to.
struct AgentFailure: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Collects the answer to one request after the other.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private var promise: EventLoopPromise<HTTPAnswer?>?
    private var extent = HTTPConnection.Extent.whole
    private var answer: HTTPAnswer?
    private var events = EventReader()
    /// Whether an answer is still arriving that nobody waits for any more.
    private var isDraining = false

    var isIdle: Bool { self.promise == nil && !self.isDraining }

    func expect(_ extent: HTTPConnection.Extent, _ promise: EventLoopPromise<HTTPAnswer?>) {
        self.extent = extent
        self.answer = nil
        self.events = EventReader()
        self.promise = promise
    }

    func written(_ result: Result<Void, any Error>) {
        switch result {
        case .failure: self.fail(AgentFailure("the connection broke"))
        case .success where self.extent == .nothing: self.succeed(nil, isDraining: true)
        case .success: break
        }
    }

    func fail(_ failure: AgentFailure) {
        self.promise?.fail(failure)
        self.promise = nil
        self.isDraining = true
    }

    private func succeed(_ answer: HTTPAnswer?, isDraining: Bool) {
        self.isDraining = isDraining
        let promise = self.promise
        self.promise = nil
        promise?.succeed(answer)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            guard self.promise != nil else { return }
            let answer = HTTPAnswer(status: Int(head.status.code), headers: head.headers)
            self.answer = answer
            if self.extent == .head { self.succeed(answer, isDraining: true) }
        case .body(let bytes):
            guard self.promise != nil, var answer = self.answer.take() else { return }
            answer.size += bytes.readableBytes
            if answer.isStream {
                self.events.read(bytes.readableBytesView) { if !$0.isEmpty { answer.body = $0 } }
            } else if answer.size <= EventReader.dataMax {
                answer.body += bytes.readableBytesView
            } else {
                answer.body = []
            }
            self.answer = answer
        case .end:
            self.isDraining = false
            guard self.promise != nil, let answer = self.answer.take() else { return }
            self.succeed(answer, isDraining: false)
            if answer.headers[canonicalForm: "Connection"].contains(where: { $0.lowercased() == "close" }) {
                context.close(promise: nil)
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail(AgentFailure("the server closed the connection without an answer"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(AgentFailure(error is IOError ? "the connection broke" : "the answer is no HTTP"))
        context.close(promise: nil)
    }
}
