import Torpor

/// Rows as comma-separated values (RFC 4180), with `\n` between them; missing cells are empty.
enum CSV {
    static func text(columns: [String], rows: some Sequence<[JSONValue]>) -> String {
        var text = columns.map(self.quoted).joined(separator: ",") + "\n"
        for row in rows {
            text += row.map(self.field).joined(separator: ",")
            text += "\n"
        }
        return text
    }

    private static func field(_ cell: JSONValue) -> String {
        switch cell {
        case .null: ""
        case .string(let text): self.quoted(text)
        default: cell.text
        }
    }

    /// An empty text is quoted too, so that it differs from a missing cell.
    private static func quoted(_ text: String) -> String {
        let needsQuotes = text.isEmpty || text.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
        guard needsQuotes else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
