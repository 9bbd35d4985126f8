/// Decides which segment a small value goes into, and which segment is emptied next. Holds no memory but its own.
///
/// A segment is filled from front to back, and the place of what was freed in it is used again only when the whole
/// segment is empty. Segments of which less than half is alive are *sparse*: whoever moves what is alive in them
/// elsewhere wins at least as much as was moved.
struct SegmentTable {
    /// Bytes of a segment.
    static let segmentSize = 256 << 10

    enum Role: UInt8 {
        /// Empty, without pages. Next: `open`.
        case cold
        /// Empty, its pages not yet given back. Next: `open`, or `releasing`.
        case vacant
        /// Empty, its pages are being given back. Next: `cold`.
        case releasing
        /// Takes new values. Next: `packed` or `sparse` when the next value does not fit, `vacant` when emptied.
        case open
        /// At least half alive. Next: `sparse` or `vacant`, by what is freed.
        case packed
        /// Less than half alive. Next: `draining` or `vacant`.
        case sparse
        /// What is alive in it is being moved. Next: `vacant`.
        case draining
    }

    private struct Segment {
        /// Bytes that are alive.
        var liveBytes: UInt32 = 0
        /// Bytes that were handed out since the segment was empty.
        var usedBytes: UInt32 = 0
        /// Bytes of the pages that were touched since they were last given back.
        var committedBytes: UInt32 = 0
        var previous = SegmentTable.none
        var next = SegmentTable.none
        var role = Role.cold
    }

    private static let none = UInt32.max
    /// Sparse segments are kept in lists by what is alive in them, so that the emptiest is found at once.
    private static let bandCount = 16
    private static let bandSize = segmentSize / 2 / bandCount
    private static let vacantList = bandCount
    private static let coldList = bandCount + 1

    /// How many segments there may be.
    let countMax: Int
    private let pageMask: UInt32
    private var segments: ContiguousArray<Segment> = []
    /// The first segment of each list: the bands, then the vacant, then the cold.
    private var heads = ContiguousArray(repeating: SegmentTable.none, count: SegmentTable.bandCount + 2)
    /// A bit for each band that is not empty.
    private var bands: UInt32 = 0
    private var openSegment = SegmentTable.none

    /// The segment that is being emptied, and how far that has come, in bytes from its start.
    private(set) var draining: (segment: UInt32, position: Int)?
    /// Bytes that are alive in all segments.
    private(set) var liveBytes = 0
    /// Bytes of the pages in use, those of vacant segments included.
    private(set) var committedBytes = 0
    /// Bytes of the pages of vacant segments.
    private(set) var vacantBytes = 0
    /// Segments that hold values.
    private(set) var usedCount = 0

    /// - Parameter pageSize: a power of two, in bytes.
    init(countMax: Int, pageSize: Int) {
        precondition(countMax > 0 && countMax < Int(Self.none), "segments are counted by 32 bits")
        precondition(Self.segmentSize % pageSize == 0, "a segment is made of whole pages")
        self.countMax = countMax
        self.pageMask = UInt32(pageSize - 1)
    }

    /// Whether something would be won by emptying a segment.
    var hasSparse: Bool { self.bands != 0 || self.draining != nil }

    func role(of segment: UInt32) -> Role { self.segments[Int(segment)].role }

    /// Bytes from the segment's start that hold values, dead or alive.
    func usedBytes(of segment: UInt32) -> Int { Int(self.segments[Int(segment)].usedBytes) }

    // MARK: Values

    /// Finds room for `size` bytes.
    /// - Returns: Where, in bytes from the start of the first segment; `nil` when all segments are in use.
    mutating func allocate(_ size: Int) -> Int? {
        if self.openSegment == Self.none || self.usedBytes(of: self.openSegment) + size > Self.segmentSize {
            guard let fresh = self.takeEmpty() else { return nil }
            self.sealOpen()
            self.openSegment = fresh
            self.usedCount += 1
        }
        let index = Int(self.openSegment)
        let start = self.segments[index].usedBytes
        self.segments[index].role = .open
        self.segments[index].usedBytes += UInt32(size)
        self.segments[index].liveBytes += UInt32(size)
        self.liveBytes += size
        let touched = (self.segments[index].usedBytes + self.pageMask) & ~self.pageMask
        if touched > self.segments[index].committedBytes {
            self.committedBytes += Int(touched - self.segments[index].committedBytes)
            self.segments[index].committedBytes = touched
        }
        return index * Self.segmentSize + Int(start)
    }

    /// Gives back the `size` bytes of a value in `segment`.
    mutating func free(_ size: Int, in segment: UInt32) {
        let index = Int(segment)
        precondition(self.segments[index].liveBytes >= size, "no more is freed in a segment than is alive in it")
        let before = self.band(of: segment)
        let role = self.segments[index].role
        self.segments[index].liveBytes -= UInt32(size)
        self.liveBytes -= size
        switch role {
        case .open, .draining:
            if self.segments[index].liveBytes == 0 { self.becomeVacant(segment) }
        case .packed:
            self.file(segment)
        case .sparse:
            if self.segments[index].liveBytes > 0, self.band(of: segment) == before { return }
            self.unlink(segment, from: before)
            self.file(segment)
        case .cold, .vacant, .releasing:
            preconditionFailure("nothing is alive in an empty segment")
        }
    }

    private func band(of segment: UInt32) -> Int { Int(self.segments[Int(segment)].liveBytes) / Self.bandSize }

    /// Puts a segment that takes no more values where it belongs by what is alive in it.
    private mutating func file(_ segment: UInt32) {
        let index = Int(segment)
        if self.segments[index].liveBytes == 0 {
            self.becomeVacant(segment)
        } else if self.segments[index].liveBytes < self.segments[index].committedBytes / 2 {
            self.segments[index].role = .sparse
            self.link(segment, into: self.band(of: segment))
        } else {
            self.segments[index].role = .packed
        }
    }

    private mutating func sealOpen() {
        guard self.openSegment != Self.none else { return }
        self.file(self.openSegment)
        self.openSegment = Self.none
    }

    private mutating func becomeVacant(_ segment: UInt32) {
        if self.openSegment == segment { self.openSegment = Self.none }
        if self.draining?.segment == segment { self.draining = nil }
        self.segments[Int(segment)].role = .vacant
        self.segments[Int(segment)].usedBytes = 0
        self.usedCount -= 1
        self.vacantBytes += Int(self.segments[Int(segment)].committedBytes)
        self.link(segment, into: Self.vacantList)
    }

    /// An empty segment: best one that has pages, else one that was in use before, else a new one.
    private mutating func takeEmpty() -> UInt32? {
        if let vacant = self.takeFirst(of: Self.vacantList) {
            self.vacantBytes -= Int(self.segments[Int(vacant)].committedBytes)
            return vacant
        }
        if let cold = self.takeFirst(of: Self.coldList) { return cold }
        guard self.segments.count < self.countMax else { return nil }
        self.segments.append(Segment())
        return UInt32(self.segments.count - 1)
    }

    // MARK: Emptying sparse segments

    /// The segment to empty: the one begun, else the sparsest; `nil` when none is sparse.
    mutating func drainNext() -> (segment: UInt32, position: Int)? {
        if let draining = self.draining { return draining }
        guard self.bands != 0, let sparsest = self.takeFirst(of: self.bands.trailingZeroBitCount) else { return nil }
        self.segments[Int(sparsest)].role = .draining
        self.draining = (sparsest, 0)
        return self.draining
    }

    /// The draining segment has nothing alive before `position`.
    mutating func drained(to position: Int) {
        precondition(self.draining != nil, "a segment is being emptied")
        self.draining?.position = position
    }

    // MARK: Giving pages back

    /// A vacant segment whose pages are given back next; nobody uses it until ``released(_:)``.
    mutating func release() -> UInt32? {
        guard let segment = self.takeFirst(of: Self.vacantList) else { return nil }
        self.vacantBytes -= Int(self.segments[Int(segment)].committedBytes)
        self.segments[Int(segment)].role = .releasing
        return segment
    }

    /// The segment's pages were given back.
    mutating func released(_ segment: UInt32) {
        let index = Int(segment)
        precondition(self.segments[index].role == .releasing, "pages are given back once")
        self.committedBytes -= Int(self.segments[index].committedBytes)
        self.segments[index].committedBytes = 0
        self.segments[index].role = .cold
        self.link(segment, into: Self.coldList)
    }

    // MARK: Lists

    private mutating func link(_ segment: UInt32, into list: Int) {
        let first = self.heads[list]
        self.segments[Int(segment)].previous = Self.none
        self.segments[Int(segment)].next = first
        if first != Self.none { self.segments[Int(first)].previous = segment }
        self.heads[list] = segment
        if list < Self.bandCount { self.bands |= 1 << UInt32(list) }
    }

    private mutating func unlink(_ segment: UInt32, from list: Int) {
        let previous = self.segments[Int(segment)].previous
        let next = self.segments[Int(segment)].next
        if previous == Self.none { self.heads[list] = next } else { self.segments[Int(previous)].next = next }
        if next != Self.none { self.segments[Int(next)].previous = previous }
        if list < Self.bandCount, self.heads[list] == Self.none { self.bands &= ~(1 << UInt32(list)) }
    }

    private mutating func takeFirst(of list: Int) -> UInt32? {
        let first = self.heads[list]
        guard first != Self.none else { return nil }
        self.unlink(first, from: list)
        return first
    }
}
