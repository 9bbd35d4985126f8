package import TorporCore

/// The resident state objects as flat bytes in an arena: for each number a head with the entries of its values, and a slot
/// for each value.
///
/// Used under the engine's lock. Bytes of values are copied in and out, so that nothing outside holds on to a place: slots
/// move when the arena is compacted.
struct ResidentRecords: ~Copyable {
    /// Where a slot's owner finds it: in `places`, or among the entries.
    private enum Tag {
        static let record: UInt16 = 0
        static let value: UInt16 = 1
    }

    private var arena: ResidentArena
    /// By number; `nil` for an object that has no record in memory.
    private var places: ContiguousArray<Place?> = []

    init(arena: consuming ResidentArena) { self.arena = arena }

    /// Bytes of pages in use.
    var committedBytes: Int { self.arena.committedBytes }
    var liveBytes: Int { self.arena.liveBytes }

    // MARK: Records

    func has(_ number: UInt32) -> Bool { Int(number) < self.places.count && self.places[Int(number)] != nil }

    /// - Returns: `false` when the arena's addresses are used up.
    mutating func insert(_ number: UInt32, _ head: RecordHead, capacity: Int) -> Bool {
        while self.places.count <= Int(number) { self.places.append(nil) }
        precondition(self.places[Int(number)] == nil, "an object is in memory once")
        var head = head
        head.entryCapacity = UInt32(capacity)
        guard let place = self.allocateRecord(number, head) else { return false }
        self.places[Int(number)] = place
        return true
    }

    private mutating func allocateRecord(_ number: UInt32, _ head: RecordHead) -> Place? {
        let size = RecordHead.size + Int(head.entryCapacity) * ValueEntry.size
        guard let place = self.arena.allocate(count: size, owner: number, tag: Tag.record) else { return nil }
        self.arena.pointer(to: place).assumingMemoryBound(to: RecordHead.self).initialize(to: head)
        return place
    }

    /// Takes an object out of memory, with all its values.
    mutating func remove(_ number: UInt32) {
        guard let place = self.places[Int(number)] else { preconditionFailure("only what is in memory is removed") }
        for index in 0..<Int(self.head(number).pointee.valueCount) {
            self.arena.free(self.entries(number)[index].place)
        }
        self.arena.free(place)
        self.places[Int(number)] = nil
    }

    /// The head of an object in memory; good until something is inserted or compacted.
    func head(_ number: UInt32) -> UnsafeMutablePointer<RecordHead> {
        guard let place = self.places[Int(number)] else { preconditionFailure("only what is in memory has a head") }
        return self.arena.pointer(to: place).assumingMemoryBound(to: RecordHead.self)
    }

    /// The entries, in the order of their keys; good until something is inserted or compacted.
    private func entries(_ number: UInt32) -> UnsafeMutablePointer<ValueEntry> {
        let head = self.head(number)
        return UnsafeMutableRawPointer(head + 1).assumingMemoryBound(to: ValueEntry.self)
    }

    // MARK: Values

    func entry(_ number: UInt32, at index: Int) -> ValueEntry { self.entries(number)[index] }

    /// Where a key is, or belongs.
    /// - Complexity: O(log n) comparisons of keys.
    func find(_ number: UInt32, _ key: [UInt8]) -> (index: Int, isThere: Bool) {
        let entries = self.entries(number)
        var low = 0
        var high = Int(self.head(number).pointee.valueCount)
        while low < high {
            let middle = (low + high) / 2
            let order = self.compare(entries[middle], key)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    private func compare(_ entry: ValueEntry, _ key: [UInt8]) -> Int {
        let bytes = self.keyBytes(entry)
        for offset in 0..<min(bytes.count, key.count) where bytes[offset] != key[offset] {
            return Int(bytes[offset]) - Int(key[offset])
        }
        return bytes.count - key.count
    }

    private func slot(_ entry: ValueEntry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: self.arena.pointer(to: entry.place), count: Int(entry.byteCount))
    }

    /// The key; good until something is inserted or compacted.
    func keyBytes(_ entry: ValueEntry) -> UnsafeRawBufferPointer {
        let slot = self.slot(entry)
        return UnsafeRawBufferPointer(rebasing: slot[entry.expiryBytes..<entry.expiryBytes + Int(entry.keyLength)])
    }

    /// The value without its key; good until something is inserted or compacted.
    func valueBytes(_ entry: ValueEntry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self.slot(entry)[(entry.expiryBytes + Int(entry.keyLength))...])
    }

    /// When the value is no longer there.
    func expiry(_ entry: ValueEntry) -> WallTime? {
        guard entry.expires else { return nil }
        return WallTime(milliseconds: self.slot(entry).loadUnaligned(as: Int64.self))
    }

    /// Lays down a value that belongs to no object yet.
    /// - Returns: `nil` when the arena's addresses are used up.
    mutating func write(
        _ key: borrowing [UInt8], _ value: borrowing [UInt8], expiry: WallTime?, isDirty: Bool, for number: UInt32
    ) -> ValueEntry? {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { self.write(key, $0, expiry: expiry, isDirty: isDirty, for: number) }
        }
    }

    private mutating func write(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, expiry: WallTime?, isDirty: Bool,
        for number: UInt32
    ) -> ValueEntry? {
        let count = key.count + value.count + (expiry == nil ? 0 : 8)
        guard let place = self.arena.allocate(count: count, owner: number, tag: Tag.value) else { return nil }
        let slot = UnsafeMutableRawBufferPointer(start: self.arena.pointer(to: place), count: count)
        var rest = slot[...]
        if let expiry {
            slot.storeBytes(of: expiry.milliseconds, as: Int64.self)
            rest = rest.dropFirst(8)
        }
        UnsafeMutableRawBufferPointer(rebasing: rest).copyMemory(from: key)
        UnsafeMutableRawBufferPointer(rebasing: rest.dropFirst(key.count)).copyMemory(from: value)
        return ValueEntry(
            place: place, byteCount: count, keyLength: key.count, isDirty: isDirty, expires: expiry != nil)
    }

    /// Takes back what was laid down and not installed.
    mutating func discard(_ entry: ValueEntry) { self.arena.free(entry.place) }

    /// Makes a value that was laid down the object's, in place of any other under its key. Counts in the head change
    /// with it.
    /// - Precondition: There is room for its entry: ``makeRoom(_:for:)``.
    /// - Returns: The entry that it replaced, which is gone.
    @discardableResult
    mutating func install(_ entry: ValueEntry, in number: UInt32, under key: [UInt8]) -> ValueEntry? {
        let (index, isThere) = self.find(number, key)
        let head = self.head(number)
        let entries = self.entries(number)
        self.noteExpiry(entry, in: head)
        if isThere {
            let former = entries[index]
            head.pointee.byteCount += Int(entry.byteCount) - Int(former.byteCount)
            self.arena.free(former.place)
            entries[index] = entry
            return former
        }
        precondition(head.pointee.valueCount < head.pointee.entryCapacity, "there is room for the entry")
        (entries + index + 1).update(from: entries + index, count: Int(head.pointee.valueCount) - index)
        entries[index] = entry
        head.pointee.valueCount += 1
        head.pointee.byteCount += Int(entry.byteCount)
        return nil
    }

    /// Lays down a value of a record that is read, behind all others.
    /// - Precondition: There is room for its entry, and its key is greater than those before.
    /// - Returns: `false` when the arena's addresses are used up.
    mutating func append(_ value: OpenedRecord.Value, of record: OpenedRecord, to number: UInt32) -> Bool {
        let entry = record.bytes.withUnsafeBytes { bytes in
            self.write(
                UnsafeRawBufferPointer(rebasing: bytes[value.key]),
                UnsafeRawBufferPointer(rebasing: bytes[value.value]),
                expiry: value.expiry, isDirty: false, for: number)
        }
        guard let entry else { return false }
        let head = self.head(number)
        self.entries(number)[Int(head.pointee.valueCount)] = entry
        head.pointee.valueCount += 1
        head.pointee.byteCount += Int(entry.byteCount)
        self.noteExpiry(entry, in: head)
        return true
    }

    private func noteExpiry(_ entry: ValueEntry, in head: UnsafeMutablePointer<RecordHead>) {
        if let expiry = self.expiry(entry), expiry < head.pointee.sweepTime { head.pointee.sweepTime = expiry }
    }

    /// The keys of values whose time is over, and when that of the next one is.
    /// - Complexity: O(n).
    func expiredKeys(_ number: UInt32, at time: WallTime) -> (keys: [[UInt8]], next: WallTime) {
        var keys: [[UInt8]] = []
        var next = WallTime.distantFuture
        for index in 0..<Int(self.head(number).pointee.valueCount) {
            let entry = self.entry(number, at: index)
            guard let expiry = self.expiry(entry) else { continue }
            if expiry <= time { keys.append(Array(self.keyBytes(entry))) } else { next = min(next, expiry) }
        }
        return (keys, next)
    }

    /// Removes the value at `index`.
    /// - Returns: Its entry, which is gone.
    mutating func removeValue(_ number: UInt32, at index: Int) -> ValueEntry {
        let head = self.head(number)
        let entries = self.entries(number)
        let entry = entries[index]
        head.pointee.byteCount -= Int(entry.byteCount)
        head.pointee.valueCount -= 1
        self.arena.free(entry.place)
        (entries + index).update(from: entries + index + 1, count: Int(head.pointee.valueCount) - index)
        return entry
    }

    /// Marks the value at `index`.
    func setDirty(_ isDirty: Bool, _ number: UInt32, at index: Int) { self.entries(number)[index].isDirty = isDirty }

    /// Makes room for so many more entries, moving the record if need be.
    /// - Returns: `false` when the arena's addresses are used up.
    mutating func makeRoom(_ number: UInt32, for count: Int) -> Bool {
        var head = self.head(number).pointee
        let needed = Int(head.valueCount) + count
        guard needed > Int(head.entryCapacity), let former = self.places[Int(number)] else { return true }
        head.entryCapacity = UInt32(max(needed, Int(head.entryCapacity) * 3 / 2))
        guard let place = self.allocateRecord(number, head) else { return false }
        (self.arena.pointer(to: place) + RecordHead.size).copyMemory(
            from: self.arena.pointer(to: former) + RecordHead.size, byteCount: Int(head.valueCount) * ValueEntry.size)
        self.arena.free(former)
        self.places[Int(number)] = place
        return true
    }

    // MARK: Giving back

    /// Moves slots together, a bounded number of bytes.
    /// - Returns: Whether there is more to do.
    mutating func compact(atMost bytes: Int) -> Bool {
        let addresses = self.arena.addresses
        // Taken out, so that the arena may tell of each move while it is at work.
        var places = ContiguousArray<Place?>()
        swap(&places, &self.places)
        let done = self.arena.compact(atMost: bytes) { owner, tag, old, new in
            guard tag == Tag.value else {
                places[Int(owner)] = new
                return
            }
            guard let record = places[Int(owner)] else { preconditionFailure("a value has an object") }
            Self.moved(in: addresses.pointer(to: record), from: old, to: new, addresses)
        }
        swap(&places, &self.places)
        return done >= bytes
    }

    /// Tells the entry of a value where it lies now.
    private static func moved(
        in record: UnsafeMutableRawPointer, from old: Place, to new: Place, _ addresses: ResidentArena.Addresses
    ) {
        let count = Int(record.assumingMemoryBound(to: RecordHead.self).pointee.valueCount)
        let entries = (record + RecordHead.size).assumingMemoryBound(to: ValueEntry.self)
        guard let index = (0..<count).first(where: { entries[$0].place == old }) else {
            preconditionFailure("a value that moves has an entry")
        }
        entries[index].place = new
    }

    /// Pages to give back to the operating system, outside of the lock; then ``finishRelease(_:)``.
    mutating func takeReleasable() -> ReleasablePages { self.arena.takeReleasable() }

    mutating func finishRelease(_ pages: ReleasablePages) { self.arena.finishRelease(pages) }
}

/// The values of a record that was read, opened: ranges into one run of bytes.
package struct OpenedRecord: Sendable {
    package struct Value: Sendable {
        package var key: Range<Int>
        package var value: Range<Int>
        /// From when on it is no longer there.
        package var expiry: WallTime?

        package init(key: Range<Int>, value: Range<Int>, expiry: WallTime?) {
            self.key = key
            self.value = value
            self.expiry = expiry
        }
    }

    package var bytes: [UInt8]
    /// In the order of their keys.
    package var values: [Value]

    package init(bytes: [UInt8], values: [Value]) {
        self.bytes = bytes
        self.values = values
    }
}
