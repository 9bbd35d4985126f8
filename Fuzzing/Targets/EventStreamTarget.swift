import TorporProtocol

extension FuzzTarget {
    /// A stream of server-sent events means the same however its bytes are cut, and what is written is read again.
    static let eventStream = FuzzTarget(
        "event-stream", lengthMax: 2_000,
        dictionary: [
            "data: ", "data:", "id: ", "event: ", "retry: ", "\n", "\r\n", "\r", "\n\n", ":", "{}", "\0", "10",
        ]
    ) { input throws(PropertyViolation) in
        let limit = 512
        let whole = Self.events(of: [input[...]], limit)
        let single = Self.events(of: input.indices.map { input[$0...$0] }, limit)
        try require(whole == single, "a stream means the same in single bytes", escaped(input))
        let middle = input.count / 2
        try require(Self.events(of: [input[..<middle], input[middle...]], limit) == whole, "and in halves")
        guard let whole else { return "too large" }
        for event in whole {
            try require(event.data.count <= limit, "an event is bounded", "\(event.data.count)")
            try require(event.id?.contains("\0") != true, "an id holds no zero")
        }
        // A message is one line; line ends cannot come from the JSON writer.
        let line = input.filter { $0 != 0x0A && $0 != 0x0D }
        var written: [UInt8] = []
        ServerSentEvents.writePriming(id: "p", retryMilliseconds: 5, to: &written)
        written += ServerSentEvents.comment
        ServerSentEvents.write(line, id: "a1", to: &written)
        ServerSentEvents.write(line, name: "endpoint", to: &written)
        var parser = ServerSentEventParser()
        guard let read = try? parser.parse(written) else { throw PropertyViolation("what is written can be read") }
        try require(read.count == 3, "each event is read once", "\(read.count)")
        try require(read[0].id == "p" && read[0].retryMilliseconds == 5 && read[0].data.isEmpty, "priming is read")
        try require(read[1].data == line && read[1].id == "a1" && read[1].name == "message", "a message is read")
        try require(read[2].data == line && read[2].id == nil && read[2].name == "endpoint", "a named event is read")
        return "\(min(whole.count, 4)) events"
    }

    /// `nil` when an event is larger than the limit.
    private static func events(of parts: [ArraySlice<UInt8>], _ limit: Int) -> [ServerSentEventParser.Event]? {
        var parser = ServerSentEventParser(eventBytesMax: limit)
        var events: [ServerSentEventParser.Event] = []
        for part in parts {
            guard let found = try? parser.parse(part) else { return nil }
            events += found
        }
        return events
    }
}
