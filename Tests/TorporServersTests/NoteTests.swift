import Testing
import Torpor

@testable import TorporServers

struct NoteTests {
    private var space = WorkbenchSpace()

    @Test mutating func aSavedNoteReplacesItsNamesake() throws {
        #expect(try self.space.saveNote("list", text: "first", tags: ["a"]))
        #expect(try !self.space.saveNote("list", text: "second", tags: []))
        #expect(try self.space.note("list").text == "second")
        #expect(try self.space.note("list").tags == [])
        #expect(self.space.entryCount == 1)
    }

    @Test mutating func titlesThatLookAlikeAreTheSame() throws {
        _ = try self.space.saveNote("cafe\u{301}", text: "one", tags: [])
        #expect(try !self.space.saveNote("caf\u{E9}", text: "two", tags: []))
        try self.space.deleteNote("cafe\u{301}")
        #expect(self.space.isEmpty)
        #expect(self.space.byteCount == 0)
    }

    @Test mutating func appendingStartsANoteAndThenAddsLines() throws {
        #expect(try self.space.appendToNote("log", text: "one"))
        #expect(try !self.space.appendToNote("log", text: "two\n"))
        #expect(try !self.space.appendToNote("log", text: "three"))
        #expect(try self.space.note("log").text == "one\ntwo\nthree")
    }

    @Test mutating func appendingKeepsTheTags() throws {
        _ = try self.space.saveNote("log", text: "", tags: ["diary"])
        _ = try self.space.appendToNote("log", text: "one")
        #expect(try self.space.note("log").text == "one")
        #expect(try self.space.note("log").tags == ["diary"])
    }

    @Test mutating func whatWasChangedLastIsListedFirst() throws {
        for title in ["a", "b", "c"] { _ = try self.space.saveNote(title, text: "", tags: ["all"]) }
        _ = try self.space.appendToNote("a", text: "more")
        #expect(self.space.notes().map(\.title) == ["a", "c", "b"])
        _ = try self.space.saveNote("d", text: "", tags: ["other"])
        #expect(self.space.notes(taggedWith: "all").map(\.title) == ["a", "c", "b"])
    }

    @Test mutating func repeatedTagsCountOnce() throws {
        _ = try self.space.saveNote("a", text: "", tags: ["x", "y", "x"])
        #expect(try self.space.note("a").tags == ["x", "y"])
    }

    // MARK: Limits

    @Test(arguments: [(0, false), (1, true), (200, true), (201, false)])
    mutating func aTitleHasOneTo200Characters(length: Int, isAccepted: Bool) throws {
        let title = String(repeating: "é", count: length)
        #expect(((try? self.space.saveNote(title, text: "", tags: [])) != nil) == isAccepted)
        #expect(self.space.isEmpty != isAccepted)
    }

    @Test mutating func aTitleIsOneLine() {
        #expect(throws: ToolError("A title is one line without control characters.")) {
            _ = try self.space.saveNote("two\nlines", text: "", tags: [])
        }
    }

    @Test mutating func aTextTakesAtMost256KiB() throws {
        let text = String(repeating: "x", count: 262_144)
        _ = try self.space.saveNote("long", text: text, tags: [])
        let before = self.space.byteCount
        let error = #expect(throws: ToolError.self) {
            _ = try self.space.saveNote("longer", text: text + "x", tags: [])
        }
        #expect(error?.message.contains("at most 256 KiB; this one takes 262145 bytes") == true)
        #expect(throws: ToolError.self) { _ = try self.space.appendToNote("long", text: "x") }
        #expect(try self.space.note("long").text == text)
        #expect(self.space.byteCount == before)
    }

    @Test mutating func aNoteHasAtMost20TagsOf50Characters() throws {
        let tags = (0..<20).map { "tag \($0)" }
        _ = try self.space.saveNote("a", text: "", tags: tags)
        #expect(throws: ToolError.self) { _ = try self.space.saveNote("b", text: "", tags: tags + ["one more"]) }
        _ = try self.space.saveNote("c", text: "", tags: [String(repeating: "x", count: 50)])
        #expect(throws: ToolError.self) {
            _ = try self.space.saveNote("d", text: "", tags: [String(repeating: "x", count: 51)])
        }
        #expect(Set(self.space.notes.keys) == ["a", "c"])
    }

    // MARK: Search

    @Test mutating func everyWordMustOccurInTitleTagsOrText() throws {
        _ = try self.space.saveNote("Tea", text: "Buy green leaves.", tags: ["shopping"])
        _ = try self.space.saveNote("Paint", text: "Buy green paint.", tags: ["house"])
        #expect(self.space.searchNotes("green SHOPPING").map(\.note.title) == ["Tea"])
        #expect(self.space.searchNotes("buy green").map(\.note.title) == ["Paint", "Tea"])
        #expect(self.space.searchNotes("green wall").isEmpty)
        #expect(self.space.searchNotes("  ").isEmpty)
    }

    @Test mutating func wordsInTheTitleCountMore() throws {
        _ = try self.space.saveNote("Swifts", text: "birds", tags: [])
        _ = try self.space.saveNote("Birds", text: "not swifts", tags: [])
        #expect(self.space.searchNotes("swifts").map(\.note.title) == ["Swifts", "Birds"])
    }

    @Test mutating func searchKnowsLettersBeyondASCII() throws {
        _ = try self.space.saveNote("Einkauf", text: "ÄPFEL und Brötchen", tags: [])
        #expect(self.space.searchNotes("äpfel BRÖTCHEN").count == 1)
    }

    @Test mutating func anExcerptShowsTheFirstWordFoundOnOneLine() throws {
        let padding = String(repeating: "lorem ipsum ", count: 40)
        _ = try self.space.saveNote("a", text: padding + "\nthe Needle\nhere " + padding, tags: [])
        let excerpt = try #require(self.space.searchNotes("needle").first?.excerpt)
        #expect(excerpt.hasPrefix("…") && excerpt.hasSuffix("…"))
        #expect(excerpt.contains("the Needle here"))
        #expect(excerpt.utf8.count <= 170)
    }

    /// `İ` takes another number of bytes in lower case, so places in the two texts do not match.
    @Test mutating func anExcerptOfTextThatChangesItsLengthIsItsBeginning() throws {
        _ = try self.space.saveNote("a", text: "İstanbul " + String(repeating: "x ", count: 200) + "needle", tags: [])
        let excerpt = try #require(self.space.searchNotes("needle").first?.excerpt)
        #expect(excerpt.hasPrefix("İstanbul x"))
    }

    @Test mutating func anExcerptNeverCutsACharacter() throws {
        for offset in 0..<8 {
            let text = String(repeating: "x", count: offset) + String(repeating: "日本", count: 60) + "needle"
            _ = try self.space.saveNote("a", text: text + String(repeating: "語", count: 90), tags: [])
            let excerpt = try #require(self.space.searchNotes("needle").first?.excerpt)
            #expect(!excerpt.unicodeScalars.contains("\u{FFFD}"))
            #expect(excerpt.contains("needle"))
        }
    }

    @Test mutating func aTopicFindsTagsAndTitlesBeforeWords() throws {
        _ = try self.space.saveNote("words", text: "about tea", tags: [])
        _ = try self.space.saveNote("tagged", text: "", tags: ["tea"])
        _ = try self.space.saveNote("other", text: "coffee", tags: [])
        #expect(self.space.notes(on: "tea", needsEveryWord: true).map(\.title) == ["tagged", "words"])
        #expect(self.space.notes(on: "tea coffee", needsEveryWord: true).isEmpty)
        let some = self.space.notes(on: "about coffee or tea", needsEveryWord: false).map(\.title)
        #expect(some == ["words", "other", "tagged"])
    }
}
