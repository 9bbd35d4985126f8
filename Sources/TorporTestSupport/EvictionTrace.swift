/// A sequence of uses of state objects: made from a seed, or read from a file.
package struct EvictionTrace: Sendable {
    /// Who calls, and when again.
    package enum Kind: String, CaseIterable, Sendable {
        /// A few clients call more than others: the n-th most popular 1/n^0.6 as often as the first.
        case zipf06 = "zipf 0.6"
        /// The same with 0.9.
        case zipf09 = "zipf 0.9"
        /// The same with 1.2: few clients make most of the calls.
        case zipf12 = "zipf 1.2"
        /// Popularity as in ``zipf09``, and every object takes 4 KiB.
        case equalSizes = "equal sizes"
        /// Popularity as in ``zipf09``; now and then somebody goes through all objects meanwhile.
        case scans
        /// Popularity as in ``zipf09`` in half of the calls. The others make new objects, 90 % of all that there are, which
        /// are never used again.
        case oneCall = "one call"
        /// Clients come, make some calls in a row, and leave for long. Nobody is more popular than others.
        case sessions
        /// Half of the calls come from agents of which another quarter is awake after each quarter of a day, three days
        /// long; the others from all.
        case diurnal
        /// Popularity as in ``zipf09``; the popular clients are others twenty times.
        case shifting
        /// All objects in turn, again and again.
        case loop
        /// What a soak run does: agents that finish politely, agents that vanish in the middle, agents that come back, and
        /// clients that open a session for each call.
        case soakLike = "soak-like"
        /// In each use by chance: popular clients, one call each, days, sessions, a scan and a loop, with objects of their
        /// own.
        case mixed
    }

    package let name: String
    /// The objects used, one after the other.
    package private(set) var uses: [UInt32] = []
    /// The bytes of each object.
    package private(set) var sizes: [Int] = []
    /// How much of all the bytes may be resident, in percent: what makes sense for this trace.
    package private(set) var shares = [10, 30]

    /// - Parameter useCount: How many uses. There is an object for each twenty of them, and those used once.
    package init(_ kind: Kind, useCount: Int, seed: UInt64) {
        self.name = kind.rawValue
        var random = SeededGenerator(seed: seed)
        var objects = TracedObjects(equalSizes: kind == .equalSizes ? 4_096 : nil)
        let count = max(64, useCount / 20)
        var source = Self.source(kind, count: count, useCount: useCount, objects: &objects, random: &random)
        self.uses.reserveCapacity(useCount)
        for _ in 0..<useCount { self.uses.append(source.next(&objects, &random)) }
        self.sizes = objects.sizes
        // A loop that fits by less has no misses, or nothing but.
        if kind == .loop { self.shares = [80, 95] }
    }

    /// Reads a trace: a line for each use, the object's number and its bytes, with a space between. Lines that begin with
    /// `#` say something about the trace. Numbers need not be dense. An object has the bytes of its last line.
    /// - Returns: `nil` when a line is neither.
    package init?(name: String, text: String) {
        self.name = name
        var numbers: [UInt64: UInt32] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: " ")
            guard fields.count == 2, let object = UInt64(fields[0]), let bytes = UInt32(fields[1]) else { return nil }
            let number = numbers[object] ?? UInt32(self.sizes.count)
            if numbers.updateValue(number, forKey: object) == nil { self.sizes.append(0) }
            self.sizes[Int(number)] = Int(bytes)
            self.uses.append(number)
        }
    }

    /// The trace as a file holds it.
    package var text: String {
        self.uses.map { "\($0) \(self.sizes[Int($0)])\n" }.joined()
    }

    /// The bytes of all objects that are used.
    package var totalBytes: Int { Set(self.uses).reduce(0) { $0 + self.sizes[Int($1)] } }

    private static func source(
        _ kind: Kind, count: Int, useCount: Int, objects: inout TracedObjects, random: inout SeededGenerator
    ) -> any UseSource {
        switch kind {
        case .zipf06: return PopularUses(count: count, exponent: 0.6, objects: &objects, random: &random)
        case .zipf09, .equalSizes: return PopularUses(count: count, exponent: 0.9, objects: &objects, random: &random)
        case .zipf12: return PopularUses(count: count, exponent: 1.2, objects: &objects, random: &random)
        case .scans:
            let popular = PopularUses(count: count, exponent: 0.9, objects: &objects, random: &random)
            return ScanningUses(popular: popular)
        case .oneCall:
            let popular = PopularUses(
                count: useCount / 18, exponent: 0.9, objects: &objects, random: &random)
            return MixedUses(parts: [(popular, 1), (SingleUses(), 1)])
        case .sessions:
            return SessionUses(objects: (0..<count).map { _ in objects.make(&random) })
        case .diurnal:
            return DiurnalUses(count: count, useCount: useCount, objects: &objects, random: &random)
        case .shifting:
            return PopularUses(
                count: count, exponent: 0.9, shiftEvery: max(1, useCount / 20), objects: &objects, random: &random)
        case .loop: return LoopUses(objects: (0..<count).map { _ in objects.make(&random) })
        case .soakLike: return SoakUses(memory: count)
        case .mixed:
            let part = max(16, count / 6)
            return MixedUses(parts: [
                (PopularUses(count: 2 * part, exponent: 0.9, objects: &objects, random: &random), 7),
                (SingleUses(), 3),
                (DiurnalUses(count: part, useCount: useCount / 5, objects: &objects, random: &random), 4),
                (SessionUses(objects: (0..<part).map { _ in objects.make(&random) }), 3),
                (LoopUses(objects: (0..<part).map { _ in objects.make(&random) }), 2),
                (LoopUses(objects: (0..<part / 2).map { _ in objects.make(&random) }), 1),
            ])
        }
    }
}

/// The objects of a trace that is being made.
struct TracedObjects {
    var equalSizes: Int?
    private(set) var sizes: [Int] = []

    init(equalSizes: Int?) { self.equalSizes = equalSizes }

    /// A new object of about 1, 4, 16 or 64 KiB, the smaller the more frequent: 40, 30, 20 and 10 %. Its bytes are up to a
    /// quarter more or less.
    mutating func make(_ random: inout SeededGenerator) -> UInt32 {
        let classes = [1, 1, 1, 1, 4, 4, 4, 16, 16, 64]
        let middle = classes[Int.random(in: 0..<10, using: &random)] * 1_024
        self.sizes.append(self.equalSizes ?? Int.random(in: middle * 3 / 4...middle * 5 / 4, using: &random))
        return UInt32(self.sizes.count - 1)
    }
}
