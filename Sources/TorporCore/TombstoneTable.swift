/// Remembers which sessions were ended before their time, so that their sealed ids are no longer honoured.
///
/// Holds no clock: the caller passes `now`. Bounded in number: beyond ``capacity`` the oldest entry is forgotten. An
/// entry is also forgotten once the session it names would have expired anyway. Sessions are named by 64 bits of their
/// random ids; the chance that one of a million entries hits another session is below 10⁻¹³.
package struct TombstoneTable: Sendable {
    private struct Entry { var name: UInt64; var expiry: WallTime }

    /// The most entries held at once. Default 1,000,000, which take about 40 MB.
    package let capacity: Int
    private var names: Set<UInt64> = []
    /// A ring over `entries`, oldest at `head`.
    private var entries: [Entry] = []
    private var head = 0

    package init(capacity: Int = 1_000_000) {
        precondition(capacity > 0, "a tombstone table holds at least one entry")
        self.capacity = capacity
    }

    package var count: Int { self.names.count }

    /// Whether the session was ended.
    package func contains(_ name: UInt64) -> Bool { self.names.contains(name) }

    /// Remembers an ended session until `expiry`.
    /// - Returns: `false` when it was there already.
    /// - Complexity: amortised O(1).
    package mutating func insert(_ name: UInt64, expiry: WallTime, now: WallTime) -> Bool {
        self.forgetExpired(now: now)
        guard self.names.insert(name).inserted else { return false }
        if self.names.count > self.capacity { self.forgetOldest() }
        self.entries.append(Entry(name: name, expiry: expiry))
        return true
    }

    /// Forgets the entries at the old end whose sessions have expired by themselves.
    private mutating func forgetExpired(now: WallTime) {
        while self.head < self.entries.count, self.entries[self.head].expiry <= now { self.forgetOldest() }
    }

    private mutating func forgetOldest() {
        self.names.remove(self.entries[self.head].name)
        self.head += 1
        // Half of the array is dead: move the living to the front, so that it never grows past twice the capacity.
        if self.head > 1_024, self.head * 2 > self.entries.count {
            self.entries.removeFirst(self.head)
            self.head = 0
        }
    }
}
