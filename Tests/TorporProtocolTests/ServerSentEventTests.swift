import Testing
import TorporProtocol

/// Server-sent events as they are written, and as a client reads them.
@Suite struct ServerSentEventTests {
    private func text(_ write: (inout [UInt8]) -> Void) -> String {
        var bytes: [UInt8] = []
        write(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func anEventHasItsFieldsAndAnEmptyLine() {
        #expect(self.text { ServerSentEvents.write(Array("{}".utf8), to: &$0) } == "data: {}\n\n")
        #expect(self.text { ServerSentEvents.write(Array("{}".utf8), id: "a", to: &$0) } == "id: a\ndata: {}\n\n")
        #expect(
            self.text { ServerSentEvents.write(Array("/x".utf8), name: "endpoint", to: &$0) }
                == "event: endpoint\ndata: /x\n\n")
        #expect(
            self.text { ServerSentEvents.writePriming(id: "p", retryMilliseconds: 50, to: &$0) }
                == "id: p\nretry: 50\ndata:\n\n")
        #expect(self.text { ServerSentEvents.writeRetry(milliseconds: 9, to: &$0) } == "retry: 9\n\n")
        #expect(String(decoding: ServerSentEvents.comment, as: UTF8.self) == ":\n\n")
    }

    @Test(arguments: ["\n", "\r", "\r\n"])
    func everyLineEndEndsALine(end: String) throws {
        let stream = ["id: 1", "data: a", "data: b", "", ": comment", "", "event: x", "data", "", "retry: 7", "", ""]
        var parser = ServerSentEventParser()
        let events = try parser.parse(stream.joined(separator: end).utf8)
        #expect(events.map(\.data) == [Array("a\nb".utf8), [], []])
        #expect(events.map(\.id) == ["1", nil, nil])
        #expect(events.map(\.name) == ["message", "x", "message"])
        #expect(events.last?.retryMilliseconds == 7)
    }

    @Test func anEventThatIsTooLargeEndsTheReading() {
        var parser = ServerSentEventParser(eventBytesMax: 100)
        #expect(throws: ServerSentEventParser.EventTooLarge.self) {
            // In pieces, and without a line end: nothing is held beyond the limit.
            for _ in 0..<101 { _ = try parser.parse("x".utf8) }
        }
    }
}
