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
    /// Written to when reading is to stop.
    private let wake: (read: Int32, write: Int32)
    private let threads = NIOThreadPool(numberOfThreads: 2)
    private let hasStopped = Mutex(false)

    /// - Throws: ``StdioError`` when the system has no descriptors left.
    package init(input: Int32, output: Int32) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw StdioError(description: "cannot watch standard input: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // A client that has gone is an error of the write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        self.input = input
        self.output = output
        self.wake = (ends[0], ends[1])
        self.threads.start()
    }

    deinit {
        Glibc.close(self.wake.read)
        Glibc.close(self.wake.write)
    }

    /// The next bytes; `nil` at the end of the input, or when reading was stopped.
    /// - Throws: ``StdioError``.
    package func read() async throws -> [UInt8]? {
        try await self.threads.runIfActive { try self.readNow() }
    }

    private func readNow() throws -> [UInt8]? {
        var descriptors = [
            pollfd(fd: self.wake.read, events: Int16(POLLIN), revents: 0),
            pollfd(fd: self.input, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&descriptors, 2, -1) < 0 {
            guard errno == EINTR else { throw Self.error("cannot wait for standard input") }
        }
        guard descriptors[0].revents == 0 else { return nil }
        var count = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: Self.chunkBytes) { buffer, filled in
            repeat {
                count = Glibc.read(self.input, buffer.baseAddress, Self.chunkBytes)
            } while count < 0 && errno == EINTR
            filled = max(0, count)
        }
        guard count >= 0 else { throw Self.error("cannot read standard input") }
        return count == 0 ? nil : chunk
    }

    /// Ends a read that waits, and all that follow.
    package func stopReading() {
        let isFirst = self.hasStopped.withLock { hasStopped in
            defer { hasStopped = true }
            return !hasStopped
        }
        guard isFirst else { return }
        // One byte into an empty pipe does not fail.
        _ = Glibc.write(self.wake.write, [1], 1)
    }

    /// Writes all of the bytes; waits while the other end does not read.
    /// - Throws: ``StdioError`` when the other end is closed.
    package func write(_ bytes: [UInt8]) async throws {
        try await self.threads.runIfActive {
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes { buffer in
                    Glibc.write(self.output, buffer.baseAddress! + written, buffer.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.error("cannot write standard output") }
                written += count
            }
        }
    }

    /// Ends the threads; nothing is read or written any more.
    package func close() { self.threads.shutdownGracefully { _ in } }

    private static func error(_ what: String) -> StdioError {
        StdioError(description: "\(what): \(String(cString: strerror(errno)))")
    }
}
