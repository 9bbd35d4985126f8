import Testing
import TorporCore
import TorporTestSupport

/// What the default policy costs on traces of uses, as a share of what LRU costs: the figures by which it was chosen. No
/// time is measured, so they are the same everywhere.
@Suite struct EvictionTraceTests {
    private static let useCount = 40_000

    /// Where LRU wakes fewer objects, in thousandths of the uses, a ratio says nothing: it compares a few dozen wakes.
    private static let wakesMin = 10

    struct Figures {
        var lru: EvictionReplay
        var weighted: EvictionReplay

        init(_ trace: EvictionTrace, share: Int) {
            let capacity = trace.totalBytes / 100 * share
            self.lru = EvictionReplay(trace, EvictionOrder(.leastRecentlyUsed), capacity: capacity)
            self.weighted = EvictionReplay(trace, EvictionOrder(.weighted), capacity: capacity)
        }

        /// Thousandths of LRU's cost, rounded.
        var ratio: Int { (self.weighted.cost * 1_000 + self.lru.cost / 2) / self.lru.cost }
        /// Thousandths of the uses.
        var lruWakes: Int { self.lru.misses * 1_000 / self.lru.laterUses }
    }

    @Test(arguments: EvictionTrace.Kind.allCases, [1, 2] as [UInt64])
    func theDefaultIsNeverWorseThanLRU(kind: EvictionTrace.Kind, seed: UInt64) {
        let trace = EvictionTrace(kind, useCount: Self.useCount, seed: seed)
        for share in trace.shares {
            let figures = Figures(trace, share: share)
            guard figures.lruWakes >= Self.wakesMin else {
                // What may be lost is little.
                #expect(figures.weighted.misses * 1_000 < 2 * Self.wakesMin * figures.weighted.laterUses)
                continue
            }
            #expect(figures.ratio <= 1_020, "\(share) % resident")
            if kind == .mixed { #expect(figures.ratio <= 850, "\(share) % resident") }
        }
    }

    /// When the policy is changed on purpose: EvictionBench with 40,000 uses prints these.
    @Test(
        arguments: [
            (.zipf06, [861, 767]),
            (.zipf09, [813, 751]),
            (.zipf12, [772, 727]),
            (.equalSizes, [914, 902]),
            (.scans, [843, 771]),
            (.oneCall, [625, 463]),
            (.sessions, [927, 796]),
            (.diurnal, [888, 817]),
            (.shifting, [899, 876]),
            (.loop, [604, 384]),
            (.soakLike, [834, 1484]),
            (.mixed, [712, 308]),
        ] as [(EvictionTrace.Kind, [Int])])
    func theFiguresAreThoseOfTheBenchmark(kind: EvictionTrace.Kind, ratios: [Int]) {
        let trace = EvictionTrace(kind, useCount: Self.useCount, seed: 1)
        #expect(trace.shares.map { Figures(trace, share: $0).ratio } == ratios)
    }

    @Test func aTraceIsReadAsItWasWritten() throws {
        let text = "# object bytes\n7 100\n3 5000\n7 120\n"
        let trace = try #require(EvictionTrace(name: "read", text: text))
        #expect(trace.uses == [0, 1, 0] && trace.sizes == [120, 5_000] && trace.totalBytes == 5_120)
        #expect(trace.text == "0 120\n1 5000\n0 120\n")
        let made = EvictionTrace(.mixed, useCount: 1_000, seed: 1)
        let read = try #require(EvictionTrace(name: "read", text: made.text))
        #expect(read.totalBytes == made.totalBytes)
        #expect(read.uses.map { read.sizes[Int($0)] } == made.uses.map { made.sizes[Int($0)] })
    }

    @Test(arguments: ["1", "1 2 3", "a 1", "1 b", "-1 1", "1 -1", "1 4294967296"])
    func aLineThatIsNoUseIsRefused(line: String) {
        #expect(EvictionTrace(name: "read", text: "1 1\n\(line)\n") == nil)
    }

    @Test func aReplayCountsWhatHadToWake() {
        // Room for two of three: every use but the last finds its object gone.
        let trace = EvictionTrace(name: "loop", text: "1 1024\n2 1024\n3 1024\n1 1024\n2 1024\n2 1024\n")!
        let replay = EvictionReplay(trace, EvictionOrder(.leastRecentlyUsed), capacity: 2_048)
        #expect(replay.laterUses == 3 && replay.laterBytes == 3_072)
        #expect(replay.misses == 2 && replay.missedBytes == 2_048 && replay.cost == 2 * 28_375)
    }
}
