/// A JSON number that keeps its exact text, so nothing is rounded on the way through.
///
/// Two numbers are equal when their texts are: `1.0` and `1e0` differ from `1`. Compare ``int`` or ``double`` to
/// compare values.
public struct JSONNumber: Sendable, Hashable {
    /// The number as it is written in JSON.
    public let text: String

    public init(_ value: some FixedWidthInteger) {
        self.text = String(value)
    }

    /// The shortest text that reads back as `value`; integral values have no `.0`. `nil` for infinity and NaN.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        self.text = Self.text(ofDescription: value.description)
    }

    /// Keeps `text` as it is; `nil` unless it follows JSON's number grammar, without whitespace around it.
    public init?(text: String) {
        let bytes = text.utf8.span
        var scanner = JSONScanner(bytes)
        guard let kind = try? scanner.peek(), kind == .number,  // text that is no JSON is what `nil` reports
            let range = try? scanner.skipValue(), range == 0..<bytes.count
        else { return nil }
        self.text = text
    }

    /// Text the scanner has validated.
    init(validatedText text: String) {
        self.text = text
    }

    /// The value if it is an integer and fits: `12`, `12.0` and `1.2e1` are all 12.
    public var int: Int? { self.integer() }

    /// The value if it is an integer and `type` can hold it.
    public func integer<Integer: FixedWidthInteger>(as type: Integer.Type = Integer.self) -> Integer? {
        let bytes = self.text.utf8.span
        return JSONText.integer(in: bytes, 0..<bytes.count, as: type)
    }

    /// The nearest `Double`, or `nil` beyond the greatest finite one.
    public var double: Double? {
        let bytes = self.text.utf8.span
        return JSONText.double(in: bytes, 0..<bytes.count)
    }

    /// JSON's text for a finite number of which Swift's own description is `description`: `1.0` becomes `1`.
    static func text(ofDescription description: String) -> String {
        description.hasSuffix(".0") ? String(description.dropLast(2)) : description
    }
}

extension JSONNumber: Codable {
    /// Keeps the exact text when decoded by Torpor; other decoders hand over an integer or a `Double`.
    public init(from decoder: any Decoder) throws {
        if let node = decoder as? JSONDecoderNode {
            self = try node.number(in: node.range, at: nil)
            return
        }
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Int64.self) {  // which kind fits is found out by trying
            self.init(value)
        } else if let value = try? container.decode(UInt64.self) {
            self.init(value)
        } else if let number = JSONNumber(try container.decode(Double.self)) {
            self = number
        } else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected a finite number")
        }
    }

    /// Writes the exact text when encoded by Torpor; other encoders get an integer or a `Double`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let node = encoder as? JSONEncoderNode {
            try node.encode(self)
        } else if let value = self.integer(as: Int64.self) {
            try container.encode(value)
        } else if let value = self.integer(as: UInt64.self) {
            try container.encode(value)
        } else if let value = self.double {
            try container.encode(value)
        } else {
            let context = EncodingError.Context(codingPath: encoder.codingPath, debugDescription: "beyond any Double")
            throw EncodingError.invalidValue(self, context)
        }
    }
}
