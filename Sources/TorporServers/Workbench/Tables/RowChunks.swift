import Torpor

/// Rows of a table that are stored together, as one value.
struct RowChunk: Codable, Sendable {
    var rows: [[JSONValue]]
}

/// The chunks of a table, or the last of them, as a change finds and leaves them.
///
/// A chunk has at most 64 rows and 8 KiB, unless it is one row. A change rewrites the chunks whose rows it changes; where
/// rows outgrow their chunk, those behind it as well.
struct RowChunks {
    static let rowCountMax = 64
    static let byteCountMax = 8_192

    private struct Chunk {
        var number: Int
        var rows: [Row]
        var isChanged = false

        var byteCount: Int { self.rows.reduce(0) { $0 + $1.byteCount } }

        /// Whether so many rows more have room.
        func hasRoom(for count: Int, bytes: Int) -> Bool {
            self.rows.count + count <= RowChunks.rowCountMax && self.byteCount + bytes <= RowChunks.byteCountMax
        }

        var isWithinLimits: Bool { self.rows.count <= 1 || self.hasRoom(for: 0, bytes: 0) }
    }

    private var chunks: [Chunk]
    private var removed: Set<Int> = []
    /// One more than the number of the last chunk.
    private(set) var end: Int

    /// No chunk, but the numbers before `end` are taken.
    init(end: Int) {
        self.chunks = []
        self.end = end
    }

    /// - Parameter stored: By rising numbers; the last is the table's last.
    init(_ stored: [(number: Int, chunk: RowChunk)]) {
        self.chunks = stored.map { Chunk(number: $0.number, rows: $0.chunk.rows.map { Row($0) }) }
        self.end = stored.last.map { $0.number + 1 } ?? 0
    }

    /// What is to be stored, by number; `nil` where a chunk is to be removed.
    var changes: [(number: Int, chunk: RowChunk?)] {
        self.removed.sorted().map { ($0, nil) }
            + self.chunks.filter(\.isChanged).map { ($0.number, RowChunk(rows: $0.rows.map(\.cells))) }
    }

    mutating func append(_ rows: [Row]) {
        for row in rows {
            if let last = self.chunks.last, last.hasRoom(for: 1, bytes: row.byteCount) {
                self.chunks[self.chunks.count - 1].rows.append(row)
                self.chunks[self.chunks.count - 1].isChanged = true
            } else {
                self.chunks.append(Chunk(number: self.end, rows: [row], isChanged: true))
                self.removed.remove(self.end)
                self.end += 1
            }
        }
    }

    /// Puts other rows in the place of some.
    /// - Parameter replacement: `nil` leaves a row as it is.
    /// - Returns: How many were replaced.
    mutating func replace(_ replacement: (Row) -> Row?) -> Int {
        var count = 0
        for index in self.chunks.indices {
            for place in self.chunks[index].rows.indices {
                guard let row = replacement(self.chunks[index].rows[place]) else { continue }
                self.chunks[index].rows[place] = row
                self.chunks[index].isChanged = true
                count += 1
            }
        }
        if let first = self.chunks.firstIndex(where: { !$0.isWithinLimits }) { self.layDownAgain(from: first) }
        return count
    }

    /// Removes rows. What is left of a chunk moves into the one before it where it has room.
    /// - Returns: How many were removed.
    mutating func remove(where isRemoved: (Row) -> Bool) -> Int {
        var count = 0
        var remaining: [Chunk] = []
        for var chunk in self.chunks {
            let former = chunk.rows.count
            chunk.rows.removeAll(where: isRemoved)
            chunk.isChanged = chunk.rows.count < former
            count += former - chunk.rows.count
            let mayMove = chunk.isChanged || remaining.last?.isChanged ?? false
            if chunk.rows.isEmpty {
                self.removed.insert(chunk.number)
            } else if mayMove, let last = remaining.last, last.hasRoom(for: chunk.rows.count, bytes: chunk.byteCount) {
                remaining[remaining.count - 1].rows += chunk.rows
                remaining[remaining.count - 1].isChanged = true
                self.removed.insert(chunk.number)
            } else {
                remaining.append(chunk)
            }
        }
        self.chunks = remaining
        self.end = remaining.last.map { $0.number + 1 } ?? 0
        return count
    }

    /// Fills chunks anew with the rows from one chunk on.
    private mutating func layDownAgain(from index: Int) {
        let rows = self.chunks[index...].flatMap(\.rows)
        self.end = self.chunks[index].number
        self.removed.formUnion(self.chunks[index...].map(\.number))
        self.chunks.removeSubrange(index...)
        // What comes before keeps its rows, although its last chunk may have room.
        let before = self.chunks
        self.chunks = []
        self.append(rows)
        self.chunks = before + self.chunks
    }
}
