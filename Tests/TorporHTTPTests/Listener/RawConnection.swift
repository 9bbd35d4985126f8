import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing
import Torpor

@testable import TorporHTTP

/// The client's end of a real connection to a listener.
struct RawConnection {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    /// The socket, and what encrypts it.
    let channel: any Channel
    private var received: [UInt8] = []

    /// Connects for the length of `body`.
    /// - Parameters:
    ///   - address: The client's own.
    ///   - tls: What the client speaks TLS with. Default: nothing, plain HTTP.
    static func open<Result: Sendable>(
        port: Int, from address: String = "127.0.0.1", tls: NIOSSLContext? = nil,
        _ body: (inout RawConnection) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .bind(to: SocketAddress(ipAddress: address, port: 0))
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        let handler = try NIOSSLClientHandler(context: tls, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var connection = RawConnection(
                inbound: inbound.makeAsyncIterator(), outbound: outbound, channel: channel.channel)
            return try await body(&connection)
        }
    }

    func send(_ text: String) async throws { try await self.outbound.write(ByteBuffer(string: text)) }

    /// Says that no request follows.
    func finishSending() { self.outbound.finish() }

    /// Waits for the next answer; `nil` when the server closes instead.
    /// - Parameter isBodyless: Whether the answer is one to HEAD.
    mutating func answer(isBodyless: Bool = false) async throws -> WireAnswer? {
        while true {
            if let answer = try WireAnswer.take(from: &self.received, isBodyless: isBodyless) { return answer }
            guard let buffer = try await self.inbound.next(isolation: #isolation) else { return nil }
            self.received += Array(buffer.readableBytesView)
        }
    }
}

/// A listener on a free port, and the task that runs it.
struct RunningServer: Sendable {
    let http: HTTPServer
    let port: Int
    let running: Task<Void, any Error>

    /// Starts a listener for the length of `body`, then stops it and waits until it has.
    /// - Throws: what `body` throws; not what `run()` does, which `body` may look at.
    static func with<Result: Sendable>(
        _ server: MCPServer, authentication: Authentication = .none, limits: CallLimits = CallLimits(),
        _ change: (inout HTTPConfiguration) -> Void = { _ in }, _ body: @Sendable (RunningServer) async throws -> Result
    ) async throws -> Result {
        var configuration = HTTPConfiguration()
        configuration.port = 0
        configuration.eventLoopCount = 2
        change(&configuration)
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let http = HTTPServer(
            server, configuration: configuration, authentication: authentication, limits: limits, logger: quietLogger(),
            onListening: { announce.yield($0) })
        // Awaited below, on every path.
        let running = Task {
            defer { announce.finish() }
            try await http.run()
        }
        guard let port = await ports.first(where: { _ in true }) else {
            try await running.value
            preconditionFailure("a server that does not listen throws")
        }
        do {
            let result = try await body(RunningServer(http: http, port: port, running: running))
            running.cancel()
            _ = await running.result
            return result
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
    }
}

extension HTTPServer.Statistics {
    /// Whether nothing is counted any more.
    var isZero: Bool {
        self.connections == 0 && self.runningCalls == 0 && self.bufferedBytes == 0 && self.endedSessions == 0
    }
}
