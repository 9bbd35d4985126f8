import Glibc

/// Rows of text under headings, in columns as wide as they have to be.
struct TextTable {
    private var rows: [[String]]
    private let alignsRight: [Bool]

    /// - Parameter columns: Headings, and whether what is below is a number.
    init(_ columns: [(heading: String, isNumber: Bool)]) {
        self.rows = [columns.map(\.heading)]
        self.alignsRight = columns.map(\.isNumber)
    }

    mutating func add(_ row: [String]) { self.rows.append(row) }

    var text: String {
        let widths = self.alignsRight.indices.map { column in self.rows.map { $0[column].count }.max() ?? 0 }
        return self.rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += (column == 0 ? "" : "  ") + (self.alignsRight[column] ? padding + cell : cell + padding)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }

    /// `2026-11-21 04:20:19Z`
    static func time(milliseconds: Int64) -> String {
        var time = time_t(milliseconds / 1_000)
        var parts = tm()
        gmtime_r(&time, &parts)
        let two = { (number: Int32) in number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1_900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
