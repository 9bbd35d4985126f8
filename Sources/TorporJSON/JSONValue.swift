/// Any JSON value; numbers keep their exact text, and objects the order of their members.
///
/// Strings are equal when their UTF-8 is, byte for byte: unlike those of Swift, whatever Unicode holds for equivalent.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// Parses UTF-8 JSON text of at most 64 nested arrays and objects.
    ///
    /// - Throws: ``JSONError`` with the first offset at which the text is not acceptable.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        try self.init(parsing: bytes.span, depthMax: JSONScanner.depthMaxDefault)
    }

    /// Parses JSON text of at most 64 nested arrays and objects.
    ///
    /// - Throws: ``JSONError`` with the first offset at which the text is not acceptable.
    public init(parsing text: String) throws(JSONError) {
        try self.init(parsing: text.utf8.span, depthMax: JSONScanner.depthMaxDefault)
    }

    package init(parsing bytes: Span<UInt8>, depthMax: Int) throws(JSONError) {
        var scanner = JSONScanner(bytes, depthMax: depthMax)
        let range = try scanner.skipValue()
        try scanner.finish()
        self.init(in: bytes, range)
    }

    /// The value in `range`, which the scanner has validated.
    package init(in bytes: Span<UInt8>, _ range: Range<Int>) {
        var scanner = JSONScanner(bytes, at: range.lowerBound, depthMax: JSONScanner.depthMaxLimit)
        do {
            self = try scanner.buildValue()
        } catch {
            preconditionFailure("the range was validated by the scanner")
        }
    }

    /// The value as JSON text, without whitespace.
    public var text: String {
        var writer = JSONWriter()
        self.write(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    package func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .number(let number): writer.rawValue(number.text.utf8)
        case .string(let text): writer.string(text)
        case .array(let elements):
            writer.beginArray()
            for element in elements { element.write(to: &writer) }
            writer.endArray()
        case .object(let object):
            writer.beginObject()
            for member in object.members {
                writer.key(member.name)
                member.value.write(to: &writer)
            }
            writer.endObject()
        }
    }

    // MARK: Contents

    /// The value of an object's last member named `name`; `nil` if there is none, or this is no object.
    public subscript(name: String) -> JSONValue? {
        if case .object(let object) = self { object[name] } else { nil }
    }

    /// An array's element; `nil` if the array is shorter, or this is no array.
    public subscript(index: Int) -> JSONValue? {
        if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
    }
}

extension JSONScanner {
    /// Reads the next value whole; recursion ends at the scanner's depth limit.
    fileprivate mutating func buildValue() throws(JSONError) -> JSONValue {
        switch try self.peek() {
        case .string:
            let (range, hasEscapes) = try self.string()
            return .string(JSONText.string(in: self.bytes, range, hasEscapes: hasEscapes))
        case .number:
            let range = try self.skipValue()
            return .number(JSONNumber(validatedText: JSONText.string(in: self.bytes, range, hasEscapes: false)))
        case .object:
            try self.beginObject()
            var members: [JSONObject.Member] = []
            var isFirst = true
            while let key = try self.nextKey(&isFirst) {
                let name = JSONText.string(in: self.bytes, key.range, hasEscapes: key.hasEscapes)
                members.append(JSONObject.Member(name: name, value: try self.buildValue()))
            }
            return .object(JSONObject(members))
        case .array:
            try self.beginArray()
            var elements: [JSONValue] = []
            var isFirst = true
            while try self.nextElement(&isFirst) { elements.append(try self.buildValue()) }
            return .array(elements)
        case .true:
            _ = try self.skipValue()
            return .bool(true)
        case .false:
            _ = try self.skipValue()
            return .bool(false)
        case .null:
            _ = try self.skipValue()
            return .null
        }
    }
}
