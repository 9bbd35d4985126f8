import ArgumentParser
import Glibc
import NIOCore
import NIOHTTP1
import Synchronization
import Torpor
import TorporAllocator
import TorporHTTP
import UnixSignals

extension AdminHeapProfile {
    /// Profiles of this process.
    static let process = AdminHeapProfile(
        sampleRange: HeapProfile.sampleRange,
        status: { () throws(Refusal) in
            if let reason = HeapProfile.unsupportedReason { throw Refusal(.unsupported, reason) }
            return HeapProfile.sampleBytes
        },
        start: { bytes throws(Refusal) in
            do throws(HeapProfile.Failure) {
                try HeapProfile.start(sampleBytes: bytes ?? HeapProfile.sampleDefault)
            } catch { throw Refusal(error) }
        },
        dump: { () throws(Refusal) in
            do throws(HeapProfile.Failure) { return try HeapProfile.dump() } catch { throw Refusal(error) }
        },
        stop: { () throws(Refusal) in
            do throws(HeapProfile.Failure) { try HeapProfile.stop() } catch { throw Refusal(error) }
        })
}

extension AdminHeapProfile.Refusal {
    fileprivate init(_ failure: HeapProfile.Failure) {
        let code: Code =
            switch failure.code {
            case .unsupported: .unsupported
            case .notStarted, .alreadyStarted: .conflict
            case .failed: .failed
            }
        self.init(code, failure.message)
    }
}

/// `torpor heap-profile`: which code asked a running server for the memory that it has.
struct HeapProfileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heap-profile",
        abstract: "Find out which code holds the memory of a running server.",
        discussion: """
            Samples what is allocated for a while, then writes what of it is still in use to a file that jeprof and pprof read: \
            jeprof --text .build/release/torpor FILE. Ends with 0; 1 when the server refuses; 3 when no server answers; \
            64 when the command line is wrong. See docs/operating/heap-profile.md.
            """)

    @Option(help: ArgumentHelp("A new file, mode 0600.", valueName: "path"))
    var output: String
    @Option(help: ArgumentHelp("How long to sample.", valueName: "count"))
    var seconds = 30
    @Option(
        help: ArgumentHelp(
            "How far apart samples are, such as 64KiB: less finds smaller leaks and costs more.", valueName: "size"))
    var sample: String?
    @Option(help: ArgumentHelp("The server's admin port.", valueName: "url"))
    var adminURL = "http://127.0.0.1:9464"
    @Option(
        help: ArgumentHelp("File of a bearer token, as the server's option of that name takes it.", valueName: "path"))
    var adminTokenFile: String?

    func validate() throws {
        guard (1...86_400).contains(self.seconds) else { throw ValidationError("--seconds is 1 to 86400") }
        guard let sample else { return }
        guard let size = ByteCount(parsing: sample), HeapProfile.sampleRange.contains(size.bytes) else {
            let range = HeapProfile.sampleRange
            throw ValidationError(
                "--sample is \(ByteCount(range.lowerBound)) to \(ByteCount(range.upperBound)), such as 512KiB")
        }
    }

    func run() async throws {
        do {
            let client = try AdminClient(url: self.adminURL, tokenFile: self.adminTokenFile)
            let profiler = HeapProfiler(client: client) { try await Self.pause(for: .seconds(self.seconds)) }
            let bytes = try await profiler.write(
                to: self.output, sampleBytes: self.sample.flatMap { ByteCount(parsing: $0) }?.bytes)
            print("\(self.output): \(bytes) bytes. Read it with: jeprof --text $(command -v torpor) \(self.output)")
        } catch let error as AdminClientError {
            fflush(nil)
            var line = "Error: \(error)\n"
            // A terminal that is gone cannot be told.
            _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            throw ExitCode(error.exitCode)
        } catch is CancellationError {
            throw ExitCode(130)
        }
    }

    /// Waits. A signal ends it early with an error, so that the server is told to stop sampling.
    private static func pause(for duration: Duration) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await Task.sleep(for: duration) }
            tasks.addTask {
                for await _ in signals { throw CancellationError() }
                try await Task.sleep(for: duration)  // Cancelled before the first signal.
            }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }
}

/// Has a running server take a heap profile.
struct HeapProfiler {
    let client: AdminClient
    /// Lasts as long as is to be sampled.
    let pause: () async throws -> Void

    /// Starts, waits, writes and stops; stops as well when anything goes wrong in between.
    ///
    /// - Parameter path: A file that is not there yet. When no profile is had, there is none afterwards.
    /// - Returns: How many bytes were written.
    /// - Throws: ``AdminClientError``, and what `pause` throws.
    func write(to path: String, sampleBytes: Int? = nil) async throws -> Int {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw AdminClientError(.refused, "\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        do {
            let query = sampleBytes.map { "?sample=\($0)" } ?? ""
            _ = try await self.client.object(.POST, "/debug/heap/start\(query)")
            let profile: [UInt8]
            do {
                try await self.pause()
                profile = try await self.dump()
            } catch {
                // The first error is told; a server that cannot be reached any more cannot be told to stop, either.
                _ = try? await self.client.object(.POST, "/debug/heap/stop")
                throw error
            }
            _ = try await self.client.object(.POST, "/debug/heap/stop")
            try Self.write(profile, to: descriptor, path)
            return profile.count
        } catch {
            unlink(path)
            throw error
        }
    }

    private func dump() async throws(AdminClientError) -> [UInt8] {
        var profile: [UInt8] = []
        try await self.client.send(.POST, "/debug/heap/dump") { part throws(AdminClientError) in
            guard profile.count + part.readableBytes <= HeapProfile.sizeMax else {
                throw AdminClientError(.refused, "the profile has more than \(HeapProfile.sizeMax >> 20) MiB")
            }
            profile.append(contentsOf: part.readableBytesView)
        }
        return profile
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(AdminClientError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw AdminClientError(.refused, "\(path) cannot be written: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(count)
        }
    }
}
