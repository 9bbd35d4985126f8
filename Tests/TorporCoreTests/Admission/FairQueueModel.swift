import TorporCore

/// A fair queue that is obviously right, and slow: arrays, searched from the front.
struct FairQueueModel {
    struct Waiting: Equatable {
        let item: Int
        let caller: Int
        let since: Instant
    }

    enum Entry: Equatable {
        case start, queued, queueFull, callerQueueFull
    }

    let limits: FairQueueLimits
    /// The caller of each call that runs.
    var running: [Int] = []
    /// In the order in which they came.
    var waiting: [Waiting] = []
    /// Callers in the order of their turns.
    var ring: [Int] = []

    private func mayRunMore(_ caller: Int) -> Bool {
        self.running.count { $0 == caller } < self.limits.callerRunningMax ?? .max
    }

    private mutating func updateRing(_ caller: Int) {
        let belongs = self.mayRunMore(caller) && self.waiting.contains { $0.caller == caller }
        if !belongs { self.ring.removeAll { $0 == caller } }
        if belongs, !self.ring.contains(caller) { self.ring.append(caller) }
    }

    mutating func enter(_ item: Int, from caller: Int, now: Instant) -> Entry {
        if self.running.count < self.limits.runningMax, self.mayRunMore(caller) {
            self.running.append(caller)
            return .start
        }
        let ofCaller = self.waiting.count { $0.caller == caller }
        if ofCaller >= self.limits.callerWaitingMax { return .callerQueueFull }
        if self.waiting.count >= self.limits.waitingMax { return .queueFull }
        self.waiting.append(Waiting(item: item, caller: caller, since: now))
        self.updateRing(caller)
        return .queued
    }

    mutating func finished(_ caller: Int) -> Waiting? {
        guard let index = self.running.firstIndex(of: caller) else { preconditionFailure("it ran") }
        self.running.remove(at: index)
        self.updateRing(caller)
        guard !self.ring.isEmpty else { return nil }
        let next = self.ring.removeFirst()
        guard let place = self.waiting.firstIndex(where: { $0.caller == next }) else { preconditionFailure("it waits") }
        let started = self.waiting.remove(at: place)
        self.running.append(next)
        self.updateRing(next)
        return started
    }

    mutating func cancel(_ item: Int) -> Waiting? {
        guard let place = self.waiting.firstIndex(where: { $0.item == item }) else { return nil }
        let cancelled = self.waiting.remove(at: place)
        self.updateRing(cancelled.caller)
        return cancelled
    }

    mutating func expire(now: Instant) -> [Waiting] {
        let expired = self.waiting.filter { $0.since + self.limits.waitMax <= now }
        self.waiting.removeAll { $0.since + self.limits.waitMax <= now }
        for waiting in expired { self.updateRing(waiting.caller) }
        return expired
    }

    /// Callers of which something has to be remembered.
    var callerCount: Int {
        let waiting = Set(self.waiting.map(\.caller))
        return (self.limits.callerRunningMax == nil ? waiting : waiting.union(self.running)).count
    }
}
