extension ByteCount {
    /// The count for a sentence: at most one digit after the point, rounded down, in the unit that leaves at least one
    /// before it: `63.9 MiB`, `256 KiB`, `100 bytes`.
    package var roundedText: String {
        if self.bytes == 1 { return "1 byte" }
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] where self.bytes >= 1 << shift {
            let whole = self.bytes >> shift
            let tenth = ((self.bytes & ((1 << shift) - 1)) * 10) >> shift
            return tenth == 0 ? "\(whole) \(unit)" : "\(whole).\(tenth) \(unit)"
        }
        return "\(self.bytes) bytes"
    }
}
