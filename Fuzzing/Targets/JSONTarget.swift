import TorporJSON

extension FuzzTarget {
    /// All ways of reading JSON agree on what is accepted, where it ends and what it means; what is written reads back.
    static let json = FuzzTarget(
        "json", shape: .json,
        dictionary: [
            "true", "false", "null", "\\u0000", "\\ud83d\\ude00", "\\ud800", "\\uDFFF", "\\\"", "\\\\", "\\/", "\\b",
            "\u{FEFF}", "1e5", "-0.0", "E+", "[[[[", "]]]]", "{\"a\":", "},{", "id", "name",
        ]
    ) { input throws(PropertyViolation) in
        let scanned = scan(input)
        try require(
            walk(input) == scanned, "reading step by step finds what skipping finds", "\(walk(input)), \(scanned)")
        try checkSurroundings(input, scanned)
        switch scanned {
        case .failure(let error):
            try require((0...input.count).contains(error.offset), "an error lies inside the text", "\(error)")
            let parsed = Result { () throws(JSONError) in try JSONValue(parsing: input) }
            try require(parsed == .failure(error), "parsing refuses as skipping does", "\(parsed), \(error)")
            return "\(error.reason)"
        case .success(let range):
            return try checkAccepted(input, range)
        }
    }
}

private typealias Scan = Result<Range<Int>, JSONError>

/// Validates a whole text.
private func scan(_ bytes: [UInt8], depthMax: Int = JSONScanner.depthMaxDefault) -> Scan {
    Result { () throws(JSONError) in
        var scanner = JSONScanner(bytes.span, depthMax: depthMax)
        let range = try scanner.skipValue()
        try scanner.finish()
        return range
    }
}

/// The same by the scanner's finer steps.
private func walk(_ bytes: [UInt8]) -> Scan {
    Result { () throws(JSONError) in
        var scanner = JSONScanner(bytes.span)
        _ = try scanner.peek()
        let start = scanner.position
        try step(&scanner)
        let end = scanner.position
        try scanner.finish()
        return start..<end
    }
}

private func step(_ scanner: inout JSONScanner) throws(JSONError) {
    var isFirst = true
    switch try scanner.peek() {
    case .object:
        try scanner.beginObject()
        while try scanner.nextKey(&isFirst) != nil { try step(&scanner) }
    case .array:
        try scanner.beginArray()
        while try scanner.nextElement(&isFirst) { try step(&scanner) }
    case .string: _ = try scanner.string()
    case .number, .true, .false, .null: _ = try scanner.skipValue()
    }
}

/// What lies around the text changes nothing: no byte outside is read, and offsets count from the first byte.
private func checkSurroundings(_ input: [UInt8], _ scanned: Scan) throws(PropertyViolation) {
    for surrounding in ["\"", "0", "}", "\\", " ", "\u{FF}"].map(latin1) {
        let padded = surrounding + input + surrounding
        let inside = Scan { () throws(JSONError) in
            var scanner = JSONScanner(padded.span.extracting(1..<input.count + 1))
            let range = try scanner.skipValue()
            try scanner.finish()
            return range
        }
        try require(inside == scanned, "no byte behind the end is read", "\(inside), \(scanned)")
    }
    let prefix = Array("[1,".utf8)
    let shifted = Scan { () throws(JSONError) in
        let bytes = prefix + input
        var scanner = JSONScanner(bytes.span, at: prefix.count)
        let range = try scanner.skipValue()
        try scanner.finish()
        return range
    }
    let expected = scanned.map { $0.lowerBound + prefix.count..<$0.upperBound + prefix.count }
        .mapError { JSONError($0.reason, at: $0.offset + prefix.count) }
    try require(shifted == expected, "offsets count from the first byte", "\(shifted), \(expected)")
}

private func checkAccepted(_ input: [UInt8], _ range: Range<Int>) throws(PropertyViolation) -> String {
    let value: JSONValue
    do {
        value = try JSONValue(parsing: input)
    } catch {
        throw PropertyViolation("what is skipped can be parsed", "\(error)")
    }
    let text = Array(value.text.utf8)
    let again = try? JSONValue(parsing: text)  // `nil` is what the next line reports
    try require(again == value, "what is written reads back", escaped(text))
    try require(again.map { Array($0.text.utf8) } == text, "writing twice gives the same text", escaped(text))
    do {
        try require(
            try JSONBytesDecoder.decode(JSONValue.self, from: input) == value, "the decoder reads what parsing reads")
        try require(
            try JSONBytesEncoder.encode(value) == text, "the encoder writes what writing writes", escaped(text))
        let plain = try JSONBytesDecoder.decode(Plain.self, from: input, in: range)
        try require(plain == Plain(value), "containers give what parsing gives", "\(plain)")
        try require(
            try JSONValue(parsing: JSONBytesEncoder.encode(plain)) == plain.value, "containers write what they read")
    } catch let error as PropertyViolation {
        throw error
    } catch {
        throw PropertyViolation("accepted text decodes and encodes", "\(error)")
    }
    let depth = try checkParts(of: value)
    for limit in [0, depth - 1, depth, depth + 1] where (0...JSONScanner.depthMaxLimit).contains(limit) {
        let limited = scan(input, depthMax: limit)
        if limit >= depth {
            try require(limited == .success(range), "a value no deeper than the limit is accepted", "\(limit)")
        } else if case .failure(let error) = limited {
            try require(error.reason == .tooDeep, "a value is refused for its depth alone", "\(error)")
        } else {
            throw PropertyViolation("a value deeper than the limit is refused", "\(limit)")
        }
    }
    return "\(kind(of: value)) \(min(depth, 8))"
}

private func kind(of value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool: "bool"
    case .number(let number): number.int != nil ? "integer" : number.double != nil ? "number" : "huge"
    case .string(let text): text.utf8.allSatisfy { $0 < 0x80 } ? "text" : "wide text"
    case .array(let elements): elements.isEmpty ? "empty array" : "array"
    case .object(let object): object.isEmpty ? "empty object" : "object"
    }
}

/// Checks numbers and strings of the value.
/// - Returns: How deep it is.
private func checkParts(of value: JSONValue) throws(PropertyViolation) -> Int {
    var depth = 0
    switch value {
    case .null, .bool: break
    case .number(let number):
        try require(number.int == exactInteger(number.text), "an integer is exact", number.text)
        try require(number.double == nearestDouble(number.text), "a double is the nearest", number.text)
    case .string(let text): try checkText(text)
    case .array(let elements):
        for element in elements { depth = max(depth, try checkParts(of: element)) }
        for (element, next) in zip(elements, elements.dropFirst()) {
            let isSame = canonicalText(element).utf8.elementsEqual(canonicalText(next).utf8)
            try require((element == next) == isSame, "values are equal when their texts are", "\(element), \(next)")
            try require(!isSame || element.hashValue == next.hashValue, "equal values have one hash", "\(element)")
        }
        depth += 1
    case .object(let object):
        for member in object.members {
            try checkText(member.name)
            depth = max(depth, try checkParts(of: member.value))
        }
        depth += 1
    }
    return depth
}

/// The text of a value with the members that count sorted by name.
private func canonicalText(_ value: JSONValue) -> String {
    switch value {
    case .null, .bool, .number, .string: return value.text
    case .array(let elements): return "[" + elements.map(canonicalText).joined(separator: ",") + "]"
    case .object(let object):
        var members: [[UInt8]: String] = [:]
        for member in object.members { members[Array(member.name.utf8)] = canonicalText(member.value) }
        let sorted = members.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return "{" + sorted.map { "\($0.key):\($0.value)" }.joined(separator: ",") + "}"
    }
}

/// What is written for a text stands for that text, byte for byte, and for no other.
private func checkText(_ text: String) throws(PropertyViolation) {
    var writer = JSONWriter()
    writer.string(text)
    let written = writer.bytes
    let contents = 1..<written.count - 1
    let hasEscapes = written.contains(UInt8(ascii: "\\"))
    let isSame = JSONText.equals(in: written.span, contents, hasEscapes: hasEscapes, to: text)
    let isLonger = JSONText.equals(in: written.span, contents, hasEscapes: hasEscapes, to: text + "a")
    let isShorter =
        !text.isEmpty
        && JSONText.equals(
            in: written.span, contents, hasEscapes: hasEscapes, to: String(text.unicodeScalars.dropLast()))
    try require(isSame && !isLonger && !isShorter, "a text equals itself alone", escaped(written))
    let read = JSONText.string(in: written.span, contents, hasEscapes: hasEscapes)
    try require(read.utf8.elementsEqual(text.utf8), "a text that is written reads back", escaped(written))
}

/// The integer of which `text` is the decimal notation, worked out digit by digit.
private func exactInteger(_ text: String) -> Int? {
    let isNegative = text.hasPrefix("-")
    let parts = text.drop { $0 == "-" }.split { $0 == "e" || $0 == "E" }
    let mantissa = parts[0].split(separator: ".")
    var digits = mantissa.joined()
    let trailingZeros = digits.reversed().prefix { $0 == "0" }.count
    digits = String(digits.dropLast(trailingZeros).drop { $0 == "0" })
    guard !digits.isEmpty else { return 0 }
    // An exponent too great for an `Int` is too great for the digits of any text, and so is one too small.
    let written = parts.count > 1 ? Int(parts[1]) ?? (parts[1].hasPrefix("-") ? -1_000_000 : 1_000_000) : 0
    let shift = max(-1_000_000, min(written, 1_000_000)) - (mantissa.count > 1 ? mantissa[1].count : 0) + trailingZeros
    guard shift >= 0, digits.count + shift <= 19 else { return nil }
    return Int((isNegative ? "-" : "") + digits + String(repeating: "0", count: shift))
}

private func nearestDouble(_ text: String) -> Double? {
    guard let value = Double(text), value.isFinite else { return nil }
    return value
}

/// A value as the containers of a decoder show it to types that know nothing of Torpor.
private indirect enum Plain: Codable, Equatable {
    case null, bool(Bool), number(JSONNumber), string(String), array([Plain]), object([Name: Plain])

    /// A name that is compared byte by byte.
    struct Name: Hashable, CodingKey {
        let bytes: [UInt8]
        var stringValue: String { String(decoding: self.bytes, as: UTF8.self) }
        var intValue: Int? { nil }
        init(stringValue: String) { self.bytes = Array(stringValue.utf8) }
        init?(intValue: Int) { nil }
    }

    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .number(let number): self = .number(number)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .array(elements.map(Plain.init))
        case .object(let object):
            var members: [Name: Plain] = [:]
            for member in object.members { members[Name(stringValue: member.name)] = Plain(member.value) }
            self = .object(members)
        }
    }

    /// Of members with one name, the last.
    var value: JSONValue {
        switch self {
        case .null: .null
        case .bool(let value): .bool(value)
        case .number(let number): .number(number)
        case .string(let text): .string(text)
        case .array(let elements): .array(elements.map(\.value))
        case .object(let members):
            .object(JSONObject(members.map { JSONObject.Member(name: $0.key.stringValue, value: $0.value.value) }))
        }
    }

    init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: Name.self) {  // Which kind it is is found out by trying.
            var members: [Name: Plain] = [:]
            for key in container.allKeys { members[key] = try container.decode(Plain.self, forKey: key) }
            self = .object(members)
        } else if var container = try? decoder.unkeyedContainer() {
            var elements: [Plain] = []
            while !container.isAtEnd { elements.append(try container.decode(Plain.self)) }
            self = .array(elements)
        } else {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let value = try? container.decode(Bool.self) {
                self = .bool(value)
            } else if let text = try? container.decode(String.self) {
                self = .string(text)
            } else {
                self = .number(try container.decode(JSONNumber.self))
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .object(let members):
            var container = encoder.container(keyedBy: Name.self)
            for (name, value) in members { try container.encode(value, forKey: name) }
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(element) }
        case .null, .bool, .number, .string:
            var container = encoder.singleValueContainer()
            switch self {
            case .bool(let value): try container.encode(value)
            case .number(let number): try container.encode(number)
            case .string(let text): try container.encode(text)
            case .null, .array, .object: try container.encodeNil()
            }
        }
    }
}
