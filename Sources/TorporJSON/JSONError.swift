/// Why bytes are no acceptable JSON text, and where.
///
/// It never holds any of the text itself, so it may be logged and sent to clients.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        /// The text ends inside a value, or there is none.
        case unexpectedEnd
        /// A byte that cannot stand at this place; a byte order mark is one.
        case unexpectedByte
        /// Bytes that are not UTF-8: overlong, a surrogate, above U+10FFFF, or out of sequence.
        case invalidUTF8
        /// A backslash followed by none of `"`, `\`, `/`, `b`, `f`, `n`, `r`, `t` and `u` with four hexadecimal digits.
        case invalidEscape
        /// Digits, sign, fraction and exponent do not follow the number grammar.
        case invalidNumber
        /// A byte below 0x20 stands in a string without being escaped.
        case controlCharacterInString
        /// More arrays and objects are open at once than the scanner allows.
        case tooDeep
        /// A whole value was read, and more than whitespace follows it.
        case trailingBytes
    }

    package let reason: Reason

    /// Where the text stops being acceptable, in bytes from its start.
    public let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    public var description: String {
        "\(self.reason.sentence) at byte \(self.offset)"
    }
}

extension JSONError.Reason {
    /// What is wrong, without where.
    package var sentence: String {
        switch self {
        case .unexpectedEnd: "the JSON text ends too early"
        case .unexpectedByte: "unexpected byte in the JSON text"
        case .invalidUTF8: "invalid UTF-8"
        case .invalidEscape: "invalid escape sequence"
        case .invalidNumber: "invalid number"
        case .controlCharacterInString: "unescaped control character in a string"
        case .tooDeep: "arrays and objects nested too deeply"
        case .trailingBytes: "unexpected bytes after the JSON value"
        }
    }
}
