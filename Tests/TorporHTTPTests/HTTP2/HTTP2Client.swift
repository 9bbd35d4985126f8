import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import TorporHTTP

/// The client's end of a connection of HTTP/2 to a listener. It checks nothing of what it sends.
struct HTTP2Client: Sendable {
    /// How a stream ended.
    enum Outcome: Sendable {
        case answer(WireAnswer)
        case reset(HTTP2ErrorCode)
        /// With the connection.
        case closed
    }

    let channel: any Channel
    private let multiplexer: NIOHTTP2Handler.StreamMultiplexer
    private let root: RootFrames

    /// Connects for the length of `body`.
    /// - Parameters:
    ///   - tls: What the client speaks TLS with, and offers `h2`. Default: nothing, prior knowledge.
    ///   - window: What the server may send ahead. In bytes.
    static func open<Result: Sendable>(
        port: Int, tls: NIOSSLContext? = nil, window: Int = 65_535, _ body: (HTTP2Client) async throws -> Result
    ) async throws -> Result {
        let root = RootFrames()
        let (channel, multiplexer) = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls {
                        try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    var limits = NIOHTTP2Handler.ConnectionConfiguration()
                    limits.headerBlockValidation = .disabled
                    limits.contentLengthValidation = .disabled
                    limits.initialSettings.append(HTTP2Setting(parameter: .initialWindowSize, value: window))
                    limits.targetWindowSize = window
                    var streams = NIOHTTP2Handler.StreamConfiguration()
                    streams.targetWindowSize = window
                    let frames = NIOHTTP2Handler(
                        mode: .client, eventLoop: channel.eventLoop, connectionConfiguration: limits,
                        streamConfiguration: streams,
                        inboundStreamInitializer: { $0.eventLoop.makeSucceededVoidFuture() })
                    try pipeline.addHandlers([frames, RootHandler(root)])
                    return (channel, try frames.syncMultiplexer())
                }
            }
        let client = HTTP2Client(channel: channel, multiplexer: multiplexer, root: root)
        do {
            let result = try await body(client)
            try? await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    // MARK: Streams

    /// A request on its way, and what becomes of it.
    struct Stream: Sendable {
        let channel: any Channel
        fileprivate let ended: EventLoopFuture<Outcome>

        /// Waits until the stream has ended.
        func outcome() async throws -> Outcome { try await self.ended.get() }

        /// Waits for the answer.
        func answer() async throws -> WireAnswer {
            switch try await self.outcome() {
            case .answer(let answer): return answer
            case let other: throw Unanswered(outcome: "\(other)")
            }
        }

        func send(_ text: String, ends: Bool) async throws {
            try await self.channel.writeAndFlush(
                HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(ByteBuffer(string: text)), endStream: ends)))
        }

        /// Takes the request back.
        func reset() async throws {
            try await self.channel.writeAndFlush(HTTP2Frame.FramePayload.rstStream(.cancel))
        }
    }

    struct Unanswered: Error { let outcome: String }

    /// Begins a request.
    /// - Parameter ends: Whether nothing follows.
    func begin(_ headers: [(String, String)], body: String = "", ends: Bool = true) async throws -> Stream {
        let promise = self.channel.eventLoop.makePromise(of: Outcome.self)
        let created = self.channel.eventLoop.makePromise(of: (any Channel).self)
        self.multiplexer.createStreamChannel(promise: created) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(OutcomeHandler(promise))
            }
        }
        // Whether or not the stream has come to be, its promise is kept.
        created.futureResult.whenFailure { _ in promise.succeed(.closed) }
        let channel = try await created.futureResult.get()
        let head = HTTP2Frame.FramePayload.headers(
            .init(headers: HPACKHeaders(headers), endStream: ends && body.isEmpty))
        // Frames of a stream that the server has ended meanwhile have nowhere to go; the outcome says so.
        channel.writeAndFlush(head, promise: nil)
        let stream = Stream(channel: channel, ended: promise.futureResult)
        if !body.isEmpty {
            let data = HTTP2Frame.FramePayload.data(
                .init(data: .byteBuffer(ByteBuffer(string: body)), endStream: ends))
            channel.writeAndFlush(data, promise: nil)
        }
        return stream
    }

    /// Begins the request that a text of HTTP/1.1 stands for.
    func begin(_ text: String) async throws -> Stream {
        let (headers, body) = Self.headers(text)
        return try await self.begin(headers, body: body)
    }

    func answer(_ text: String) async throws -> WireAnswer { try await self.begin(text).answer() }

    /// What the text of a request becomes.
    static func headers(_ text: String) -> ([(String, String)], String) {
        let end = text.firstRange(of: "\r\n\r\n") ?? text.endIndex..<text.endIndex
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let first = lines[0].split(separator: " ")
        var headers = [(":method", String(first[0])), (":scheme", "http"), (":path", String(first[1]))]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon].lowercased()
            let value = String(line[line.index(colon, offsetBy: 2)...])
            if name == "host" { headers.insert((":authority", value), at: 3) } else { headers.append((name, value)) }
        }
        return (headers, String(text[end.upperBound...]))
    }

    // MARK: The connection

    /// Sends a frame of the connection itself.
    func send(_ payload: HTTP2Frame.FramePayload) {
        self.channel.writeAndFlush(HTTP2Frame(streamID: .rootStream, payload: payload), promise: nil)
    }

    /// Waits until the server has closed the connection.
    func isClosed() async throws { try await self.channel.closeFuture.get() }

    /// Waits until the server has closed the connection, and checks what it has said if that has arrived: it does not
    /// when the client was sending on.
    func isSentAway(_ code: HTTP2ErrorCode, _ location: SourceLocation = #_sourceLocation) async throws {
        try await self.isClosed()
        #expect(self.goAway == nil || self.goAway == code, sourceLocation: location)
    }

    /// The code with which the server has said that it takes no more, if it has.
    var goAway: HTTP2ErrorCode? { self.root.state.withLock { $0.goAway } }

    /// Waits for the settings of the server.
    func settings() async -> [HTTP2Setting] {
        await self.root.settings.stream.first { _ in true } ?? []
    }
}

/// What came on the connection itself.
private final class RootFrames: Sendable {
    struct State { var goAway: HTTP2ErrorCode? }

    let state = Mutex(State())
    let settings = AsyncStream.makeStream(of: [HTTP2Setting].self)
}

private final class RootHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame

    private let root: RootFrames

    init(_ root: RootFrames) { self.root = root }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data).payload {
        case .goAway(_, let code, _): self.root.state.withLock { $0.goAway = code }
        case .settings(.settings(let settings)): self.root.settings.continuation.yield(settings)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of streams too; what matters of them is their outcome.
    }
}

/// Puts together what a stream brings.
private final class OutcomeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload

    private var promise: EventLoopPromise<HTTP2Client.Outcome>?
    private var head: HPACKHeaders?
    private var body = ByteBuffer()

    init(_ promise: EventLoopPromise<HTTP2Client.Outcome>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .headers(let frame):
            self.head = frame.headers
            if frame.endStream { self.end(.answer(self.answer)) }
        case .data(let frame):
            guard case .byteBuffer(let bytes) = frame.data else { return }
            self.body.writeImmutableBuffer(bytes)
            if frame.endStream { self.end(.answer(self.answer)) }
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? NIOHTTP2Errors.StreamClosed { self.end(.reset(error.errorCode)) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.end(.closed) }

    private func end(_ outcome: HTTP2Client.Outcome) {
        self.promise?.succeed(outcome)
        self.promise = nil
    }

    private var answer: WireAnswer {
        var fields: [String: String] = [:]
        var status = 0
        for (name, value, _) in self.head ?? [:] {
            if name == ":status" { status = Int(value) ?? 0 } else { fields[name] = value }
        }
        return WireAnswer(status: status, fields: fields, body: String(buffer: self.body))
    }
}
