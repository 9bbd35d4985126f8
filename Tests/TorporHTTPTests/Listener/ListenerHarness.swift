import Logging
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing
import Torpor

@testable import TorporHTTP

/// The tools that the listener's tests call.
func sampleServer(_ held: HeldCalls = HeldCalls()) -> MCPServer {
    struct Message: ToolInput { var message: String }
    struct Size: ToolInput { var bytes: Int }
    return MCPServer(name: "sample", version: "1") {
        Tool.inline("echo", "Answers at once.") { (input: Message, _) in input.message }
        Tool("echo_later", "Answers off the event loop.", handler: { (input: Message, _) in input.message })
        Tool.inline("text", "Answers with many bytes.") { (input: Size, _) in String(repeating: "x", count: input.bytes)
        }
        Tool(
            "hold", "Waits for the test.",
            handler: { _ in
                try await held.wait()
                return "released"
            })
        Tool(
            "hold_text", "Waits for the test, holding its argument.",
            handler: { (input: Message, _) in
                try await held.wait()
                return "held \(input.message.utf8.count)"
            })
        Tool(
            "hold_fast", "Waits for the test and ignores its cancellation.",
            handler: { _ in
                try await held.waitWhateverHappens()
                return "released"
            })
    }
}

func quietLogger() -> Logger { Logger(label: "torpor.tests") { _ in SwiftLogNoOpLogHandler() } }

extension ListenerState {
    /// The state of a listener for tests.
    static func sample(
        _ server: MCPServer = sampleServer(), authentication: Authentication = .none, limits: CallLimits = CallLimits(),
        _ change: (inout HTTPConfiguration) -> Void = { _ in }
    ) -> ListenerState {
        var configuration = HTTPConfiguration()
        change(&configuration)
        let logger = quietLogger()
        return ListenerState(
            dispatcher: Dispatcher(
                server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(86_400), store: 0),
                limits: limits,
                environment: DispatcherEnvironment(logger: logger)),
            configuration: configuration, authentication: authentication, logger: logger)
    }
}

/// A listener without sockets or threads: the test's body moves the clock. For what is answered on the event loop.
struct EmbeddedListener {
    let state: ListenerState
    let eventLoop: EmbeddedEventLoop
    let loop: ConnectionLoop

    init(_ state: ListenerState = .sample()) {
        self.state = state
        self.eventLoop = EmbeddedEventLoop()
        self.loop = ConnectionLoop(
            self.eventLoop, callTicks: state.callTicks, buffers: state.buffers, heartbeat: nil,
            sweep: { state.dispatcher.sweep() })
        self.loop.start()
    }

    func advance(seconds: Int) { self.eventLoop.advanceTime(by: .seconds(Int64(seconds))) }

    /// - Parameter staysOpen: Whether the connection has two halves, as real ones do: when the server closes its own,
    ///   the client's stays.
    func connect(from address: String = "192.0.2.1", staysOpen: Bool = false) throws -> EmbeddedClient {
        let connection = MCPConnection(listener: self.state, loop: self.loop)
        let channel = EmbeddedChannel(
            handlers: staysOpen ? [OutputHalf(), connection] : [connection], loop: self.eventLoop)
        channel.connect(to: try SocketAddress(ipAddress: address, port: 50_000), promise: nil)
        return EmbeddedClient(channel: channel)
    }

    /// Sends one request over a connection of its own.
    func answer(to request: String) throws -> WireAnswer {
        let client = try self.connect()
        try client.send(request)
        let answers = try client.answers()
        try client.disconnect()
        return try #require(answers.count == 1 ? answers.first : nil, "one request, one answer: \(answers)")
    }

    /// Fails the test when anything is still counted.
    func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) {
        #expect(self.state.gate.count == 0, sourceLocation: location)
        #expect(self.state.buffers.usedBytes == 0, sourceLocation: location)
        #expect(self.state.dispatcher.runningCallCount == 0, sourceLocation: location)
        #expect(self.loop.turnedAwayCount == 0, sourceLocation: location)
        #expect(self.loop.calls.isEmpty, sourceLocation: location)
        var isDrained = false
        self.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        #expect(isDrained, "a connection is left", sourceLocation: location)
        self.loop.stop()
    }
}

/// Keeps an embedded channel open when one half of it is closed.
private final class OutputHalf: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { promise?.succeed() } else { context.close(mode: mode, promise: promise) }
    }
}

/// The client's end of an embedded connection.
struct EmbeddedClient {
    let channel: EmbeddedChannel

    var isOpen: Bool { self.channel.isActive }

    func send(_ text: String) throws { try self.send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws { try self.channel.writeInbound(ByteBuffer(bytes: bytes)) }

    /// The bytes that were flushed since the last time.
    func received() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try self.channel.readOutbound(as: ByteBuffer.self) {
            bytes += Array(buffer.readableBytesView)
        }
        return bytes
    }

    /// The answers that were flushed since the last time.
    func answers() throws -> [WireAnswer] { try WireAnswer.all(in: self.received()) }

    /// Stops reading: what the server writes stays with it.
    func stopReading() {
        self.channel.isWritable = false
        self.channel.pipeline.fireChannelWritabilityChanged()
    }

    func readOn() {
        self.channel.isWritable = true
        self.channel.pipeline.fireChannelWritabilityChanged()
    }

    /// Says that no request follows.
    func finishSending() { self.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }

    /// The socket breaks.
    func fail() { self.channel.pipeline.fireErrorCaught(ChannelError.ioOnClosedChannel) }

    func disconnect() throws {
        if self.channel.isActive { self.channel.close(promise: nil) }
        self.channel.embeddedEventLoop.run()
    }
}

/// A listener without sockets whose calls run on the thread pool, as in production; the test's body moves the clock.
struct TestingListener: Sendable {
    let state: ListenerState
    let eventLoop: NIOAsyncTestingEventLoop
    let loop: NIOLoopBound<ConnectionLoop>

    init(_ state: ListenerState) async throws {
        let eventLoop = NIOAsyncTestingEventLoop()
        self.state = state
        self.eventLoop = eventLoop
        self.loop = try await eventLoop.executeInContext {
            let loop = ConnectionLoop(
                eventLoop, callTicks: state.callTicks, buffers: state.buffers, heartbeat: nil,
                sweep: { state.dispatcher.sweep() })
            loop.start()
            return NIOLoopBound(loop, eventLoop: eventLoop)
        }
    }

    func connect() async throws -> TestingClient {
        let loop = self.loop
        let state = self.state
        let channel = NIOAsyncTestingChannel(loop: self.eventLoop)
        try await self.eventLoop.executeInContext {
            try channel.pipeline.syncOperations.addHandler(MCPConnection(listener: state, loop: loop.value))
        }
        try await channel.connect(to: SocketAddress(ipAddress: "192.0.2.1", port: 50_000))
        return TestingClient(channel: channel)
    }

    func advance(seconds: Int) async { await self.eventLoop.advanceTime(by: .seconds(Int64(seconds))) }

    /// Begins to drain; the result is fulfilled when nothing is left.
    func drain() -> EventLoopFuture<Void> {
        let loop = self.loop
        return self.eventLoop.flatSubmit { loop.value.drain() }
    }

    /// Waits until no connection and no call is left, and fails the test when anything is still counted then.
    func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) async throws {
        try await self.drain().get()
        #expect(self.state.gate.count == 0, sourceLocation: location)
        #expect(self.state.buffers.usedBytes == 0, sourceLocation: location)
        #expect(self.state.dispatcher.runningCallCount == 0, sourceLocation: location)
        let loop = self.loop
        try await self.eventLoop.executeInContext { loop.value.stop() }
    }
}

/// The client's end of such a connection.
struct TestingClient: Sendable {
    let channel: NIOAsyncTestingChannel

    func send(_ text: String) async throws { try await self.channel.writeInbound(ByteBuffer(string: text)) }

    /// Waits for the next answer. The server writes each as one buffer.
    func answer() async throws -> WireAnswer {
        while true {
            let buffer = try await self.channel.waitForOutboundWrite(as: ByteBuffer.self)
            // What follows a last answer, to learn when it was sent.
            if buffer.readableBytes == 0 { continue }
            var bytes = Array(buffer.readableBytesView)
            let answer = try WireAnswer.take(from: &bytes)
            return try #require(bytes.isEmpty ? answer : nil, "one buffer, one answer")
        }
    }

    /// Says that no request follows.
    func finishSending() async throws {
        let channel = self.channel
        try await channel.testingEventLoop.executeInContext {
            channel.pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
    }

    func disconnect() async throws { try await self.channel.close() }

    /// Waits until the server has closed the connection.
    func isClosed() async throws { try await self.channel.closeFuture.get() }
}

/// A listener whose connections are on one real event loop, for what depends on the order in which a loop does things.
struct SocketListener: Sendable {
    let state: ListenerState
    let eventLoop: any EventLoop
    let loop: NIOLoopBound<ConnectionLoop>
    private let channel: any Channel

    var port: Int { self.channel.localAddress?.port ?? 0 }

    init(_ state: ListenerState) async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let loop = try await eventLoop.flatSubmit {
            let loop = ConnectionLoop(
                eventLoop, callTicks: state.callTicks, buffers: state.buffers, heartbeat: nil, sweep: nil)
            let bound = NIOLoopBound(loop, eventLoop: eventLoop)
            return loop.start().map { bound }
        }.get()
        self.state = state
        self.eventLoop = eventLoop
        self.loop = loop
        self.channel = try await ServerBootstrap(group: eventLoop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = MCPConnection(listener: state, loop: loop.value)
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// Stops, and fails the test when anything is still counted then.
    func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) async throws {
        let loop = self.loop
        try await self.channel.close()
        try await self.eventLoop.flatSubmit { loop.value.drain() }.get()
        try await self.eventLoop.submit { loop.value.stop() }.get()
        #expect(self.state.gate.count == 0, sourceLocation: location)
        #expect(self.state.buffers.usedBytes == 0, sourceLocation: location)
        #expect(self.state.dispatcher.runningCallCount == 0, sourceLocation: location)
    }
}
