/// Remembers when something has to be looked at, for many objects: a timing wheel. Holds no clock.
///
/// Made for idle timeouts: an object is scheduled once when it becomes resident, not at each use. When it comes due and
/// was used meanwhile, the caller schedules it again, at its last use and the timeout. So a use costs nothing.
///
/// Nothing comes due early, and nothing more than one tick late. Takes 12 bytes for each object number in use.
///
/// Four wheels of 256 slots: the first has a slot for each tick, the next for each 256, and so on. What comes near
/// moves to a finer wheel, at most three times in its life.
package struct DueTimes: Sendable {
    private struct Entry: Sendable {
        /// The entry before it, or with the upper bit the slot that it is the first of; ``none`` when not scheduled.
        var previous = DueTimes.none
        var next = DueTimes.none
        /// The tick at which it comes due.
        var tick: UInt32 = 0
    }

    private static let none = UInt32.max
    private static let slotFlag: UInt32 = 0x8000_0000
    /// A slot beyond the wheels, for what is due already.
    private static let dueSlot = 1_024

    /// How finely time is told.
    private let tickNanoseconds: Int64
    /// The first moment that is told.
    private let origin: Instant
    private var entries: ContiguousArray<Entry> = []
    /// The first entry of each slot: four wheels, then what is due.
    private var slots = ContiguousArray(repeating: DueTimes.none, count: 1_025)
    /// A bit for each slot of the wheels that is not empty.
    private var occupied = ContiguousArray<UInt64>(repeating: 0, count: 16)
    /// Every tick up to this one has passed. What waits on a wheel is due later.
    private var current: UInt32 = 0
    /// The slot that ``advance(to:atMost:)`` has not finished: its tick has passed.
    private var unfinished: Int?

    /// Objects scheduled.
    package private(set) var count = 0

    /// - Parameters:
    ///   - origin: No moment before this one is told.
    ///   - tick: How late something may come due. Default 250 ms.
    package init(origin: Instant, tick: Duration = .milliseconds(250)) {
        precondition(tick.wholeNanoseconds > 0, "time goes on in ticks")
        self.origin = origin
        self.tickNanoseconds = tick.wholeNanoseconds
    }

    /// Whether the object is scheduled.
    package func contains(_ object: UInt32) -> Bool {
        Int(object) < self.entries.count && self.entries[Int(object)].previous != Self.none
    }

    /// Schedules an object, in place of what it was scheduled for. A moment that has passed comes due with the next
    /// ``advance(to:atMost:)``; one more than 2³² ticks after the origin, 34 years with the default, never does.
    /// - Precondition: The number has 31 bits.
    /// - Complexity: O(1).
    package mutating func schedule(_ object: UInt32, at due: Instant) {
        precondition(object < Self.slotFlag, "objects are numbered by 31 bits")
        if Int(object) >= self.entries.count {
            self.entries.append(contentsOf: repeatElement(Entry(), count: Int(object) + 1 - self.entries.count))
        }
        self.cancel(object)
        // Rounded up, so that nothing comes early.
        self.entries[Int(object)].tick = self.tick(due, roundedUp: true)
        self.count += 1
        self.link(object)
    }

    /// Forgets when an object comes due. Does nothing for one that is not scheduled.
    /// - Complexity: O(1).
    package mutating func cancel(_ object: UInt32) {
        guard self.contains(object) else { return }
        self.unlink(object)
        self.count -= 1
    }

    /// Tells which objects have come due, and forgets them.
    ///
    /// - Parameters:
    ///   - now: The time. One before that of an earlier call changes nothing.
    ///   - countMax: How many objects to look at; those that only moved to a finer wheel count too.
    /// - Returns: At most `countMax` objects. More are due as long as ``nextAdvance`` is not after `now`.
    /// - Complexity: O(`countMax`), however much time has passed.
    package mutating func advance(to now: Instant, atMost countMax: Int) -> [UInt32] {
        let target = min(self.tick(now, roundedUp: false), UInt32.max - 1)
        var due: [UInt32] = []
        var looked = 0
        while let slot = self.slotInHand(before: target) {
            while self.slots[slot] != Self.none {
                guard looked < countMax else { return due }
                looked += 1
                let object = self.slots[slot]
                self.unlink(object)
                if self.entries[Int(object)].tick <= self.current {
                    self.count -= 1
                    due.append(object)
                } else {
                    self.link(object)
                }
            }
            if self.unfinished == slot { self.unfinished = nil }
        }
        self.current = max(self.current, target)
        return due
    }

    /// A moment before which nothing comes due and ``advance(to:atMost:)`` has nothing to do; `nil` when
    /// nothing ever comes due. It may come earlier than the first object is due.
    package var nextAdvance: Instant? {
        if self.slots[Self.dueSlot] != Self.none || self.unfinished != nil { return self.instant(self.current) }
        // The last tick never passes.
        guard let next = self.nextSlot(), next.tick < .max else { return nil }
        return self.instant(next.tick)
    }

    // MARK: Ticks

    private func tick(_ instant: Instant, roundedUp: Bool) -> UInt32 {
        let (passed, overflows) = instant.nanoseconds.subtractingReportingOverflow(self.origin.nanoseconds)
        if overflows { return instant < self.origin ? 0 : .max }
        guard passed > 0 else { return 0 }
        let ticks = roundedUp ? (passed - 1) / self.tickNanoseconds + 1 : passed / self.tickNanoseconds
        return UInt32(clamping: ticks)
    }

    private func instant(_ tick: UInt32) -> Instant {
        let (passed, overflows) = self.tickNanoseconds.multipliedReportingOverflow(by: Int64(tick))
        let (nanoseconds, overflowsToo) = self.origin.nanoseconds.addingReportingOverflow(passed)
        return Instant(nanoseconds: overflows || overflowsToo ? .max : nanoseconds)
    }

    // MARK: Slots

    /// The slot to work on next: what is due, the one begun, or the next whose tick is not after `target`.
    private mutating func slotInHand(before target: UInt32) -> Int? {
        if self.slots[Self.dueSlot] != Self.none { return Self.dueSlot }
        if let unfinished = self.unfinished { return unfinished }
        guard let (slot, tick) = self.nextSlot(), tick <= target else { return nil }
        self.current = tick
        self.unfinished = slot
        return slot
    }

    /// The first slot of the wheels that is not empty, and the tick at which its time begins.
    ///
    /// What waits on a finer wheel always comes before what waits on a coarser one.
    private func nextSlot() -> (slot: Int, tick: UInt32)? {
        for wheel in 0..<4 {
            let shift = UInt32(8 * wheel)
            guard let slot = self.firstOccupied(wheel, after: Int(self.current >> shift & 255)) else { continue }
            // The ticks of the coarser wheels stay, those of the finer ones are at zero.
            let coarser = wheel == 3 ? 0 : self.current & (.max << (shift + 8))
            return (256 * wheel + slot, coarser | UInt32(slot) << shift)
        }
        return nil
    }

    private func firstOccupied(_ wheel: Int, after slot: Int) -> Int? {
        var start = slot + 1
        while start < 256 {
            let word = self.occupied[4 * wheel + start / 64] >> UInt64(start % 64)
            if word != 0 { return start + word.trailingZeroBitCount }
            start = (start / 64 + 1) * 64
        }
        return nil
    }

    /// Where something that is due at `tick` waits: on the wheel of the highest byte that differs from now.
    private func slot(of tick: UInt32) -> Int {
        guard tick > self.current else { return Self.dueSlot }
        let wheel = (31 - (tick ^ self.current).leadingZeroBitCount) / 8
        return 256 * wheel + Int(tick >> UInt32(8 * wheel) & 255)
    }

    private mutating func link(_ object: UInt32) {
        let slot = self.slot(of: self.entries[Int(object)].tick)
        let first = self.slots[slot]
        self.entries[Int(object)].previous = Self.slotFlag | UInt32(slot)
        self.entries[Int(object)].next = first
        if first != Self.none { self.entries[Int(first)].previous = object }
        self.slots[slot] = object
        if slot < Self.dueSlot { self.occupied[slot / 64] |= 1 << UInt64(slot % 64) }
    }

    private mutating func unlink(_ object: UInt32) {
        let (previous, next) = (self.entries[Int(object)].previous, self.entries[Int(object)].next)
        if next != Self.none { self.entries[Int(next)].previous = previous }
        if previous & Self.slotFlag == 0 {
            self.entries[Int(previous)].next = next
        } else {
            let slot = Int(previous & ~Self.slotFlag)
            self.slots[slot] = next
            if next == Self.none, slot < Self.dueSlot { self.occupied[slot / 64] &= ~(1 << UInt64(slot % 64)) }
        }
        self.entries[Int(object)].previous = Self.none
    }
}
