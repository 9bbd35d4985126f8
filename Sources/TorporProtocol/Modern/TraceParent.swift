import TorporJSON

/// The `traceparent` of W3C Trace Context, as it stands in `_meta` (2026-07-28, basic, `_meta`).
package struct TraceParent: Sendable, Equatable {
    /// 32 hexadecimal digits.
    package let traceID: String
    /// The 16 hexadecimal digits that name the caller's span.
    package let parentID: String
    package let isSampled: Bool

    /// - Returns: `nil` for what is not in the format; it is ignored then, as the format demands.
    package init?(_ slice: JSONSlice, in bytes: Span<UInt8>) {
        guard slice.kind == .string, let text = slice.string(in: bytes) else { return nil }
        self.init(text)
    }

    /// Reads `version-traceid-parentid-flags`; versions after 00 may have more behind it.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, Self.isHexadecimal(parts[0], 2), parts[0] != "ff",
            parts.count == 4 || parts[0] != "00", Self.isHexadecimal(parts[1], 32), Self.isHexadecimal(parts[2], 16),
            Self.isHexadecimal(parts[3], 2), parts[1].contains(where: { $0 != "0" }),
            parts[2].contains(where: { $0 != "0" }), let flags = UInt8(parts[3], radix: 16)
        else { return nil }
        self.traceID = parts[1]
        self.parentID = parts[2]
        self.isSampled = flags & 1 == 1
    }

    private static func isHexadecimal(_ text: String, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
