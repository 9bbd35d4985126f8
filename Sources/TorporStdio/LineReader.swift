/// Cuts a stream of bytes into lines, holding no more than one of them.
struct LineReader: Sendable {
    enum Line: Equatable {
        /// Without its end.
        case line([UInt8])
        /// Longer than the limit; its bytes were dropped.
        case tooLong
    }

    private let lineMax: Int
    private var held: [UInt8] = []
    /// The rest of a line that was too long is being skipped.
    private var isSkipping = false

    init(lineMax: Int) { self.lineMax = lineMax }

    /// The lines that `chunk` completes; empty ones are none.
    mutating func split(_ chunk: [UInt8]) -> [Line] {
        var lines: [Line] = []
        var start = 0
        while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if !self.isSkipping, self.hold(chunk[start..<end]) {
                if self.held.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) {
                    lines.append(.line(self.held))
                }
            } else {
                lines.append(.tooLong)
            }
            self.held = []
            self.isSkipping = false
            start = end + 1
        }
        if !self.isSkipping, !self.hold(chunk[start...]) {
            self.isSkipping = true
            self.held = []
        }
        return lines
    }

    /// Adds to the line that is held.
    /// - Returns: `false` when it would be too long.
    private mutating func hold(_ part: ArraySlice<UInt8>) -> Bool {
        guard self.held.count + part.count <= self.lineMax else { return false }
        self.held.append(contentsOf: part)
        return true
    }
}
