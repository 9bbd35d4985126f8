import Testing
import TorporCore

struct OwnershipStateMachineTests {
    private let unit = UnitID.principal(7)
    private let first = Fence(incarnation: 1, epoch: 0)
    private let second = Fence(incarnation: 1, epoch: 1)

    @Test func aStoreThatIsOwnedAsAWholeNeedsNoAcquisition() {
        var ownership = OwnershipStateMachine<Int>(wholeStore: self.first)
        #expect(ownership.requested(self.unit, by: 1) == .owned(self.first))
        #expect(ownership.fence(of: .object(StateObjectID(bits: 1))) == self.first && ownership.count == 0)
    }

    @Test func aUnitIsAcquiredOnceForAllWhoWantIt() {
        var ownership = OwnershipStateMachine<Int>(wholeStore: nil)
        #expect(ownership.requested(self.unit, by: 1) == .acquire(after: nil))
        #expect(ownership.requested(self.unit, by: 2) == .wait && ownership.fence(of: self.unit) == nil)
        #expect(ownership.acquired(self.unit, self.first) == [1, 2])
        #expect(ownership.requested(self.unit, by: 3) == .owned(self.first))
        ownership.released(self.unit)
        #expect(ownership.count == 0)
    }

    @Test func anAcquisitionThatFailsIsTriedAgainByTheNext() {
        var ownership = OwnershipStateMachine<Int>(wholeStore: nil)
        _ = ownership.requested(self.unit, by: 1)
        #expect(ownership.acquisitionFailed(self.unit) == [1])
        #expect(ownership.requested(self.unit, by: 2) == .acquire(after: nil))
    }

    @Test func anUnknownOutcomeClosesTheUnitUntilItIsAcquiredAgain() {
        var ownership = OwnershipStateMachine<Int>(wholeStore: self.first)
        #expect(ownership.outcomeUnknown(of: self.unit) == self.first)
        #expect(ownership.outcomeUnknown(of: self.unit) == nil, "it is being acquired already")
        #expect(ownership.fence(of: self.unit) == nil && ownership.requested(self.unit, by: 1) == .wait)
        #expect(ownership.acquisitionFailed(self.unit) == [1])
        #expect(ownership.fence(of: self.unit) == nil, "the former fence may be outdone by now")
        #expect(ownership.acquired(self.unit, self.second).isEmpty)
        #expect(ownership.fence(of: self.unit) == self.second)
        ownership.released(self.unit)
        #expect(ownership.fence(of: self.unit) == self.second, "the store refuses the former one")
    }

    @Test func anotherUnitDoesNotNotice() {
        var ownership = OwnershipStateMachine<Int>(wholeStore: self.first)
        _ = ownership.outcomeUnknown(of: self.unit)
        #expect(ownership.fence(of: .principal(8)) == self.first)
    }

    @Test func whatWasNotAskedForIsNotAcquired() async {
        await #expect(processExitsWith: .failure) {
            var ownership = OwnershipStateMachine<Int>(wholeStore: nil)
            _ = ownership.acquired(.principal(1), Fence(incarnation: 1, epoch: 1))
        }
        await #expect(processExitsWith: .failure) {
            var ownership = OwnershipStateMachine<Int>(wholeStore: nil)
            _ = ownership.acquisitionFailed(.principal(1))
        }
    }
}
