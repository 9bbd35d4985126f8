import Testing
import Torpor

@testable import TorporServers

struct NoteTests {
    @Test func aSavedNoteReplacesItsNamesake() async throws {
        try await withSpace { space in
            #expect(try await space.save("list", "first", tags: ["a"]))
            #expect(try await !space.save("list", "second"))
            let note = try await space.note("list")
            #expect(note.text == "second")
            #expect(note.head.tags == [])
            #expect(try await space.titles() == ["list"])
        }
    }

    @Test func titlesThatLookAlikeAreTheSame() async throws {
        try await withSpace { space in
            try await space.save("cafe\u{301}", "one")
            #expect(try await !space.save("caf\u{E9}", "two"))
            try await space.delete("cafe\u{301}")
            #expect(try await space.titles().isEmpty)
        }
    }

    @Test func aDeletedNoteLeavesNothingBehind() async throws {
        try await withSpace { space in
            try await space.save("first", "x")
            let before = try await space.size
            try await space.save("second", "y", tags: ["t"])
            try await space.delete("second")
            #expect(try await space.size == before)
            await #expect(throws: ToolError.self) { try await space.delete("second") }
            await #expect(throws: ToolError.self) { _ = try await space.note("second") }
        }
    }

    @Test func appendingStartsANoteAndThenAddsLines() async throws {
        try await withSpace { space async throws in
            #expect(try await space.append("log", "one"))
            #expect(try await !space.append("log", "two\n"))
            #expect(try await !space.append("log", "three"))
            #expect(try await space.note("log").text == "one\ntwo\nthree")
        }
    }

    @Test func appendingKeepsTheTags() async throws {
        try await withSpace { space in
            try await space.save("log", tags: ["diary"])
            try await space.append("log", "one")
            let note = try await space.note("log")
            #expect(note.text == "one")
            #expect(note.head.tags == ["diary"])
        }
    }

    @Test func whatWasChangedLastIsListedFirst() async throws {
        try await withSpace { space in
            for title in ["a", "b", "c"] { try await space.save(title, tags: ["all"]) }
            try await space.append("a", "more")
            #expect(try await space.titles() == ["a", "c", "b"])
            try await space.save("d", tags: ["other"])
            #expect(try await space.titles(taggedWith: "all") == ["a", "c", "b"])
        }
    }

    @Test func repeatedTagsCountOnce() async throws {
        try await withSpace { space in
            try await space.save("a", tags: ["x", "y", "x"])
            #expect(try await space.note("a").head.tags == ["x", "y"])
        }
    }

    // MARK: Limits

    @Test(arguments: [(0, false), (1, true), (200, true), (201, false)])
    func aTitleHasOneTo200Characters(length: Int, isAccepted: Bool) async throws {
        try await withSpace { space in
            let title = String(repeating: "語", count: length)
            do {
                try await space.save(title)
                #expect(isAccepted)
                #expect(try await space.note(title).head.title == title)
            } catch is ToolError {
                #expect(!isAccepted)
            }
            #expect(try await space.titles().isEmpty != isAccepted)
        }
    }

    @Test func aTitleIsOneLine() async throws {
        try await withSpace { space in
            await #expect(throws: ToolError("A title is one line without control characters.")) {
                try await space.save("two\nlines")
            }
        }
    }

    @Test func aTextTakesAtMost256KiB() async throws {
        try await withSpace { space in
            let text = String(repeating: "x", count: 262_144)
            try await space.save("long", text)
            let before = try await space.size
            let error = await #expect(throws: ToolError.self) { try await space.save("longer", text + "x") }
            #expect(error?.message.contains("at most 256 KiB; this one takes 262145 bytes") == true)
            await #expect(throws: ToolError.self) { try await space.append("long", "x") }
            #expect(try await space.note("long").text == text)
            #expect(try await space.size == before)
        }
    }

    @Test func aNoteHasAtMost20TagsOf50Characters() async throws {
        try await withSpace { space in
            let tags = (0..<20).map { "tag \($0)" }
            try await space.save("a", tags: tags)
            await #expect(throws: ToolError.self) { try await space.save("b", tags: tags + ["one more"]) }
            try await space.save("c", tags: [String(repeating: "x", count: 50)])
            await #expect(throws: ToolError.self) {
                try await space.save("d", tags: [String(repeating: "x", count: 51)])
            }
            #expect(try await space.titles() == ["c", "a"])
        }
    }

    // MARK: Search

    @Test func everyWordMustOccurInTitleTagsOrText() async throws {
        try await withSpace { space in
            try await space.save("Tea", "Buy green leaves.", tags: ["shopping"])
            try await space.save("Paint", "Buy green paint.", tags: ["house"])
            #expect(try await space.searchNotes("green SHOPPING").map(\.note.title) == ["Tea"])
            #expect(try await space.searchNotes("buy green").map(\.note.title) == ["Paint", "Tea"])
            #expect(try await space.searchNotes("green wall").isEmpty)
            #expect(try await space.searchNotes("  ").isEmpty)
        }
    }

    @Test func searchFindsNotesBeyondTheFirstHundred() async throws {
        try await withSpace { space in
            for number in 0..<201 { try await space.save("note \(number)", "word") }
            #expect(try await space.searchNotes("word").count == 201)
        }
    }

    @Test func wordsInTheTitleCountMore() async throws {
        try await withSpace { space in
            try await space.save("Swifts", "birds")
            try await space.save("Birds", "not swifts")
            #expect(try await space.searchNotes("swifts").map(\.note.title) == ["Swifts", "Birds"])
        }
    }

    @Test func searchKnowsLettersBeyondASCII() async throws {
        try await withSpace { space in
            try await space.save("Einkauf", "ÄPFEL und Brötchen")
            #expect(try await space.searchNotes("äpfel BRÖTCHEN").count == 1)
        }
    }

    private static func excerpt(of text: String) throws -> String {
        let note = Note(head: NoteHead(title: "a", tags: [], byteCount: text.utf8.count, change: 1), text: text)
        return try #require(NoteSearch("needle").hit(note)?.excerpt)
    }

    @Test func anExcerptShowsTheFirstWordFoundOnOneLine() throws {
        let padding = String(repeating: "lorem ipsum ", count: 40)
        let excerpt = try Self.excerpt(of: padding + "\nthe Needle\nhere " + padding)
        #expect(excerpt.hasPrefix("…") && excerpt.hasSuffix("…"))
        #expect(excerpt.contains("the Needle here"))
        #expect(excerpt.utf8.count <= 170)
    }

    /// `İ` takes another number of bytes in lower case, so places in the two texts do not match.
    @Test func anExcerptOfTextThatChangesItsLengthIsItsBeginning() throws {
        let excerpt = try Self.excerpt(of: "İstanbul " + String(repeating: "x ", count: 200) + "needle")
        #expect(excerpt.hasPrefix("İstanbul x"))
    }

    @Test func anExcerptNeverCutsACharacter() throws {
        for offset in 0..<8 {
            let text = String(repeating: "x", count: offset) + String(repeating: "日本", count: 60) + "needle"
            let excerpt = try Self.excerpt(of: text + String(repeating: "語", count: 90))
            #expect(!excerpt.unicodeScalars.contains("\u{FFFD}"))
            #expect(excerpt.contains("needle"))
        }
    }

    @Test func aTopicFindsTagsAndTitlesBeforeWords() async throws {
        try await withSpace { space in
            try await space.save("words", "about tea")
            try await space.save("tagged", tags: ["tea"])
            try await space.save("other", "coffee")
            #expect(try await space.notes(on: "tea", needsEveryWord: true).map(\.title) == ["tagged", "words"])
            #expect(try await space.notes(on: "tea coffee", needsEveryWord: true).isEmpty)
            let some = try await space.notes(on: "about coffee or tea", needsEveryWord: false).map(\.title)
            #expect(some == ["words", "other", "tagged"])
        }
    }
}
