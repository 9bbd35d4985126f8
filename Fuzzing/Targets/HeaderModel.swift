import TorporProtocol

/// How header values that mirror the body are read, worked out slowly.
enum HeaderModel {
    /// What stands between the markers of `=?base64?…?=`, decoded; `nil` when a marker is missing or it is no base64.
    static func unwrapped(_ header: [UInt8]) -> [UInt8]? {
        guard self.isWrapped(header) else { return nil }
        return self.decoded(header.dropFirst(9).dropLast(2))
    }

    static func isWrapped(_ header: [UInt8]) -> Bool {
        header.count >= 11 && header.starts(with: Array("=?base64?".utf8)) && header.suffix(2) == Array("?=".utf8)[...]
    }

    /// Bit by bit, and then the other way round: one value has one spelling.
    static func decoded(_ text: some Collection<UInt8>) -> [UInt8]? {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var bits: [Bool] = []
        for byte in text where byte != UInt8(ascii: "=") {
            guard let value = alphabet.firstIndex(of: byte) else { return nil }
            for shift in (0..<6).reversed() { bits.append(value >> shift & 1 == 1) }
        }
        let bytes = stride(from: 0, to: bits.count - bits.count % 8, by: 8).map { start in
            bits[start..<start + 8].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
        }
        return Array(Base64.encode(bytes).utf8) == Array(text) ? bytes : nil
    }

    /// Whether a header stands for `text`.
    static func matches(_ header: [UInt8], _ text: String) -> Bool {
        guard !self.isWrapped(header) else { return self.unwrapped(header) == Array(text.utf8) }
        return header.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x09 } && header == Array(text.utf8)
    }
}
