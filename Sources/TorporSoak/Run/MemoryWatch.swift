import Synchronization

/// Reads a server's memory all the time while it is loaded.
final class MemoryWatch: Sendable {
    /// Time between two samples.
    static let interval = Duration.milliseconds(200)
    /// How many readings make the one after a phase, and the time between them.
    private static let readings = (count: 5, interval: Duration.milliseconds(40))

    /// How long a reading takes.
    static var readingSeconds: Double { Double(self.readings.count) * (self.readings.interval / .seconds(1)) }

    private let source: any MemorySource
    private let bytesMax: Int?
    private let start = ContinuousClock.now
    private let series = Mutex(MemorySeries())

    init(_ source: any MemorySource, bytesMax: Int?) {
        self.source = source
        self.bytesMax = bytesMax
    }

    var seconds: Double { (ContinuousClock.now - self.start) / .seconds(1) }
    var recorded: MemorySeries { self.series.withLock { $0 } }

    /// Samples until it is cancelled.
    /// - Throws: ``ServerGone``, ``MemoryExceeded``, `CancellationError`.
    func run() async throws {
        while true {
            _ = try self.sample()
            try await Task.sleep(for: Self.interval)
        }
    }

    /// The median of a few readings, so that a page more or less does not count.
    func reading() async throws -> Int {
        var readings: [Double] = []
        for _ in 0..<Self.readings.count {
            readings.append(Double(try self.sample()))
            try await Task.sleep(for: Self.readings.interval)
        }
        return Int(readings.median)
    }

    private func sample() throws -> Int {
        guard let bytes = self.source.bytes() else { throw ServerGone() }
        let seconds = self.seconds
        self.series.withLock { $0.add(MemorySeries.Sample(seconds: seconds, bytes: bytes)) }
        if let bytesMax, bytes > bytesMax { throw MemoryExceeded(bytes: bytes) }
        return bytes
    }
}

/// The server's process is not there any more.
struct ServerGone: Error {}

/// The server takes more memory than it was allowed.
struct MemoryExceeded: Error { let bytes: Int }
