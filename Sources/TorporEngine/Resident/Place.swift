/// Where a value lies in a ``ResidentArena``.
///
/// Means nothing once the value was freed or, unless it ``ownsPages``, moved.
package struct Place: Hashable, Sendable, BitwiseCopyable {
    /// Set for values that lie in a run of pages of their own.
    private static let runFlag: UInt64 = 1 << 63

    private let bits: UInt64

    /// A small value: where its header starts, in bytes from the start of the segments.
    init(offset: Int) { self.bits = UInt64(offset) }

    /// A large value: the first unit of its run.
    init(run: UInt32) { self.bits = Self.runFlag | UInt64(run) }

    /// Whether the value lies in pages of its own: it never moves, and can be pinned.
    package var ownsPages: Bool { self.bits & Self.runFlag != 0 }

    var offset: Int { Int(self.bits) }
    var run: UInt32 { UInt32(truncatingIfNeeded: self.bits) }
}
