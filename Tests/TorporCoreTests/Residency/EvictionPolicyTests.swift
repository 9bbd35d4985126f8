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

    @Test func whatWasUsedMoreThanOnceIsProtected() {
        var order = Self.filled(.segmented, 4)
        order.touch(0)
        order.touch(1)
        // New ones enter below 0 and 1.
        order.insert(4, bytes: 10)
        order.insert(5, bytes: 10)
        #expect(Self.drain(&order) == [2, 3, 4, 5, 0, 1])
    }

    @Test func noMoreThanHalfIsProtected() {
        var order = Self.filled(.segmented, 4)
        // The third use takes the protection from the first.
        for object in [0, 1, 2] as [UInt32] { order.touch(object) }
        order.insert(4, bytes: 10)
        #expect(Self.drain(&order) == [3, 0, 4, 1, 2])
        // What shrinks protects no more; what is larger than half never is.
        order = Self.filled(.segmented, 2)
        order.touch(0)
        order.insert(2, bytes: 10)
        order.resize(1, bytes: 0)
        order.resize(2, bytes: 9)
        order.insert(3, bytes: 0)
        #expect(Self.drain(&order) == [1, 2, 0, 3])
    }

    @Test func theHandSparesWhatWasUsedOnce() {
        var order = Self.filled(.sieve, 5)
        order.touch(0)
        order.touch(3)
        order.touch(0)
        // 0 loses its mark, 1 and 2 go, 3 loses its mark, 4 goes; the hand begins again.
        #expect(Self.drain(&order) == [1, 2, 4, 0, 3])
    }

    @Test func theHandStaysWhereItIsWhileObjectsCome() {
        var order = Self.filled(.sieve, 3)
        order.touch(0)
        #expect(Self.next(&order) == .victim(1))
        order.remove(1)
        order.insert(3, bytes: 10)
        order.insert(1, bytes: 10)
        #expect(Self.drain(&order) == [2, 3, 1, 0])
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
        switch kind {
        case .leastRecentlyUsed: #expect(Self.drain(&order) == [1, 0])
        // It has more than half of the bytes when it comes back, so it is not protected.
        case .segmented: #expect(Self.drain(&order) == [1, 0])
        // The one that was used has a mark.
        case .sieve: #expect(Self.drain(&order) == [0, 1])
        }
    }

    @Test func whatWasSetAsideComesBackBehindTheHand() {
        var order = Self.filled(.sieve, 5)
        #expect(Self.next(&order, busy: [1, 0]) == .victim(2))
        order.insert(5, bytes: 10)
        order.restore(0)
        order.restore(1)
        // The hand goes on to the newest before it comes to those that it has passed.
        #expect(Self.drain(&order) == [2, 3, 4, 5, 0, 1])
    }

    @Test func whatWasSetAsideComesBackAsTheNewest() {
        var order = Self.filled(.leastRecentlyUsed, 3)
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
        let steps = kind == .sieve ? 2 * EvictionSearch.stepsMax : EvictionSearch.stepsMax
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

    @Test func aSearchAmongWhatIsMarkedTakesWhatItCanGet() {
        let steps = UInt32(EvictionSearch.stepsMax)
        var order = Self.filled(.sieve, steps + 10)
        for object in 0..<steps + 10 { order.touch(object) }
        var met: [UInt32] = []
        let search = order.nextVictim(where: { object in
            met.append(object)
            return object > steps
        })
        #expect(search == .victim(steps + 1))
        #expect(met == [steps, steps + 1])
    }

    @Test func anObjectTakesTwelveBytes() { #expect(MemoryLayout<EvictionQueue.Entry>.stride == 12) }

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
        let kind: EvictionPolicyKind
        /// Oldest first.
        var queue: [UInt32] = []
        var aside: Set<UInt32> = []
        var marked: Set<UInt32> = []
        var bytes: [UInt32: Int] = [:]
        /// The protected ones are the last of the queue.
        var protectedCount = 0
        /// How many of the queue the hand has passed; `nil` when it begins anew.
        var passed: Int?

        mutating func comeBack(_ object: UInt32) {
            guard self.aside.remove(object) != nil else { return }
            if self.kind != .sieve { return self.enter(object) }
            // Before it begins anew, the hand has passed everything.
            self.queue.insert(object, at: self.passed ?? self.queue.count)
            if let passed = self.passed { self.passed = passed + 1 }
        }

        mutating func enter(_ object: UInt32) {
            self.queue.insert(object, at: self.queue.count - self.protectedCount)
        }

        mutating func balance() {
            func bytes(_ objects: some Sequence<UInt32>) -> Int { objects.reduce(0) { $0 + self.bytes[$1]! } }
            while bytes(self.queue.suffix(self.protectedCount)) > bytes(self.queue) / 2 { self.protectedCount -= 1 }
        }

        mutating func leave(_ object: UInt32) {
            guard let index = self.queue.firstIndex(of: object) else { return }
            if index >= self.queue.count - self.protectedCount { self.protectedCount -= 1 }
            self.queue.remove(at: index)
        }

        mutating func touch(_ object: UInt32) {
            if self.kind != .segmented || !self.aside.contains(object) { self.comeBack(object) }
            switch self.kind {
            case .segmented:
                self.aside.remove(object)
                self.leave(object)
                self.queue.append(object)
                self.protectedCount += 1
                self.balance()
            case .leastRecentlyUsed:
                self.queue.removeAll { $0 == object }
                self.queue.append(object)
            case .sieve: self.marked.insert(object)
            }
        }

        mutating func remove(_ object: UInt32) {
            if let index = self.queue.firstIndex(of: object) {
                self.leave(object)
                if let passed = self.passed, index < passed { self.passed = passed - 1 }
                if self.passed == self.queue.count { self.passed = nil }
            }
            self.aside.remove(object)
            self.marked.remove(object)
            self.bytes[object] = nil
            self.balance()
        }

        mutating func next(busy: Set<UInt32>) -> EvictionSearch {
            while !self.queue.isEmpty {
                let passed = self.passed ?? 0
                self.passed = passed
                let object = self.queue[passed]
                if self.marked.remove(object) != nil {
                    self.passed = passed + 1
                } else if busy.contains(object) {
                    self.leave(object)
                    self.aside.insert(object)
                    self.balance()
                } else {
                    return .victim(object)
                }
                if self.passed == self.queue.count { self.passed = nil }
            }
            return .nothing
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
            let isKnown = model.bytes[object] != nil
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                guard !isKnown else { continue }
                let bytes = Int.random(in: 0..<1_000, using: &random)
                order.insert(object, bytes: bytes)
                model.bytes[object] = bytes
                model.enter(object)
            case 2, 3:
                guard isKnown else { continue }
                busy.remove(object)
                order.touch(object)
                model.touch(object)
            case 4:
                guard isKnown else { continue }
                busy.remove(object)
                order.restore(object)
                model.comeBack(object)
            case 5:
                guard isKnown else { continue }
                busy.insert(object)
                let bytes = Int.random(in: 0..<1_000, using: &random)
                order.resize(object, bytes: bytes)
                model.bytes[object] = bytes
                model.balance()
            case 6:
                guard isKnown, Int.random(in: 0..<4, using: &random) == 0 else { continue }
                busy.remove(object)
                order.remove(object)
                model.remove(object)
            default:
                let search = Self.next(&order, busy: busy)
                #expect(search == model.next(busy: busy))
                guard case .victim(let victim) = search, Bool.random(using: &random) else { continue }
                order.remove(victim)
                model.remove(victim)
            }
            #expect(order.candidateCount == model.queue.count)
            #expect(order.candidateBytes == model.queue.reduce(0) { $0 + (model.bytes[$1] ?? 0) })
        }
    }

    // MARK: Impossible calls

    @Test func anObjectBecomesResidentOnce() async {
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.sieve)
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
            var order = EvictionOrder(.sieve)
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
            var order = EvictionOrder(.sieve)
            order.insert(1, bytes: 1 << 32)
        }
        await #expect(processExitsWith: .failure) {
            var order = EvictionOrder(.sieve)
            order.insert(1, bytes: -1)
        }
    }
}
