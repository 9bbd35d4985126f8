/// Looks for words in notes, whatever their case. A word is found inside longer ones too.
struct NoteSearch {
    private let words: [FoldedText]

    /// - Parameter query: Words with blanks between them.
    init(_ query: String) { self.words = query.split(whereSeparator: \.isWhitespace).map { FoldedText(String($0)) } }

    var wordCount: Int { self.words.count }

    /// `nil` when none of the words occurs in the note.
    func hit(_ note: Note) -> NoteHit? {
        let title = FoldedText(note.title)
        let text = FoldedText(note.text)
        let tags = note.tags.map(FoldedText.init)
        var hit = NoteHit(note: note)
        var first: Int?
        for word in self.words {
            let offset = text.offset(of: word)
            let isInTitle = title.offset(of: word) != nil
            first = first ?? offset
            if isInTitle { hit.titleWordCount += 1 }
            if isInTitle || offset != nil || tags.contains(where: { $0.offset(of: word) != nil }) { hit.wordCount += 1 }
        }
        guard hit.wordCount > 0 else { return nil }
        hit.offset = first ?? 0
        return hit
    }
}

/// A note in which words were found.
struct NoteHit: Sendable {
    let note: Note
    /// How many of the words occur in its title, tags or text.
    var wordCount = 0
    /// How many of them occur in its title.
    var titleWordCount = 0
    /// Where the first of them occurs in the text in lower case, in bytes; 0 when none does.
    var offset = 0

    /// What stands around that place, on one line.
    var excerpt: String { FoldedText(self.note.text).excerpt(of: self.note.text, around: self.offset) }
}
