/// A line of a terminal: pieces of text, each with the way it is shown.
struct TopLine: Equatable {
    enum Style: String {
        case plain = ""
        case strong = "1"
        /// What the reader knows already.
        case quiet = "2"
        case good = "32"
        case warning = "33"
        case bad = "31"
    }

    struct Piece: Equatable {
        var text: String
        var style: Style
    }

    private(set) var pieces: [Piece] = []

    init(_ text: String = "", _ style: Style = .plain) { self.add(text, style) }

    mutating func add(_ text: String, _ style: Style = .plain) {
        if !text.isEmpty { self.pieces.append(Piece(text: text, style: style)) }
    }

    /// Without escape codes, cut at so many characters, without blanks at its end.
    func plain(columns: Int) -> String {
        var text = String(self.pieces.map(\.text).joined().prefix(columns))
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }

    /// With escape codes; what is seen is at most so many characters.
    func ansi(columns: Int) -> String {
        var room = columns
        var text = ""
        for piece in self.pieces where room > 0 {
            let part = piece.text.prefix(room)
            room -= part.count
            text += piece.style == .plain ? String(part) : "\u{1B}[\(piece.style.rawValue)m\(part)\u{1B}[0m"
        }
        return text
    }
}
