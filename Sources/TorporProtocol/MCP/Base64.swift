/// Standard base64 with padding, and its URL-safe form without, as headers and cursors need them.
package enum Base64 {
    private static let standard = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let urlSafe = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    // Arrays, not generic collections: code that another module calls is not specialised, and a session id is decoded
    // per request.
    package static func encode(_ bytes: [UInt8]) -> String { self.encode(bytes, Self.standard, pads: true) }
    package static func encodeURLSafe(_ bytes: [UInt8]) -> String { self.encode(bytes, Self.urlSafe, pads: false) }

    private static func encode(_ bytes: [UInt8], _ alphabet: [UInt8], pads: Bool) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var held: UInt32 = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            held += 1
            if held == 3 {
                text.append(alphabet[Int(group >> 18)])
                text.append(alphabet[Int(group >> 12 & 63)])
                text.append(alphabet[Int(group >> 6 & 63)])
                text.append(alphabet[Int(group & 63)])
                group = 0
                held = 0
            }
        }
        if held > 0 {
            group <<= 8 * (3 - held)
            text.append(alphabet[Int(group >> 18)])
            text.append(alphabet[Int(group >> 12 & 63)])
            if held == 2 { text.append(alphabet[Int(group >> 6 & 63)]) }
            if pads { text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: Int(3 - held))) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Decodes standard base64 with padding; `nil` for stray characters, lengths, bits or padding: one value has one
    /// spelling.
    package static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        var urlSafe = Array(text.dropLast(padding))
        for index in urlSafe.indices {
            switch urlSafe[index] {
            case UInt8(ascii: "+"): urlSafe[index] = UInt8(ascii: "-")
            case UInt8(ascii: "/"): urlSafe[index] = UInt8(ascii: "_")
            case UInt8(ascii: "-"), UInt8(ascii: "_"): return nil
            default: break
            }
        }
        return self.decodeURLSafe(urlSafe)
    }

    /// Decodes URL-safe base64 without padding; `nil` for stray characters, lengths or bits: one value has one
    /// spelling.
    package static func decodeURLSafe(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count * 3 / 4)
        var group: UInt32 = 0
        var bits = 0
        for character in text {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "_"): value = 63
            default: return nil
            }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
                group &= (1 << UInt32(bits)) - 1
            }
        }
        return group == 0 ? bytes : nil
    }
}
