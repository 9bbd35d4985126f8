import TorporProtocol
import TorporTestSupport

extension FuzzTarget {
    /// A cursor has one spelling, and so has every text in URL-safe base64.
    static let cursor = FuzzTarget("cursor", lengthMax: 64, dictionary: ["A", "_", "-", "=", "AAAAAAAAAAA"]) {
        input throws(PropertyViolation) in
        let decoded = Base64.decodeURLSafe(input)
        if let decoded {
            try require(
                Array(Base64.encodeURLSafe(decoded).utf8) == input, "URL-safe base64 has one spelling", escaped(input))
        }
        let encoded = Array(Base64.encodeURLSafe(input).utf8)
        try require(Base64.decodeURLSafe(encoded) == input, "what is encoded decodes", escaped(input))

        var random = SeededGenerator(seededBy: input)
        let made = Cursor(list: UInt32.random(in: 0...(.max), using: &random), offset: Int(random.next() >> 32))
        try require(Cursor(parsing: made.text) == made, "a cursor that was made is read", "\(made)")

        guard let text = String(validating: input, as: UTF8.self) else { return "no text" }
        guard let cursor = Cursor(parsing: text) else { return decoded == nil ? "no base64" : "no cursor" }
        try require(cursor.text == text, "a cursor has one spelling", text)
        return "cursor"
    }
}
