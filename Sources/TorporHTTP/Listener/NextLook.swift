import Glibc
import NIOCore
import NIOPosix

/// Tells when an event loop has looked at its sockets once more.
///
/// NIO runs what is to be done at once before it looks, and lets the processor sleep before what is to be done a little
/// later. So this is a pair of sockets: what is written to one is found by the next look, beside all else that is there.
/// Used on its loop only.
final class NextLook {
    private let channel: any Channel
    private let writer: CInt
    private var isOpen = true

    private init(channel: any Channel, writer: CInt) {
        self.channel = channel
        self.writer = writer
    }

    /// - Parameter looked: Called on the loop after each ``expect()``, and when the sockets close.
    /// - Returns: Fails when the process has no descriptors left; `nil` on a loop without sockets.
    static func open(
        on eventLoop: any EventLoop, looked: @escaping @Sendable () -> Void
    ) -> EventLoopFuture<NIOLoopBound<NextLook>?> {
        guard let bootstrap = NIOPipeBootstrap(validatingGroup: eventLoop) else {
            return eventLoop.makeSucceededFuture(nil)
        }
        var ends: [CInt] = [-1, -1]
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        guard socketpair(AF_UNIX, Int32(kind), 0, &ends) == 0 else {
            return eventLoop.makeFailedFuture(IOError(errnoCode: errno, reason: "socketpair"))
        }
        let (reader, writer) = (ends[0], ends[1])
        return
            bootstrap
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1))
            // What is written while the first is read is for the look after.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Reader(looked))
                }
            }
            .takingOwnershipOfDescriptor(input: reader)
            .map { NIOLoopBound(NextLook(channel: $0, writer: writer), eventLoop: eventLoop) }
            .flatMapErrorThrowing { error in
                Glibc.close(writer)
                throw error
            }
    }

    /// What was given to ``open(on:looked:)`` is to be called. Once only until it is.
    /// - Returns: Whether it will be; not after ``close()``, nor when the sockets fail.
    func expect() -> Bool {
        // The descriptor of one that is closed may be another's by now.
        guard self.isOpen, self.channel.isActive else { return false }
        var byte: UInt8 = 0
        // There is room, for no more than one byte is there at a time.
        return write(self.writer, &byte, 1) == 1
    }

    func close() {
        guard self.isOpen else { return }
        self.isOpen = false
        Glibc.close(self.writer)
        self.channel.close(promise: nil)
    }
}

private final class Reader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let looked: @Sendable () -> Void

    init(_ looked: @escaping @Sendable () -> Void) { self.looked = looked }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.looked() }

    // Whoever expects a look is not left waiting for it.
    func channelInactive(context: ChannelHandlerContext) { self.looked() }
}
