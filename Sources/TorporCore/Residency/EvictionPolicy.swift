/// Decides which resident object is evicted first. Holds no clock and no object: objects are dense numbers.
///
/// What is in use or dirty cannot be evicted, and must not be looked at over and over. So nobody tells a policy when a
/// use begins. A search that meets such an object *sets it aside*, out of every later search, until ``touch(_:)`` or
/// ``restore(_:)`` brings it back. An object is therefore met once for each time that it was in use or dirty, and all
/// searches together cost O(1) for each call of another method.
///
/// All methods are O(1), amortised, but ``nextVictim(where:)``, which looks at no more than
/// ``EvictionSearch/stepsMax`` objects.
package protocol EvictionPolicy: Sendable {
    /// Objects that a search may still meet: all but those set aside.
    var candidateCount: Int { get }
    /// The bytes of these objects: the most that evicting could win, as far as is known.
    var candidateBytes: Int { get }

    /// An object has become resident. The end of the use for which it did is the first that ``touch(_:)`` tells of.
    /// - Precondition: It is not known.
    mutating func insert(_ object: UInt32, bytes: Int)

    /// A use of the object has ended. Called too when it is still in use by others, or dirty.
    /// - Precondition: The object is known.
    mutating func touch(_ object: UInt32)

    /// The object may be evictable again without having been used: its changes were committed. Does nothing unless a
    /// search had set it aside. Whoever makes an object evictable calls this, or ``touch(_:)``.
    /// - Precondition: The object is known.
    mutating func restore(_ object: UInt32)

    /// The object has grown or shrunk.
    /// - Precondition: It is known.
    mutating func resize(_ object: UInt32, bytes: Int)

    /// The object has been evicted or deleted. Its number may be used for another.
    /// - Precondition: It is known.
    mutating func remove(_ object: UInt32)

    /// Finds the object to evict next. It stays known until ``remove(_:)``; until then the next search finds it again,
    /// unless it was touched.
    /// - Parameter isEvictable: Whether an object is clean and not in use. Those for which it says no are set aside.
    mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch
}

/// What a search for the next victim has come to.
package enum EvictionSearch: Hashable, Sendable {
    /// This one goes next.
    case victim(UInt32)
    /// No object can be evicted now.
    case nothing
    /// All the objects looked at were in use or dirty. Others may not be: ask again, after other work.
    case unfinished

    /// How many objects a search looks at before it takes what it can get. Some tens of µs at worst.
    package static let stepsMax = 256
}

/// The names of the policies, for the configuration.
package enum EvictionPolicyKind: String, Sendable, CaseIterable {
    /// ``LRUPolicy``: what was not used for longest goes first.
    case leastRecentlyUsed = "lru"
    /// ``WeightedPolicy``: what costs least to be without goes first.
    case weighted
}

/// The policy that was chosen.
package struct EvictionOrder: EvictionPolicy {
    package let kind: EvictionPolicyKind
    // The one that was not chosen stays empty. An enum would copy the policy for each change.
    private var leastRecentlyUsed = LRUPolicy()
    private var weighted = WeightedPolicy()

    package init(_ kind: EvictionPolicyKind) { self.kind = kind }

    package var candidateCount: Int {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.candidateCount
        case .weighted: self.weighted.candidateCount
        }
    }

    package var candidateBytes: Int {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.candidateBytes
        case .weighted: self.weighted.candidateBytes
        }
    }

    package mutating func insert(_ object: UInt32, bytes: Int) {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.insert(object, bytes: bytes)
        case .weighted: self.weighted.insert(object, bytes: bytes)
        }
    }

    package mutating func touch(_ object: UInt32) {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.touch(object)
        case .weighted: self.weighted.touch(object)
        }
    }

    package mutating func restore(_ object: UInt32) {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.restore(object)
        case .weighted: self.weighted.restore(object)
        }
    }

    package mutating func resize(_ object: UInt32, bytes: Int) {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.resize(object, bytes: bytes)
        case .weighted: self.weighted.resize(object, bytes: bytes)
        }
    }

    package mutating func remove(_ object: UInt32) {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.remove(object)
        case .weighted: self.weighted.remove(object)
        }
    }

    package mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        switch self.kind {
        case .leastRecentlyUsed: self.leastRecentlyUsed.nextVictim(where: isEvictable)
        case .weighted: self.weighted.nextVictim(where: isEvictable)
        }
    }
}
