/// Writes server-sent events (HTML, server-sent events, event stream interpretation) whose data is one line of JSON.
package enum ServerSentEvents {
    /// A comment line: keeps the stream alive and is no event.
    package static let comment: [UInt8] = Array(":\n\n".utf8)

    /// Appends one event.
    /// - Parameters:
    ///   - message: JSON without line ends, as the writer makes it.
    ///   - id: Where a client may go on, in visible ASCII; `nil` in the modern era.
    ///   - name: The event's name; `nil` for `message`, which needs none.
    package static func write(
        _ message: [UInt8], id: String? = nil, name: StaticString? = nil, to bytes: inout [UInt8]
    ) {
        if let name {
            bytes.append(contentsOf: "event: ".utf8)
            name.withUTF8Buffer { bytes.append(contentsOf: $0) }
            bytes.append(UInt8(ascii: "\n"))
        }
        if let id {
            bytes.append(contentsOf: "id: ".utf8)
            bytes.append(contentsOf: id.utf8)
            bytes.append(UInt8(ascii: "\n"))
        }
        bytes.append(contentsOf: "data: ".utf8)
        bytes.append(contentsOf: message)
        bytes.append(contentsOf: "\n\n".utf8)
    }

    /// Appends the event with which a stream begins that may be resumed: an id, no data, and when to come back
    /// (2025-11-25, transports, resumability).
    package static func writePriming(id: String, retryMilliseconds: Int, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "id: \(id)\nretry: \(retryMilliseconds)\ndata:\n\n".utf8)
    }

    /// Appends a bare `retry:` field: when a client should come back.
    package static func writeRetry(milliseconds: Int, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "retry: \(milliseconds)\n\n".utf8)
    }
}

/// Takes a stream of bytes apart into server-sent events, as a client does.
///
/// Line ends are LF, CR or CRLF. What a peer sends without a line end is held up to ``eventBytesMax``.
package struct ServerSentEventParser: Sendable {
    package struct Event: Sendable, Equatable {
        /// The name, `message` when none was sent.
        package var name = "message"
        /// The data lines, joined by line feeds; empty for an event without data.
        package var data: [UInt8] = []
        /// The id that this event carried; `nil` when it had none.
        package var id: String?
        /// The reconnection time that came with it, in milliseconds.
        package var retryMilliseconds: Int?
    }

    /// The most bytes of one event; a larger one ends the parsing.
    package let eventBytesMax: Int
    private var line: [UInt8] = []
    private var event = Event()
    private var hasFields = false
    private var hasData = false
    private var isAfterCarriageReturn = false
    private var heldBytes = 0

    package init(eventBytesMax: Int = 16 << 20) { self.eventBytesMax = eventBytesMax }

    /// An event that is larger than ``eventBytesMax``.
    package struct EventTooLarge: Error {}

    /// Takes the next bytes of the stream.
    /// - Returns: the events that they complete, in order; comments are none.
    /// - Throws: ``EventTooLarge``.
    package mutating func parse(_ bytes: some Sequence<UInt8>) throws(EventTooLarge) -> [Event] {
        try self.parse(Array(bytes))
    }

    /// Takes the next bytes of the stream; see the other `parse`, which calls this one.
    package mutating func parse(_ bytes: [UInt8]) throws(EventTooLarge) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            if self.isAfterCarriageReturn {
                self.isAfterCarriageReturn = false
                if byte == UInt8(ascii: "\n") { continue }
            }
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                self.isAfterCarriageReturn = byte == UInt8(ascii: "\r")
                if let event = self.endLine() { events.append(event) }
            default:
                self.heldBytes += 1
                guard self.heldBytes <= self.eventBytesMax else { throw EventTooLarge() }
                self.line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> Event? {
        defer { self.line.removeAll(keepingCapacity: true) }
        guard !self.line.isEmpty else { return self.endEvent() }
        let colon = self.line.firstIndex(of: UInt8(ascii: ":")) ?? self.line.endIndex
        var value = self.line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: self.line[..<colon], as: UTF8.self) {
        case "data":
            if self.hasData { self.event.data.append(UInt8(ascii: "\n")) }
            self.event.data.append(contentsOf: value)
            self.hasFields = true
            self.hasData = true
        case "event":
            self.event.name = String(decoding: value, as: UTF8.self)
            self.hasFields = true
        case "id":
            if !value.contains(0) { self.event.id = String(decoding: value, as: UTF8.self) }
            self.hasFields = true
        case "retry":
            self.event.retryMilliseconds = Int(String(decoding: value, as: UTF8.self))
            self.hasFields = true
        default: break
        }
        return nil
    }

    private mutating func endEvent() -> Event? {
        defer {
            self.event = Event()
            self.hasFields = false
            self.hasData = false
            self.heldBytes = 0
        }
        return self.hasFields ? self.event : nil
    }
}
