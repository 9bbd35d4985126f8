import Testing

@testable import TorporSoak

@Suite struct EventReaderTests {
    private func events(_ chunks: [[UInt8]]) -> [String] {
        var reader = EventReader()
        var events: [String] = []
        for chunk in chunks { reader.read(chunk) { events.append(String(decoding: $0, as: UTF8.self)) } }
        return events
    }

    private static let text =
        "id: 1\ndata: first\n\n: comment\r\nevent: message\r\ndata:two\r\ndata: lines\r\n\r\ndata: cut"

    @Test func eventsAreReadWhereverTheyAreCut() {
        let bytes = Array(Self.text.utf8)
        let expected = ["first", "two\nlines"]
        #expect(events([bytes]) == expected)
        for cut in 0...bytes.count { #expect(events([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected) }
        #expect(events(bytes.map { [$0] }) == expected)
    }

    @Test func anEventWithoutDataIsNone() {
        #expect(events([Array("id: 7\nretry: 100\n\n\n\n".utf8)]).isEmpty)
        #expect(events([Array("data:\n\n".utf8)]) == [""])
    }

    @Test func anEventThatIsTooLongComesEmptyAndTheNextOneWhole() {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: EventReader.dataMax + 100)
        #expect(events([Array("data:".utf8), long, Array("\n\ndata: next\n\n".utf8)]) == ["", "next"])
        let lines = Array("data:".utf8) + long.prefix(EventReader.dataMax - 10) + Array("\n".utf8)
        #expect(events([lines, lines, Array("\ndata: next\n\n".utf8)]) == ["", "next"])
    }
}
