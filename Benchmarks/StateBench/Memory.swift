import Glibc
import TorporCore
import TorporEngine

extension StateBench {
    /// Makes objects in a new store, all of which stay in memory.
    static func fill(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let bench = try await BenchEngine.open(try options.text("store"), residentMax: .mebibytes(256))
        let start = ProcessFigures.monotonicNanoseconds
        try await bench.run { try await bench.make(0..<count, bytes: bytes, tasks: 1_000) }
        var figures = Figures()
        figures.add("seconds", Double(ProcessFigures.monotonicNanoseconds - start) / 1e9)
        figures.add("cpu_us_per_object", ProcessFigures.cpuSeconds / Double(count) * 1e6)
        return figures
    }

    /// What objects in memory take beyond their data.
    ///
    /// Options: `--objects`, `--bytes` of each one's value; `--objects-per-account`.
    static func measureOverhead(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let perAccount = try options.number("objects-per-account", default: 1)
        return try await withTemporaryStore { path in
            let bench = try await BenchEngine.open(path, residentMax: .gibibytes(4)) {
                .principal(UInt128($0 / perAccount))
            }
            return try await bench.run {
                try await Self.warmUp(bench, from: count, bytes: bytes)
                let before = bench.engine.figures
                let rssBefore = try ProcessFigures.rss
                try await bench.make(0..<count, bytes: bytes)
                let after = bench.engine.figures
                guard after.knownObjects - before.knownObjects == count, after.activeObjects == 0 else {
                    throw BenchFailure("not all objects rest in memory")
                }
                let data = bytes + Workload.key.count
                var figures = Figures()
                figures.add("rss_before", rssBefore)
                figures.add("rss_after", try ProcessFigures.rss)
                let grown = try ProcessFigures.rss - rssBefore
                figures.add("rss_beyond_data_per_object", Double(grown) / Double(count) - Double(data))
                figures.add(
                    "arena_beyond_data_per_object",
                    Double(after.committedPageBytes - before.committedPageBytes) / Double(count) - Double(data))
                figures.add(
                    "ledger_beyond_data_per_object",
                    Double(after.reservedBytes - before.reservedBytes) / Double(count) - Double(data))
                return figures
            }
        }
    }

    /// Does once what a process does once: batches, caches of the store, threads.
    private static func warmUp(_ bench: BenchEngine, from first: Int, bytes: Int) async throws {
        try await bench.make(first..<first + 2_000, bytes: bytes)
        _ = bench.engine.evictAll()
        // The engine gives back what is free once a second.
        try await Task.sleep(for: .milliseconds(1_500))
    }

    /// How much memory eviction gives back.
    ///
    /// Options: `--objects`, `--bytes`; `--percent` of them are evicted, picked at random; `--milliseconds` later, and
    /// right away, is looked at.
    static func measureGivingBack(_ options: Options) async throws -> Figures {
        let (count, bytes) = (try options.number("objects"), try options.number("bytes"))
        let percent = try options.number("percent", default: 90)
        let pause = try options.number("milliseconds")
        return try await withTemporaryStore { path in
            let bench = try await BenchEngine.open(path, residentMax: .gibibytes(4)) { .principal(UInt128($0)) }
            return try await bench.run {
                try await Self.warmUp(bench, from: count, bytes: bytes)
                let empty = try ProcessFigures.rss
                try await bench.make(0..<count, bytes: bytes)
                let full = try ProcessFigures.rss
                var random = SplitMix(seed: 1)
                let victims = (0..<count).shuffled(using: &random).prefix(count * percent / 100)
                let start = ProcessFigures.monotonicNanoseconds
                for number in victims where !bench.engine.evict(Workload.id(number)) {
                    throw BenchFailure("object \(number) was not evicted")
                }
                let evicted = ProcessFigures.monotonicNanoseconds
                let atOnce = try ProcessFigures.rss
                try await Task.sleep(for: .milliseconds(pause))
                let after = try ProcessFigures.rss
                // What is left is whole, and what was evicted comes back.
                for number in stride(from: 0, to: count, by: count / 500) {
                    try await bench.check(number, bytes: bytes)
                }
                let held = Double(full - empty) * Double(victims.count) / Double(count)
                var figures = Figures()
                figures.add("rss_empty", empty)
                figures.add("rss_full", full)
                figures.add("rss_at_once", atOnce)
                figures.add("rss_after", after)
                figures.add("given_back_share", Double(full - after) / held)
                figures.add("eviction_ms", Double(evicted - start) / 1e6)
                return figures
            }
        }
    }
}
