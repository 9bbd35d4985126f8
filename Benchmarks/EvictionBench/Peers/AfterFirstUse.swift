import TorporCore

/// A policy that is not told of the end of an object's first use: the peers take becoming resident for that use.
struct AfterFirstUse<Policy: EvictionPolicy>: EvictionPolicy {
    private var policy: Policy
    private var isFirst: [Bool] = []

    init(_ policy: Policy) { self.policy = policy }

    var candidateCount: Int { self.policy.candidateCount }
    var candidateBytes: Int { self.policy.candidateBytes }

    mutating func insert(_ object: UInt32, bytes: Int) {
        while self.isFirst.count <= Int(object) { self.isFirst.append(false) }
        self.isFirst[Int(object)] = true
        self.policy.insert(object, bytes: bytes)
    }

    mutating func touch(_ object: UInt32) {
        guard self.isFirst[Int(object)] else { return self.policy.touch(object) }
        self.isFirst[Int(object)] = false
        self.policy.restore(object)
    }

    mutating func restore(_ object: UInt32) { self.policy.restore(object) }
    mutating func resize(_ object: UInt32, bytes: Int) { self.policy.resize(object, bytes: bytes) }
    mutating func remove(_ object: UInt32) { self.policy.remove(object) }
    mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        self.policy.nextVictim(where: isEvictable)
    }
}
