import Logging
import NIOCore
import NIOPosix
import Synchronization
import TorporCore
import TorporUpstream

/// What a child says on its standard error: into the log, so much a second, and the last of it for messages.
final class ErrorLines: Sendable {
    /// Lines that are logged of one child within a second; how many more there were is logged then.
    private static let linesPerSecondMax = 20
    /// Bytes of a line that are logged.
    static let lineMax = 4_096
    /// Lines that are kept.
    private static let keptMax = 5

    private struct State {
        var last: [String] = []
        var second: Int64 = 0
        var logged = 0
        var leftOut = 0
    }

    private let name: String
    private let pid: Int32
    private let logger: Logger
    private let state = Mutex(State())

    init(_ name: String, _ pid: Int32, logger: Logger) {
        self.name = name
        self.pid = pid
        self.logger = logger
    }

    /// Reads until the descriptor's other end is closed, and closes it.
    func read(_ descriptor: Int32, on eventLoop: any EventLoop) {
        NIOPipeBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ErrorHandler(self))
                }
            }
            .takingOwnershipOfDescriptor(input: descriptor)
            .whenFailure { error in
                self.logger.warning("what a child says cannot be read", metadata: ["error": "\(error)"])
            }
    }

    /// The last lines, one after the other.
    var last: String {
        String(self.state.withLock { $0.last }.joined(separator: " | ").suffix(1_000))
    }

    fileprivate func take(_ line: String) {
        let second = Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
        let (isLogged, leftOut) = self.state.withLock { state -> (Bool, Int) in
            state.last.append(String(line.prefix(500)))
            if state.last.count > Self.keptMax { state.last.removeFirst() }
            var leftOut = 0
            if state.second != second {
                leftOut = state.leftOut
                state.second = second
                state.logged = 0
                state.leftOut = 0
            }
            guard state.logged < Self.linesPerSecondMax else {
                state.leftOut += 1
                return (false, leftOut)
            }
            state.logged += 1
            return (true, leftOut)
        }
        if leftOut > 0 {
            self.logger.info(
                "a child said more", metadata: ["server": "\(self.name)", "pid": "\(self.pid)", "lines": "\(leftOut)"])
        }
        guard isLogged else { return }
        self.logger.info(
            "a child says", metadata: ["server": "\(self.name)", "pid": "\(self.pid)", "line": "\(line)"])
    }
}

/// Cuts what a child says into lines.
private final class ErrorHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let lines: ErrorLines
    private var framer = LineFramer(lineMax: ErrorLines.lineMax)

    init(_ lines: ErrorLines) { self.lines = lines }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.unwrapInboundIn(data).withUnsafeReadableBytes { bytes in
            self.framer.add(bytes) { line in
                switch line {
                case .line(let bytes): self.lines.take(String(decoding: bytes, as: UTF8.self))
                case .tooLong: self.lines.take("(a line of more than \(ErrorLines.lineMax) bytes)")
                }
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
