package import TorporCore

/// What a policy makes of a trace.
///
/// A use of an object that is not resident first makes room, then the object becomes resident, and when the use ends the
/// policy is told, as the engine does it. The first use of an object costs the same under every policy and is not counted.
package struct EvictionReplay: Hashable, Sendable {
    /// What a wake costs beside the object's bytes, in nanoseconds.
    package static let wakeNanoseconds = 25_000
    /// What each KiB adds. A wake from SQLite took about 25 µs for the smallest objects and 79 µs for 16 KiB.
    package static let wakeNanosecondsPerKibibyte = 3_375

    /// Uses of objects that had been used before.
    package private(set) var laterUses = 0
    package private(set) var laterBytes = 0
    /// Those among them that had to wake the object.
    package private(set) var misses = 0
    package private(set) var missedBytes = 0

    /// What the wakes took, in nanoseconds.
    package var cost: Int { self.cost(Self.wakeNanoseconds, perKibibyte: Self.wakeNanosecondsPerKibibyte) }

    /// The same with another time for each wake, and for each KiB.
    package func cost(_ nanoseconds: Int, perKibibyte: Int) -> Int {
        self.misses * nanoseconds + self.missedBytes / 1_024 * perKibibyte
    }

    /// - Parameter capacity: The bytes that may be resident.
    package init(_ trace: EvictionTrace, _ policy: some EvictionPolicy, capacity: Int) {
        var policy = policy
        let sizes = trace.sizes
        var isResident = [Bool](repeating: false, count: sizes.count)
        var wasUsed = isResident
        var resident = 0
        for object in trace.uses {
            let (number, bytes) = (Int(object), sizes[Int(object)])
            if wasUsed[number] {
                self.laterUses += 1
                self.laterBytes += bytes
            }
            if !isResident[number] {
                if wasUsed[number] {
                    self.misses += 1
                    self.missedBytes += bytes
                }
                resident += bytes
                while resident > capacity, case .victim(let victim) = policy.nextVictim(where: { _ in true }) {
                    policy.remove(victim)
                    isResident[Int(victim)] = false
                    resident -= sizes[Int(victim)]
                }
                policy.insert(object, bytes: bytes)
                isResident[number] = true
                wasUsed[number] = true
            }
            policy.touch(object)
        }
    }
}
