/// A YAML document that is one mapping of names to scalars or to sequences of scalars: all that a configuration needs, but
/// for hosted servers, whose mapping below `servers` is passed over here and read by ``YAMLValue``.
enum YAMLMapping {
    /// The value of `servers` when they stand in the file itself.
    static let inPlace = "(in this file)"

    struct Entry: Equatable {
        var key: String
        /// One for a scalar, any number for a sequence.
        var values: [String]
        /// Counted from 1.
        var line: Int
    }

    /// Reads the text; no document at all is an empty mapping.
    /// - Throws: an error that names the file, the line and the column.
    static func read(_ text: String, named name: String) throws(ConfigurationError) -> [Entry] {
        var events = try YAMLEvents(text, named: name)
        var reader = Reader()
        while let event = try events.next() { try reader.take(event, at: events.place) }
        return reader.entries
    }

    /// Builds the mapping, event by event.
    private struct Reader {
        private enum State {
            case start, key, value(String, YAMLEvents.Place), sequence(String, YAMLEvents.Place, [String]), end
            /// Within the mapping of hosted servers, so deep.
            case servers(Int)
        }

        static let servers = "servers"

        var entries: [Entry] = []
        private var state = State.start

        mutating func take(_ event: YAMLEvents.Event, at place: YAMLEvents.Place) throws(ConfigurationError) {
            switch (self.state, event) {
            case (.start, .documentStart): break
            case (.start, .mappingStart): self.state = .key
            case (.start, .scalar("", _)): self.state = .end
            case (.key, .scalar(let key, _)): self.state = .value(key, place)
            case (.key, .mappingEnd): self.state = .end
            case (.value(let key, let place), .scalar(let text, _)):
                guard !text.isEmpty else { throw place.fault("\(key) needs a value") }
                self.entries.append(Entry(key: key, values: [text], line: place.line))
                self.state = .key
            case (.value(let key, let place), .sequenceStart): self.state = .sequence(key, place, [])
            case (.value(Self.servers, let place), .mappingStart):
                self.entries.append(Entry(key: Self.servers, values: [YAMLMapping.inPlace], line: place.line))
                self.state = .servers(1)
            case (.servers(let depth), .mappingStart), (.servers(let depth), .sequenceStart):
                self.state = .servers(depth + 1)
            case (.servers(let depth), .mappingEnd), (.servers(let depth), .sequenceEnd):
                self.state = depth == 1 ? .key : .servers(depth - 1)
            case (.servers, .scalar): break
            case (.sequence(let key, let place, let values), .scalar(let text, _)):
                self.state = .sequence(key, place, values + [text])
            case (.sequence(let key, let place, let values), .sequenceEnd):
                self.entries.append(Entry(key: key, values: values, line: place.line))
                self.state = .key
            default: throw place.fault("expected lines of \"name: value\", or \"name: [value, value]\"")
            }
        }
    }
}
