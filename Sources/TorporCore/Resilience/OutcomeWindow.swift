/// Counts how calls ended within the last while, in ten slots of time, the oldest of which leaves as a whole. Holds no
/// clock, and takes the same room however many calls there are.
struct OutcomeWindow: Sendable {
    private struct Slot: Sendable {
        /// Which tenth since the beginning of time it counts.
        var index: Int64 = .min
        var calls = 0
        var failures = 0
    }

    private static var slotCount: Int64 { 10 }

    private let slotNanoseconds: Int64
    private var slots = [Slot](repeating: Slot(), count: 10)

    init(_ window: Duration) { self.slotNanoseconds = max(1, window.wholeNanoseconds / Self.slotCount) }

    mutating func count(isFailure: Bool, now: Instant) {
        let index = self.index(now)
        let place = Int(((index % Self.slotCount) + Self.slotCount) % Self.slotCount)
        if self.slots[place].index != index { self.slots[place] = Slot(index: index) }
        self.slots[place].calls += 1
        self.slots[place].failures += isFailure ? 1 : 0
    }

    /// Calls that ended within the window, and those of them that failed.
    func totals(now: Instant) -> (calls: Int, failures: Int) {
        let index = self.index(now)
        var totals = (calls: 0, failures: 0)
        for slot in self.slots where slot.index > index - Self.slotCount && slot.index <= index {
            totals.calls += slot.calls
            totals.failures += slot.failures
        }
        return totals
    }

    mutating func removeAll() { self.slots = [Slot](repeating: Slot(), count: Int(Self.slotCount)) }

    private func index(_ now: Instant) -> Int64 {
        // Rounded down for moments before the clock's zero, too.
        (now.nanoseconds - (now.nanoseconds < 0 ? self.slotNanoseconds - 1 : 0)) / self.slotNanoseconds
    }
}
