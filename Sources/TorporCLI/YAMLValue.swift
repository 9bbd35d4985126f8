import Torpor

/// A YAML document as a JSON value: mappings, sequences and scalars; plain `true`, `false`, `null` and numbers are what
/// they look like, everything else is text. Anchors, aliases and tags are refused.
enum YAMLValue {
    private static let depthMax = 32

    /// - Throws: an error that names the file, the line and the column.
    static func read(_ text: String, named name: String) throws(ConfigurationError) -> JSONValue {
        var events = try YAMLEvents(text, named: name)
        var builder = Builder()
        while let event = try events.next() { try builder.take(event, at: events.place) }
        return builder.value ?? .object([:])
    }

    /// Builds the value, event by event.
    private struct Builder {
        private enum Open {
            case mapping(JSONObject, key: String?)
            case sequence([JSONValue])
        }

        var value: JSONValue?
        private var open: [Open] = []

        mutating func take(_ event: YAMLEvents.Event, at place: YAMLEvents.Place) throws(ConfigurationError) {
            switch event {
            case .documentStart:
                guard self.value == nil else { throw place.fault("there is a second document; keep one") }
            case .mappingStart: try self.begin(.mapping([:], key: nil), place)
            case .sequenceStart: try self.begin(.sequence([]), place)
            case .scalar(let text, let isPlain): try self.add(isPlain ? Self.plain(text) : .string(text), place)
            case .mappingEnd, .sequenceEnd:
                switch self.open.popLast() {
                case .mapping(let object, _): try self.add(.object(object), place)
                case .sequence(let elements): try self.add(.array(elements), place)
                case nil: preconditionFailure("what ends has begun")
                }
            }
        }

        private mutating func begin(_ open: Open, _ place: YAMLEvents.Place) throws(ConfigurationError) {
            guard self.open.count < YAMLValue.depthMax else {
                throw place.fault("it is nested deeper than \(YAMLValue.depthMax)")
            }
            self.open.append(open)
        }

        private mutating func add(_ value: JSONValue, _ place: YAMLEvents.Place) throws(ConfigurationError) {
            switch self.open.popLast() {
            case nil: self.value = value
            case .sequence(let elements): self.open.append(.sequence(elements + [value]))
            case .mapping(let object, nil):
                guard case .string(let key) = value.asKey else { throw place.fault("a name has to be a text") }
                guard object[key] == nil else { throw place.fault("\(key) is given twice") }
                self.open.append(.mapping(object, key: key))
            case .mapping(var object, let key?):
                object[key] = value
                self.open.append(.mapping(object, key: nil))
            }
        }

        /// A scalar without quotes is what it looks like.
        private static func plain(_ text: String) -> JSONValue {
            switch text {
            case "", "~", "null": return .null
            case "true": return .bool(true)
            case "false": return .bool(false)
            default:
                if case .number(let number)? = try? JSONValue(parsing: Array(text.utf8)) { return .number(number) }
                return .string(text)
            }
        }
    }
}

extension JSONValue {
    /// As the name of a member: `8080:` is a text too.
    fileprivate var asKey: JSONValue {
        switch self {
        case .number, .bool, .null: .string(self.text)
        default: self
        }
    }
}
