import Testing

@testable import TorporCore
import TorporTestSupport

/// Which object goes first, and how little is looked at to find it.
@Suite struct EvictionPolicyTests {
    private static func filled(_ kind: EvictionPolicyKind, _ count: UInt32) -> EvictionOrder {
        var order = EvictionOrder(kind)
        for object in 0..<count { order.insert(object, bytes: 10) }
        return order
    }

    /// Evicts until nothing is left.
    private static func drain(_ order: inout EvictionOrder) -> [UInt32] {
        var victims: [UInt32] = []
        while case .victim(let object) = order.nextVictim(where: { _ in true }) {
            victims.append(object)
            order.remove(object)
        }
        return victims
    }

    private static func next(_ order: inout EvictionOrder, busy: Set<UInt32> = []) -> EvictionSearch {
        order.nextVictim(where: { !busy.contains($0) })
    }

    // MARK: Order

    @Test func whatWasNotUsedForLongestGoesFirst() {
        var order = Self.filled(.leastRecentlyUsed, 5)
        order.touch(0)
        order.touch(3)
        order.touch(0)
        #expect(Self.drain(&order) == [1, 2, 4, 3, 0])
    }

    @Test func whatIsLargeGoesBeforeWhatIsSmall() {
        var order = EvictionOrder(.weighted)
        order.insert(0, bytes: 1_024)
        order.insert(1, bytes: 65_536)
        order.insert(2, bytes: 1_024)
        #expect(Self.drain(&order) == [1, 0, 2])
        // But not when it was used long after: 1 KiB counts an eighth of what 64 KiB do.
        for (others, first) in [(5, 1), (10, 0)] as [(UInt32, UInt32)] {
            var order = EvictionOrder(.weighted)
            order.insert(0, bytes: 1_024)
            for object in 2..<2 + others { order.insert(object, bytes: 1) }
            order.insert(1, bytes: 65_536)
            order.insert(100, bytes: 1)
            #expect(Self.next(&order) == .victim(first))
        }
    }

    @Test func whatWasUsedAgainStaysThreeTimesAsLong() {
        // So many others come between two objects, which are then 5 and 2 others old, and 7 and 2.
        for (others, first) in [(1, 2), (3, 0)] as [(UInt32, UInt32)] {
            var order = EvictionOrder(.weighted)
            order.insert(0, bytes: 1_024)
            // The first use is what brought it here.
            order.touch(0)
            order.touch(0)
            for object in 10..<10 + others { order.insert(object, bytes: 1) }
            order.insert(2, bytes: 1_024)
            order.touch(2)
            for object in 20..<22 as Range<UInt32> { order.insert(object, bytes: 1) }
            #expect(Self.next(&order) == .victim(first), "\(others) others")
        }
    }

    @Test func theFirstUseIsNotAnother() {
        var order = Self.filled(.weighted, 3)
        for object in 0..<3 as Range<UInt32> { order.touch(object) }
        order.touch(0)
        for object in 3..<5 as Range<UInt32> { order.insert(object, bytes: 10) }
        #expect(Self.next(&order) == .victim(1))
    }

    @Test func whatHasGrownIsSortedAnewAfterItsUse() {
        var order = EvictionOrder(.weighted)
        order.insert(0, bytes: 100)
        order.insert(1, bytes: 100)
        order.resize(1, bytes: 100_000)
        // Behind one that is smaller, it waits.
        #expect(Self.next(&order) == .victim(0))
        order.touch(1)
        order.insert(2, bytes: 100)
        #expect(Self.drain(&order) == [1, 0, 2])
    }

    @Test func aQueueHoldsSizesThatDifferByLessThanHalf() {
        func queue(_ bytes: Int) -> Int { WeightedPolicy.queue(bytes: bytes, uses: 0) }
        #expect(queue(0) == 0 && queue(255) == 0 && queue(256) == 1 && queue(511) == 1 && queue(512) == 2)
        #expect(queue(65_535) == 8 && queue(65_536) == 9 && queue(Int(UInt32.max)) == 9)
        #expect(WeightedPolicy.queue(bytes: 256, uses: 1) == 1 && WeightedPolicy.queue(bytes: 256, uses: 2) == 11)
    }

    @Test(arguments: EvictionPolicyKind.allCases)
    func aVictimThatWasNotEvictedIsFoundAgain(kind: EvictionPolicyKind) {
        var order = Self.filled(kind, 3)
        #expect(Self.next(&order) == .victim(0))
        #expect(Self.next(&order) == .victim(0))
        order.touch(0)
        #expect(Self.next(&order) == .victim(1))
        order.remove(1)
        #expect(Self.drain(&order) == [2, 0])
    }

    @Test(arguments: EvictionPolicyKind.allCases)
    func anEmptyPolicyHasNoVictim(kind: EvictionPolicyKind) {
        var order = EvictionOrder(kind)
        #expect(Self.next(&order) == .nothing)
        order.insert(7, bytes: 1)
        order.remove(7)
        #expect(Self.next(&order) == .nothing)
    }

    // MARK: What is in use or dirty

    @Test(arguments: EvictionPolicyKind.allCases)
    func whatIsInUseIsMetOnce(kind: EvictionPolicyKind) {
        var order = Self.filled(kind, 100)
        var met: [UInt32] = []
        for _ in 0..<3 {
            let search = order.nextVictim(where: { object in
                met.append(object)
                return object >= 50
            })
            #expect(search == .victim(50))
        }
        #expect(met == Array(0...50) + [50, 50])
        #expect(order.candidateCount == 50 && order.candidateBytes == 500)
    }

    @Test(arguments: EvictionPolicyKind.allCases)
    func whatWasSetAsideComesBackAfterItsUse(kind: EvictionPolicyKind) {
        var order = Self.filled(kind, 4)
        #expect(Self.next(&order, busy: [0, 1, 2, 3]) == .nothing)
        #expect(order.candidateCount == 0)
        order.touch(1)
        order.restore(0)
        #expect(order.candidateCount == 2 && order.candidateBytes == 20)
        #expect(Self.drain(&order) == [1, 0])
    }

    @Test(arguments: EvictionPolicyKind.allCases)
    func whatWasSetAsideComesBackAsTheNewest(kind: EvictionPolicyKind) {
        var order = Self.filled(kind, 3)
        #expect(Self.next(&order, busy: [0]) == .victim(1))
        order.insert(3, bytes: 10)
        order.restore(0)
        #expect(Self.drain(&order) == [1, 2, 3, 0])
    }

    @Test(arguments: EvictionPolicyKind.allCases)
    func restoringWhatWasNotSetAsideChangesNothing(kind: EvictionPolicyKind) {
        var order = Self.filled(kind, 3)
        order.restore(0)
        #expect(Self.drain(&order) == [0, 1, 2])
    }

    @Test(arguments: EvictionPolicyKind.allCases)
    func whatWasSetAsideCanGo(kind: EvictionPolicyKind) {
        var order = Self.filled(kind, 2)
        #expect(Self.next(&order, busy: [0]) == .victim(1))
        order.remove(0)
        order.insert(0, bytes: 30)
        #expect(order.candidateBytes == 40)
        #expect(Self.drain(&order) == [1, 0])
    }

    // MARK: Bounds

    @Test(arguments: EvictionPolicyKind.allCases)
    func aSearchAmongWhatIsInUseStops(kind: EvictionPolicyKind) {
        let steps = EvictionSearch.stepsMax
        var order = Self.filled(kind, UInt32(steps) + 1)
        var met = 0
        let isEvictable = { (_: UInt32) in
            met += 1
            return false
        }
        #expect(order.nextVictim(where: isEvictable) == .unfinished)
        #expect(met == steps)
        #expect(order.nextVictim(where: isEvictable) == .nothing)
        #expect(met == steps + 1)
        // One fewer, and it is known at once that there is nothing.
        order = Self.filled(kind, UInt32(steps))
        #expect(order.nextVictim(where: isEvictable) == .nothing)
    }

    @Test func anObjectTakesTwentyBytes() { #expect(MemoryLayout<EvictionQueues.Entry>.stride == 20) }

    // MARK: Bytes

    @Test(arguments: EvictionPolicyKind.allCases)
    func bytesFollowTheirObjects(kind: EvictionPolicyKind) {
        var order = EvictionOrder(kind)
        order.insert(1, bytes: 100)
        order.insert(2, bytes: Int(UInt32.max))
        #expect(order.candidateBytes == 100 + Int(UInt32.max))
        order.resize(2, bytes: 0)
        order.resize(1, bytes: 300)
        #expect(order.candidateBytes == 300)
        #expect(Self.next(&order, busy: [1]) == .victim(2))
        order.resize(1, bytes: 500)
        #expect(order.candidateBytes == 0)
        order.touch(1)
        #expect(order.candidateBytes == 500)
    }

    // MARK: A model

    /// A policy written as simply as it can be.
    private struct Model {
        struct Object {
            var bytes: Int
            var uses: UInt8 = 0
            var stamp: UInt32
            var queue: Int
            var isAside = false
        }

        let kind: EvictionPolicyKind
        var objects: [UInt32: Object] = [:]
        var clock: UInt32 = 0

        var candidates: [UInt32: Object] { self.objects.filter { !$0.value.isAside } }

        func queue(_ bytes: Int, _ uses: UInt8) -> Int {
            self.kind == .weighted ? WeightedPolicy.queue(bytes: bytes, uses: uses) : 0
        }

        mutating func insert(_ object: UInt32, bytes: Int) {
            self.clock += 1
            self.objects[object] = Object(bytes: bytes, stamp: self.clock, queue: self.queue(bytes, 0))
        }

        mutating func touch(_ object: UInt32) {
            self.clock += 1
            let former = self.objects[object]!
            let uses = min(2, former.uses + 1)
            self.objects[object] = Object(
                bytes: former.bytes, uses: uses, stamp: self.clock, queue: self.queue(former.bytes, uses))
        }

        mutating func restore(_ object: UInt32) {
            guard self.objects[object]!.isAside else { return }
            self.clock += 1
            self.objects[object]!.isAside = false
            self.objects[object]!.stamp = self.clock
        }

        /// The oldest of each queue, and the first of those that weigh most.
        mutating func next(busy: Set<UInt32>) -> EvictionSearch {
            while true {
                var oldest: [Int: (key: UInt32, value: Object)] = [:]
                for candidate in self.candidates
                where candidate.value.stamp < oldest[candidate.value.queue]?.value.stamp ?? .max {
                    oldest[candidate.value.queue] = candidate
                }
                var found: (object: UInt32, weight: Float)?
                for (queue, candidate) in oldest.sorted(by: { $0.key < $1.key }) {
                    let weight = WeightedPolicy.weight(
                        age: self.clock - candidate.value.stamp, bytes: candidate.value.bytes, isOnce: queue < 10)
                    if found == nil || weight > found!.weight { found = (candidate.key, weight) }
                }
                guard let found else { return .nothing }
                guard busy.contains(found.object) else { return .victim(found.object) }
                self.objects[found.object]!.isAside = true
            }
        }
    }

    @Test(arguments: EvictionPolicyKind.allCases, [1, 2, 3, 4] as [UInt64])
    func aPolicyDoesWhatTheModelDoes(kind: EvictionPolicyKind, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var order = EvictionOrder(kind)
        var model = Model(kind: kind)
        var busy: Set<UInt32> = []
        for _ in 0..<20_000 {
            let object = UInt32.random(in: 0..<40, using: &random)
            let isKnown = model.objects[object] != nil
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                guard !isKnown else { continue }
                let bytes = Int.random(in: 0..<100_000, using: &random) >> Int.random(in: 0..<10, using: &random)
                order.insert(object, bytes: bytes)
                model.insert(object, bytes: bytes)
            case 2, 3:
                guard isKnown else { continue }
                busy.remove(object)
                order.touch(object)
                model.touch(object)
            case 4:
                guard isKnown else { continue }
                busy.remove(object)
                order.restore(object)
                model.restore(object)
            case 5:
                guard isKnown else { continue }
                busy.insert(object)
                let bytes = Int.random(in: 0..<100_000, using: &random) >> Int.random(in: 0..<10, using: &random)
                order.resize(object, bytes: bytes)
                model.objects[object]!.bytes = bytes
            case 6:
                guard isKnown, Int.random(in: 0..<4, using: &random) == 0 else { continue }
                busy.remove(object)
                order.remove(object)
                model.objects[object] = nil
            default:
                let search = Self.next(&order, busy: busy)
                #expect(search == model.next(busy: busy))
                guard case .victim(let victim) = search, Bool.random(using: &random) else { continue }
                order.remove(victim)
                model.objects[victim] = nil
            }
            #expect(order.candidateCount == model.candidates.count)
            #expect(order.candidateBytes == model.candidates.reduce(0) { $0 + $1.value.bytes })
        }
    }

    // MARK: Impossible calls

    @Test func anObjectBecomesResidentOnce() async {
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.weighted)
            order.insert(1, bytes: 1)
            order.insert(1, bytes: 1)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.leastRecentlyUsed)
            order.insert(1, bytes: 1)
            _ = order.nextVictim(where: { _ in false })
            order.insert(1, bytes: 1)
        }
    }

    @Test func onlyAResidentObjectIsUsedResizedRestoredOrRemoved() async {
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.weighted)
            order.insert(1, bytes: 1)
            order.remove(1)
            order.touch(1)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.leastRecentlyUsed)
            order.insert(1, bytes: 1)
            order.touch(0)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.leastRecentlyUsed)
            order.resize(0, bytes: 1)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.leastRecentlyUsed)
            order.restore(0)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.leastRecentlyUsed)
            order.insert(1, bytes: 1)
            order.remove(1)
            order.remove(1)
        }
    }

    @Test func anObjectTakesLessThanFourGibibytes() async {
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.weighted)
            order.insert(1, bytes: 1 << 32)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.weighted)
            order.insert(1, bytes: -1)
        }
    }
}
