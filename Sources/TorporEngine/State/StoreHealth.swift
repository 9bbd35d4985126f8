import TorporCore
import TorporStore

/// Knows since when the store has not done what it is asked for. Holds no clock.
struct StoreHealth {
    private var commitFailure: (since: Instant, reason: String)?
    private var settlingCount = 0
    private var settlingSince: Instant?

    /// Whether the last commit failed as a whole.
    var isCommitFailing: Bool { self.commitFailure != nil }
    /// Whether the last thing that failed did so because there was no room.
    private(set) var isFull = false

    /// - Parameter isFull: Whether there was no room.
    mutating func commitFailed(_ reason: String, isFull: Bool = false, now: Instant) {
        self.commitFailure = (self.commitFailure?.since ?? now, reason)
        self.isFull = isFull
    }

    /// A commit has its outcomes. When all of it was refused because the store cannot be written, it has failed.
    /// - Returns: How long something has failed, when nothing does any more.
    mutating func committed(_ outcomes: [CommitOutcome], now: Instant) -> Duration? {
        var last: CommitRefusal?
        for outcome in outcomes {
            guard case .refused(let refusal) = outcome, refusal.isOfTheStore else { return self.recovered(now: now) }
            last = refusal
        }
        guard let last else { return self.recovered(now: now) }
        self.commitFailed(last.text, isFull: last.reason == .full, now: now)
        return nil
    }

    /// The store takes changes.
    /// - Returns: How long something has failed, when nothing does any more.
    mutating func recovered(now: Instant) -> Duration? {
        self.isFull = false
        guard let since = self.commitFailure?.since else { return nil }
        self.commitFailure = nil
        return self.settlingSince == nil ? now.since(since) : nil
    }

    /// Nobody knows what became of some commits.
    mutating func settlementsBegan(_ count: Int, now: Instant) {
        self.settlingCount += count
        self.settlingSince = self.settlingSince ?? now
    }

    /// It is known what became of a commit.
    /// - Returns: How long something has failed, when nothing does any more.
    mutating func settlementEnded(now: Instant) -> Duration? {
        precondition(self.settlingCount > 0, "what was begun ends")
        self.settlingCount -= 1
        guard self.settlingCount == 0, let since = self.settlingSince else { return nil }
        self.settlingSince = nil
        return self.commitFailure == nil ? now.since(since) : nil
    }

    /// What has failed for longer than `patience`; empty while all is well.
    func faults(now: Instant, patience: Duration) -> [StoreFault] {
        var faults: [StoreFault] = []
        if let (since, reason) = self.commitFailure, now.since(since) >= patience {
            faults.append(.commitsFail(for: now.since(since), reason: reason))
        }
        if let settlingSince, now.since(settlingSince) >= patience {
            faults.append(.outcomesUnknown(count: self.settlingCount, for: now.since(settlingSince)))
        }
        return faults
    }
}

/// What the store does not do.
package enum StoreFault: Sendable, Equatable {
    /// Changes cannot be made durable.
    case commitsFail(for: Duration, reason: String)
    /// So many owners' changes may or may not be durable, and the store does not say which.
    case outcomesUnknown(count: Int, for: Duration)
}

extension StoreFault: CustomStringConvertible {
    /// A line for operators.
    package var description: String {
        switch self {
        case .commitsFail(let time, let reason):
            "the store has taken no changes for \(time.components.seconds) s: \(reason)"
        case .outcomesUnknown(let count, let time):
            "the outcome of \(count) \(count == 1 ? "commit has" : "commits have") been unknown for "
                + "\(time.components.seconds) s: the store does not say whether it was carried out"
        }
    }
}

extension CommitRefusal {
    /// Whether it says something of the store, and nothing of the object.
    fileprivate var isOfTheStore: Bool { self.reason == .full || self.reason == .unwritable }
}
