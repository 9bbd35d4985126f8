import Glibc
import NIOPosix
import Synchronization

/// Two file descriptors, read and written off the pool where handlers run.
///
/// They may be anything: pipes, terminals, files. Reading stops at the end, or at ``stopReading()``.
package final class ByteStreams: Sendable {
    private static let chunkBytes = 64 << 10

    private let input: Int32
    private let output: Int32
    private let reading: StopSignal
    private let writing: StopSignal
    private let threads = NIOThreadPool(numberOfThreads: 2)

    /// - Throws: ``StdioError`` when the system has no descriptors left.
    package init(input: Int32, output: Int32) throws {
        self.reading = try StopSignal()
        self.writing = try StopSignal()
        // A client that has gone is an error of the write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        self.input = input
        self.output = output
        self.threads.start()
    }

    /// The next bytes; `nil` at the end of the input, or when reading was stopped.
    /// - Throws: ``StdioError``.
    package func read() async throws -> [UInt8]? {
        try await self.threads.runIfActive { try self.readNow() }
    }

    private func readNow() throws -> [UInt8]? {
        guard try self.reading.wait(for: self.input, events: POLLIN) else { return nil }
        var count = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: Self.chunkBytes) { buffer, filled in
            repeat {
                count = Glibc.read(self.input, buffer.baseAddress, Self.chunkBytes)
            } while count < 0
                && errno == EINTR
            filled = max(0, count)
        }
        guard count >= 0 else { throw StdioError(errno: "cannot read standard input") }
        return count == 0 ? nil : chunk
    }

    /// Ends a read that waits, and all that follow.
    package func stopReading() { self.reading.raise() }

    /// Writes all of the bytes; waits while the other end does not read.
    /// - Returns: `false` when writing was stopped before all of it was written.
    /// - Throws: ``StdioError`` when the other end is closed.
    package func write(_ bytes: [UInt8]) async throws -> Bool {
        try await self.threads.runIfActive { try self.writeNow(bytes) }
    }

    private func writeNow(_ bytes: [UInt8]) throws -> Bool {
        var written = 0
        while written < bytes.count {
            guard try self.writing.wait(for: self.output, events: POLLOUT) else { return false }
            // A pipe that can be written to takes so many bytes without waiting.
            let portion = min(bytes.count - written, Int(PIPE_BUF))
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(self.output, buffer.baseAddress! + written, portion)
            }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count >= 0 else { throw StdioError(errno: "cannot write standard output") }
            written += count
        }
        return true
    }

    /// Ends a write that waits, and all that follow.
    package func stopWriting() { self.writing.raise() }

    /// Ends the threads; nothing is read or written any more.
    package func close() { self.threads.shutdownGracefully { _ in } }
}

/// Ends waits on a descriptor, those under way and those to come.
private final class StopSignal: Sendable {
    private let ends: (read: Int32, write: Int32)
    private let isRaised = Mutex(false)

    /// - Throws: ``StdioError`` when the system has no descriptors left.
    init() throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw StdioError(errno: "cannot watch standard input and output") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        self.ends = (ends[0], ends[1])
    }

    deinit {
        close(self.ends.read)
        close(self.ends.write)
    }

    func raise() {
        let isFirst = self.isRaised.withLock { isRaised in
            defer { isRaised = true }
            return !isRaised
        }
        guard isFirst else { return }
        // One byte into an empty pipe does not fail.
        _ = Glibc.write(self.ends.write, [1], 1)
    }

    /// Waits until the descriptor is ready, or has failed.
    /// - Returns: `false` when the signal was raised.
    func wait(for descriptor: Int32, events: Int32) throws -> Bool {
        var descriptors = [
            pollfd(fd: self.ends.read, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(events), revents: 0),
        ]
        while poll(&descriptors, 2, -1) < 0 {
            guard errno == EINTR else { throw StdioError(errno: "cannot wait for standard input and output") }
        }
        return descriptors[0].revents == 0
    }
}

extension StdioError {
    /// The error that the system call just made has left.
    fileprivate init(errno what: String) {
        self.init(description: "\(what): \(String(cString: strerror(errno)))")
    }
}
