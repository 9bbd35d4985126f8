import Testing
import Torpor

@testable import TorporCLI

/// What YAML is read, whoever reads it.
@Suite struct YAMLEventsTests {
    private static func events(of text: String) throws -> [YAMLEvents.Event] {
        var events = try YAMLEvents(text, named: "t.yaml")
        var read: [YAMLEvents.Event] = []
        while let event = try events.next() { read.append(event) }
        return read
    }

    private static func refusal(_ read: () throws -> Void) -> String? {
        #expect(throws: ConfigurationError.self) { try read() }?.description
    }

    @Test func whatStandsThereIsToldInItsOrder() throws {
        #expect(
            try Self.events(of: "a: [1, \"2\"]\nb: |\n  c\n") == [
                .documentStart, .mappingStart,
                .scalar("a", isPlain: true), .sequenceStart,
                .scalar("1", isPlain: true), .scalar("2", isPlain: false), .sequenceEnd,
                .scalar("b", isPlain: true), .scalar("c\n", isPlain: false), .mappingEnd,
            ])
        #expect(try Self.events(of: "") == [])
        #expect(try Self.events(of: "# nothing\n") == [])
    }

    @Test func anEventSaysWhereItBegins() throws {
        var events = try YAMLEvents("a:\n  - é: b\n", named: "t.yaml")
        var places: [[Int]] = []
        while let event = try events.next() {
            if case .scalar = event { places.append([events.place.line, events.place.column]) }
        }
        #expect(places == [[1, 1], [2, 5], [2, 8]])
        #expect(events.place.name == "t.yaml")
    }

    // Of a scalar, a name, a sequence and a mapping; both readers refuse it alike.
    @Test(arguments: [
        ("host: h\nport: !!str 1\n", 2, 7, "a tag"), ("host: ! h\n", 1, 7, "a tag"),
        ("host: h\n!!str port: 1\n", 2, 1, "a tag"),
        ("allowed-hosts: [a,\n  !name b]\n", 2, 3, "a tag"), ("allowed-hosts: !!set [a]\n", 1, 16, "a tag"),
        ("servers: !!map {a: {}}\n", 1, 10, "a tag"), ("servers:\n  a: !name {command: b}\n", 2, 6, "a tag"),
        ("!!map {port: 1}\n", 1, 1, "a tag"),
        ("host: h\nport: &it 1\n", 2, 7, "an anchor"), ("&it port: 1\n", 1, 1, "an anchor"),
        ("allowed-hosts: &it [a]\n", 1, 16, "an anchor"), ("servers: &it {a: {}}\n", 1, 10, "an anchor"),
        ("servers:\n  a: &it {command: b}\n", 2, 6, "an anchor"),
        ("servers:\n  a: {args: &it []}\n", 2, 13, "an anchor"),
        ("host: *it\n", 1, 7, "an alias"), ("allowed-hosts: [a, *it]\n", 1, 20, "an alias"),
        ("servers:\n  a: *it\n", 2, 6, "an alias"),
    ])
    func tagsAnchorsAndAliasesAreRefusedWhereTheyStand(text: String, line: Int, column: Int, what: String) {
        let start = "t.yaml line \(line) column \(column): \(what) is not read; "
        for refusal in [
            Self.refusal { _ = try YAMLMapping.read(text, named: "t.yaml") },
            Self.refusal { _ = try YAMLValue.read(text, named: "t.yaml") },
        ] {
            #expect(refusal?.hasPrefix(start) == true, "\(refusal ?? "nothing")")
        }
    }

    @Test func anAnchorIsRefusedBeforeAnAliasOfIt() {
        #expect(
            Self.refusal { _ = try YAMLValue.read("a: &x 1\nb: *x\n", named: "t.yaml") }?
                .hasPrefix("t.yaml line 1 column 4: an anchor") == true)
    }

    // In libyaml's own words.
    @Test(arguments: [("host: h\n\tport: 1\n", 2, 1), ("port: [1", 2, 1), ("a: 1\nb: \"x\n", 3, 1)])
    func whatIsNoYAMLIsRefusedWhereThatShows(text: String, line: Int, column: Int) {
        let refusal = Self.refusal { _ = try Self.events(of: text) }
        #expect(refusal?.hasPrefix("t.yaml line \(line) column \(column): ") == true, "\(refusal ?? "nothing")")
    }

    @Test func quotesKeepWhatLooksLikeATagOrAnAlias() throws {
        #expect(
            try YAMLValue.read("a: \"!!str\"\nb: '*x'\nc: \"&x\"\n", named: "t.yaml") == [
                "a": "!!str", "b": "*x", "c": "&x",
            ])
    }
}
