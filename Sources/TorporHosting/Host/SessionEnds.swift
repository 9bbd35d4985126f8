import TorporCore
import TorporProtocol

/// When the sessions end that have called a hosted server, so that nothing is kept for them any longer.
///
/// It lives in memory: what is kept for sessions of an earlier process stays until its retention is over.
struct SessionEnds {
    /// Sessions at most, at about 100 bytes each. What is kept for one more stays until its retention is over.
    static let countMax = 50_000

    private var ends: [HostKey: (caller: HostCaller, end: WallTime)] = [:]
    /// None ends before.
    private var next = WallTime.distantFuture

    var count: Int { self.ends.count }

    /// A session has called.
    mutating func note(_ caller: HostCaller, end: WallTime) {
        guard self.ends[caller.key] == nil, self.ends.count < Self.countMax else { return }
        self.ends[caller.key] = (caller, end)
        self.next = min(self.next, end)
    }

    /// A session has ended before its time.
    /// - Returns: As whom it has called, if it has.
    mutating func remove(_ key: HostKey) -> HostCaller? { self.ends.removeValue(forKey: key)?.caller }

    /// Takes out the sessions whose time is over.
    /// - Complexity: O(1) while none is, else O(sessions).
    mutating func takeEnded(by now: WallTime) -> [HostCaller] {
        guard self.next <= now else { return [] }
        let ended = self.ends.values.filter { $0.end <= now }.map(\.caller)
        for caller in ended { self.ends[caller.key] = nil }
        self.next = self.ends.values.map(\.end).min() ?? .distantFuture
        return ended
    }
}
