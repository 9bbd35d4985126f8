import CYaml

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
    /// - Throws: an error that names the file and the line.
    static func read(_ text: String, named name: String) throws(ConfigurationError) -> [Entry] {
        var reader = Reader(name: name)
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
                while true {
                    var event = yaml_event_t()
                    guard yaml_parser_parse(&parser, &event) == 1 else {
                        let problem = parser.problem.map { String(cString: $0) } ?? "no YAML"
                        throw ConfigurationError(
                            description: "\(name) line \(parser.problem_mark.line + 1): \(problem)")
                    }
                    defer { yaml_event_delete(&event) }
                    if event.type == YAML_STREAM_END_EVENT { return reader.entries }
                    try reader.take(event)
                }
            }
        } catch let error as ConfigurationError {
            throw error
        } catch {
            preconditionFailure("only configuration errors are thrown above: \(error)")
        }
    }

    /// Builds the mapping, event by event.
    private struct Reader {
        private enum State {
            case start, key, value(String, Int), sequence(String, Int, [String]), end
            /// Within the mapping of hosted servers, so deep.
            case servers(Int)
        }

        static let servers = "servers"

        let name: String
        var entries: [Entry] = []
        private var state = State.start

        init(name: String) { self.name = name }

        mutating func take(_ event: yaml_event_t) throws(ConfigurationError) {
            let line = event.start_mark.line + 1
            switch (self.state, event.type) {
            case (_, YAML_STREAM_START_EVENT), (.start, YAML_DOCUMENT_START_EVENT), (_, YAML_DOCUMENT_END_EVENT): break
            case (.start, YAML_MAPPING_START_EVENT): self.state = .key
            case (.start, YAML_SCALAR_EVENT) where event.data.scalar.length == 0: self.state = .end
            case (.key, YAML_SCALAR_EVENT): self.state = .value(Self.text(event), line)
            case (.key, YAML_MAPPING_END_EVENT): self.state = .end
            case (.value(let key, let line), YAML_SCALAR_EVENT):
                let text = Self.text(event)
                guard !text.isEmpty else { throw self.fault(line, "\(key) needs a value") }
                self.entries.append(Entry(key: key, values: [text], line: line))
                self.state = .key
            case (.value(let key, let line), YAML_SEQUENCE_START_EVENT): self.state = .sequence(key, line, [])
            case (.value(Self.servers, let line), YAML_MAPPING_START_EVENT):
                self.entries.append(Entry(key: Self.servers, values: [YAMLMapping.inPlace], line: line))
                self.state = .servers(1)
            case (.servers(let depth), YAML_MAPPING_START_EVENT), (.servers(let depth), YAML_SEQUENCE_START_EVENT):
                self.state = .servers(depth + 1)
            case (.servers(let depth), YAML_MAPPING_END_EVENT), (.servers(let depth), YAML_SEQUENCE_END_EVENT):
                self.state = depth == 1 ? .key : .servers(depth - 1)
            case (.servers, YAML_SCALAR_EVENT): break
            case (.sequence(let key, let line, let values), YAML_SCALAR_EVENT):
                self.state = .sequence(key, line, values + [Self.text(event)])
            case (.sequence(let key, let line, let values), YAML_SEQUENCE_END_EVENT):
                self.entries.append(Entry(key: key, values: values, line: line))
                self.state = .key
            default: throw self.fault(line, "expected lines of \"name: value\", or \"name: [value, value]\"")
            }
        }

        private func fault(_ line: Int, _ reason: String) -> ConfigurationError {
            ConfigurationError(description: "\(self.name) line \(line): \(reason)")
        }

        private static func text(_ event: yaml_event_t) -> String {
            String(
                decoding: UnsafeBufferPointer(start: event.data.scalar.value, count: event.data.scalar.length),
                as: UTF8.self)
        }
    }
}
