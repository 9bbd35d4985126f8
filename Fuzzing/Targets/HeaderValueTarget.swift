import TorporJSON
import TorporProtocol

extension FuzzTarget {
    /// A header matches the text that it spells and no other, and base64 has one spelling for each value.
    ///
    /// Inputs: the header, a line feed, a JSON value.
    static let headerValue = FuzzTarget(
        "header-value", shape: .json, lengthMax: 512,
        dictionary: [
            "=?base64?", "?=", "=?base64?eA==?=", "=?base64?eHg=?=", "==", "=", "K", ";", "`", "\\u212a", "\\u037e",
            "\\u1fef", "\\u00", "echo", "+/", "-_",
        ]
    ) { input throws(PropertyViolation) in
        let headerEnd = input.firstIndex(of: 0x0A) ?? input.count
        let header = Array(input[..<headerEnd])
        try checkBase64(header, input)

        var scanner = JSONScanner(input.span, at: min(headerEnd + 1, input.count))
        guard let slice = try? JSONSlice(&scanner) else { return "no value" }  // Other targets look at why.
        let isMatch = HeaderValue.matches(0..<headerEnd, slice, in: input.span)
        guard let text = slice.string(in: input.span) else {
            try require(!isMatch, "only strings are matched")
            return "no string"
        }
        try require(
            isMatch == HeaderModel.matches(header, text), "a header matches what it spells",
            "\(escaped(header)), \(escaped(Array(text.utf8))): \(isMatch)")
        return "\(isMatch) \(HeaderModel.isWrapped(header)) \(slice.hasEscapes)"
    }
}

private func checkBase64(_ header: [UInt8], _ input: [UInt8]) throws(PropertyViolation) {
    let decoded = HeaderValue.decodeBase64(header.span, at: 0..<header.count)
    try require(decoded == HeaderModel.decoded(header), "base64 is decoded exactly", escaped(header))
    if HeaderModel.isWrapped(header) {
        let inside = HeaderValue.decodeBase64(header.span, at: 9..<header.count - 2)
        try require(inside == HeaderModel.unwrapped(header), "wrapped base64 is decoded exactly", escaped(header))
    }
    let encoded = Array(Base64.encode(input).utf8)
    try require(
        HeaderValue.decodeBase64(encoded.span, at: 0..<encoded.count) == input, "what is encoded decodes",
        escaped(input))
}
