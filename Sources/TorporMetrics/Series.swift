import CoreMetrics
import Synchronization

/// A series that the program writes to while scrapes read it.
protocol Series: AnyObject, Sendable {
    var key: SeriesKey { get }
}

/// A count that only grows: whole amounts in one word, fractions in another.
final class CounterSeries: Series, CounterHandler, FloatingPointCounterHandler {
    let key: SeriesKey
    private let whole = Atomic<UInt64>(0)
    private let fraction = Atomic<Double>(0)

    init(_ key: SeriesKey) {
        self.key = key
    }

    /// The whole part, and what fractional increments added to it.
    var value: (whole: UInt64, fraction: Double) {
        (self.whole.load(ordering: .relaxed), self.fraction.load(ordering: .relaxed))
    }

    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        self.whole.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }

    func increment(by amount: Double) {
        guard amount.isFinite, amount > 0 else { return }
        self.fraction.addRelaxed(amount)
    }

    func reset() {
        self.whole.store(0, ordering: .relaxed)
        self.fraction.store(0, ordering: .relaxed)
    }
}

/// A value that goes up and down.
final class GaugeSeries: Series, MeterHandler, RecorderHandler {
    let key: SeriesKey
    private let bits = Atomic<Double>(0)

    init(_ key: SeriesKey) {
        self.key = key
    }

    var value: Double {
        self.bits.load(ordering: .relaxed)
    }

    func set(_ value: Int64) {
        self.bits.store(Double(value), ordering: .relaxed)
    }

    func set(_ value: Double) {
        self.bits.store(value, ordering: .relaxed)
    }

    func increment(by amount: Double) {
        self.bits.addRelaxed(amount)
    }

    func decrement(by amount: Double) {
        self.bits.addRelaxed(-amount)
    }

    func record(_ value: Int64) {
        self.set(value)
    }

    func record(_ value: Double) {
        self.set(value)
    }
}

/// A histogram of durations: two relaxed additions for each.
///
/// The sum is kept in nanoseconds, in two words: one word would wrap after 584 years of durations added up, which a
/// million sessions reach in five hours.
final class TimerSeries: Series, TimerHandler {
    let key: SeriesKey
    /// Upper bounds in seconds, as they are shown.
    let bounds: [Double]
    /// The same in nanoseconds, as they are compared.
    private let boundsNanoseconds: [UInt64]
    /// One counter for each bound, one for what lies above, and the low and the high word of the sum.
    private let words: AtomicWords

    init(_ key: SeriesKey, bounds: [Double]) {
        precondition(bounds.allSatisfy { $0 > 0 && $0 < 1e9 }, "bounds of a timer are seconds, from 1 ns to 30 years")
        self.key = key
        self.bounds = bounds
        self.boundsNanoseconds = bounds.map { UInt64(($0 * 1e9).rounded()) }
        self.words = AtomicWords(count: bounds.count + 3)
    }

    /// How many durations each bucket holds, not cumulated; the last one is `+Inf`.
    var counts: [UInt64] {
        (0...self.bounds.count).map { self.words.load($0) }
    }

    /// The sum of all durations. Read while the low word wraps, it may lack 2^64 ns, which Prometheus takes for a
    /// reset.
    var sumNanoseconds: UInt128 {
        let low = self.words.load(self.bounds.count + 1)
        let high = self.words.load(self.bounds.count + 2)
        return UInt128(high) << 64 | UInt128(low)
    }

    /// Records a duration; a negative one, which a clock that was set back can give, counts as zero.
    func recordNanoseconds(_ duration: Int64) {
        let nanoseconds = UInt64(max(0, duration))
        let count = self.boundsNanoseconds.count
        var bucket = 0
        while bucket < count, nanoseconds > self.boundsNanoseconds[bucket] {
            bucket += 1
        }
        self.words.add(1, to: bucket)
        let (before, after) = self.words.add(nanoseconds, to: count + 1)
        if after < before {
            self.words.add(1, to: count + 2)
        }
    }
}

/// A histogram of values in the recorder's own unit.
final class RecorderSeries: Series, RecorderHandler {
    let key: SeriesKey
    let bounds: [Double]
    /// One counter for each bound, and one for what lies above.
    private let words: AtomicWords
    private let total = Atomic<Double>(0)

    init(_ key: SeriesKey, bounds: [Double]) {
        self.key = key
        self.bounds = bounds
        self.words = AtomicWords(count: bounds.count + 1)
    }

    /// How many values each bucket holds, not cumulated; the last one is `+Inf`.
    var counts: [UInt64] {
        (0...self.bounds.count).map { self.words.load($0) }
    }

    var sum: Double {
        self.total.load(ordering: .relaxed)
    }

    func record(_ value: Int64) {
        self.record(Double(value))
    }

    /// Records a value; one that is not finite is ignored, since it would spoil the sum for good.
    func record(_ value: Double) {
        guard value.isFinite else { return }
        var bucket = 0
        while bucket < self.bounds.count, value > self.bounds[bucket] {
            bucket += 1
        }
        self.words.add(1, to: bucket)
        self.total.addRelaxed(value)
    }
}

/// Counters that lie side by side in one allocation.
///
/// `@unchecked Sendable` is safe: `words` is set once, its elements are initialised before anyone else sees them and
/// destroyed with the only owner, and between the two they are touched by atomic operations alone.
private struct AtomicWords: ~Copyable, @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int

    init(count: Int) {
        self.words = .allocate(capacity: count)
        self.count = count
        for index in 0..<count {
            (self.words + index).initialize(to: Atomic(0))
        }
    }

    deinit {
        self.words.deinitialize(count: self.count)
        self.words.deallocate()
    }

    func load(_ index: Int) -> UInt64 {
        precondition(index >= 0 && index < self.count, "a word inside the allocation")
        return self.words[index].load(ordering: .relaxed)
    }

    /// Adds, wrapping at 2^64.
    @discardableResult
    func add(_ amount: UInt64, to index: Int) -> (oldValue: UInt64, newValue: UInt64) {
        precondition(index >= 0 && index < self.count, "a word inside the allocation")
        return self.words[index].wrappingAdd(amount, ordering: .relaxed)
    }
}

extension Atomic where Value == Double {
    /// Adds `amount`, however often others get in between.
    fileprivate borrowing func addRelaxed(_ amount: Double) {
        var current = self.load(ordering: .relaxed)
        while true {
            let (exchanged, original) = self.weakCompareExchange(
                expected: current,
                desired: current + amount,
                ordering: .relaxed
            )
            if exchanged { return }
            current = original
        }
    }
}
