/// Counts the changes of a state object. The first is 1; a revision that was dropped is never used again.
package struct Revision: Hashable, Comparable, BitwiseCopyable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }

    /// Before the first change.
    package static let zero = Revision(0)

    package var next: Revision { Revision(self.number + 1) }

    package static func < (left: Revision, right: Revision) -> Bool { left.number < right.number }
}

/// Under whose ownership something is written. A store refuses every fence but the newest of its unit.
package struct Fence: Hashable, Sendable {
    /// Random; another for each owner's life.
    package let incarnation: UInt64
    /// Counts the owners of a unit.
    package let epoch: UInt64

    package init(incarnation: UInt64, epoch: UInt64) {
        self.incarnation = incarnation
        self.epoch = epoch
    }
}
