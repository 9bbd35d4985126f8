import Testing

@testable import TorporServers

struct EntryKeyTests {
    @Test func equivalentNamesHaveOneKeyAndOthersDoNot() {
        #expect(EntryKey.key(of: "cafe\u{301}").utf8.elementsEqual("caf\u{E9}".utf8))
        #expect(EntryKey.key(of: "\u{1100}\u{1161}").utf8.elementsEqual("\u{AC00}".utf8))
        #expect(EntryKey.key(of: "a") != EntryKey.key(of: "A"))
    }

    @Test func keysAreInTheOrderOfTheirNames() {
        let names = ["", "Z", "a", "ab", "b", "caf\u{E9}", "cafe\u{301}s", "cafz", "語", "🦉"]
        for (left, right) in zip(names, names.dropFirst()) {
            #expect(
                (left < right) == EntryKey.key(of: left).utf8.lexicographicallyPrecedes(EntryKey.key(of: right).utf8))
        }
    }

    @Test(arguments: ["x", "é", "語", "🦉", "\u{1D160}"])
    func theKeyOfALongNameFitsAndBeginsAsItsPrefix(character: String) {
        let name = String(repeating: character, count: 200 / character.unicodeScalars.count)
        let key = EntryKey.key(of: name)
        #expect(key.utf8.count <= 400)
        for end in [1, 50, 150, name.count] {
            #expect(key.utf8.starts(with: EntryKey.prefix(of: String(name.prefix(end))).utf8))
        }
        #expect(key != EntryKey.key(of: name + "y"))
    }
}
