import Testing
import TorporCore
import TorporTestSupport

/// How often a caller is admitted, and how many callers are remembered.
@Suite struct RateTableTests {
    private static func millisecond(_ milliseconds: Int) -> Instant {
        Instant(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    private static let limits = RateLimits(perSecond: 10, burst: 3)

    @Test func aBurstIsAdmittedAndTheNextHasToWait() {
        var bucket = TokenBucket(now: Self.millisecond(0))
        for _ in 0..<3 { #expect(bucket.take(limits: Self.limits, now: Self.millisecond(0)) == .admitted) }
        #expect(
            bucket.take(limits: Self.limits, now: Self.millisecond(0)) == .refused(retryAfter: .milliseconds(100)))
        // A refusal takes nothing.
        #expect(
            bucket.take(limits: Self.limits, now: Self.millisecond(99)) == .refused(retryAfter: .milliseconds(1)))
        #expect(bucket.take(limits: Self.limits, now: Self.millisecond(100)) == .admitted)
        #expect(
            bucket.take(limits: Self.limits, now: Self.millisecond(100)) == .refused(retryAfter: .milliseconds(100)))
    }

    @Test func aBucketIsFullWhenItsWholeBurstIsBackAndNeverMoreThanThat() {
        var bucket = TokenBucket(now: Self.millisecond(0))
        for _ in 0..<3 { _ = bucket.take(limits: Self.limits, now: Self.millisecond(0)) }
        #expect(!bucket.isFull(now: Self.millisecond(299)))
        #expect(bucket.isFull(now: Self.millisecond(300)))
        for _ in 0..<3 { #expect(bucket.take(limits: Self.limits, now: Self.millisecond(9_000)) == .admitted) }
        #expect(
            bucket.take(limits: Self.limits, now: Self.millisecond(9_000)) == .refused(retryAfter: .milliseconds(100)))
    }

    @Test func noCallerTakesFromAnother() {
        var table = RateTable<Int>(limits: Self.limits)
        for _ in 0..<9 { _ = table.take(1, now: Self.millisecond(0)) }
        #expect(table.take(1, now: Self.millisecond(0)) == .refused(retryAfter: .milliseconds(100)))
        #expect(table.take(2, now: Self.millisecond(0)) == .admitted)
    }

    @Test func overALongTimeTheRateHolds() {
        for seed in 0..<50 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let limits = RateLimits(
                perSecond: Double(Int.random(in: 1...1_000, using: &random)),
                burst: Int.random(in: 1...50, using: &random))
            var table = RateTable<Int>(limits: limits)
            var (now, admitted) = (Int64(0), 0)
            for _ in 0..<2_000 {
                switch table.take(7, now: Instant(nanoseconds: now)) {
                case .admitted:
                    admitted += 1
                    now += Int64.random(in: 0...2_000_000, using: &random)
                case .refused(let retryAfter):
                    // One nanosecond before that it is still refused.
                    let early = table.take(7, now: Instant(nanoseconds: now + retryAfter.wholeNanoseconds - 1))
                    #expect(early == .refused(retryAfter: .nanoseconds(1)), "seed \(seed)")
                    now += retryAfter.wholeNanoseconds
                }
            }
            let most = Double(limits.burst) + limits.perSecond * Double(now) / 1e9
            #expect(Double(admitted) <= most + 1, "seed \(seed)")
            #expect(Double(admitted) >= min(1_000, most / 4), "seed \(seed)")
        }
    }

    @Test func fullBucketsAreForgottenAndOthersAreNot() {
        var table = RateTable<Int>(limits: Self.limits, callersMax: 4)
        for _ in 0..<3 { _ = table.take(1, now: Self.millisecond(0)) }
        _ = table.take(2, now: Self.millisecond(0))
        _ = table.take(3, now: Self.millisecond(0))
        _ = table.take(4, now: Self.millisecond(0))
        #expect(table.count == 4)
        // After 100 ms the buckets of 2, 3 and 4 are full again; that of 1 lacks two.
        #expect(table.take(5, now: Self.millisecond(100)) == .admitted)
        #expect(table.count <= 4)
        #expect(table.take(1, now: Self.millisecond(100)) == .admitted)
        #expect(table.take(1, now: Self.millisecond(100)) == .refused(retryAfter: .milliseconds(100)))
        table.forgetFull(now: Self.millisecond(100), lookingAt: 100)
        #expect(table.count == 2)
        table.forgetFull(now: Self.millisecond(400), lookingAt: 1)
        #expect(table.count == 1)
        table.forgetFull(now: Self.millisecond(400), lookingAt: 100)
        #expect(table.count == 0)
    }

    @Test func noMoreCallersAreKnownThanMayBe() {
        for callersMax in [1, 2, 3, 100] {
            var table = RateTable<Int>(limits: Self.limits, callersMax: callersMax)
            for caller in 0..<1_000 {
                #expect(table.take(caller, now: Self.millisecond(0)) == .admitted)
                #expect(table.count == min(caller + 1, callersMax))
            }
        }
    }

    @Test func callersThatComeOnceDoNotAddUp() {
        var table = RateTable<Int>(limits: Self.limits, callersMax: 10_000)
        var largest = 0
        // A bucket is full after 100 ms, in which 100 others come.
        for caller in 0..<20_000 {
            _ = table.take(caller, now: Self.millisecond(caller))
            largest = max(largest, table.count)
        }
        #expect(largest <= 210)
    }

    @Test func limitsThatMakeNoSenseAreImpossible() async {
        await #expect(processExitsWith: .failure) { _ = RateLimits(perSecond: 0, burst: 1) }
        await #expect(processExitsWith: .failure) { _ = RateLimits(perSecond: 1, burst: 0) }
        await #expect(processExitsWith: .failure) { _ = RateLimits(perSecond: .nan, burst: 1) }
        await #expect(processExitsWith: .failure) {
            _ = RateTable<Int>(limits: RateLimits(perSecond: 1, burst: 1), callersMax: 0)
        }
    }
}
