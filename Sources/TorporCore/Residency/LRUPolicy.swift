/// Evicts what was not used for longest.
///
/// A search looks at no more than ``EvictionSearch/stepsMax`` objects. Takes 12 bytes for each object number in use.
package struct LRUPolicy: EvictionPolicy {
    private var queue = EvictionQueue()

    package init() {}

    package var candidateCount: Int { self.queue.count }
    package var candidateBytes: Int { self.queue.bytes }

    package mutating func insert(_ object: UInt32, bytes: Int) { self.queue.insert(object, bytes: bytes) }
    package mutating func resize(_ object: UInt32, bytes: Int) { self.queue.resize(object, bytes: bytes) }
    package mutating func remove(_ object: UInt32) { self.queue.remove(object) }

    package mutating func touch(_ object: UInt32) {
        if self.queue.isAside(object) {
            self.queue.putBack(object, olderThan: EvictionQueue.none)
        } else {
            self.queue.renew(object)
        }
    }

    /// An object comes back as the newest: it was in use or changed after all that were searched.
    package mutating func restore(_ object: UInt32) {
        if self.queue.isAside(object) { self.queue.putBack(object, olderThan: EvictionQueue.none) }
    }

    package mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        for _ in 0..<EvictionSearch.stepsMax {
            let oldest = self.queue.oldest
            guard oldest != EvictionQueue.none else { return .nothing }
            if isEvictable(oldest) { return .victim(oldest) }
            self.queue.setAside(oldest)
        }
        return self.queue.count == 0 ? .nothing : .unfinished
    }
}
