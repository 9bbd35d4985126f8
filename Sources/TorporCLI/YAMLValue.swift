import CYaml
import Torpor

/// A YAML document as a JSON value: mappings, sequences and scalars; plain `true`, `false`, `null` and numbers are what
/// they look like, everything else is text. Anchors, aliases and tags are refused.
enum YAMLValue {
    private static let depthMax = 32

    /// - Throws: an error that names the file and the line.
    static func read(_ text: String, named name: String) throws(ConfigurationError) -> JSONValue {
        let bytes = Array(text.utf8)
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else {
            throw ConfigurationError(description: "\(name): no memory to read it")
        }
        defer { yaml_parser_delete(&parser) }
        do {
            return try bytes.withUnsafeBufferPointer { input in
                // The parser reads the bytes only while this closure runs.
                yaml_parser_set_input_string(&parser, input.baseAddress, input.count)
                var builder = Builder(name: name)
                while true {
                    var event = yaml_event_t()
                    guard yaml_parser_parse(&parser, &event) == 1 else {
                        let problem = parser.problem.map { String(cString: $0) } ?? "no YAML"
                        throw ConfigurationError(
                            description: "\(name) line \(parser.problem_mark.line + 1): \(problem)")
                    }
                    defer { yaml_event_delete(&event) }
                    if event.type == YAML_STREAM_END_EVENT { return builder.value ?? .object([:]) }
                    try builder.take(event)
                }
            }
        } catch let error as ConfigurationError {
            throw error
        } catch {
            preconditionFailure("only configuration errors are thrown above: \(error)")
        }
    }

    /// Builds the value, event by event.
    private struct Builder {
        private enum Open {
            case mapping(JSONObject, key: String?)
            case sequence([JSONValue])
        }

        let name: String
        var value: JSONValue?
        private var open: [Open] = []

        init(name: String) { self.name = name }

        mutating func take(_ event: yaml_event_t) throws(ConfigurationError) {
            let line = event.start_mark.line + 1
            switch event.type {
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: break
            case YAML_DOCUMENT_START_EVENT:
                guard self.value == nil else { throw self.fault(line, "there is a second document; keep one") }
            case YAML_MAPPING_START_EVENT: try self.begin(.mapping([:], key: nil), line)
            case YAML_SEQUENCE_START_EVENT: try self.begin(.sequence([]), line)
            case YAML_SCALAR_EVENT: try self.add(Self.scalar(event), line)
            case YAML_MAPPING_END_EVENT, YAML_SEQUENCE_END_EVENT:
                switch self.open.popLast() {
                case .mapping(let object, _): try self.add(.object(object), line)
                case .sequence(let elements): try self.add(.array(elements), line)
                case nil: preconditionFailure("what ends has begun")
                }
            default: throw self.fault(line, "anchors and aliases are not read; write it out")
            }
        }

        private mutating func begin(_ open: Open, _ line: Int) throws(ConfigurationError) {
            guard self.open.count < YAMLValue.depthMax else {
                throw self.fault(line, "it is nested deeper than \(YAMLValue.depthMax)")
            }
            self.open.append(open)
        }

        private mutating func add(_ value: JSONValue, _ line: Int) throws(ConfigurationError) {
            switch self.open.popLast() {
            case nil: self.value = value
            case .sequence(let elements): self.open.append(.sequence(elements + [value]))
            case .mapping(let object, nil):
                guard case .string(let key) = value.asKey else { throw self.fault(line, "a name has to be a text") }
                guard object[key] == nil else { throw self.fault(line, "\(key) is given twice") }
                self.open.append(.mapping(object, key: key))
            case .mapping(var object, let key?):
                object[key] = value
                self.open.append(.mapping(object, key: nil))
            }
        }

        private func fault(_ line: Int, _ reason: String) -> ConfigurationError {
            ConfigurationError(description: "\(self.name) line \(line): \(reason)")
        }

        private static func scalar(_ event: yaml_event_t) -> JSONValue {
            let text = String(
                decoding: UnsafeBufferPointer(start: event.data.scalar.value, count: event.data.scalar.length),
                as: UTF8.self)
            guard event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE else { return .string(text) }
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
