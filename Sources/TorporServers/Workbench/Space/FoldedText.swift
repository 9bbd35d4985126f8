/// A text in lower case, as bytes, for searching without regard to case.
struct FoldedText {
    private static let excerptBytes = 160

    private let bytes: [UInt8]

    init(_ text: String) { self.bytes = Array(text.lowercased().utf8) }

    /// Where `other` first occurs, in bytes; `nil` when it does not.
    /// - Complexity: O(`self` times `other`) at worst, O(`self`) for ordinary words.
    func offset(of other: FoldedText) -> Int? {
        guard let first = other.bytes.first else { return 0 }
        var start = 0
        while start + other.bytes.count <= self.bytes.count {
            if self.bytes[start] == first, self.bytes[start..<start + other.bytes.count] == other.bytes[...] {
                return start
            }
            start += 1
        }
        return nil
    }

    /// One line of `original`, this text before its case was changed, around the byte at `offset`.
    ///
    /// Where lower case takes another number of bytes than the original, places do not match; then it is the beginning.
    func excerpt(of original: String, around offset: Int) -> String {
        let count = original.utf8.count
        let middle = count == self.bytes.count ? offset : 0
        let start = max(0, min(middle - Self.excerptBytes / 4, count - Self.excerptBytes))
        let end = min(count, start + Self.excerptBytes)
        let utf8 = original.utf8
        // A slice begins and ends at whole characters.
        let slice = original[utf8.index(utf8.startIndex, offsetBy: start)..<utf8.index(utf8.startIndex, offsetBy: end)]
        let line = slice.split(whereSeparator: \.isNewline).joined(separator: " ")
        return (start > 0 ? "…" : "") + line + (end < count ? "…" : "")
    }
}
