/// Says which object is used next.
protocol UseSource {
    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32
}

/// Some objects are used more often than others.
struct PopularUses: UseSource {
    private let objects: [UInt32]
    private let zipf: Zipf
    private let shiftEvery: Int?
    private var useCount = 0

    /// - Parameter shiftEvery: After so many uses, others are the popular ones.
    init(
        count: Int, exponent: Double, shiftEvery: Int? = nil, objects: inout TracedObjects,
        random: inout SeededGenerator
    ) {
        // Popularity has nothing to do with when an object was made, or with its size.
        self.objects = (0..<count).map { _ in objects.make(&random) }.shuffled(using: &random)
        self.zipf = Zipf(count: count, exponent: exponent)
        self.shiftEvery = shiftEvery
    }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        let shift = self.shiftEvery.map { self.useCount / $0 * (self.objects.count / 7) } ?? 0
        self.useCount += 1
        return self.objects[(self.zipf.next(&random) + shift) % self.objects.count]
    }

    /// A number that says nothing about popularity.
    func object(at index: Int) -> UInt32 { self.objects[index % self.objects.count] }
    var count: Int { self.objects.count }
}

/// A third of the time all objects are used in turn, between uses of the popular ones.
struct ScanningUses: UseSource {
    var popular: PopularUses
    private var useCount = 0
    private var scanned = 0

    init(popular: PopularUses) { self.popular = popular }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        self.useCount += 1
        let isScanning = self.useCount % (self.popular.count * 6) >= self.popular.count * 4
        guard isScanning, self.useCount.isMultiple(of: 2) else { return self.popular.next(&objects, &random) }
        self.scanned += 1
        return self.popular.object(at: self.scanned)
    }
}

/// Each use makes an object that is not used again.
struct SingleUses: UseSource {
    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        objects.make(&random)
    }
}

/// Fifty clients at a time make 2 to 30 calls each, in any order, and then others do.
struct SessionUses: UseSource {
    private let objects: [UInt32]
    private var live: [(object: UInt32, calls: Int)] = []

    init(objects: [UInt32]) { self.objects = objects }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        while self.live.count < 50 {
            let object = self.objects[Int.random(in: 0..<self.objects.count, using: &random)]
            self.live.append((object, Int.random(in: 2...30, using: &random)))
        }
        let index = Int.random(in: 0..<self.live.count, using: &random)
        let object = self.live[index].object
        self.live[index].calls -= 1
        if self.live[index].calls == 0 { self.live.remove(at: index) }
        return object
    }
}

/// Half of the uses come from the quarter of the objects whose time of day it is, the others from all; three days long.
struct DiurnalUses: UseSource {
    private let objects: [UInt32]
    private let quarterUses: Int
    private var useCount = 0

    init(count: Int, useCount: Int, objects: inout TracedObjects, random: inout SeededGenerator) {
        self.objects = (0..<count).map { _ in objects.make(&random) }
        self.quarterUses = max(1, useCount / 12)
    }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        let quarter = self.objects.count / 4
        let start = self.useCount / self.quarterUses % 4 * quarter
        self.useCount += 1
        let isAwake = Bool.random(using: &random)
        return self.objects[
            isAwake
                ? Int.random(in: start..<start + quarter, using: &random)
                : Int.random(in: 0..<self.objects.count, using: &random)]
    }
}

/// All objects in turn.
struct LoopUses: UseSource {
    private let objects: [UInt32]
    private var useCount = 0

    init(objects: [UInt32]) { self.objects = objects }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        defer { self.useCount += 1 }
        return self.objects[self.useCount % self.objects.count]
    }
}

/// A hundred agents at a time. Of those that begin, 40 % finish politely after 5 to 20 calls, 20 % vanish after 1 to 10,
/// 20 % come back to an object of before for 2 to 15, the later it was used the sooner, and 20 % are clients that make one
/// call in a session of its own.
struct SoakUses: UseSource {
    /// How many left objects may be come back to.
    private let memory: Int
    private var live: [(object: UInt32, calls: Int)] = []
    /// The oldest first, but once full it is written over in turn.
    private var left: [UInt32] = []
    private var leftCount = 0

    init(memory: Int) { self.memory = memory }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        while self.live.count < 100 { self.live.append(self.begin(&objects, &random)) }
        let index = Int.random(in: 0..<self.live.count, using: &random)
        let object = self.live[index].object
        self.live[index].calls -= 1
        if self.live[index].calls == 0 {
            self.live.remove(at: index)
            if self.left.count < self.memory {
                self.left.append(object)
            } else {
                self.left[self.leftCount % self.memory] = object
            }
            self.leftCount += 1
        }
        return object
    }

    private func begin(
        _ objects: inout TracedObjects, _ random: inout SeededGenerator
    ) -> (object: UInt32, calls: Int) {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<4: return (objects.make(&random), Int.random(in: 5...20, using: &random))
        case 4, 5: return (objects.make(&random), Int.random(in: 1...10, using: &random))
        case 6, 7:
            guard !self.left.isEmpty else { return (objects.make(&random), 1) }
            // The lesser of two is the later more often.
            let back = min(
                Int.random(in: 0..<self.left.count, using: &random), Int.random(in: 0..<self.left.count, using: &random)
            )
            let object = self.left[(self.leftCount - 1 - back) % self.left.count]
            return (object, Int.random(in: 2...15, using: &random))
        default: return (objects.make(&random), 1)
        }
    }
}

/// The next use is that of one of the parts, by weight.
struct MixedUses: UseSource {
    private var parts: [any UseSource]
    private let turns: [Int]

    init(parts: [(source: any UseSource, weight: Int)]) {
        self.parts = parts.map(\.source)
        self.turns = parts.indices.flatMap { repeatElement($0, count: parts[$0].weight) }
    }

    mutating func next(_ objects: inout TracedObjects, _ random: inout SeededGenerator) -> UInt32 {
        self.parts[self.turns[Int.random(in: 0..<self.turns.count, using: &random)]].next(&objects, &random)
    }
}

/// Numbers of which the first are the most frequent: number n as often as 1/n^exponent, counted from 1.
struct Zipf {
    private let sums: [Double]

    init(count: Int, exponent: Double) {
        var sum = 0.0
        self.sums = (1...count).map { rank in
            sum += Self.power(Double(rank), -exponent)
            return sum
        }
    }

    func next(_ random: inout SeededGenerator) -> Int {
        let target = Double.random(in: 0..<self.sums[self.sums.count - 1], using: &random)
        var (low, high) = (0, self.sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if self.sums[middle] > target { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Without a library: by the logarithm's and the exponential's series, good to 10 digits for what is asked here.
    private static func power(_ base: Double, _ exponent: Double) -> Double {
        // log(m * 2^e), m in 1..<2
        let y = (base.significand - 1) / (base.significand + 1)
        var (log, term) = (0.0, y)
        for n in 0..<20 {
            log += 2 * term / Double(2 * n + 1)
            term *= y * y
        }
        let x = exponent * (log + Double(base.exponent) * 0.693_147_180_559_945_3)
        var (result, factor) = (1.0, 1.0)
        for n in 1..<60 {
            factor *= x / 64 / Double(n)
            result += factor
        }
        for _ in 0..<6 { result *= result }
        return result
    }
}
