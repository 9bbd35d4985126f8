import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TorporJSON
import TorporSoak

/// A server of the sessions era as small as can be, whose memory is a number: some bytes for each session that it keeps.
final class TinyServer: Sendable, MemorySource {
    enum Flaw: Sendable {
        case none
        /// Sessions go with DELETE alone, as many servers have it.
        case keepsAbandonedSessions
        /// Every call leaves some bytes.
        case keepsCalls
        /// Every call is answered with the text of the one before.
        case crossesAnswers
        /// Everything but the first requests is answered with status 500.
        case breaks
        /// Its process goes away amid the run.
        case dies
    }

    static let bytesPerSession = 40_000
    static let bytesPerCall = 5_000
    private static let base = 64 << 20

    private struct State {
        var sessions: Set<Int> = []
        var opened = 0
        var calls = 0
        var lastText = ""
    }

    let flaw: Flaw
    private let state = Mutex(State())

    init(_ flaw: Flaw) { self.flaw = flaw }

    func bytes() -> Int? {
        self.state.withLock { state in
            switch self.flaw {
            case .keepsAbandonedSessions: Self.base + state.sessions.count * Self.bytesPerSession
            case .keepsCalls: Self.base + state.calls * Self.bytesPerCall
            case .dies: state.calls < 200 ? Self.base : nil
            case .none, .crossesAnswers, .breaks: Self.base
            }
        }
    }

    var openedSessions: Int { self.state.withLock { $0.opened } }
    var keptSessions: Int { self.state.withLock { $0.sessions.count } }

    /// Serves on a loopback port for the length of `body`.
    func run<Result>(_ body: (Endpoint) async throws -> Result) async throws -> Result {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(TinyHandler(server: self))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port ?? 0
        do {
            let result = try await body(try Endpoint("http://127.0.0.1:\(port)/mcp"))
            try await channel.close()
            return result
        } catch {
            try await channel.close()
            throw error
        }
    }

    struct Answer {
        var status = 200
        var session: Int?
        var body: JSONValue?
    }

    func answer(_ method: HTTPMethod, session: Int?, _ body: [UInt8]) -> Answer {
        self.state.withLock { state in
            if method == .DELETE, let session {
                return Answer(status: state.sessions.remove(session) == nil ? 404 : 200)
            }
            guard method == .POST else { return Answer(status: 405) }
            guard let message = try? JSONValue(parsing: body), case .string(let name)? = message["method"] else {
                return Answer(status: 400)
            }
            if self.flaw == .breaks, state.calls > 2 { return Answer(status: 500) }
            if name == "initialize" {
                state.opened += 1
                state.sessions.insert(state.opened)
                return self.result(
                    of: message,
                    [
                        "protocolVersion": "2025-06-18", "capabilities": [:],
                        "serverInfo": ["name": "tiny", "version": "1"],
                    ],
                    session: state.opened)
            }
            guard let session else { return Answer(status: 400) }
            guard state.sessions.contains(session) else { return Answer(status: 404) }
            switch name {
            case "tools/list":
                let schema: JSONValue = [
                    "type": "object", "properties": ["text": ["type": "string"]], "required": ["text"],
                ]
                return self.result(of: message, ["tools": [["name": "echo", "inputSchema": schema]]])
            case "tools/call":
                state.calls += 1
                guard case .string(let text)? = message["params"]?["arguments"]?["text"] else {
                    return Answer(status: 400)
                }
                let said = self.flaw == .crossesAnswers && state.calls > 2 ? state.lastText : text
                state.lastText = text
                return self.result(of: message, ["content": [["type": "text", "text": .string(said)]]])
            default: return Answer(status: 202)
            }
        }
    }

    private func result(of message: JSONValue, _ result: JSONValue, session: Int? = nil) -> Answer {
        Answer(session: session, body: ["jsonrpc": "2.0", "id": message["id"] ?? .null, "result": result])
    }
}

private final class TinyHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: TinyServer
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(server: TinyServer) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            self.body = []
        case .body(let bytes): self.body += bytes.readableBytesView
        case .end:
            guard let head else { return }
            let session = head.headers.first(name: "Mcp-Session-Id").flatMap { Int($0) }
            let answer = self.server.answer(head.method, session: session, self.body)
            let text = answer.body.map { Array($0.text.utf8) } ?? []
            var headers: HTTPHeaders = ["Content-Type": "application/json", "Content-Length": "\(text.count)"]
            if let session = answer.session { headers.add(name: "Mcp-Session-Id", value: "\(session)") }
            let status = HTTPResponseStatus(statusCode: answer.status)
            context.write(
                self.wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))),
                promise: nil)
            if !text.isEmpty {
                context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: text)))), promise: nil)
            }
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
