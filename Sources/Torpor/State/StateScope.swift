/// Whose a state is, and how a call reaches it.
public enum StateScope: Hashable, Sendable {
    /// Of the legacy session. In the modern era, which has none, the tool takes a handle, which any session may use, too.
    case session
    /// As ``session``; an authenticated caller of the modern era who gives no handle has one of its own.
    case sessionOrPrincipal
    /// Of the authenticated caller: one for each.
    case principal
    /// As ``principal``; callers without authentication have one in each legacy session. The tool may take a handle, too,
    /// and needs one where there is neither.
    case principalOrSession
    /// Reached by a handle that a tool makes: any number, in both eras.
    case handle

    /// Whether there are handles, and tools that make and destroy them.
    var hasHandles: Bool { self != .principal }
}

/// The name of a state object that a tool made, as clients and models bring it back.
///
/// Opaque: the name of the state, and 128 random bits in letters and digits that are hard to mistake. It is good for its
/// caller alone.
public struct StateHandle: Hashable, Sendable, Codable, CustomStringConvertible {
    public let text: String

    public init(_ text: String) { self.text = text }

    public init(from decoder: any Decoder) throws {
        self.text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.text)
    }

    public var description: String { self.text }
}

extension StateHandle {
    // Without i, l, o and u, which read like 1, 0 and v.
    private static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
    private static let digitCount = 26

    init(_ name: String, _ id: StateObjectID) {
        var bytes = Array(name.utf8) + [UInt8(ascii: "_")]
        for place in (0..<Self.digitCount).reversed() {
            bytes.append(Self.digits[Int(truncatingIfNeeded: id.bits >> UInt128(place * 5)) & 31])
        }
        self.text = String(decoding: bytes, as: UTF8.self)
    }

    /// The object of a handle to the state `name`; `nil` when it is none. Upper case is read, too.
    func id(of name: String) -> StateObjectID? {
        let bytes = Array(self.text.utf8)
        let prefix = Array(name.utf8) + [UInt8(ascii: "_")]
        guard bytes.count == prefix.count + Self.digitCount, bytes.starts(with: prefix) else { return nil }
        var bits: UInt128 = 0
        for byte in bytes.dropFirst(prefix.count) {
            let lower = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            guard let digit = Self.digits.firstIndex(of: lower), bits >> 123 == 0 else { return nil }
            bits = bits << 5 | UInt128(digit)
        }
        return StateObjectID(bits: bits)
    }
}
