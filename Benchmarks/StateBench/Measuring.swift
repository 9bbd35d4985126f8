import Glibc

/// Memory and CPU time of this process, as the kernel counts them.
enum ProcessFigures {
    /// The resident set, in bytes.
    static var rss: Int {
        get throws { try Self.field("Rss:", of: "/proc/self/smaps_rollup") }
    }
    /// The largest that it has been, in bytes.
    static var peakRSS: Int {
        get throws { try Self.field("VmHWM:", of: "/proc/self/status") }
    }

    /// User and system time of all threads, in seconds.
    static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static var monotonicNanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    static var wallMilliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    private static func field(_ name: String, of path: String) throws -> Int {
        guard let file = fopen(path, "r") else { throw BenchFailure("\(path) cannot be read") }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }  // Never empty.
            let fields = text.split(whereSeparator: \.isWhitespace)
            if fields.count >= 2, fields[0] == name, let kibibytes = Int(fields[1]) { return kibibytes * 1_024 }
        }
        throw BenchFailure("\(path) has no \(name)")
    }
}

/// Says why there are no figures, and ends the process.
func fail(_ error: any Error) -> Never {
    let line = Array("StateBench: \(error)\n".utf8)
    write(STDERR_FILENO, line, line.count)
    exit(1)
}

/// How long each of many things took, in nanoseconds.
struct Latencies {
    private var samples: [Int64] = []

    mutating func add(since start: Int64) { self.samples.append(ProcessFigures.monotonicNanoseconds - start) }

    /// Adds p50, p99 and the greatest, in microseconds.
    func add(to figures: inout Figures, as name: String) {
        let sorted = self.samples.sorted()
        for (suffix, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1)] {
            let index = min(sorted.count - 1, Int(Double(sorted.count) * share))
            figures.add("\(name)_\(suffix)_us", Double(sorted[index]) / 1_000)
        }
    }
}
