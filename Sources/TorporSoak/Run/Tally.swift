import Synchronization

/// What agents did, and what they met.
struct TallyCounts: Sendable {
    /// Different texts that are kept apart; further ones are counted together.
    private static let textsMax = 20

    /// Units of the scenario that were done.
    var units = 0
    /// Turns in which agents did them.
    var turns = 0
    /// Sessions that the server opened.
    var sessions = 0
    /// Requests that were answered, or that were not meant to be.
    var requests = 0
    /// Answers 429 and 503, by which a server protects itself.
    var refusals = 0
    /// Connections that were closed or not accepted.
    var turnedAway = 0
    /// What agents could not do, by reason.
    private(set) var failures: [String: Int] = [:]
    /// What a server must not do, by what it did.
    private(set) var violations: [String: Int] = [:]
    var latencies = LatencyHistogram()

    var failureCount: Int { self.failures.values.reduce(0, +) }

    mutating func addFailure(_ text: String) { Self.add(text, to: &self.failures) }
    mutating func addViolation(_ text: String) { Self.add(text, to: &self.violations) }

    private static func add(_ text: String, to texts: inout [String: Int]) {
        let isKnown = texts[text] != nil || texts.count < self.textsMax
        texts[isKnown ? text : "other", default: 0] += 1
    }
}

/// The counts of all agents together.
final class Tally: Sendable {
    private let counts = Mutex(TallyCounts())

    var current: TallyCounts { self.counts.withLock { $0 } }

    func update(_ change: (inout TallyCounts) -> Void) { self.counts.withLock { change(&$0) } }
}
