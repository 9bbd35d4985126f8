extension Span<UInt8> {
    /// Whether the bytes at `range` are exactly `text`.
    package func matches(_ text: StaticString, at range: Range<Int>) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        // Safe: the loop stays below the count of both.
        let other = text.utf8Start
        for offset in 0..<range.count where self[range.lowerBound + offset] != other[offset] { return false }
        return true
    }
}
