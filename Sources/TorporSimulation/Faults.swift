/// What goes wrong in a scenario besides what its clients do.
package struct Faults: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The store takes its time.
    package static let delays = Faults(rawValue: 1 << 0)
    /// The store cannot be reached for a while: nothing is sent.
    package static let outages = Faults(rawValue: 1 << 1)
    /// Objects are refused: there is no room, or the store does not take them.
    package static let refusals = Faults(rawValue: 1 << 2)
    /// No answer comes to a commit, which was carried out, was not, or is carried out later.
    package static let unknownOutcomes = Faults(rawValue: 1 << 3)
    /// Readings and acquisitions fail.
    package static let failedReads = Faults(rawValue: 1 << 4)
    /// Records are damaged.
    package static let damage = Faults(rawValue: 1 << 5)
    /// Somebody else writes objects, under a newer fence or under none.
    package static let rogues = Faults(rawValue: 1 << 6)
    /// The process ends at any instant, and another one opens the store.
    package static let crashes = Faults(rawValue: 1 << 7)
    /// The process is stopped in order, with calls under way or without, and started again.
    package static let stops = Faults(rawValue: 1 << 8)
    /// Civil time jumps.
    package static let timeJumps = Faults(rawValue: 1 << 9)
    /// Calls are cancelled.
    package static let cancellations = Faults(rawValue: 1 << 10)

    package static let all = Faults(rawValue: (1 << 11) - 1)

    private static let allNames = [
        "delays", "outages", "refusals", "unknownOutcomes", "failedReads", "damage", "rogues", "crashes", "stops",
        "timeJumps", "cancellations",
    ]

    /// Each by itself.
    package var elements: [Faults] {
        Self.allNames.indices.map { Faults(rawValue: 1 << UInt32($0)) }.filter { self.contains($0) }
    }

    /// What each is called.
    package var names: [String] {
        Self.allNames.indices.filter { self.rawValue & 1 << UInt32($0) != 0 }.map { Self.allNames[$0] }
    }

    /// The faults of these names; `nil` when one is no fault's.
    package init?(names: [String]) {
        self = []
        for name in names {
            guard let index = Self.allNames.firstIndex(of: name) else { return nil }
            self.insert(Faults(rawValue: 1 << UInt32(index)))
        }
    }
}

extension Faults: CustomStringConvertible {
    /// As it is written in Swift: `[.delays, .crashes]`.
    package var description: String {
        self == .all ? ".all" : "[\(self.names.map { ".\($0)" }.joined(separator: ", "))]"
    }
}
