package import TorporSystem

/// What holds the children's caps on memory, chosen once: the best that this machine offers.
package struct MemoryCap: Sendable {
    package enum Kind: String, Sendable, CaseIterable, Comparable {
        /// A look at the family's memory several times a second, and a bound on what each process maps.
        case watch
        /// A control group of the first version for each family: the kernel itself ends whom it must.
        case controlGroupOne
        /// A control group of the second version for each family, which the kernel ends as a whole.
        case controlGroupTwo

        package static func < (left: Kind, right: Kind) -> Bool {
            // The cases are in this order.
            Self.allCases.firstIndex(of: left)! < Self.allCases.firstIndex(of: right)!
        }
    }

    package let kind: Kind
    /// For the log at start: what was found, and why nothing better was taken.
    package let description: String
    let groups: ChildGroups?

    /// Finds the best kind and prepares it; takes milliseconds.
    ///
    /// With control groups that means a group for the children below Torpor's own, and groups of a Torpor that was
    /// killed removed, together with what runs in them. In the second version Torpor's own process moves into a group
    /// of its own, `torpor`, if it is alone where it is: only groups without processes can limit those in them. So ask
    /// for ``ControlGroup/current(_:)`` afterwards. Where any of this is refused or would touch others, a lesser kind
    /// is taken.
    ///
    /// - Parameter best: No better kind than this one is taken.
    package static func choose(atMost best: Kind = .controlGroupTwo, root: SystemRoot = .machine) -> MemoryCap {
        guard best > .watch else {
            return MemoryCap(kind: .watch, description: "a watch over their memory, as asked for", groups: nil)
        }
        switch ChildGroups.Place.find(atMost: best, root: root).flatMap({ place in
            ChildGroups.open(place, root: root)
        }) {
        case .success(let groups):
            let kind: Kind = groups.place.version == .two ? .controlGroupTwo : .controlGroupOne
            return MemoryCap(kind: kind, description: "control groups below \(groups.place.memory)", groups: groups)
        case .failure(let refusal):
            return MemoryCap(
                kind: .watch, description: "a watch over their memory: \(refusal.reason)", groups: nil)
        }
    }

    /// Why ``choose(atMost:root:)`` would take no control groups; `nil` when, as far as one can see, it would. Changes
    /// nothing.
    package static func controlGroupRefusal(root: SystemRoot = .machine) -> String? {
        switch ChildGroups.Place.find(atMost: .controlGroupTwo, root: root) {
        case .success: nil
        case .failure(let refusal): refusal.reason
        }
    }
}
