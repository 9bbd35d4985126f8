import Testing
import TorporCore
import TorporTestSupport

/// When objects come due: never early, at most a tick late, whatever the distance.
@Suite struct DueTimesTests {
    private static let origin = Instant(nanoseconds: 1_000_000_000)
    private static let tick = Duration.milliseconds(250)

    private static func at(_ milliseconds: Int) -> Instant { Self.origin + .milliseconds(milliseconds) }
    private static func wheel() -> DueTimes { DueTimes(origin: Self.origin, tick: Self.tick) }

    /// All that is due, in steps of a few.
    private static func advance(_ wheel: inout DueTimes, to now: Instant, atMost count: Int = 3) -> [UInt32] {
        var due: [UInt32] = []
        while let next = wheel.nextAdvance, next <= now { due += wheel.advance(to: now, atMost: count) }
        due += wheel.advance(to: now, atMost: count)
        return due
    }

    @Test(arguments: [250, 500, 64_000, 64_250, 1_800_000, 16_384_000, 600_000_000, 5_000_000_000])
    func anObjectComesDueAtItsTimeAndNotBefore(milliseconds: Int) {
        var wheel = Self.wheel()
        wheel.schedule(7, at: Self.at(milliseconds))
        #expect(wheel.count == 1 && wheel.contains(7) && !wheel.contains(6))
        #expect(Self.advance(&wheel, to: Self.at(milliseconds - 1)) == [])
        #expect(Self.advance(&wheel, to: Self.at(milliseconds)) == [7])
        #expect(wheel.count == 0 && !wheel.contains(7) && wheel.nextAdvance == nil)
        #expect(Self.advance(&wheel, to: Self.at(milliseconds + 1_000_000)) == [])
    }

    @Test func aTimeBetweenTicksIsRoundedUp() {
        var wheel = Self.wheel()
        wheel.schedule(1, at: Self.at(1_001))
        #expect(Self.advance(&wheel, to: Self.at(1_249)) == [])
        #expect(Self.advance(&wheel, to: Self.at(1_250)) == [1])
    }

    @Test func whatHasPassedComesDueWithTheNextCall() {
        var wheel = Self.wheel()
        #expect(Self.advance(&wheel, to: Self.at(100_000)) == [])
        wheel.schedule(1, at: Self.at(50_000))
        wheel.schedule(2, at: Self.at(100_000))
        wheel.schedule(3, at: Instant(nanoseconds: .min))
        #expect(wheel.nextAdvance == Self.at(100_000))
        #expect(Set(Self.advance(&wheel, to: Self.at(100_000))) == [1, 2, 3])
    }

    @Test func timeThatGoesBackChangesNothing() {
        var wheel = Self.wheel()
        #expect(Self.advance(&wheel, to: Self.at(10_000)) == [])
        wheel.schedule(1, at: Self.at(20_000))
        #expect(Self.advance(&wheel, to: Self.at(0)) == [])
        #expect(Self.advance(&wheel, to: Self.at(19_999)) == [])
        #expect(Self.advance(&wheel, to: Self.at(20_000)) == [1])
    }

    @Test func aTimeBeyondAllTicksNeverComes() {
        var wheel = Self.wheel()
        wheel.schedule(1, at: Instant(nanoseconds: .max))
        #expect(Self.advance(&wheel, to: Instant(nanoseconds: .max)) == [])
        #expect(wheel.contains(1))
        wheel.cancel(1)
        #expect(wheel.count == 0)
    }

    @Test func schedulingAgainReplaces() {
        var wheel = Self.wheel()
        wheel.schedule(1, at: Self.at(1_000))
        wheel.schedule(1, at: Self.at(5_000))
        #expect(wheel.count == 1)
        #expect(Self.advance(&wheel, to: Self.at(4_999)) == [])
        wheel.schedule(1, at: Self.at(5_250))
        #expect(Self.advance(&wheel, to: Self.at(5_249)) == [])
        #expect(Self.advance(&wheel, to: Self.at(5_250)) == [1])
    }

    @Test func whatIsCancelledNeverComes() {
        var wheel = Self.wheel()
        for object in 0..<3 as Range<UInt32> { wheel.schedule(object, at: Self.at(1_000)) }
        wheel.cancel(1)
        wheel.cancel(1)
        wheel.cancel(99)
        #expect(wheel.count == 2)
        #expect(Set(Self.advance(&wheel, to: Self.at(1_000))) == [0, 2])
    }

    @Test func aCallLooksAtNoMoreThanItWasAskedFor() {
        var wheel = Self.wheel()
        for object in 0..<1_000 as Range<UInt32> { wheel.schedule(object, at: Self.at(100_000)) }
        // They wait on the second wheel, and are looked at twice.
        var due: [UInt32] = []
        var calls = 0
        while wheel.count > 0 {
            #expect(wheel.nextAdvance.map { $0 <= Self.at(100_000) } == true)
            due += wheel.advance(to: Self.at(100_000), atMost: 10)
            calls += 1
        }
        #expect(Set(due) == Set(0..<1_000) && due.count == 1_000)
        #expect(calls == 200)
        #expect(wheel.advance(to: Self.at(100_000), atMost: 0) == [])
    }

    @Test func objectsMayBeScheduledAndCancelledWhileASlotIsWorkedOn() {
        var wheel = Self.wheel()
        for object in 0..<10 as Range<UInt32> { wheel.schedule(object, at: Self.at(100_000)) }
        var due = wheel.advance(to: Self.at(100_000), atMost: 12)
        #expect(due.count == 2)
        let rest = (0..<10 as Range<UInt32>).filter { !due.contains($0) }
        wheel.cancel(rest[0])
        wheel.schedule(rest[1], at: Self.at(200_000))
        wheel.schedule(due[0], at: Self.at(100_000))
        due = Self.advance(&wheel, to: Self.at(100_000)) + [due[0], due[1]]
        #expect(due.count == 9 && Set(due) == Set(0..<10).subtracting([rest[0], rest[1]]))
        #expect(Self.advance(&wheel, to: Self.at(200_000)) == [rest[1]])
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func everythingComesInItsTick(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var wheel = Self.wheel()
        var model: [UInt32: Instant] = [:]
        var now = Self.origin
        let tick = Self.tick.wholeNanoseconds
        func floor(_ instant: Instant) -> Int64 { instant.since(Self.origin).wholeNanoseconds / tick }
        for _ in 0..<6_000 {
            let object = UInt32.random(in: 0..<300, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1, 2:
                // From nanoseconds to months ahead.
                let ahead = Int64(1) << Int64.random(in: 0..<54, using: &random)
                let due = now + .nanoseconds(Int64.random(in: 0..<ahead * 2, using: &random))
                wheel.schedule(object, at: due)
                model[object] = due
            case 3:
                wheel.cancel(object)
                model[object] = nil
            default:
                // Mostly small steps, now and then a long one, sometimes not finished.
                let ahead = Int64(1) << Int64.random(in: 0..<52, using: &random)
                now = now + .nanoseconds(Int64.random(in: 0..<ahead, using: &random))
                let isWhole = Bool.random(using: &random)
                let due = isWhole ? Self.advance(&wheel, to: now) : wheel.advance(to: now, atMost: 2)
                for object in due {
                    let expected = model.removeValue(forKey: object)
                    #expect(expected.map { $0 <= now } == true, "\(object) comes early or twice")
                }
                guard isWhole else { continue }
                for due in model.values { #expect(floor(due) >= floor(now), "comes late") }
            }
            #expect(wheel.count == model.count)
            // Whoever sleeps until then misses nothing.
            if let earliest = model.values.min() {
                let next = wheel.nextAdvance
                #expect(next.map { $0 <= max(now, earliest + Self.tick) } == true)
            }
        }
    }

    @Test func objectsAreNumberedBy31Bits() async {
        await #expect(processExitsWith: .failure) {
            var wheel = DueTimes(origin: Instant(nanoseconds: 0))
            wheel.schedule(0x8000_0000, at: Instant(nanoseconds: 1))
        }
        await #expect(processExitsWith: .failure) {
            _ = DueTimes(origin: Instant(nanoseconds: 0), tick: .zero)
        }
    }
}
