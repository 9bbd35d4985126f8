/// Names a state object: 128 bits, random for sessions and handles, a digest for what belongs to a principal.
package struct StateObjectID: Hashable, Sendable {
    // Two words: Swift 6.3.1 for x86-64 passes a `UInt128` wrongly to asynchronous functions once it is beyond registers.
    private let high: UInt64
    private let low: UInt64

    package init(bits: UInt128) {
        self.high = UInt64(truncatingIfNeeded: bits >> 64)
        self.low = UInt64(truncatingIfNeeded: bits)
    }

    package var bits: UInt128 { UInt128(self.high) << 64 | UInt128(self.low) }
}

extension StateObjectID: Comparable {
    package static func < (left: StateObjectID, right: StateObjectID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension StateObjectID: CustomStringConvertible {
    /// 32 hexadecimal digits.
    package var description: String {
        let digits = String(self.bits, radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }

    /// Reads what ``description`` writes; `nil` for anything else.
    package init?(_ text: String) {
        guard text.utf8.count == 32, let bits = UInt128(text, radix: 16) else { return nil }
        self.init(bits: bits)
    }
}

/// What a state object is kept for. Stored: the numbers stay what they are.
package enum ObjectKind: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// The state of one legacy session; named by the session's own id.
    case session = 1
    /// Made by a tool, reached by its handle.
    case handle = 2
    /// The state of one authenticated principal.
    case principal = 3
    /// What a run of a handler has done that must not happen twice.
    case run = 4
    /// The files of a hosted server's child while it does not run: an index, and pages, which are named `page`.
    case folder = 5
}

/// Whose bytes and objects are counted together: an authenticated principal, or anonymous callers of one address.
///
/// An object belongs to one account for its life. It is reached only by its principal, or, when it is anonymous, by
/// anonymous callers who know its name.
package enum AccountID: Hashable, Sendable {
    /// A digest of the principal.
    case principal(UInt128)
    /// A digest of the address; zero where there is none (standard input).
    case anonymous(UInt128)

    package var isAnonymous: Bool {
        if case .anonymous = self { true } else { false }
    }

    /// The digest.
    package var bits: UInt128 {
        switch self {
        case .principal(let bits), .anonymous(let bits): bits
        }
    }
}

/// What one worker owns as a whole: a principal with all its objects, or one anonymous object.
package enum UnitID: Hashable, Sendable {
    case principal(UInt128)
    case object(StateObjectID)

    package init(_ account: AccountID, _ object: StateObjectID) {
        switch account {
        case .principal(let bits): self = .principal(bits)
        case .anonymous: self = .object(object)
        }
    }
}
