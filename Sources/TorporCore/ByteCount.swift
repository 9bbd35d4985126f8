/// A number of bytes.
public struct ByteCount: Hashable, Comparable, Sendable {
    /// The number of bytes; never negative.
    public let bytes: Int

    /// - Precondition: `bytes` is not negative.
    public init(_ bytes: Int) {
        precondition(bytes >= 0, "a byte count is not negative")
        self.bytes = bytes
    }

    public static func bytes(_ count: Int) -> ByteCount { ByteCount(count) }
    public static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count << 10) }
    public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }
    public static func gibibytes(_ count: Int) -> ByteCount { ByteCount(count << 30) }

    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    /// Reads `4MiB`, `64 KiB`, `10GB` or a bare number of bytes; `nil` for anything else, and for more than 2⁶² bytes.
    ///
    /// `KiB`, `MiB`, `GiB` and `TiB` are powers of 1,024; `KB`, `MB`, `GB` and `TB` powers of 1,000.
    public init?(parsing text: String) {
        guard let (number, unit) = text.splitIntoNumberAndUnit() else { return nil }
        let scale: Int
        switch unit.lowercased() {
        case "", "b": scale = 1
        case "kib": scale = 1 << 10
        case "mib": scale = 1 << 20
        case "gib": scale = 1 << 30
        case "tib": scale = 1 << 40
        case "kb": scale = 1_000
        case "mb": scale = 1_000_000
        case "gb": scale = 1_000_000_000
        case "tb": scale = 1_000_000_000_000
        default: return nil
        }
        let (product, overflows) = number.multipliedReportingOverflow(by: scale)
        guard !overflows, product <= 1 << 62 else { return nil }
        self.init(product)
    }
}

extension ByteCount: CustomStringConvertible {
    /// The count in the largest binary unit that divides it: `4 MiB`, `1536 KiB`, `100 bytes`.
    public var description: String {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.bytes >= 1 << shift, self.bytes & ((1 << shift) - 1) == 0 {
                return "\(self.bytes >> shift) \(unit)"
            }
        }
        return "\(self.bytes) bytes"
    }
}

extension String {
    /// `"30 m"` as `(30, "m")`; `nil` when it does not start with a digit or the number does not fit.
    package func splitIntoNumberAndUnit() -> (number: Int, unit: String)? {
        let digits = self.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, let number = Int(digits) else { return nil }
        let unit = self[digits.endIndex...].drop { $0 == " " }
        guard unit.allSatisfy({ $0.isASCII && $0.isLetter }) else { return nil }
        return (number, String(unit))
    }
}
