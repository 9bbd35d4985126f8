/// Evicts what costs least to be without.
///
/// The time for which an object was not used is weighed by what evicting it wins for what it costs: an object of 64 KiB
/// frees 64 times the bytes of one of 1 KiB, but waking it does not take 64 times as long. And what was used again, after
/// the use that brought it into memory, counts as unused for a third of the time. So small objects stay longer than large
/// ones, and what was used once leaves early, also when it came with a thousand others.
///
/// Objects of about the same size that were used as often stand in one queue each, oldest first, so a search compares the
/// oldest of twenty queues. It does so no more than ``EvictionSearch/stepsMax`` times. Takes 20 bytes for each object
/// number in use.
package struct WeightedPolicy: EvictionPolicy {
    /// A wake takes as long as loading so many bytes, and the object's bytes. From SQLite: about 25 µs, and 54 for 16 KiB.
    static let wakeBytes: Float = 8_192
    /// How much sooner an object goes that was used once.
    static let onceWeight: Float = 3

    /// Sizes up to 255 bytes, 511 bytes and so on; in the last queue all from 64 KiB, for which waking takes about as long
    /// as for others of their kind by bytes.
    private static let sizeCount = 10

    /// First those of objects used once, then those of objects used again, each the smallest first.
    private var queues = EvictionQueues(queueCount: 2 * WeightedPolicy.sizeCount)

    package init() {}

    package var candidateCount: Int { self.queues.count }
    package var candidateBytes: Int { self.queues.bytes }

    package mutating func insert(_ object: UInt32, bytes: Int) {
        self.queues.insert(object, bytes: bytes, to: Self.queue(bytes: bytes, uses: 0))
    }

    /// An object that has grown or shrunk is sorted anew when its use ends.
    package mutating func resize(_ object: UInt32, bytes: Int) { self.queues.resize(object, bytes: bytes) }

    package mutating func remove(_ object: UInt32) { self.queues.remove(object) }

    /// The first use that ends is the one that brought the object into memory.
    package mutating func touch(_ object: UInt32) {
        let uses = min(2, self.queues.uses(of: object) + 1)
        self.queues.renew(object, in: Self.queue(bytes: self.queues.bytes(of: object), uses: uses), uses: uses)
    }

    /// An object comes back as the newest: it was in use or changed after all that were searched.
    package mutating func restore(_ object: UInt32) { self.queues.putBack(object) }

    package mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        for _ in 0..<EvictionSearch.stepsMax {
            guard let object = self.leastValuable() else { return .nothing }
            if isEvictable(object) { return .victim(object) }
            self.queues.setAside(object)
        }
        return self.queues.count == 0 ? .nothing : .unfinished
    }

    private func leastValuable() -> UInt32? {
        var found: (object: UInt32, weight: Float)?
        for queue in 0..<2 * Self.sizeCount {
            let object = self.queues.oldest(of: queue)
            guard object != EvictionQueues.none else { continue }
            let weight = Self.weight(
                age: self.queues.age(of: object), bytes: self.queues.bytes(of: object), isOnce: queue < Self.sizeCount)
            if found.map({ weight > $0.weight }) ?? true { found = (object, weight) }
        }
        return found?.object
    }

    /// How much there is for evicting an object: the time for which it was not used, times its bytes over those of a wake.
    static func weight(age: UInt32, bytes: Int, isOnce: Bool) -> Float {
        Float(age) * (isOnce ? self.onceWeight : 1) * Float(bytes) / (self.wakeBytes + Float(bytes))
    }

    /// Sizes differ by less than half in a queue, but in the first and the last.
    static func queue(bytes: Int, uses: UInt8) -> Int {
        let log2 = Int.bitWidth - 1 - max(128, bytes).leadingZeroBitCount
        return min(log2 - 7, self.sizeCount - 1) + (uses > 1 ? self.sizeCount : 0)
    }
}
