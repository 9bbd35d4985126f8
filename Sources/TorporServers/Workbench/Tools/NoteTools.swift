import Torpor

extension Workbench {
    @ServerBuilder static var noteTools: [any ServerComponent] {
        Tool(
            "save_note",
            """
            Stores a text under a title, for later calls and conversations. Replaces the note of this title, with its \
            tags, if there is one; use append_note to add to it.
            """, title: "Save a note", annotations: .replacing
        ) { (input: SaveNote, call) in
            let saved = try await Space(call, input.space).update { space in
                try space.saveNote(input.title, text: input.text, tags: input.tags ?? [])
            }
            return SavedNote(saved.note, isNew: saved.isNew)
        }
        Tool(
            "append_note",
            "Adds text on a new line at the end of a note. Starts the note if there is none of this title.",
            title: "Add to a note", annotations: .adding
        ) { (input: AppendNote, call) in
            let saved = try await Space(call, input.space).update { space in
                try space.appendToNote(input.title, text: input.text)
            }
            return SavedNote(saved.note, isNew: saved.isNew)
        }
        Tool(
            "read_note", "Reads a note by its exact title.", title: "Read a note", annotations: .readOnly
        ) { (input: NamedNote, call) in
            let note = try await Space(call, input.space).note(input.title)
            return NoteText(title: note.head.title, text: note.text, tags: note.head.tags)
        }
        Tool(
            "list_notes", "Lists the titles and tags of notes, what was changed last first.", title: "List notes",
            annotations: .readOnly
        ) { (input: ListNotes, call) in
            NoteList(try await Space(call, input.space).noteHeads(taggedWith: input.tag))
        }
        Tool(
            "search_notes",
            """
            Finds notes in whose title, text or tags every word of the query occurs, whatever its case. Words match \
            inside longer ones. Answers titles with an excerpt; read_note shows the whole.
            """, title: "Search notes", annotations: .readOnly
        ) { (input: SearchNotes, call) in
            let hits = try await Space(call, input.space).searchNotes(input.query)
            return NoteHits(hits, countMax: input.limit ?? WorkbenchLimits.hitCountDefault)
        }
        Tool(
            "delete_note", "Deletes a note for good, by its exact title.", title: "Delete a note",
            annotations: .replacing
        ) { (input: NamedNote, call) in
            try await Space(call, input.space).update { try $0.deleteNote(input.title) }
            return "Deleted the note \"\(input.title)\"."
        }
    }
}

// MARK: - Arguments

private let titleField = Field("The title, which names the note.", length: 1...WorkbenchLimits.nameLengthMax)

private struct SaveNote: ToolInput {
    var title: String
    var text: String
    var tags: [String]?
    var space: StateHandle?

    static let fields = [
        "title": titleField,
        "text": Field("The text, such as Markdown; at most \(WorkbenchLimits.textMax)."),
        "tags": Field("Words to find the note by with list_notes.", length: 0...WorkbenchLimits.tagCountMax),
        "space": spaceField,
    ]
}

private struct AppendNote: ToolInput {
    var title: String
    var text: String
    var space: StateHandle?

    static let fields = [
        "title": titleField, "text": Field("What to add; the whole takes at most \(WorkbenchLimits.textMax)."),
        "space": spaceField,
    ]
}

private struct NamedNote: ToolInput {
    var title: String
    var space: StateHandle?
    static let fields = ["title": titleField, "space": spaceField]
}

private struct ListNotes: ToolInput {
    var tag: String?
    var space: StateHandle?
    static let fields: [String: Field] = ["tag": "Only notes with this tag.", "space": spaceField]
}

private struct SearchNotes: ToolInput {
    var query: String
    var limit: Int?
    var space: StateHandle?

    static let fields = [
        "query": Field("One or more words.", length: 1...WorkbenchLimits.queryLengthMax),
        "limit": Field(
            "The most notes to answer. Default \(WorkbenchLimits.hitCountDefault).",
            range: 1...WorkbenchLimits.hitCountMax),
        "space": spaceField,
    ]
}

// MARK: - Results

private struct SavedNote: StructuredOutput {
    var title: String
    var isNew: Bool
    var bytes: Int

    init(_ note: NoteHead, isNew: Bool) {
        self.title = note.title
        self.isNew = isNew
        self.bytes = note.byteCount
    }

    enum CodingKeys: String, CodingKey {
        case title
        case isNew = "is_new"
        case bytes
    }

    static let fields: [String: Field] = [
        "is_new": "Whether there was no note of this title before.", "bytes": "What the text takes in UTF-8.",
    ]

    var modelText: String? {
        "\(self.isNew ? "Saved a new note" : "Changed the note") \"\(self.title)\", \(self.bytes) bytes."
    }
}

private struct NoteText: StructuredOutput {
    var title: String
    var text: String
    var tags: [String]

    var modelText: String? { self.text }
}

private struct NoteList: StructuredOutput {
    struct Entry: Codable, DescribedFields {
        var title: String
        var tags: [String]
        var bytes: Int

        static let fields: [String: Field] = ["bytes": "What the text takes in UTF-8."]
    }

    var notes: [Entry]
    var total: Int

    init(_ notes: [NoteHead]) {
        self.notes = notes.prefix(WorkbenchLimits.listedMax).map {
            Entry(title: $0.title, tags: $0.tags, bytes: $0.byteCount)
        }
        self.total = notes.count
    }

    static let fields: [String: Field] = [
        "notes": "What was changed last comes first.", "total": "How many there are, also those not listed.",
    ]

    var modelText: String? {
        guard self.total > 0 else { return "There are no notes." }
        let lines = self.notes.map { note in
            "- \(note.title)" + (note.tags.isEmpty ? "" : " [\(note.tags.joined(separator: ", "))]")
                + " (\(note.bytes) bytes)"
        }
        let isWhole = self.notes.count == self.total
        let heading =
            isWhole ? "Notes (\(self.total)):" : "Notes (the \(self.notes.count) changed last, of \(self.total)):"
        return ([heading] + lines).joined(separator: "\n")
    }
}

private struct NoteHits: StructuredOutput {
    struct Hit: Codable, DescribedFields {
        var title: String
        var excerpt: String
        var tags: [String]
    }

    var hits: [Hit]
    var total: Int

    init(_ hits: [NoteHit], countMax: Int) {
        self.hits = hits.prefix(countMax).map { Hit(title: $0.note.title, excerpt: $0.excerpt, tags: $0.note.tags) }
        self.total = hits.count
    }

    static let fields: [String: Field] = ["total": "How many notes match, also those not shown."]

    var modelText: String? {
        guard self.total > 0 else { return "No note has all these words. Try fewer, or list_notes." }
        let lines = self.hits.map { "- \($0.title): \($0.excerpt)" }
        return (["Notes that match (\(self.hits.count) of \(self.total)):"] + lines).joined(separator: "\n")
    }
}
