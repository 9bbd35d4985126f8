import TorporCore
import TorporTestSupport

/// A sequence of uses of state objects, made from a seed, and what a policy makes of it.
struct EvictionTrace {
    /// Who calls, and when again.
    enum Kind: String, CaseIterable {
        /// A few clients call all the time, most hardly ever.
        case zipf
        /// The same, and now and then somebody goes through all objects.
        case scans
        /// The same, and every other call comes from a client that never comes again.
        case oneCallClients
        /// Clients that come, make some calls in a row, and leave for long.
        case sessions
        /// The popular clients are others after a while.
        case shifting
        /// All of these, mixed in time.
        case mixed
    }

    /// The objects used, one after the other.
    private(set) var uses: [UInt32] = []
    /// The bytes of each object.
    private(set) var sizes: [Int] = []

    init(_ kind: Kind, useCount: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let objectCount = useCount / 20
        self.sizes = (0..<objectCount).map { _ in Self.size(&random) }
        let popular = Zipf(count: objectCount, exponent: 0.9)
        var live: [(object: UInt32, calls: Int)] = []
        var scan = 0
        while self.uses.count < useCount {
            let kind = kind == .mixed ? Kind.allCases[self.uses.count * 20 / useCount % 5] : kind
            switch kind {
            case .zipf, .mixed: self.uses.append(popular.next(&random))
            case .scans:
                let isScanning = self.uses.count % (objectCount * 3) >= objectCount * 2
                if isScanning { scan = (scan + 1) % objectCount }
                self.uses.append(isScanning ? UInt32(scan) : popular.next(&random))
            case .oneCallClients:
                if Bool.random(using: &random) {
                    self.sizes.append(Self.size(&random))
                    self.uses.append(UInt32(self.sizes.count - 1))
                } else {
                    self.uses.append(popular.next(&random))
                }
            case .sessions:
                while live.count < 50 {
                    let object = UInt32.random(in: 0..<UInt32(objectCount), using: &random)
                    live.append((object, Int.random(in: 2...30, using: &random)))
                }
                let index = Int.random(in: 0..<live.count, using: &random)
                self.uses.append(live[index].object)
                live[index].calls -= 1
                if live[index].calls == 0 { live.remove(at: index) }
            case .shifting:
                let shift = self.uses.count * 20 / useCount * (objectCount / 7)
                self.uses.append(UInt32((Int(popular.next(&random)) + shift) % objectCount))
            }
        }
    }

    /// From 1 to 64 KiB, the smaller the more frequent.
    private static func size(_ random: inout SeededGenerator) -> Int {
        let scale = 1_024 << Int.random(in: 0..<6, using: &random)
        return Int.random(in: scale..<2 * scale, using: &random)
    }

    /// The bytes of all objects that are used.
    var totalBytes: Int { Set(self.uses).reduce(0) { $0 + self.sizes[Int($1)] } }

    /// What the uses of objects that had been evicted cost: the bytes to load, and 4 KiB for each load itself. The first
    /// use of an object costs the same under every policy, and is not counted.
    /// - Parameter capacity: The bytes that may be resident.
    func missCost(_ policy: some EvictionPolicy, capacity: Int) -> Int {
        var policy = policy
        var isResident = [Bool](repeating: false, count: self.sizes.count)
        var wasSeen = isResident
        var resident = 0
        var cost = 0
        for object in self.uses {
            if isResident[Int(object)] {
                policy.touch(object)
                continue
            }
            if wasSeen[Int(object)] { cost += 4_096 + self.sizes[Int(object)] }
            wasSeen[Int(object)] = true
            resident += self.sizes[Int(object)]
            while resident > capacity, case .victim(let victim) = policy.nextVictim(where: { _ in true }) {
                policy.remove(victim)
                isResident[Int(victim)] = false
                resident -= self.sizes[Int(victim)]
            }
            policy.insert(object, bytes: self.sizes[Int(object)])
            isResident[Int(object)] = true
        }
        return cost
    }
}

/// Numbers of which the first are the most frequent: number n as often as 1/n^exponent.
private struct Zipf {
    private let sums: [Double]

    init(count: Int, exponent: Double) {
        var sum = 0.0
        self.sums = (1...count).map { rank in
            sum += Self.power(Double(rank), -exponent)
            return sum
        }
    }

    func next(_ random: inout SeededGenerator) -> UInt32 {
        let target = Double.random(in: 0..<self.sums[self.sums.count - 1], using: &random)
        var (low, high) = (0, self.sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if self.sums[middle] > target { high = middle } else { low = middle + 1 }
        }
        // Popularity has nothing to do with when an object was made.
        return UInt32(low * 7_919 % self.sums.count)
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
