import CYaml

/// What a YAML text consists of, one thing after the other: what ``YAMLValue`` and ``YAMLMapping`` are built of.
///
/// Tags, anchors and aliases are refused wherever they stand: a file of settings says what it shows.
struct YAMLEvents: ~Copyable {
    enum Event: Equatable {
        case documentStart
        case mappingStart, mappingEnd
        case sequenceStart, sequenceEnd
        /// `isPlain`: without quotes, and in no block.
        case scalar(String, isPlain: Bool)
    }

    /// A place in a text, for errors.
    struct Place {
        let name: String
        /// Both are counted from 1.
        let line: Int
        let column: Int

        fileprivate init(_ name: String, _ mark: yaml_mark_t) {
            self.name = name
            self.line = mark.line + 1
            self.column = mark.column + 1
        }

        func fault(_ reason: String) -> ConfigurationError {
            ConfigurationError(description: "\(self.name) line \(self.line) column \(self.column): \(reason)")
        }
    }

    private let name: String
    private let input: UnsafeMutableBufferPointer<UInt8>
    /// Refers to the input, and to itself.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    /// Where the last event begins.
    private(set) var place: Place

    /// - Throws: an error that names the text, when there is no memory to read it.
    init(_ text: String, named name: String) throws(ConfigurationError) {
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            throw ConfigurationError(description: "\(name): no memory to read it")
        }
        self.name = name
        self.input = .allocate(capacity: text.utf8.count)
        _ = self.input.initialize(fromContentsOf: text.utf8)
        self.parser = parser
        self.place = Place(name, yaml_mark_t())
        yaml_parser_set_input_string(parser, UnsafePointer(self.input.baseAddress), self.input.count)
    }

    deinit {
        yaml_parser_delete(self.parser)
        self.parser.deallocate()
        self.input.deallocate()
    }

    /// - Returns: `nil` at the end of the text.
    /// - Throws: an error that names the text, line and column, when that is no YAML, or has a tag, an anchor or an alias.
    mutating func next() throws(ConfigurationError) -> Event? {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(self.parser, &event) == 1 else {
                let problem = self.parser.pointee.problem.map { String(cString: $0) } ?? "no YAML"
                throw Place(self.name, self.parser.pointee.problem_mark).fault(problem)
            }
            defer { yaml_event_delete(&event) }
            self.place = Place(self.name, event.start_mark)
            switch event.type {
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: continue
            case YAML_STREAM_END_EVENT: return nil
            case YAML_DOCUMENT_START_EVENT: return .documentStart
            case YAML_MAPPING_START_EVENT:
                try self.refuse(event.data.mapping_start.anchor, tag: event.data.mapping_start.tag)
                return .mappingStart
            case YAML_MAPPING_END_EVENT: return .mappingEnd
            case YAML_SEQUENCE_START_EVENT:
                try self.refuse(event.data.sequence_start.anchor, tag: event.data.sequence_start.tag)
                return .sequenceStart
            case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
            case YAML_SCALAR_EVENT:
                let scalar = event.data.scalar
                try self.refuse(scalar.anchor, tag: scalar.tag)
                let text = String(
                    decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
                return .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            case YAML_ALIAS_EVENT: throw self.place.fault("an alias is not read; write out what it stands for")
            default: preconditionFailure("libyaml has told all of its events")
            }
        }
    }

    private func refuse(_ anchor: UnsafePointer<UInt8>?, tag: UnsafePointer<UInt8>?) throws(ConfigurationError) {
        if tag != nil { throw self.place.fault("a tag is not read; leave it out") }
        if anchor != nil { throw self.place.fault("an anchor is not read; write out what it stands for, each time") }
    }
}
