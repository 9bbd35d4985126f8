/// Looks for words in notes, whatever their case. A word is found inside longer ones too.
struct NoteSearch {
    private let words: [FoldedText]

    /// - Parameter query: Words with blanks between them.
    init(_ query: String) { self.words = query.split(whereSeparator: \.isWhitespace).map { FoldedText(String($0)) } }

    var wordCount: Int { self.words.count }

    /// `nil` when none of the words occurs in the note.
    func hit(_ note: Note) -> NoteHit? {
        let title = FoldedText(note.head.title)
        let text = FoldedText(note.text)
        let tags = note.head.tags.map(FoldedText.init)
        var wordCount = 0
        var titleWordCount = 0
        var first: Int?
        for word in self.words {
            let offset = text.offset(of: word)
            let isInTitle = title.offset(of: word) != nil
            first = first ?? offset
            if isInTitle { titleWordCount += 1 }
            if isInTitle || offset != nil || tags.contains(where: { $0.offset(of: word) != nil }) { wordCount += 1 }
        }
        guard wordCount > 0 else { return nil }
        return NoteHit(
            note: note.head, wordCount: wordCount, titleWordCount: titleWordCount,
            excerpt: text.excerpt(of: note.text, around: first ?? 0))
    }
}

/// A note in which words were found.
struct NoteHit: Sendable {
    let note: NoteHead
    /// How many of the words occur in its title, tags or text.
    let wordCount: Int
    /// How many of them occur in its title.
    let titleWordCount: Int
    /// What stands around the first of them in the text, on one line.
    let excerpt: String
}
