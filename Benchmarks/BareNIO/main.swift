import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

// The base of every CPU, instruction and allocation ratio in this folder: what SwiftNIO alone costs. It parses the
// request, reads the whole body and answers a fixed JSON document on the event loop, and knows nothing of MCP.
//
// Usage: BareNIO PORT [--event-loops COUNT]. Listens on 127.0.0.1 until SIGTERM or SIGINT, then exits with status 0.

/// Reads whole requests and answers each with the same JSON body.
private final class FixedAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: ByteBuffer
    private var body: ByteBuffer
    private var keepAlive = true

    init(answer: ByteBuffer, allocator: ByteBufferAllocator) {
        self.answer = answer
        self.body = allocator.buffer(capacity: 1024)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.keepAlive = head.isKeepAlive
            self.body.clear()
        case .body(var part):
            self.body.writeBuffer(&part)
        case .end:
            self.respond(context: context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func respond(context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(3)
        headers.add(name: "Content-Type", value: "application/json")
        headers.add(name: "Content-Length", value: String(self.answer.readableBytes))
        if !self.keepAlive { headers.add(name: "Connection", value: "close") }
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(.byteBuffer(self.answer))), promise: nil)
        let flushed = context.writeAndFlush(self.wrapOutboundOut(.end(nil)))
        if !self.keepAlive {
            flushed.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
    }
}

private func usageError() -> Never {
    let usage: StaticString = "usage: BareNIO PORT [--event-loops COUNT]\n"
    write(STDERR_FILENO, usage.utf8Start, usage.utf8CodeUnitCount)
    exit(64)
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard let port = arguments.first.flatMap({ UInt16($0) }) else { usageError() }
let eventLoops: Int
switch arguments.count {
case 1:
    eventLoops = 1
case 3 where arguments[1] == "--event-loops":
    guard let count = Int(arguments[2]), count > 0 else { usageError() }
    eventLoops = count
default:
    usageError()
}

// Blocked before any thread exists: every thread inherits the mask, and only `sigwait` below takes these signals.
var stopSignals = sigset_t()
sigemptyset(&stopSignals)
sigaddset(&stopSignals, SIGTERM)
sigaddset(&stopSignals, SIGINT)
pthread_sigmask(SIG_BLOCK, &stopSignals, nil)

let answer = ByteBuffer(
    string: #"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}],"isError":false}}"#
)
let group = MultiThreadedEventLoopGroup(numberOfThreads: eventLoops)
let server = try ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 1024)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            // No pipelining assistance: each request is answered before the next one is read, so answers are in order.
            // No error handling: a malformed request closes the connection. Both would only make the base dearer.
            try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: false)
            try pipeline.addHandler(FixedAnswerHandler(answer: answer, allocator: channel.allocator))
        }
    }
    .bind(host: "127.0.0.1", port: Int(port))
    .wait()

var received: CInt = 0
sigwait(&stopSignals, &received)
try server.close().wait()
try group.syncShutdownGracefully()
