/// Decides which run of pages a large value gets. Holds no memory but its own.
///
/// A buddy allocator: a run spans a power of two of units in address space, and takes pages only for what its value
/// touches. Address space costs nothing but must not be torn to pieces, so free neighbours are joined. A run that was
/// freed keeps its pages until they are given back, and serves the next value that spans as many units meanwhile.
struct RunTable {
    private enum Role: UInt8 {
        /// Lies within a run, or beyond those ever used.
        case inner
        /// The first unit of a run that nobody has, without pages. Next: `held`, or `inner` when joined with its neighbour.
        case free
        /// Holds a value. Next: `abandoned` when freed while pinned, else `vacant`.
        case held
        /// Its value was freed, somebody reads it still. Next: `vacant`.
        case abandoned
        /// Nobody has it, its pages are not yet given back. Next: `held`, or `releasing`.
        case vacant
        /// Its pages are being given back. Next: `free`.
        case releasing
    }

    private struct Run {
        var previous = RunTable.none
        var next = RunTable.none
        /// Bytes of the value.
        var count: UInt32 = 0
        /// Bytes of the pages that were touched since they were last given back.
        var committedBytes: UInt32 = 0
        var pins: UInt32 = 0
        /// The run spans 2^order units.
        var order: UInt8 = 0
        var role = Role.inner
    }

    private static let none = UInt32.max
    private static let orderCount = 17
    /// The largest value, in bytes: 2 GiB.
    static let countMax = 1 << 31

    /// Bytes of a unit of address space: 32 KiB, or a page where those are larger.
    let unitSize: Int
    /// How many units there may be.
    let unitMax: Int
    private let pageMask: UInt32
    /// By unit, up to the last that was ever used.
    private var runs: ContiguousArray<Run> = []
    private var free = ContiguousArray(repeating: RunTable.none, count: RunTable.orderCount)
    private var vacant = ContiguousArray(repeating: RunTable.none, count: RunTable.orderCount)

    /// Bytes of the values held, in whole pages.
    private(set) var liveBytes = 0
    /// Bytes of the pages in use, those of vacant runs included.
    private(set) var committedBytes = 0
    /// Bytes of the pages of vacant runs.
    private(set) var vacantBytes = 0

    /// - Parameters:
    ///   - spaceMax: How much address space there may be, in bytes.
    ///   - pageSize: A power of two, in bytes.
    init(spaceMax: Int, pageSize: Int) {
        self.unitSize = max(32 << 10, pageSize)
        self.unitMax = spaceMax / self.unitSize
        precondition(self.unitMax > 0 && self.unitMax < Int(Self.none), "units are counted by 32 bits")
        self.pageMask = UInt32(pageSize - 1)
    }

    /// How much address space was ever used, in units.
    var unitCount: Int { self.runs.count }

    /// Bytes of the value in `run`.
    func count(of run: UInt32) -> Int {
        precondition(self.runs[Int(run)].role == .held || self.runs[Int(run)].role == .abandoned, "the run has a value")
        return Int(self.runs[Int(run)].count)
    }

    /// Bytes of address space that `run` spans.
    func span(of run: UInt32) -> Int { self.unitSize << Int(self.runs[Int(run)].order) }

    func isPinned(_ run: UInt32) -> Bool { self.runs[Int(run)].pins > 0 }

    // MARK: Values

    /// Finds a run for a value of `count` bytes.
    /// - Returns: Its first unit; `nil` when the value is larger than ``countMax`` or address space has run out.
    mutating func allocate(_ count: Int) -> UInt32? {
        precondition(count > 0, "a run has bytes")
        guard count <= Self.countMax else { return nil }
        let order = self.order(spanning: count)
        guard let run = self.takeVacant(order) ?? self.takeFree(order) else { return nil }
        let index = Int(run)
        self.runs[index].role = .held
        self.runs[index].order = UInt8(order)
        self.runs[index].count = UInt32(count)
        let touched = self.wholePages(UInt32(count))
        self.liveBytes += Int(touched)
        if touched > self.runs[index].committedBytes {
            self.committedBytes += Int(touched - self.runs[index].committedBytes)
            self.runs[index].committedBytes = touched
        }
        return run
    }

    /// The value in `run` is no longer needed; its pages stay while somebody has pinned it.
    mutating func free(_ run: UInt32) {
        precondition(self.runs[Int(run)].role == .held, "a value is freed once")
        if self.runs[Int(run)].pins > 0 {
            self.runs[Int(run)].role = .abandoned
        } else {
            self.becomeVacant(run)
        }
    }

    mutating func pin(_ run: UInt32) {
        precondition(self.runs[Int(run)].role == .held, "only a value that is held can be pinned")
        self.runs[Int(run)].pins += 1
    }

    mutating func unpin(_ run: UInt32) {
        precondition(self.runs[Int(run)].pins > 0, "a value is unpinned as often as it was pinned")
        self.runs[Int(run)].pins -= 1
        if self.runs[Int(run)].role == .abandoned, self.runs[Int(run)].pins == 0 { self.becomeVacant(run) }
    }

    private mutating func becomeVacant(_ run: UInt32) {
        self.liveBytes -= Int(self.wholePages(self.runs[Int(run)].count))
        self.vacantBytes += Int(self.runs[Int(run)].committedBytes)
        self.runs[Int(run)].role = .vacant
        self.runs[Int(run)].count = 0
        Self.link(run, into: &self.vacant[Int(self.runs[Int(run)].order)], &self.runs)
    }

    private mutating func takeVacant(_ order: Int) -> UInt32? {
        let run = self.vacant[order]
        guard run != Self.none else { return nil }
        Self.unlink(run, from: &self.vacant[order], &self.runs)
        self.vacantBytes -= Int(self.runs[Int(run)].committedBytes)
        return run
    }

    private func wholePages(_ count: UInt32) -> UInt32 { (count + self.pageMask) & ~self.pageMask }

    private func order(spanning count: Int) -> Int {
        let units = (count + self.unitSize - 1) / self.unitSize
        return Int.bitWidth - (units - 1).leadingZeroBitCount
    }

    // MARK: Address space

    private mutating func takeFree(_ order: Int) -> UInt32? {
        guard let found = (order..<Self.orderCount).first(where: { self.free[$0] != Self.none }) else {
            return self.extend(order)
        }
        let run = self.free[found]
        Self.unlink(run, from: &self.free[found], &self.runs)
        // The lower half is taken, the upper halves stay free.
        for half in (order..<found).reversed() { self.addFree(run + UInt32(1 << half), half) }
        return run
    }

    /// Takes a run from the address space that was never used.
    private mutating func extend(_ order: Int) -> UInt32? {
        let size = 1 << order
        let start = (self.runs.count + size - 1) & ~(size - 1)
        guard start + size <= self.unitMax else { return nil }
        var gap = self.runs.count
        self.runs.append(contentsOf: repeatElement(Run(), count: start + size - gap))
        // A run starts at a multiple of its size: what lies before it is free.
        while gap < start {
            let order = gap.trailingZeroBitCount
            self.join(UInt32(gap), order)
            gap += 1 << order
        }
        return UInt32(start)
    }

    /// Makes a run free and joins it with its neighbour for as long as that is free too.
    private mutating func join(_ run: UInt32, _ order: Int) {
        var run = run
        var order = order
        while order < Self.orderCount - 1 {
            let neighbour = run ^ UInt32(1 << order)
            guard Int(neighbour) < self.runs.count, self.runs[Int(neighbour)].role == .free,
                self.runs[Int(neighbour)].order == UInt8(order)
            else { break }
            Self.unlink(neighbour, from: &self.free[order], &self.runs)
            self.runs[Int(max(run, neighbour))].role = .inner
            run = min(run, neighbour)
            order += 1
        }
        self.addFree(run, order)
    }

    private mutating func addFree(_ run: UInt32, _ order: Int) {
        self.runs[Int(run)].role = .free
        self.runs[Int(run)].order = UInt8(order)
        Self.link(run, into: &self.free[order], &self.runs)
    }

    // MARK: Giving pages back

    /// A vacant run whose pages are given back next; nobody uses it until ``released(_:)``.
    mutating func release() -> UInt32? {
        guard let order = (0..<Self.orderCount).last(where: { self.vacant[$0] != Self.none }),
            let run = self.takeVacant(order)
        else { return nil }
        self.runs[Int(run)].role = .releasing
        return run
    }

    /// The run's pages were given back.
    mutating func released(_ run: UInt32) {
        precondition(self.runs[Int(run)].role == .releasing, "pages are given back once")
        self.committedBytes -= Int(self.runs[Int(run)].committedBytes)
        self.runs[Int(run)].committedBytes = 0
        self.join(run, Int(self.runs[Int(run)].order))
    }

    // MARK: Lists

    private static func link(_ run: UInt32, into head: inout UInt32, _ runs: inout ContiguousArray<Run>) {
        runs[Int(run)].previous = self.none
        runs[Int(run)].next = head
        if head != self.none { runs[Int(head)].previous = run }
        head = run
    }

    private static func unlink(_ run: UInt32, from head: inout UInt32, _ runs: inout ContiguousArray<Run>) {
        let (previous, next) = (runs[Int(run)].previous, runs[Int(run)].next)
        if previous == self.none { head = next } else { runs[Int(previous)].next = next }
        if next != self.none { runs[Int(next)].previous = previous }
    }
}
