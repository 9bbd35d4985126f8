import Testing
import TorporCore

@testable import TorporChildren

@Suite struct FamilyWatchTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test func aFamilyIsLookedAtOftenWhileItIsBusyOrHalfFullAndSeldomElse() {
        var watch = FamilyWatch(cap: .bytes(1_000), now: Self.at(0))
        #expect(watch.nextLook == Self.at(200))
        #expect(watch.looked(resident: .bytes(500), isBusy: false, now: Self.at(200)) == .nothing)
        #expect(watch.nextLook == Self.at(2_200))
        #expect(watch.looked(resident: .bytes(501), isBusy: false, now: Self.at(2_200)) == .nothing)
        #expect(watch.nextLook == Self.at(2_400))
        #expect(watch.looked(resident: .bytes(1), isBusy: true, now: Self.at(2_400)) == .nothing)
        #expect(watch.nextLook == Self.at(2_600))
        #expect(watch.peak == .bytes(501))
    }

    @Test func aFamilyThatBecomesBusyIsLookedAtSoonButNotLaterThanItWas() {
        var watch = FamilyWatch(cap: .bytes(1_000), now: Self.at(0))
        _ = watch.looked(resident: .bytes(1), isBusy: false, now: Self.at(0))
        watch.becameBusy(now: Self.at(100))
        #expect(watch.nextLook == Self.at(300))
        watch.becameBusy(now: Self.at(250))
        #expect(watch.nextLook == Self.at(300))
    }

    @Test func onlyWhatIsOverTheCapByTheExactFigureIsEnded() {
        var watch = FamilyWatch(cap: .bytes(1_000), now: Self.at(0))
        #expect(watch.looked(resident: .bytes(1_000), isBusy: true, now: Self.at(0)) == .nothing)
        #expect(watch.looked(resident: .bytes(1_001), isBusy: true, now: Self.at(200)) == .weigh)
        #expect(watch.weighed(.bytes(1_000), resident: .bytes(1_001)) == .nothing)
        #expect(watch.peak == .bytes(1_000))
        #expect(watch.weighed(.bytes(1_001), resident: .bytes(1_100)) == .end(used: .bytes(1_001)))
        #expect(watch.weighed(nil, resident: .bytes(1_100)) == .end(used: .bytes(1_100)))
    }

    @Test func whatIsMostlySharedIsWeighedAgainWhenItGrowsOrAfterAWhile() {
        var watch = FamilyWatch(cap: .bytes(1_600), now: Self.at(0))
        #expect(watch.looked(resident: .bytes(2_000), isBusy: true, now: Self.at(0)) == .weigh)
        _ = watch.weighed(.bytes(500), resident: .bytes(2_000))
        #expect(watch.looked(resident: .bytes(2_099), isBusy: true, now: Self.at(200)) == .nothing)
        #expect(watch.looked(resident: .bytes(2_100), isBusy: true, now: Self.at(400)) == .weigh)
        #expect(watch.looked(resident: .bytes(2_100), isBusy: true, now: Self.at(2_399)) == .nothing)
        #expect(watch.looked(resident: .bytes(2_100), isBusy: true, now: Self.at(2_400)) == .weigh)
        // Having been below, the next time over is news.
        #expect(watch.looked(resident: .bytes(1_600), isBusy: true, now: Self.at(2_500)) == .nothing)
        #expect(watch.looked(resident: .bytes(1_601), isBusy: true, now: Self.at(2_600)) == .weigh)
    }
}
