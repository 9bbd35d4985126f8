import TorporCore
import TorporEngine

/// An arena as a class, since the macros of tests cannot take what cannot be copied.
final class TestArena {
    private var arena: ResidentArena

    init(residentMax: ByteCount) throws { self.arena = try ResidentArena(residentMax: residentMax) }

    var liveBytes: Int { self.arena.liveBytes }
    var committedBytes: Int { self.arena.committedBytes }
    var releasableBytes: Int { self.arena.releasableBytes }
    var segmentCount: Int { self.arena.segmentCount }
    var isFragmented: Bool { self.arena.isFragmented }

    func allocate(count: Int, owner: UInt32 = 1, tag: UInt16 = 0) -> Place? {
        self.arena.allocate(count: count, owner: owner, tag: tag)
    }

    func free(_ place: Place) { self.arena.free(place) }
    func count(of place: Place) -> Int { self.arena.count(of: place) }
    func pin(_ place: Place) -> PinnedValue { self.arena.pin(place) }
    func unpin(_ value: PinnedValue) { self.arena.unpin(value) }
    func relabel(_ place: Place, owner: UInt32, tag: UInt16) { self.arena.relabel(place, owner: owner, tag: tag) }

    func fill(_ place: Place, _ pattern: UInt64) {
        self.arena.withMutableBytes(of: place) { ArenaModel.fill($0, pattern) }
    }

    func isFilled(_ place: Place, _ pattern: UInt64, count: Int) -> Bool {
        self.arena.withBytes(of: place) { $0.count == count && ArenaModel.isFilled($0, pattern) }
    }

    func compact(atMost bytesMax: Int, moved: (UInt32, UInt16, Place, Place) -> Void) -> Int {
        self.arena.compact(atMost: bytesMax, moved: moved)
    }

    func takeReleasable(atMost bytesMax: Int = .max) -> ReleasablePages {
        self.arena.takeReleasable(atMost: bytesMax)
    }

    func finishRelease(_ pages: ReleasablePages) { self.arena.finishRelease(pages) }

    func giveBack(atMost bytesMax: Int = .max) {
        let pages = self.takeReleasable(atMost: bytesMax)
        pages.giveBack()
        self.finishRelease(pages)
    }
}

/// Keeps values in an arena and remembers what each must hold, the way the engine does: by owner and tag.
final class ArenaModel {
    struct Name: Hashable, Comparable {
        var owner: UInt32
        var tag: UInt16

        static func < (left: Name, right: Name) -> Bool { (left.owner, left.tag) < (right.owner, right.tag) }
    }

    struct Value {
        var place: Place
        var count: Int
        var pattern: UInt64
    }

    var arena: ResidentArena
    private(set) var values: [Name: Value] = [:]
    /// The names in no order, to choose one at random.
    private var names: [Name] = []
    private var patterns: UInt64 = 0
    /// The sum of what the values take.
    private(set) var liveBytes = 0

    init(_ arena: consuming ResidentArena) { self.arena = arena }

    var isFragmented: Bool { self.arena.isFragmented }
    var segmentCount: Int { self.arena.segmentCount }
    var committedBytes: Int { self.arena.committedBytes }

    var count: Int { self.names.count }

    func add(_ name: Name, count: Int) -> Bool {
        guard let place = self.arena.allocate(count: count, owner: name.owner, tag: name.tag) else { return false }
        self.patterns += 1
        let value = Value(place: place, count: count, pattern: self.patterns)
        self.arena.withMutableBytes(of: place) { Self.fill($0, value.pattern) }
        self.values[name] = value
        self.names.append(name)
        self.liveBytes += ResidentArena.footprint(of: count)
        return true
    }

    /// Frees a value, after a look at its bytes.
    /// - Returns: What it took.
    func remove(at index: Int) -> Int {
        self.names.swapAt(index, self.names.count - 1)
        let name = self.names.removeLast()
        let value = self.values.removeValue(forKey: name)!  // Every name has a value.
        precondition(self.holds(value), "the bytes of \(name) are its own")
        self.arena.free(value.place)
        self.liveBytes -= ResidentArena.footprint(of: value.count)
        return ResidentArena.footprint(of: value.count)
    }

    /// - Returns: How much was done, and whether each value that moved was one of ours, at the place we knew.
    func compact(atMost bytesMax: Int) -> (done: Int, isConsistent: Bool) {
        var isConsistent = true
        var values: [Name: Value] = [:]
        swap(&values, &self.values)
        let done = self.arena.compact(atMost: bytesMax) { owner, tag, from, to in
            let name = Name(owner: owner, tag: tag)
            isConsistent = isConsistent && values[name]?.place == from && from != to
            values[name]?.place = to
        }
        swap(&values, &self.values)
        return (done, isConsistent)
    }

    func giveBack(atMost bytesMax: Int = .max) {
        let pages = self.arena.takeReleasable(atMost: bytesMax)
        pages.giveBack()
        self.arena.finishRelease(pages)
    }

    /// Whether every value has the bytes that were written to it.
    func holdsEverything() -> Bool {
        self.values.values.allSatisfy { self.holds($0) }
    }

    func holds(_ value: Value) -> Bool {
        self.arena.count(of: value.place) == value.count
            && self.arena.withBytes(of: value.place) { $0.count == value.count && Self.isFilled($0, value.pattern) }
    }

    static func fill(_ bytes: UnsafeMutableRawBufferPointer, _ pattern: UInt64) {
        var word = pattern
        var start = 0
        while start + 8 <= bytes.count {
            bytes.storeBytes(of: word, toByteOffset: start, as: UInt64.self)
            word = word &* 0x9E37_79B9_7F4A_7C15 &+ 1
            start += 8
        }
        while start < bytes.count {
            bytes[start] = UInt8(truncatingIfNeeded: word)
            start += 1
        }
    }

    static func isFilled(_ bytes: UnsafeRawBufferPointer, _ pattern: UInt64) -> Bool {
        var word = pattern
        var start = 0
        while start + 8 <= bytes.count {
            guard bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self) == word else { return false }
            word = word &* 0x9E37_79B9_7F4A_7C15 &+ 1
            start += 8
        }
        return bytes[start...].allSatisfy { $0 == UInt8(truncatingIfNeeded: word) }
    }
}
