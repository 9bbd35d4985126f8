import Torpor

/// A text with a title.
struct Note: Sendable {
    var title: String
    var text: String
    /// Without repetitions, in the order given.
    var tags: [String]
    /// Greater for what was changed later.
    var change: Int

    var byteCount: Int {
        self.tags.reduce(Weight.entry + Weight.text(self.title) + Weight.text(self.text)) { $0 + 16 + Weight.text($1) }
    }
}

extension WorkbenchSpace {
    /// Stores a note in place of any other with this title.
    /// - Returns: Whether there was none before.
    mutating func saveNote(_ title: String, text: String, tags: [String]) throws(ToolError) -> Bool {
        try ToolError.checkName(title, "title")
        try ToolError.checkSize(text.utf8.count, of: "note's text")
        var distinct: [String] = []
        for tag in tags {
            try ToolError.checkName(tag, "tag", lengthMax: WorkbenchLimits.tagLengthMax)
            if !distinct.contains(tag) { distinct.append(tag) }
        }
        guard distinct.count <= WorkbenchLimits.tagCountMax else {
            throw ToolError(
                "A note has at most \(WorkbenchLimits.tagCountMax) tags; this one has \(distinct.count)."
            )
        }
        let former = self.notes[title]
        var note = Note(title: title, text: text, tags: distinct, change: 0)
        try self.reserve(note.byteCount - (former?.byteCount ?? 0), isNew: former == nil)
        note.change = self.nextChange()
        self.notes[title] = note
        return former == nil
    }

    /// Adds a line to a note's text, or starts the note with it.
    /// - Returns: Whether there was none before.
    mutating func appendToNote(_ title: String, text: String) throws(ToolError) -> Bool {
        guard let former = self.notes[title] else { return try self.saveNote(title, text: text, tags: []) }
        let line = former.text.isEmpty || former.text.utf8.last == UInt8(ascii: "\n") ? text : "\n" + text
        return try self.saveNote(former.title, text: former.text + line, tags: former.tags)
    }

    /// - Throws: when there is no such note.
    func note(_ title: String) throws(ToolError) -> Note {
        guard let note = self.notes[title] else {
            throw ToolError(
                "There is no note with the title \"\(title.prefix(200))\". Find titles with list_notes or search_notes."
            )
        }
        return note
    }

    mutating func deleteNote(_ title: String) throws(ToolError) {
        self.release(try self.note(title).byteCount)
        self.notes[title] = nil
    }

    /// The notes with `tag`, or all; what was changed last comes first.
    func notes(taggedWith tag: String? = nil) -> [Note] {
        self.notes.values.filter { tag.map($0.tags.contains) ?? true }.sorted { $0.change > $1.change }
    }

    /// The notes in whose title, tags and text every word of `query` occurs; those with the most words in the title
    /// first, then what was changed last.
    func searchNotes(_ query: String) -> [NoteHit] {
        let search = NoteSearch(query)
        return self.notes.values.compactMap { search.hit($0) }
            .filter { $0.wordCount == search.wordCount }
            .sorted { ($0.titleWordCount, $0.note.change) > ($1.titleWordCount, $1.note.change) }
    }

    /// The notes that are about `topic`: those titled or tagged so first, then those with more of its words.
    /// - Parameter needsEveryWord: Leaves out notes in which one of the words does not occur.
    func notes(on topic: String, needsEveryWord: Bool) -> [Note] {
        let search = NoteSearch(topic)
        return self.notes.values.compactMap { search.hit($0) }
            .filter { !needsEveryWord || $0.wordCount == search.wordCount }
            .map { hit in (hit, hit.note.title == topic || hit.note.tags.contains(topic) ? Int.max : hit.wordCount) }
            .sorted { ($0.1, $0.0.note.change) > ($1.1, $1.0.note.change) }
            .map(\.0.note)
    }
}
