import Glibc
import TorporCore
import TorporEngine

extension StateBench {
    /// Starts over a store of many objects and calls a sample of them, each asleep before.
    ///
    /// Options: `--store` as `fill` has made it, with the same `--objects` and `--bytes`; `--resident-mebibytes`;
    /// `--sample`: how many are called.
    static func measureAsleep(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let residentMax = ByteCount.mebibytes(try options.number("resident-mebibytes"))
        let sample = try options.number("sample")
        let start = ProcessFigures.monotonicNanoseconds
        let bench = try await BenchEngine.open(try options.text("store"), residentMax: residentMax)
        let started = ProcessFigures.monotonicNanoseconds
        guard bench.engine.figures.storedObjects == count else { throw BenchFailure("the store has other objects") }
        return try await bench.run {
            var random = SplitMix(seed: UInt64(bitPattern: start))
            var figures = Figures()
            figures.add("start_ms", Double(started - start) / 1e6)
            figures.add("rss_started", try ProcessFigures.rss)
            var latencies = Latencies()
            for _ in 0..<sample {
                let number = Int(random.next() % UInt64(count))
                let begin = ProcessFigures.monotonicNanoseconds
                let value = try await bench.read(number)
                latencies.add(since: begin)
                guard value == Workload.value(number, count: bytes) else {
                    throw BenchFailure("object \(number) is not what was kept")
                }
            }
            latencies.add(to: &figures, as: "wake")
            // By several at once, until far more was read than may stay in memory.
            let reads = 4 * residentMax.bytes / bytes
            try await inParallel(0..<reads, tasks: 64) { turn in
                var random = SplitMix(seed: UInt64(turn))
                try await bench.check(Int(random.next() % UInt64(count)), bytes: bytes)
            }
            figures.add("calls", sample + reads)
            figures.add("rss_after", try ProcessFigures.rss)
            figures.add("rss_peak", try ProcessFigures.peakRSS)
            figures.add("known_objects", bench.engine.figures.knownObjects)
            return figures
        }
    }

    /// How long it takes to read an object that is asleep, one after the other.
    ///
    /// Options: `--objects`, `--bytes`, `--rounds` of all of them.
    static func measureWakes(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let rounds = try options.number("rounds", default: 5)
        let stored = Workload.value(0, count: bytes).count
        return try await withTemporaryStore { path in
            let bench = try await BenchEngine.open(path, residentMax: .gibibytes(4))
            return try await bench.run {
                try await bench.make(0..<count, bytes: bytes)
                for number in 0..<count {
                    guard bench.engine.evict(Workload.id(number)) else { throw BenchFailure("not everything rests") }
                    try await bench.check(number, bytes: bytes)
                }
                var (wakes, hits) = (Latencies(), Latencies())
                let cpu = ProcessFigures.cpuSeconds
                for _ in 0..<rounds {
                    for number in 0..<count {
                        guard bench.engine.evict(Workload.id(number)) else {
                            throw BenchFailure("not everything rests")
                        }
                        let begin = ProcessFigures.monotonicNanoseconds
                        let value = try await bench.read(number)
                        wakes.add(since: begin)
                        guard value?.count == stored else { throw BenchFailure("object \(number) has another size") }
                    }
                }
                let cpuOfWakes = ProcessFigures.cpuSeconds - cpu
                for number in 0..<count {
                    let begin = ProcessFigures.monotonicNanoseconds
                    _ = try await bench.read(number)
                    hits.add(since: begin)
                }
                var figures = Figures()
                wakes.add(to: &figures, as: "wake")
                figures.add("wake_cpu_us", cpuOfWakes / Double(count * rounds) * 1e6)
                hits.add(to: &figures, as: "in_memory")
                return figures
            }
        }
    }
}
