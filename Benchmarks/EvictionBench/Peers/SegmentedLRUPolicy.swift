import TorporCore

/// Evicts what was not used for longest, but spares for a while what was used more than once.
///
/// One list in which the newer half, by bytes, is *protected*. A new object enters in the middle, below the protected
/// ones; its next use makes it the newest of all. So objects used once pass through the older half only, and when the
/// popular objects change, the former ones leave as fast as they would by plain LRU.
///
/// A search looks at no more than ``EvictionSearch/stepsMax`` objects. Takes 12 bytes for each object number in use.
struct SegmentedLRUPolicy: EvictionPolicy {
    /// Oldest to newest; the mark of an object says that it is protected.
    private var queue = PeerQueue()
    /// The oldest protected object.
    private var boundary = PeerQueue.none
    /// The bytes of the protected objects: at most half of all.
    private var protectedBytes = 0

    init() {}

    var candidateCount: Int { self.queue.count }
    var candidateBytes: Int { self.queue.bytes }

    mutating func insert(_ object: UInt32, bytes: Int) {
        self.queue.insert(object, bytes: bytes, olderThan: self.boundary)
    }

    mutating func touch(_ object: UInt32) {
        if self.queue.isAside(object) {
            self.queue.putBack(object, olderThan: PeerQueue.none)
        } else {
            self.unprotect(object)
            self.queue.renew(object)
        }
        self.queue.setVisited(object, true)
        self.protectedBytes += self.queue.bytes(of: object)
        if self.boundary == PeerQueue.none { self.boundary = object }
        self.balance()
    }

    /// An object comes back below the protected ones, like a new one.
    mutating func restore(_ object: UInt32) {
        if self.queue.isAside(object) { self.queue.putBack(object, olderThan: self.boundary) }
    }

    mutating func resize(_ object: UInt32, bytes: Int) {
        let isProtected = !self.queue.isAside(object) && self.queue.isVisited(object)
        if isProtected { self.protectedBytes -= self.queue.bytes(of: object) }
        self.queue.resize(object, bytes: bytes)
        if isProtected { self.protectedBytes += self.queue.bytes(of: object) }
        self.balance()
    }

    mutating func remove(_ object: UInt32) {
        if !self.queue.isAside(object) { self.unprotect(object) }
        self.queue.remove(object)
        self.balance()
    }

    mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        for _ in 0..<EvictionSearch.stepsMax {
            let oldest = self.queue.oldest
            guard oldest != PeerQueue.none else { return .nothing }
            if isEvictable(oldest) { return .victim(oldest) }
            self.unprotect(oldest)
            self.queue.setAside(oldest)
            self.balance()
        }
        return self.queue.count == 0 ? .nothing : .unfinished
    }

    /// Takes the protection from an object that leaves its place.
    private mutating func unprotect(_ object: UInt32) {
        guard self.queue.isVisited(object) else { return }
        self.queue.setVisited(object, false)
        self.protectedBytes -= self.queue.bytes(of: object)
        if self.boundary == object { self.boundary = self.queue.newer(than: object) }
    }

    /// Takes the protection from the oldest ones that have it, as long as they are more than half.
    private mutating func balance() {
        while self.boundary != PeerQueue.none, self.protectedBytes > self.queue.bytes / 2 {
            self.unprotect(self.boundary)
        }
    }
}
