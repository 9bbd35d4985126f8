import Glibc
package import NIOCore
import NIOPosix
import Synchronization

/// Talks to a server over two file descriptors: one JSON-RPC message a line (transports, stdio).
package final class PipeTransport: UpstreamTransport {
    private struct State {
        var receiver: (any UpstreamReceiver)?
        /// Messages that nobody has begun to write, each with its line end.
        var queued: [UInt8] = []
        /// All bytes that were not written.
        var unwrittenBytes = 0
        /// Somebody writes, or the event loop does.
        var isWriting = false
        var channel: (any Channel)?
        /// The server's input once more, to be written to without the event loop. Only who has set `isWriting` uses it.
        /// -1 for none.
        var direct: CInt = -1
        var isReading = true
        /// Nothing is sent or heard any more.
        var isClosed = false

        mutating func close() {
            self.isClosed = true
            self.queued = []
            self.closeDirect()
        }

        /// Closes the descriptor when it is not needed any more, and nobody is using it.
        mutating func closeDirect() {
            guard self.isClosed, !self.isWriting, self.direct >= 0 else { return }
            _ = Glibc.close(self.direct)
            self.direct = -1
        }

        mutating func takeQueued() -> [UInt8] {
            var queued: [UInt8] = []
            swap(&queued, &self.queued)
            return queued
        }
    }

    /// Batches that one sender writes for others too, before it leaves the rest to the event loop.
    private static let batchesMax = 4

    /// How long a server may go on after its input was closed, until its output is closed too.
    private static let farewell = TimeAmount.seconds(10)

    private let input: CInt
    private let output: CInt
    private let eventLoop: any EventLoop
    private let messageMax: Int
    private let unwrittenMax: Int
    private let state = Mutex(State())
    private let isClosed: EventLoopPromise<Void>

    package let hasStreams = false

    /// Takes over the descriptors once it is opened, as it must be: they are closed when the transport is.
    /// - Parameters:
    ///   - input: Where the server's messages come from, its standard output.
    ///   - output: Where messages to it go, its standard input.
    ///   - messageMax: The longest message of the server, in bytes.
    ///   - unwrittenMax: Bytes that may wait for the server to read; a message beyond is not taken. Default 8 MiB. One
    ///     message alone may be larger.
    package init(
        input: CInt, output: CInt, on eventLoop: any EventLoop, messageMax: Int = UpstreamLimits().messageMax,
        unwrittenMax: Int = 8 << 20
    ) {
        self.input = input
        self.output = output
        self.eventLoop = eventLoop
        self.messageMax = messageMax
        self.unwrittenMax = unwrittenMax
        self.isClosed = eventLoop.makePromise()
    }

    package func open(_ receiver: any UpstreamReceiver) {
        self.state.withLock { $0.receiver = receiver }
        guard Self.canBeWatched(self.input), Self.canBeWatched(self.output) else {
            for descriptor in [self.input, self.output] { _ = Glibc.close(descriptor) }
            self.eventLoop.execute {
                self.end(UpstreamError(.unavailable, "Two pipes or sockets are needed to talk to the server."))
                self.isClosed.succeed()
            }
            return
        }
        let messageMax = self.messageMax
        let direct = fcntl(self.output, F_DUPFD_CLOEXEC, 3)
        NIOPipeBootstrap(group: self.eventLoop)
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: 4_096, maximum: 65_536)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LineHandler(lineMax: messageMax, transport: self))
                }
            }
            .takingOwnershipOfDescriptors(input: self.input, output: self.output)
            .whenComplete { self.isReady($0, direct: direct) }
    }

    /// An event loop cannot wait for files and devices.
    private static func canBeWatched(_ descriptor: CInt) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return false }
        let kind = status.st_mode & S_IFMT
        return kind == S_IFIFO || kind == S_IFSOCK
    }

    /// - Parameter direct: The server's input once more, or -1 when the system has no descriptors left.
    private func isReady(_ result: Result<any Channel, any Error>, direct: CInt) {
        switch result {
        case .failure:
            for descriptor in [self.input, self.output, direct] { _ = Glibc.close(descriptor) }
            self.end(UpstreamError(.unavailable, "The pipes to the server cannot be used."))
            self.isClosed.succeed()
        case .success(let channel):
            channel.closeFuture.cascade(to: self.isClosed)
            let (isClosed, isReading) = self.state.withLock { state in
                state.channel = channel
                state.direct = direct
                state.closeDirect()
                return (state.isClosed, state.isReading)
            }
            if !isReading { channel.setOption(.autoRead, value: false).whenFailure { _ in } }
            self.flush()
            if isClosed { self.farewell(channel) }
        }
    }

    // MARK: Sending

    package func send(_ message: UpstreamMessage) -> Bool {
        self.state.withLock { state in
            // Whoever waits for an answer hears of the end.
            if state.isClosed { return true }
            let size = message.body.count + 1
            guard state.unwrittenBytes == 0 || state.unwrittenBytes + size <= self.unwrittenMax else { return false }
            state.unwrittenBytes += size
            let start = state.queued.count
            state.queued.append(contentsOf: message.body)
            state.queued.replaceLineEnds(from: start)
            state.queued.append(UInt8(ascii: "\n"))
            return true
        }
    }

    /// Writes what is queued, unless somebody does already, who then takes this along.
    ///
    /// As long as the server keeps up, whoever sends writes: the way over the event loop costs more than all the rest.
    package func flush() {
        for _ in 0..<Self.batchesMax {
            let batch = self.state.withLock { state -> (descriptor: CInt, bytes: [UInt8])? in
                guard !state.isWriting, !state.queued.isEmpty, state.channel != nil else { return nil }
                state.isWriting = true
                return (state.direct, state.takeQueued())
            }
            guard let batch else { return }
            // What cannot be written, for whatever reason, goes over the event loop, which finds the reason too.
            let written = max(
                0, batch.bytes.withUnsafeBytes { Glibc.write(batch.descriptor, $0.baseAddress, $0.count) })
            guard written == batch.bytes.count else { return self.writeLater(batch.bytes[written...], written) }
            self.wrote(written)
        }
        // Others keep adding, and whoever writes has something else to do.
        let rest = self.state.withLock { state -> [UInt8] in
            guard !state.isWriting, !state.queued.isEmpty else { return [] }
            state.isWriting = true
            return state.takeQueued()
        }
        if !rest.isEmpty { self.writeLater(rest[...], 0) }
    }

    /// So much was written; the next may write.
    private func wrote(_ count: Int) {
        self.state.withLock { state in
            state.unwrittenBytes -= count
            state.isWriting = false
            state.closeDirect()
        }
    }

    /// Leaves the rest of a batch to the event loop, which writes it when the server reads on.
    private func writeLater(_ bytes: ArraySlice<UInt8>, _ written: Int) {
        guard let channel = self.state.withLock({ $0.channel }) else {
            preconditionFailure("what is written goes to a channel")
        }
        let count = bytes.count
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { _ in
            // A failure closes the channel, which tells of it.
            self.wrote(written + count)
            self.flush()
        }
    }

    // MARK: Receiving

    fileprivate func received(_ line: LineFramer.Line) {
        guard let receiver = self.state.withLock({ $0.isClosed ? nil : $0.receiver }) else { return }
        switch line {
        case .line(let bytes): receiver.received(IncomingMessage(bytes))
        case .tooLong(let line): receiver.received(IncomingMessage(tooLongFor: line.answeredRequest))
        }
    }

    fileprivate func end(_ error: UpstreamError) {
        let receiver = self.state.withLock { state -> (any UpstreamReceiver)? in
            defer { state.receiver = nil }
            if state.isClosed { return nil }
            state.close()
            return state.receiver
        }
        receiver?.ended(error)
    }

    package func setReading(_ isReading: Bool) {
        let channel = self.state.withLock { state in
            state.isReading = isReading
            return state.channel
        }
        channel?.setOption(.autoRead, value: isReading).whenFailure { _ in }  // It is closed, and reads no more.
    }

    // MARK: What pipes have not

    package func closeStream(of request: RequestNumber) {}
    package func opened(_ server: UpstreamServer) {}

    // MARK: The end

    package func close() {
        let channel = self.state.withLock { state -> (any Channel)? in
            state.receiver = nil
            if state.isClosed { return nil }
            state.close()
            return state.channel
        }
        if let channel { self.farewell(channel) }
    }

    /// Closes the server's input, which tells it to end; its output is read until it does, and dropped.
    private func farewell(_ channel: any Channel) {
        channel.setOption(.autoRead, value: true).whenFailure { _ in }
        channel.close(mode: .output, promise: nil)
        let deadline = self.eventLoop.scheduleTask(in: Self.farewell) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in deadline.cancel() }
    }

    package func closed() async {
        try? await self.isClosed.futureResult.get()  // It never fails.
    }
}

/// Cuts what comes into lines.
private final class LineHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var framer: LineFramer
    private let transport: PipeTransport

    init(lineMax: Int, transport: PipeTransport) {
        self.framer = LineFramer(lineMax: lineMax)
        self.transport = transport
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.unwrapInboundIn(data).withUnsafeReadableBytes { bytes in
            self.framer.add(bytes) { self.transport.received($0) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.transport.end(UpstreamError(.ended, "The server has closed its output."))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.transport.end(UpstreamError(.ended, "The pipes to the server have failed."))
        context.close(promise: nil)
    }
}
