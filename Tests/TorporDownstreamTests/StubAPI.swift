import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A request as the stub got it.
struct StubRequest: Sendable {
    let method: String
    let uri: String
    let headers: HTTPHeaders
    let body: [UInt8]
}

/// What the stub does with a request.
enum StubAnswer: Sendable {
    case answer(Int, headers: HTTPHeaders = [:], body: String = "")
    /// In parts, without a length.
    case parts([String])
    /// Closes the connection.
    case hangUp
    /// Answers nothing until the client has gone.
    case nothing
}

/// An HTTP API on loopback that answers as a test says, and keeps what it was asked.
final class StubAPI: Sendable {
    private struct State {
        var requests: [StubRequest] = []
        var arrivals: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var channels: [any Channel] = []
    }

    private let state = Mutex(State())
    private let answer: @Sendable (StubRequest, Int) -> StubAnswer

    private init(_ answer: @escaping @Sendable (StubRequest, Int) -> StubAnswer) { self.answer = answer }

    var requests: [StubRequest] { self.state.withLock { $0.requests } }

    /// Returns when there have been so many requests.
    func requests(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                if state.requests.count >= count { return true }
                state.arrivals.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Runs a stub for the length of `body`, which gets it and its URL.
    /// - Parameter answer: Gets a request and its number, from 1 on.
    static func with(
        _ answer: @escaping @Sendable (StubRequest, Int) -> StubAnswer,
        _ body: (StubAPI, String) async throws -> Void
    ) async throws {
        let stub = StubAPI(answer)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                stub.state.withLock { $0.channels.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(StubHandler(stub))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(stub, "http://127.0.0.1:\(channel.localAddress?.port ?? 0)/api/"))
        } catch {
            result = .failure(error)
        }
        try await channel.close().get()
        // Most are closed already.
        for channel in stub.state.withLock({ $0.channels }) { try? await channel.close().get() }
        try result.get()
    }

    fileprivate func take(_ request: StubRequest) -> StubAnswer {
        let (number, arrivals) = self.state.withLock { state in
            state.requests.append(request)
            let count = state.requests.count
            let ready = state.arrivals.filter { $0.count <= count }
            state.arrivals.removeAll { $0.count <= count }
            return (count, ready)
        }
        for arrival in arrivals { arrival.continuation.resume() }
        return self.answer(request, number)
    }
}

private final class StubHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let stub: StubAPI
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ stub: StubAPI) { self.stub = stub }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let bytes): self.body += bytes.readableBytesView
        case .end:
            guard let head = self.head.take() else { return }
            let request = StubRequest(
                method: head.method.rawValue, uri: head.uri, headers: head.headers, body: self.body)
            self.body = []
            switch self.stub.take(request) {
            case .answer(let status, var headers, let body):
                headers.replaceOrAdd(name: "content-length", value: "\(body.utf8.count)")
                self.send(context, status, headers, [body])
            case .parts(let parts): self.send(context, 200, [:], parts)
            case .hangUp: context.close(promise: nil)
            case .nothing: break
            }
        }
    }

    private func send(_ context: ChannelHandlerContext, _ status: Int, _ headers: HTTPHeaders, _ parts: [String]) {
        let head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        for part in parts {
            context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: part)))), promise: nil)
        }
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
    }
}
