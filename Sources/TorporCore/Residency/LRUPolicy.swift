/// Evicts what was not used for longest.
///
/// A search looks at no more than ``EvictionSearch/stepsMax`` objects. Takes 20 bytes for each object number in use.
package struct LRUPolicy: EvictionPolicy {
    private var queues = EvictionQueues(queueCount: 1)

    package init() {}

    package var candidateCount: Int { self.queues.count }
    package var candidateBytes: Int { self.queues.bytes }

    package mutating func insert(_ object: UInt32, bytes: Int) { self.queues.insert(object, bytes: bytes, to: 0) }
    package mutating func resize(_ object: UInt32, bytes: Int) { self.queues.resize(object, bytes: bytes) }
    package mutating func remove(_ object: UInt32) { self.queues.remove(object) }
    package mutating func touch(_ object: UInt32) { self.queues.renew(object, in: 0, uses: 0) }

    /// An object comes back as the newest: it was in use or changed after all that were searched.
    package mutating func restore(_ object: UInt32) { self.queues.putBack(object) }

    package mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        for _ in 0..<EvictionSearch.stepsMax {
            let oldest = self.queues.oldest(of: 0)
            guard oldest != EvictionQueues.none else { return .nothing }
            if isEvictable(oldest) { return .victim(oldest) }
            self.queues.setAside(oldest)
        }
        return self.queues.count == 0 ? .nothing : .unfinished
    }
}
