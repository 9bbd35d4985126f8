import Torpor

/// A text with a title.
struct Note: Sendable {
    var head: NoteHead
    var text: String
}

/// What is known of a note beside its text; stored apart from it, so that lists need not read texts.
struct NoteHead: Codable, Sendable {
    var title: String
    /// Without repetitions, in the order given.
    var tags: [String]
    /// Of the text, in UTF-8.
    var byteCount: Int
    /// Greater for what was changed later.
    var change: Int
}

extension StateChanges {
    /// Stores a note in place of any other with this title.
    /// - Returns: The note, and whether there was none before.
    mutating func saveNote(_ title: String, text: String, tags: [String]) throws -> (note: NoteHead, isNew: Bool) {
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
        let key = EntryKey.key(of: title)
        let isNew = try self.entry(key, NoteHead.self) == nil
        let note = NoteHead(title: title, tags: distinct, byteCount: text.utf8.count, change: try self.nextNumber())
        try self.setEntry(key, note)
        try self.setEntry(key, text)
        return (note, isNew)
    }

    /// Adds a line to a note's text, or starts the note with it.
    /// - Returns: The note, and whether there was none before.
    mutating func appendToNote(_ title: String, text: String) throws -> (note: NoteHead, isNew: Bool) {
        let key = EntryKey.key(of: title)
        guard let former = try self.entry(key, NoteHead.self) else {
            return try self.saveNote(title, text: text, tags: [])
        }
        let formerText = try self.entry(key, String.self) ?? ""
        let line = formerText.isEmpty || formerText.utf8.last == UInt8(ascii: "\n") ? text : "\n" + text
        return try self.saveNote(former.title, text: formerText + line, tags: former.tags)
    }

    mutating func deleteNote(_ title: String) throws {
        let key = EntryKey.key(of: title)
        guard try self.entry(key, NoteHead.self) != nil else { throw ToolError.noNote(title) }
        try self.setEntry(key, NoteHead?.none)
        try self.setEntry(key, String?.none)
    }
}

extension Space {
    private static let textsPerRead = 100

    /// - Throws: when there is no such note.
    func note(_ title: String) async throws -> Note {
        let key = EntryKey.key(of: title)
        guard let head = try await self.notes.get(key), let text = try await self.texts.get(key) else {
            throw ToolError.noNote(title)
        }
        return Note(head: head, text: text)
    }

    /// The notes with `tag`, or all; what was changed last comes first.
    func noteHeads(taggedWith tag: String? = nil) async throws -> [NoteHead] {
        try await self.notes.entries(limit: Self.all).map(\.value)
            .filter { tag.map($0.tags.contains) ?? true }.sorted { $0.change > $1.change }
    }

    /// The notes in whose title, tags and text every word of `query` occurs; those with the most words in the title
    /// first, then what was changed last.
    func searchNotes(_ query: String) async throws -> [NoteHit] {
        let search = NoteSearch(query)
        return try await self.hits(of: search)
            .filter { $0.wordCount == search.wordCount }
            .sorted { ($0.titleWordCount, $0.note.change) > ($1.titleWordCount, $1.note.change) }
    }

    /// The notes that are about `topic`: those titled or tagged so first, then those with more of its words.
    /// - Parameter needsEveryWord: Leaves out notes in which one of the words does not occur.
    func notes(on topic: String, needsEveryWord: Bool) async throws -> [NoteHead] {
        let search = NoteSearch(topic)
        return try await self.hits(of: search)
            .filter { !needsEveryWord || $0.wordCount == search.wordCount }
            .map { hit in (hit, hit.note.title == topic || hit.note.tags.contains(topic) ? Int.max : hit.wordCount) }
            .sorted { ($0.1, $0.0.note.change) > ($1.1, $1.0.note.change) }
            .map(\.0.note)
    }

    /// The notes in which a word occurs. Holds the texts of some notes at a time.
    private func hits(of search: NoteSearch) async throws -> [NoteHit] {
        guard search.wordCount > 0 else { return [] }
        let heads = Dictionary(
            uniqueKeysWithValues: try await self.notes.entries(limit: Self.all).map { ($0.key, $0.value) })
        var hits: [NoteHit] = []
        var last: String?
        while true {
            try self.call.checkCancellation()
            let texts = try await self.texts.entries(after: last, limit: Self.textsPerRead)
            for (key, text) in texts {
                // Notes that are new since the heads were read are left out.
                if let head = heads[key], let hit = search.hit(Note(head: head, text: text)) { hits.append(hit) }
            }
            guard texts.count == Self.textsPerRead else { return hits }
            last = texts.last?.key
        }
    }
}

extension ToolError {
    fileprivate static func noNote(_ title: String) -> ToolError {
        ToolError(
            "There is no note with the title \"\(title.prefix(200))\". Find titles with list_notes or search_notes.")
    }
}
