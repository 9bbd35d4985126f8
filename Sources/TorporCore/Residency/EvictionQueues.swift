/// Some queues of objects, each from oldest to newest, linked in one array: 20 bytes for each object. What the policies
/// are built of.
struct EvictionQueues: Sendable {
    struct Entry: Sendable {
        var older = EvictionQueues.none
        /// Who is newer; or ``unknown`` or ``aside``.
        var newer = EvictionQueues.unknown
        var bytes: UInt32 = 0
        /// What the clock said when it became the newest.
        var stamp: UInt32 = 0
        /// The queue that it is in, or was in when it was set aside.
        var queue: UInt8 = 0
        /// For the policy to count uses.
        var uses: UInt8 = 0
    }

    private struct Ends {
        var oldest = EvictionQueues.none
        var newest = EvictionQueues.none
    }

    /// Stands for no object.
    static let none: UInt32 = 0xFFFF_FFFF
    private static let unknown: UInt32 = 0xFFFF_FFFE
    private static let aside: UInt32 = 0xFFFF_FFFD

    private var entries: ContiguousArray<Entry> = []
    /// Of each queue, once there was an object: a policy that nobody uses takes no memory.
    private var ends: ContiguousArray<Ends> = []
    private let queueCount: Int
    /// Counts how often an object became the newest of its queue. It begins anew after 2^32 of them.
    private(set) var clock: UInt32 = 0
    /// Objects in the queues: all that are known but those set aside.
    private(set) var count = 0
    /// Their bytes.
    private(set) var bytes = 0

    /// - Parameter queueCount: How many queues there are, at most 256.
    init(queueCount: Int) { self.queueCount = queueCount }

    /// The oldest of a queue, or ``none``.
    func oldest(of queue: Int) -> UInt32 { self.ends.isEmpty ? Self.none : self.ends[queue].oldest }

    func bytes(of object: UInt32) -> Int { Int(self.entries[Int(object)].bytes) }
    func uses(of object: UInt32) -> UInt8 { self.entries[Int(object)].uses }
    /// How many objects became the newest after this one.
    func age(of object: UInt32) -> UInt32 { self.clock &- self.entries[Int(object)].stamp }

    /// Whether a search has set the object aside.
    /// - Precondition: The object is known.
    func isAside(_ object: UInt32) -> Bool {
        precondition(self.isKnown(object), "object \(object) is resident")
        return self.entries[Int(object)].newer == Self.aside
    }

    private func isKnown(_ object: UInt32) -> Bool {
        Int(object) < self.entries.count && self.entries[Int(object)].newer != Self.unknown
    }

    /// Adds an object as the newest of a queue.
    mutating func insert(_ object: UInt32, bytes: Int, to queue: Int) {
        precondition(object < Self.aside, "objects are numbered by 32 bits, without the last three numbers")
        precondition(!self.isKnown(object), "object \(object) becomes resident once")
        if self.ends.isEmpty { self.ends = ContiguousArray(repeating: Ends(), count: self.queueCount) }
        if Int(object) >= self.entries.count {
            self.entries.append(contentsOf: repeatElement(Entry(), count: Int(object) + 1 - self.entries.count))
        }
        self.entries[Int(object)] = Entry(bytes: Self.weight(bytes))
        self.link(object, to: queue)
    }

    /// Changes the bytes of an object, which stays where it is.
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

    /// Takes an object out of its queue, and remembers it.
    mutating func setAside(_ object: UInt32) {
        self.unlink(object)
        self.entries[Int(object)].newer = Self.aside
    }

    /// Makes an object the newest of a queue, wherever it was.
    mutating func renew(_ object: UInt32, in queue: Int, uses: UInt8) {
        if !self.isAside(object) { self.unlink(object) }
        self.entries[Int(object)].uses = uses
        self.link(object, to: queue)
    }

    /// Makes an object that was set aside the newest of its queue. Does nothing to others.
    mutating func putBack(_ object: UInt32) {
        if self.isAside(object) { self.link(object, to: Int(self.entries[Int(object)].queue)) }
    }

    private mutating func link(_ object: UInt32, to queue: Int) {
        let older = self.ends[queue].newest
        self.clock &+= 1
        self.entries[Int(object)].older = older
        self.entries[Int(object)].newer = Self.none
        self.entries[Int(object)].stamp = self.clock
        self.entries[Int(object)].queue = UInt8(queue)
        if older == Self.none {
            self.ends[queue].oldest = object
        } else {
            self.entries[Int(older)].newer = object
        }
        self.ends[queue].newest = object
        self.count += 1
        self.bytes += Int(self.entries[Int(object)].bytes)
    }

    private mutating func unlink(_ object: UInt32) {
        let entry = self.entries[Int(object)]
        let queue = Int(entry.queue)
        if entry.newer == Self.none {
            self.ends[queue].newest = entry.older
        } else {
            self.entries[Int(entry.newer)].older = entry.older
        }
        if entry.older == Self.none {
            self.ends[queue].oldest = entry.newer
        } else {
            self.entries[Int(entry.older)].newer = entry.newer
        }
        self.count -= 1
        self.bytes -= Int(entry.bytes)
    }
}
