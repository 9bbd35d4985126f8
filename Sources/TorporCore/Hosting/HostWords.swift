/// Whom a child of a hosted server is for.
package struct HostKey: Hashable, Sendable {
    /// What it names.
    package enum Kind: UInt8, CaseIterable, Sendable {
        /// All callers.
        case shared
        /// One session.
        case session
        /// All that one principal does.
        case principal
        /// One handle.
        case handle
        /// One call.
        case call
    }

    package let kind: Kind
    // Two words: Swift 6.3.1 for x86-64 passes a `UInt128` wrongly to asynchronous functions once it is beyond registers.
    private let high: UInt64
    private let low: UInt64

    /// - Parameter bits: Which of its kind: an id, or a digest.
    package init(_ kind: Kind, bits: UInt128) {
        self.kind = kind
        self.high = UInt64(truncatingIfNeeded: bits >> 64)
        self.low = UInt64(truncatingIfNeeded: bits)
    }

    /// The key of all callers.
    package static let shared = HostKey(.shared, bits: 0)

    package var bits: UInt128 { UInt128(self.high) << 64 | UInt128(self.low) }
}

/// Names a call for a hosted server. Whoever makes the call gives it; no number is given twice.
package struct HostCallID: Hashable, Comparable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }

    package static func < (left: HostCallID, right: HostCallID) -> Bool { left.number < right.number }
}

/// Names a child of a hosted server, in the order in which they were started. Never used again.
package struct ChildNumber: Hashable, Comparable, Sendable {
    package let number: UInt64

    init(_ number: UInt64) { self.number = number }

    package static func < (left: ChildNumber, right: ChildNumber) -> Bool { left.number < right.number }
}

/// Why a call is given back. But for ``Reason/heldFull`` and ``Reason/accountHeldFull`` it reached no child and had no
/// effect, so that it may be made again.
package struct HostRefusal: Hashable, Sendable {
    /// The raw names stand in logs and metrics.
    package enum Reason: String, CaseIterable, Sendable {
        /// As many calls wait as may.
        case queueFull
        /// As many calls of this account wait as may.
        case accountQueueFull
        /// It is to be held, and as many calls are as may.
        case heldFull
        /// It is to be held, and as many calls of this account are as may.
        case accountHeldFull
        /// It waited for its child to wake, for as long as a call waits.
        case wakingTooLong
        /// It waited for room for another child.
        case noRoom
        /// It needs another child, and memory is too short for one.
        case memory
        /// It waited for its turn: its child has as many calls as it runs at once.
        case busy
        /// It waited for a child to stop, before its key gets another.
        case stoppingTooLong
        /// The child that it waited for did not start.
        case startFailed
        /// Starts have failed so often that nobody waits for the next.
        case failing
        /// No calls are taken any more.
        case draining
    }

    package let reason: Reason
    /// When the same may succeed; `nil` when it will not, here.
    package let retryAfter: Duration?
}

/// Why a call that reached its child is given up. Nobody knows what it has done.
package enum HostFailure: String, CaseIterable, Sendable {
    /// The child ended.
    case childEnded
    /// The child was ended because it took more memory than it may.
    case overMemory
    /// It was held for as long as a call is.
    case heldTooLong
    /// The time to finish ran out while the process was stopping.
    case drained
}

/// How a child came to its end without being asked to.
package enum HostEnding: Hashable, Sendable {
    /// It exited, or somebody else ended it.
    case unexpected
    /// It took more memory than it may, and was ended for it.
    case overMemory
}

/// Why a child stops. The raw names stand in logs and metrics.
package enum HostStopReason: String, CaseIterable, Sendable {
    /// Nobody called it for the idle timeout.
    case idle
    /// Others wait for room, and it was idle for longest.
    case room
    /// Memory is short, and it was idle for longest.
    case memory
    /// It was for one call, which has ended.
    case callEnded
    /// Its key is no more.
    case retired
    /// It did not wake in time.
    case startTimeout
    /// It ended by itself; what is left is its folder.
    case ended
    /// It was ended for the memory it took; what is left is its folder.
    case overMemory
    /// The process stops.
    case drain

    /// Whether the child had done nothing wrong.
    var isOrderly: Bool {
        switch self {
        case .idle, .room, .memory, .callEnded, .retired, .drain: true
        case .startTimeout, .ended, .overMemory: false
        }
    }
}
