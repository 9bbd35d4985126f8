import Testing
import TorporCore

/// What the policies cost on traces of uses. The default is chosen by this.
@Suite struct EvictionTraceTests {
    /// Costs as a share of what LRU costs, when a tenth or a third of all objects may be resident.
    struct Expectation: CustomTestStringConvertible {
        var kind: EvictionTrace.Kind
        var segmented: ClosedRange<Double>
        var sieve: ClosedRange<Double>

        var testDescription: String { self.kind.rawValue }
    }

    @Test(arguments: [
        Expectation(kind: .zipf, segmented: 0.8...0.95, sieve: 0.75...0.85),
        Expectation(kind: .scans, segmented: 0.8...0.95, sieve: 0.7...0.9),
        Expectation(kind: .oneCallClients, segmented: 0.4...0.6, sieve: 0.4...0.6),
        Expectation(kind: .sessions, segmented: 0.98...1.02, sieve: 0.98...1.1),
        Expectation(kind: .shifting, segmented: 0.95...1.06, sieve: 1.1...1.35),
        Expectation(kind: .mixed, segmented: 0.5...0.92, sieve: 0.3...0.9),
    ])
    func aPolicyCostsWhatItIsChosenFor(expectation: Expectation) {
        for seed in [1, 2] as [UInt64] {
            let trace = EvictionTrace(expectation.kind, useCount: 100_000, seed: seed)
            for share in [10, 30] {
                let capacity = trace.totalBytes * share / 100
                let lru = Double(trace.missCost(LRUPolicy(), capacity: capacity))
                let segmented = Double(trace.missCost(SegmentedLRUPolicy(), capacity: capacity)) / lru
                let sieve = Double(trace.missCost(SIEVEPolicy(), capacity: capacity)) / lru
                #expect(expectation.segmented.contains(segmented), "seed \(seed), \(share) % resident")
                #expect(expectation.sieve.contains(sieve), "seed \(seed), \(share) % resident")
            }
        }
    }
}
