import TorporJSON

/// Compares a header with the body value that it mirrors (2026-07-28, transports, standard and custom headers).
package enum HeaderValue {
    /// Whether the header's value, unwrapped from `=?base64?…?=` where it is wrapped, is the string at `slice`.
    ///
    /// A value that lacks either marker is literal text. Broken base64, and bytes that a header may not carry, match
    /// nothing.
    package static func matches(_ header: Range<Int>, _ slice: JSONSlice, in bytes: Span<UInt8>) -> Bool {
        guard slice.kind == .string else { return false }
        if let encoded = self.wrapped(header, in: bytes) {
            guard let decoded = self.decodeBase64(bytes, at: encoded), let text = slice.string(in: bytes) else {
                return false
            }
            return decoded.elementsEqual(text.utf8)
        }
        for position in header where !self.isLegal(bytes[position]) { return false }
        return slice.equals(bytes.extracting(header), in: bytes)
    }

    /// Whether the header's value, unwrapped where it is wrapped, says the same as the argument at `slice`: texts byte for
    /// byte, numbers by value, Booleans by name. An argument of any other kind matches nothing.
    package static func mirrors(_ header: Range<Int>, _ slice: JSONSlice, in bytes: Span<UInt8>) -> Bool {
        switch slice.kind {
        case .string: return self.matches(header, slice, in: bytes)
        case .number, .bool:
            guard let sent = self.unwrapped(header, in: bytes).flatMap({ try? JSONValue(parsing: $0) }) else {
                return false
            }
            let argument = JSONValue(in: bytes, slice.range)
            guard case .number(let number) = sent, case .number(let meant) = argument else { return sent == argument }
            return number == meant || number.double == meant.double
        case .absent, .object, .array, .null: return false
        }
    }

    /// The value of a header for `text`: the text itself, or wrapped in `=?base64?…?=` where a header cannot carry it.
    package static func text(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let isPlain =
            bytes.allSatisfy { (0x20...0x7E).contains($0) } && bytes.first != 0x20 && bytes.last != 0x20
            && !text.hasPrefix("=?base64?")
        return isPlain ? text : "=?base64?\(Base64.encode(bytes))?="
    }

    /// The bytes that a header stands for; `nil` when it is broken.
    private static func unwrapped(_ header: Range<Int>, in bytes: Span<UInt8>) -> [UInt8]? {
        if let encoded = self.wrapped(header, in: bytes) { return self.decodeBase64(bytes, at: encoded) }
        return header.map { bytes[$0] }
    }

    /// Printable ASCII, space and tab.
    private static func isLegal(_ byte: UInt8) -> Bool { (0x20...0x7E).contains(byte) || byte == 0x09 }

    /// The base64 text between the markers, when both are there.
    private static func wrapped(_ header: Range<Int>, in bytes: Span<UInt8>) -> Range<Int>? {
        let prefix: StaticString = "=?base64?"
        guard header.count >= prefix.utf8CodeUnitCount + 2, bytes[header.lowerBound] == UInt8(ascii: "="),
            bytes.matches(prefix, at: header.lowerBound..<header.lowerBound + prefix.utf8CodeUnitCount),
            bytes.matches("?=", at: header.upperBound - 2..<header.upperBound)
        else { return nil }
        return header.lowerBound + prefix.utf8CodeUnitCount..<header.upperBound - 2
    }

    /// Standard base64 with exact padding and no stray bits; `nil` for anything else. Never lenient.
    package static func decodeBase64(_ bytes: Span<UInt8>, at range: Range<Int>) -> [UInt8]? {
        guard range.count % 4 == 0 else { return nil }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(range.count / 4 * 3)
        var padding = 0
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
            var group: UInt32 = 0
            for offset in 0..<4 {
                let byte = bytes[start + offset]
                if byte == UInt8(ascii: "="), start + 4 == range.upperBound, offset >= 2 {
                    padding += 1
                    group <<= 6
                } else if padding == 0, let value = self.base64Value(byte) {
                    group = group << 6 | UInt32(value)
                } else {
                    return nil
                }
            }
            // The bits that the padding cuts off must be zero: one value has one spelling.
            if padding > 0, group & (padding == 1 ? 0xFF : 0xFFFF) != 0 { return nil }
            decoded.append(UInt8(group >> 16))
            if padding < 2 { decoded.append(UInt8(group >> 8 & 0xFF)) }
            if padding < 1 { decoded.append(UInt8(group & 0xFF)) }
        }
        return decoded
    }

    private static func base64Value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
