import TorporEncoding

/// What comes back of a value that is encoded and decoded.
func roundTrip<T: Codable>(_ value: T) throws -> T {
    try StateDecoder.decode(T.self, from: try StateEncoder.encode(value))
}

/// The bytes that pairs of hexadecimal digits spell; blanks do not count.
func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }  // only digits are left
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
