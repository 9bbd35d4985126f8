/// Objects from oldest to newest, linked in one array: 12 bytes for each. What the peers are built of.
struct PeerQueue: Sendable {
    struct Entry: Sendable {
        /// Its upper bit says that the object was visited.
        var older = PeerQueue.none
        /// Who is newer; or ``unknown`` or ``aside``.
        var newer = PeerQueue.unknown
        var bytes: UInt32 = 0
    }

    /// Stands for no object.
    static let none: UInt32 = 0x7FFF_FFFF
    private static let unknown: UInt32 = 0x7FFF_FFFE
    private static let aside: UInt32 = 0x7FFF_FFFD
    private static let visited: UInt32 = 0x8000_0000

    private var entries: ContiguousArray<Entry> = []
    private(set) var oldest = PeerQueue.none
    private(set) var newest = PeerQueue.none
    /// Objects in the queue: all that are known but those set aside.
    private(set) var count = 0
    /// Their bytes.
    private(set) var bytes = 0

    /// The neighbour on the newer side, or ``none``.
    func newer(than object: UInt32) -> UInt32 { self.entries[Int(object)].newer }
    /// The neighbour on the older side, or ``none``.
    func older(than object: UInt32) -> UInt32 { self.entries[Int(object)].older & ~Self.visited }

    func isVisited(_ object: UInt32) -> Bool { self.entries[Int(object)].older & Self.visited != 0 }

    mutating func setVisited(_ object: UInt32, _ isVisited: Bool) {
        if isVisited {
            self.entries[Int(object)].older |= Self.visited
        } else {
            self.entries[Int(object)].older &= ~Self.visited
        }
    }

    /// Whether a search has set the object aside.
    /// - Precondition: The object is known.
    func isAside(_ object: UInt32) -> Bool {
        precondition(self.isKnown(object), "object \(object) is resident")
        return self.entries[Int(object)].newer == Self.aside
    }

    private func isKnown(_ object: UInt32) -> Bool {
        Int(object) < self.entries.count && self.entries[Int(object)].newer != Self.unknown
    }

    /// The bytes of an object that is known.
    func bytes(of object: UInt32) -> Int { Int(self.entries[Int(object)].bytes) }

    /// Adds an object on the older side of `neighbour`, or as the newest.
    mutating func insert(_ object: UInt32, bytes: Int, olderThan neighbour: UInt32 = PeerQueue.none) {
        precondition(object < Self.aside, "objects are numbered by 31 bits")
        precondition(!self.isKnown(object), "object \(object) becomes resident once")
        if Int(object) >= self.entries.count {
            self.entries.append(contentsOf: repeatElement(Entry(), count: Int(object) + 1 - self.entries.count))
        }
        self.entries[Int(object)] = Entry(bytes: Self.weight(bytes))
        self.link(object, olderThan: neighbour)
    }

    mutating func resize(_ object: UInt32, bytes: Int) {
        let isAside = self.isAside(object)
        if !isAside { self.bytes -= Int(self.entries[Int(object)].bytes) }
        self.entries[Int(object)].bytes = Self.weight(bytes)
        if !isAside { self.bytes += Int(self.entries[Int(object)].bytes) }
    }

    private static func weight(_ bytes: Int) -> UInt32 {
        guard let weight = UInt32(exactly: bytes) else {
            preconditionFailure("an object takes less than 4 GiB, and no less than nothing")
        }
        return weight
    }

    /// Forgets an object.
    mutating func remove(_ object: UInt32) {
        if !self.isAside(object) { self.unlink(object) }
        self.entries[Int(object)] = Entry()
    }

    /// Takes an object out of the queue, and remembers it.
    mutating func setAside(_ object: UInt32) {
        self.unlink(object)
        self.entries[Int(object)].newer = Self.aside
    }

    /// Makes an object of the queue the newest.
    mutating func renew(_ object: UInt32) {
        guard self.newest != object else { return }
        self.unlink(object)
        self.link(object, olderThan: Self.none)
    }

    /// Puts an object that was set aside back, on the older side of `neighbour`, or as the newest; not visited.
    mutating func putBack(_ object: UInt32, olderThan neighbour: UInt32) {
        precondition(self.isAside(object), "object \(object) was set aside")
        self.link(object, olderThan: neighbour)
    }

    private mutating func link(_ object: UInt32, olderThan newer: UInt32) {
        let older = newer == Self.none ? self.newest : self.older(than: newer)
        self.entries[Int(object)].older = older
        self.entries[Int(object)].newer = newer
        self.setOlder(of: newer, to: object)
        self.setNewer(of: older, to: object)
        self.count += 1
        self.bytes += Int(self.entries[Int(object)].bytes)
    }

    private mutating func unlink(_ object: UInt32) {
        let (older, newer) = (self.older(than: object), self.newer(than: object))
        self.setOlder(of: newer, to: older)
        self.setNewer(of: older, to: newer)
        self.count -= 1
        self.bytes -= Int(self.entries[Int(object)].bytes)
    }

    private mutating func setOlder(of object: UInt32, to older: UInt32) {
        guard object != Self.none else { return self.newest = older }
        self.entries[Int(object)].older = self.entries[Int(object)].older & Self.visited | older
    }

    private mutating func setNewer(of object: UInt32, to newer: UInt32) {
        guard object != Self.none else { return self.oldest = newer }
        self.entries[Int(object)].newer = newer
    }
}
