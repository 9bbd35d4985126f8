import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A server that was started for the run, in a process group of its own that ends with it.
///
/// A second small process waits for this one: should it be killed, the server's group is ended all the same.
package final class ServerProcess: Sendable {
    /// How much of the end of what the server prints is kept, in bytes.
    private static let outputMax = 8_192

    private struct State {
        /// How the process ended, as `waitpid` tells; `nil` while it runs.
        var status: Int32?
        var output: [UInt8] = []
    }

    package let pid: Int32
    private let guardian: Int32
    /// What the guardian waits at: it ends when this process does.
    private let guardianPipe: Int32
    private let state = Mutex(State())

    private init(pid: Int32, guardian: Int32, guardianPipe: Int32) {
        self.pid = pid
        self.guardian = guardian
        self.guardianPipe = guardianPipe
    }

    /// Starts a program, found as a shell would, with the environment of this one.
    /// - Throws: ``SoakError`` when it cannot be started.
    package static func start(_ command: [String]) async throws -> ServerProcess {
        let (outputRead, outputWrite) = try self.pipe()
        let pid: Int32
        do {
            defer { close(outputWrite) }
            pid = try self.spawn(command, input: nil, output: outputWrite)
        } catch {
            close(outputRead)
            throw error
        }
        let (guardRead, guardWrite) = try self.pipe()
        defer { close(guardRead) }
        let script = "read -r line; kill -TERM -\(pid); sleep 2; kill -KILL -\(pid)"
        let guardian = try self.spawn(["/bin/sh", "-c", script], input: guardRead, output: nil)
        let process = ServerProcess(pid: pid, guardian: guardian, guardianPipe: guardWrite)
        _ = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(OutputHandler(process))
                }
            }
            .takingOwnershipOfDescriptor(input: outputRead).get()
        return process
    }

    /// Whether it has not ended yet.
    package var isRunning: Bool { self.poll() == nil }

    /// How it ended, in words; `nil` while it runs.
    package var ending: String? {
        guard let status = self.poll() else { return nil }
        let signal = status & 0x7F
        return signal == 0 ? "ended with status \((status >> 8) & 0xFF)" : "was killed by signal \(signal)"
    }

    /// Whether it ended by itself, and not by a signal.
    package var hasExited: Bool { self.poll().map { $0 & 0x7F == 0 } ?? false }

    /// The last lines that it printed.
    package var lastOutput: String {
        let text = String(decoding: self.state.withLock { $0.output }, as: UTF8.self)
        return text.split(separator: "\n").suffix(5).joined(separator: "\n")
    }

    /// Ends it and all that it started: with SIGTERM, and with SIGKILL when that is not enough.
    ///
    /// On return it has ended, and whatever is left of its process group was killed. Not cut short by cancellation.
    package func stop(grace: Duration = .seconds(5)) async {
        kill(-self.pid, SIGTERM)
        let deadline = ContinuousClock.now + grace
        await Task {
            while self.isRunning, ContinuousClock.now < deadline {
                try? await Task.sleep(for: .milliseconds(20))  // Nobody cancels this task.
            }
        }.value
        // The group keeps its number until the process is waited for, or others are in it.
        kill(-self.pid, SIGKILL)
        var status: Int32 = 0
        if self.isRunning {
            waitpid(self.pid, &status, 0)
            self.state.withLock { $0.status = status }
        }
        kill(self.guardian, SIGKILL)
        waitpid(self.guardian, &status, 0)
        close(self.guardianPipe)
    }

    private func poll() -> Int32? {
        self.state.withLock { state in
            if let status = state.status { return status }
            var status: Int32 = 0
            guard waitpid(self.pid, &status, WNOHANG) == self.pid else { return nil }
            state.status = status
            return status
        }
    }

    fileprivate func print(_ bytes: some Sequence<UInt8>) {
        self.state.withLock { state in
            state.output += bytes
            state.output.removeFirst(max(0, state.output.count - Self.outputMax))
        }
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var descriptors: [Int32] = [-1, -1]
        guard Glibc.pipe(&descriptors) == 0 else {
            throw SoakError(.unmeasurable, "no pipe can be made: \(String(cString: strerror(errno)))")
        }
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return (descriptors[0], descriptors[1])
    }

    /// Starts a program in a process group of its own.
    private static func spawn(_ command: [String], input: Int32?, output: Int32?) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, source) in [(0, input), (1, output), (2, output)] as [(Int32, Int32?)] {
            if let source {
                posix_spawn_file_actions_adddup2(&actions, source, descriptor)
            } else {
                posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
            }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var arguments = command.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: Int32 = 0
        let result = posix_spawnp(&pid, command[0], &actions, &attributes, &arguments, environ)
        guard result == 0 else {
            throw SoakError(.unmeasurable, "\(command[0]) cannot be started: \(String(cString: strerror(result)))")
        }
        return pid
    }
}

/// Reads what the server prints, so that it never waits for a reader.
private final class OutputHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let process: ServerProcess

    init(_ process: ServerProcess) { self.process = process }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.process.print(self.unwrapInboundIn(data).readableBytesView)
    }
}
