import Glibc
package import TorporCore

/// Keeps the encoded values of resident objects in pages of its own, so that what is freed really leaves the process.
///
/// Small values are packed into segments and may be moved by ``compact(atMost:moved:)``; large ones get runs of pages
/// of their own, never move, and can be read without the owner's lock while they are pinned. Nothing goes through
/// malloc but the tables: 24 bytes for a segment of 256 KiB, 24 bytes for each 32 KiB of a run.
///
/// Memory is bounded if the owner does three things. After freeing values that took `n` bytes (``footprint(of:)``), it
/// calls ``compact(atMost:moved:)`` with at least 4 × `n`, now or in its next pass. It gives pages back with
/// ``takeReleasable(atMost:)``. And it unpins what it pinned. Then ``committedBytes`` stays below twice ``liveBytes``
/// and 1 MiB. It holds no clock and starts nothing by itself.
///
/// All methods are called under one lock of the owner; only ``ReleasablePages/giveBack()`` and reading what is pinned
/// happen outside of it. `@unchecked Sendable` is safe: the memory behind `base` belongs to this value alone, which
/// cannot be copied.
package struct ResidentArena: ~Copyable, @unchecked Sendable {
    /// The largest value that is packed with others, in bytes.
    ///
    /// A larger one wastes an eighth of its pages on average, and moving it would cost more than new pages do.
    package static let packedMax = 16 << 10
    /// The largest value there can be, in bytes: 2 GiB.
    package static let countMax = RunTable.countMax
    /// Bytes in front of each small value.
    static let headerSize = 8
    /// Bytes of a page of this machine.
    package static let pageSize = sysconf(Int32(_SC_PAGESIZE))

    /// Whose values: a number that the owner gives.
    package typealias Owner = UInt32

    let base: UnsafeMutableRawPointer
    private let reservedBytes: Int
    /// Where the runs begin, in bytes from `base`. The segments lie before.
    let runsOffset: Int
    var segments: SegmentTable
    var runs: RunTable

    /// Reserves address space, of which nothing is used yet.
    ///
    /// Address space for 4 × `residentMax` of small values and 16 × `residentMax` of large ones, whose runs leave gaps;
    /// a few hundred MiB more, so that the smallest arena too has room for the largest values.
    /// - Parameter residentMax: What all values together take at most.
    /// - Throws: ``ArenaUnavailable`` when the system refuses so much address space.
    package init(residentMax: ByteCount) throws(ArenaUnavailable) {
        precondition(residentMax.bytes <= 1 << 40, "an arena holds at most 1 TiB")
        let segmentCount = residentMax.bytes * 4 / SegmentTable.segmentSize + 64
        let runsSize = residentMax.bytes * 16 + (256 << 20)
        self.runsOffset = segmentCount * SegmentTable.segmentSize
        self.reservedBytes = self.runsOffset + runsSize
        self.segments = SegmentTable(countMax: segmentCount, pageSize: Self.pageSize)
        self.runs = RunTable(spaceMax: runsSize, pageSize: Self.pageSize)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let base = mmap(nil, self.reservedBytes, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
            throw ArenaUnavailable(reserved: ByteCount(self.reservedBytes), systemError: errno)
        }
        self.base = base
        // With huge pages 4 KiB could keep 2 MiB in memory, and committed bytes would mean nothing. Where the kernel
        // has none, it refuses the advice, and all is well too.
        _ = madvise(base, self.reservedBytes, MADV_NOHUGEPAGE)
    }

    deinit {
        // Cannot fail for what `mmap` returned.
        _ = munmap(self.base, self.reservedBytes)
    }

    /// The bytes that a value of `count` bytes takes: with its header and filled up to 8, or in whole pages.
    package static func footprint(of count: Int) -> Int {
        count <= self.packedMax
            ? self.headerSize + ((count + 7) & ~7)
            : (count + self.pageSize - 1) & ~(self.pageSize - 1)
    }

    /// The ``footprint(of:)`` of all values that were not freed, or are pinned still. In bytes.
    package var liveBytes: Int { self.segments.liveBytes + self.runs.liveBytes }
    /// Bytes of the pages in use, those that could be given back included.
    package var committedBytes: Int { self.segments.committedBytes + self.runs.committedBytes }
    /// Bytes of the pages that ``takeReleasable(atMost:)`` would hand out.
    package var releasableBytes: Int { self.segments.vacantBytes + self.runs.vacantBytes }
    /// Segments that hold small values.
    package var segmentCount: Int { self.segments.usedCount }

    // MARK: Values

    /// Finds room for a value of `count` bytes. What the bytes are is undefined until they are written.
    ///
    /// - Parameters:
    ///   - owner: Whose value it is; anything but `UInt32.max`.
    ///   - tag: Which of the owner's values it is. Both are told when the value moves.
    /// - Returns: `nil` when the value is larger than ``countMax``, or no address space is left. Compacting and giving
    ///   back pages frees some.
    /// - Complexity: O(1).
    package mutating func allocate(count: Int, owner: Owner, tag: UInt16) -> Place? {
        precondition(count >= 0, "a byte count is not negative")
        precondition(owner != SlotHeader.nobody, "\(SlotHeader.nobody) stands for no owner")
        guard count <= Self.packedMax else { return self.runs.allocate(count).map { Place(run: $0) } }
        guard let offset = self.segments.allocate(Self.footprint(of: count)) else { return nil }
        SlotHeader(count: count, owner: owner, tag: tag).store(at: self.base + offset)
        return Place(offset: offset)
    }

    /// Gives back the room of a value.
    ///
    /// When it is pinned, its pages stay until the last pin goes.
    /// - Complexity: O(1). Makes no system call.
    package mutating func free(_ place: Place) {
        if place.ownsPages { return self.runs.free(place.run) }
        var header = self.header(of: place)
        header.owner = SlotHeader.nobody
        header.store(at: self.base + place.offset)
        self.segments.free(Self.footprint(of: header.count), in: Self.segment(of: place))
    }

    /// The length of a value, in bytes.
    package func count(of place: Place) -> Int {
        place.ownsPages ? self.runs.count(of: place.run) : self.header(of: place).count
    }

    /// Reads a value. The bytes are valid within `body`.
    package func withBytes<Result, Failure>(
        of place: Place, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(self.buffer(of: place)))
    }

    /// Writes a value in place. The bytes are valid within `body`.
    ///
    /// - Precondition: The value is not pinned: others are reading it.
    package mutating func withMutableBytes<Result, Failure>(
        of place: Place, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(!place.ownsPages || !self.runs.isPinned(place.run), "a pinned value is not written")
        return try body(self.buffer(of: place))
    }

    /// Says that a small value now belongs to another owner, or goes by another tag. A large value needs neither.
    package mutating func relabel(_ place: Place, owner: Owner, tag: UInt16) {
        precondition(owner != SlotHeader.nobody, "\(SlotHeader.nobody) stands for no owner")
        guard !place.ownsPages else { return }
        SlotHeader(count: self.header(of: place).count, owner: owner, tag: tag).store(at: self.base + place.offset)
    }

    // MARK: Reading outside of the lock

    /// Keeps a large value where it is, freed or not, until ``unpin(_:)``.
    ///
    /// - Returns: Its bytes, which may be read outside of the lock until then.
    /// - Precondition: The value ``Place/ownsPages``. A small one is copied under the lock.
    package mutating func pin(_ place: Place) -> PinnedValue {
        precondition(place.ownsPages, "a small value may move, so it cannot be pinned")
        self.runs.pin(place.run)
        return PinnedValue(place: place, bytes: UnsafeRawBufferPointer(self.buffer(of: place)))
    }

    /// Ends one ``pin(_:)``, also when the value was freed meanwhile.
    package mutating func unpin(_ value: PinnedValue) { self.runs.unpin(value.place.run) }

    // MARK: Places

    static func segment(of place: Place) -> UInt32 { UInt32(place.offset / SegmentTable.segmentSize) }

    func header(of place: Place) -> SlotHeader {
        let header = SlotHeader(at: self.base + place.offset)
        precondition(header.owner != SlotHeader.nobody, "the value was freed or has moved")
        return header
    }

    private func buffer(of place: Place) -> UnsafeMutableRawBufferPointer {
        if place.ownsPages {
            let start = self.base + self.runsOffset + Int(place.run) * self.runs.unitSize
            return UnsafeMutableRawBufferPointer(start: start, count: self.runs.count(of: place.run))
        }
        let start = self.base + place.offset + Self.headerSize
        return UnsafeMutableRawBufferPointer(start: start, count: self.header(of: place).count)
    }
}

/// A large value that stays where it is until ``ResidentArena/unpin(_:)``.
///
/// `@unchecked Sendable` is safe: nobody writes the bytes while they are pinned.
package struct PinnedValue: @unchecked Sendable {
    let place: Place
    /// May be read by any thread until the value is unpinned.
    package let bytes: UnsafeRawBufferPointer
}

/// What stands in front of a small value: 8 bytes.
struct SlotHeader {
    /// The owner of what was freed.
    static let nobody = UInt32.max

    var owner: UInt32
    var tag: UInt16
    private var length: UInt16

    var count: Int { Int(self.length) }

    init(count: Int, owner: UInt32, tag: UInt16) {
        self.owner = owner
        self.tag = tag
        self.length = UInt16(count)
    }

    init(at address: UnsafeRawPointer) {
        let bits = address.load(as: UInt64.self)
        self.owner = UInt32(truncatingIfNeeded: bits)
        self.tag = UInt16(truncatingIfNeeded: bits >> 32)
        self.length = UInt16(truncatingIfNeeded: bits >> 48)
    }

    func store(at address: UnsafeMutableRawPointer) {
        let bits = UInt64(self.owner) | UInt64(self.tag) << 32 | UInt64(self.length) << 48
        address.storeBytes(of: bits, as: UInt64.self)
    }
}

/// The system refused the address space of a ``ResidentArena``.
package struct ArenaUnavailable: Error, Hashable {
    /// How much was asked for.
    package let reserved: ByteCount
    /// The system's error number.
    package let systemError: Int32

    package init(reserved: ByteCount, systemError: Int32) {
        self.reserved = reserved
        self.systemError = systemError
    }
}

extension ArenaUnavailable: CustomStringConvertible {
    package var description: String {
        """
        The system refused \(self.reserved.bytes >> 20) MiB of address space (error \(self.systemError)). None of it is \
        used yet; allow it by lifting `ulimit -v`, by vm.overcommit_memory below 2, or lower the memory for state.
        """
    }
}

extension ResidentArena {
    /// Where places lie, for while the arena itself is at work.
    struct Addresses {
        fileprivate let base: UnsafeMutableRawPointer
        fileprivate let runsOffset: Int
        fileprivate let unitSize: Int

        func pointer(to place: Place) -> UnsafeMutableRawPointer {
            place.ownsPages
                ? self.base + self.runsOffset + Int(place.run) * self.unitSize
                : self.base + place.offset + ResidentArena.headerSize
        }
    }

    var addresses: Addresses { Addresses(base: self.base, runsOffset: self.runsOffset, unitSize: self.runs.unitSize) }

    /// Where a value lies; good until it is freed or moved.
    func pointer(to place: Place) -> UnsafeMutableRawPointer { self.addresses.pointer(to: place) }
}
