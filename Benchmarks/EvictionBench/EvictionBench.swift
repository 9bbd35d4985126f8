import Glibc
import TorporCore
import TorporTestSupport

/// Compares eviction policies on traces of uses, and prints Markdown. Same seed, same figures, but for the times.
///
///     EvictionBench [--uses 100000] [--seed 1] [--trace FILE]... [--write soak-like FILE]
@main struct EvictionBench {
    private static let usage = "usage: EvictionBench [--uses N] [--seed N] [--trace FILE]... [--write TRACE FILE]\n"

    static func main() {
        var (useCount, seed) = (100_000, 1 as UInt64)
        var files: [String] = []
        var written: (kind: EvictionTrace.Kind, path: String)?
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            switch (argument, arguments.popFirst()) {
            case ("--uses", let value?) where Int(value).map { $0 >= 1_000 } ?? false: useCount = Int(value) ?? useCount
            case ("--seed", let value?) where UInt64(value) != nil: seed = UInt64(value) ?? seed
            case ("--trace", let path?): files.append(path)
            case ("--write", let name?):
                guard let kind = EvictionTrace.Kind(rawValue: name), let path = arguments.popFirst() else {
                    fail(self.usage)
                }
                written = (kind, path)
            default: fail(self.usage)
            }
        }
        if let written {
            let trace = EvictionTrace(written.kind, useCount: useCount, seed: seed)
            return write("# Made by EvictionBench: \(trace.name), seed \(seed)\n" + trace.text, to: written.path)
        }
        let traces = EvictionTrace.Kind.allCases.map { EvictionTrace($0, useCount: useCount, seed: seed) }
        report(traces + files.map { read($0) })
    }

    /// A policy, and what it keeps for an object.
    private struct Candidate: Sendable {
        var name: String
        var entryBytes: String
        var replay: @Sendable (EvictionTrace, Int) -> EvictionReplay
    }

    private static let candidates: [Candidate] = [
        Candidate(name: "LRU", entryBytes: "20") { EvictionReplay($0, LRUPolicy(), capacity: $1) },
        Candidate(name: "SLRU", entryBytes: "13") {
            EvictionReplay($0, AfterFirstUse(SegmentedLRUPolicy()), capacity: $1)
        },
        Candidate(name: "SLRU, every use", entryBytes: "12") {
            EvictionReplay($0, SegmentedLRUPolicy(), capacity: $1)
        },
        Candidate(name: "SIEVE", entryBytes: "13") { EvictionReplay($0, AfterFirstUse(SIEVEPolicy()), capacity: $1) },
        Candidate(name: "S3-FIFO", entryBytes: "27 + ghosts") {
            EvictionReplay($0, AfterFirstUse(S3FIFOPolicy()), capacity: $1)
        },
        Candidate(name: "weighted", entryBytes: "20") { EvictionReplay($0, WeightedPolicy(), capacity: $1) },
    ]

    private static func report(_ traces: [EvictionTrace]) {
        var costs = "| trace, % resident | LRU wakes in % of uses |"
        for candidate in self.candidates.dropFirst() { costs += " \(candidate.name) |" }
        costs += "\n" + String(repeating: "| - ", count: self.candidates.count + 1) + "|\n"
        var rows =
            "| trace, % resident | policy | miss ratio | byte miss ratio | cost / LRU | bytes/object | ns/use |\n"
        rows += "| - | - | - | - | - | - | - |\n"
        for trace in traces {
            for share in trace.shares {
                let capacity = trace.totalBytes / 100 * share
                let label = "\(trace.name), \(share) %"
                let lru = self.candidates[0].replay(trace, capacity)
                costs += "| \(label) | \(decimal(lru.misses * 100, lru.laterUses, digits: 1)) |"
                for candidate in self.candidates {
                    let (replay, nanoseconds) = timed { candidate.replay(trace, capacity) }
                    let ratio = decimal(replay.cost, lru.cost, digits: 3)
                    if candidate.name != "LRU" { costs += " \(ratio) |" }
                    rows += "| \(label) | \(candidate.name) | \(decimal(replay.misses, replay.laterUses, digits: 4)) "
                    rows += "| \(decimal(replay.missedBytes, replay.laterBytes, digits: 4)) | \(ratio) "
                    rows += "| \(candidate.entryBytes) | \(nanoseconds / trace.uses.count) |\n"
                }
                costs += "\n"
            }
        }
        print(costs + "\n" + rows)
    }

    /// The least time of three runs: what other work adds is left out.
    private static func timed(_ body: () -> EvictionReplay) -> (EvictionReplay, Int) {
        var best = Duration.seconds(3_600)
        var result = body()
        for _ in 0..<3 { best = min(best, ContinuousClock().measure { result = body() }) }
        return (result, Int(best / .nanoseconds(1)))
    }

    private static func decimal(_ dividend: Int, _ divisor: Int, digits: Int) -> String {
        guard divisor > 0 else { return "–" }
        let unit = (0..<digits).reduce(1) { unit, _ in unit * 10 }
        let value = (dividend * unit + divisor / 2) / divisor
        return "\(value / unit)." + String(String(unit + value % unit).dropFirst())
    }

    private static func read(_ path: String) -> EvictionTrace {
        guard let file = fopen(path, "r") else { fail("\(path) cannot be read\n") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let trace = EvictionTrace(name: name, text: String(decoding: bytes, as: UTF8.self)) else {
            fail("\(path) has a line that is not `object bytes`\n")
        }
        return trace
    }

    private static func write(_ text: String, to path: String) {
        guard let file = fopen(path, "w"), fputs(text, file) >= 0, fclose(file) == 0 else {
            fail("\(path) cannot be written\n")
        }
    }

    private static func fail(_ message: String) -> Never {
        _ = Array(message.utf8).withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(2)
    }
}
