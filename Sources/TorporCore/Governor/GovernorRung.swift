/// How much the process does about memory pressure: one rung of a ladder, the mildest first. Each does what those below
/// it do, and more.
///
/// The raw names stand in logs, metrics and JSON.
package enum GovernorRung: String, CaseIterable, Sendable {
    /// Nothing has to be done.
    case calm
    /// What is idle leaves memory sooner.
    case shortenIdle
    /// Clean state that nobody uses is evicted, and children that nobody uses are ended, the coldest first.
    case evictColdest
    /// Buffers and caches are given up, and free pages go back to the system.
    case trim
    /// No state object is made, and no child is started.
    case refuseNewState
    /// No state object is read from the store.
    case refuseLoads
    /// The call that holds most is cancelled.
    case cancelLargest
    /// The process ends in good order, and says why. There is no way back.
    case drain

    /// The number of the rung, 0 for `calm` to 7 for `drain`.
    package var index: Int {
        switch self {
        case .calm: 0
        case .shortenIdle: 1
        case .evictColdest: 2
        case .trim: 3
        case .refuseNewState: 4
        case .refuseLoads: 5
        case .cancelLargest: 6
        case .drain: 7
        }
    }

    /// The next harder rung; `nil` above the last.
    var above: GovernorRung? { self == .drain ? nil : Self.allCases[self.index + 1] }
    /// The next milder rung; `nil` below the first.
    var below: GovernorRung? { self == .calm ? nil : Self.allCases[self.index - 1] }
}

extension GovernorRung: Comparable {
    package static func < (left: GovernorRung, right: GovernorRung) -> Bool { left.index < right.index }
}

/// A number for each rung.
package struct RungCounts: Hashable, Sendable {
    private var values = Array(repeating: 0, count: GovernorRung.allCases.count)

    package init() {}

    package subscript(rung: GovernorRung) -> Int {
        get { self.values[rung.index] }
        set { self.values[rung.index] = newValue }
    }

    /// The numbers of all rungs together.
    package var total: Int { self.values.reduce(0, +) }
}
