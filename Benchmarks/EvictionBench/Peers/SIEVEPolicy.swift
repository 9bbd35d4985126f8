import TorporCore

/// Evicts what was not used since it was last considered: SIEVE (Zhang and others, NSDI 2024).
///
/// Objects stay in the order in which they became resident; a use only marks them. A hand goes from the oldest to the
/// newest and around again, takes marks away, and stops at the first object that has none. So an object used once leaves
/// early, also when it came with a thousand others, and a use costs one write.
///
/// A search takes away at most ``EvictionSearch/stepsMax`` marks. After so many in a row all objects are about equally
/// in use, and it looks for the first that can be evicted among as many more, marked or not. Takes 12 bytes for each
/// object number in use.
struct SIEVEPolicy: EvictionPolicy {
    private var queue = PeerQueue()
    /// What is considered next; at the end, the oldest is.
    private var hand = PeerQueue.none

    init() {}

    var candidateCount: Int { self.queue.count }
    var candidateBytes: Int { self.queue.bytes }

    mutating func insert(_ object: UInt32, bytes: Int) { self.queue.insert(object, bytes: bytes) }
    mutating func resize(_ object: UInt32, bytes: Int) { self.queue.resize(object, bytes: bytes) }

    mutating func remove(_ object: UInt32) {
        if self.hand == object { self.hand = self.queue.newer(than: object) }
        self.queue.remove(object)
    }

    mutating func touch(_ object: UInt32) {
        self.restore(object)
        self.queue.setVisited(object, true)
    }

    /// An object comes back just behind the hand: it was in use when the hand came by, as if it had had a mark.
    mutating func restore(_ object: UInt32) {
        if self.queue.isAside(object) { self.queue.putBack(object, olderThan: self.hand) }
    }

    mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        for step in 0..<2 * EvictionSearch.stepsMax {
            if self.hand == PeerQueue.none { self.hand = self.queue.oldest }
            let object = self.hand
            guard object != PeerQueue.none else { return .nothing }
            if step < EvictionSearch.stepsMax, self.queue.isVisited(object) {
                self.queue.setVisited(object, false)
                self.hand = self.queue.newer(than: object)
            } else if isEvictable(object) {
                return .victim(object)
            } else {
                self.hand = self.queue.newer(than: object)
                self.queue.setAside(object)
            }
        }
        return self.queue.count == 0 ? .nothing : .unfinished
    }
}
