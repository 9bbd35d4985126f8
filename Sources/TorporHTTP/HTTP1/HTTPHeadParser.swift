/// Finds and parses the head of an HTTP/1.1 request, strictly.
///
/// What could be read in two ways is refused, never repaired: requests pass through proxies, and a head on whose end
/// or framing two parsers disagree lets one client speak in the name of another.
package struct HTTPHeadParser: Sendable {
    private let limits: HTTPLimits
    private var scanner = EmptyLineScanner()

    package init(limits: HTTPLimits) {
        self.limits = limits
    }

    /// Looks for the end of the head, continuing where the last call stopped.
    ///
    /// - Parameter bytes: From the first byte of the request line; what earlier calls saw, and more.
    /// - Returns: The index after the empty line that ends the head, or nil: more bytes are needed.
    /// - Throws: 400 for a line feed without a carriage return, 431 (414 within the first line) when the head does not
    ///   end within ``HTTPLimits/headBytesMax``.
    /// - Complexity: Each byte is looked at once, over all calls.
    package mutating func headEnd(in bytes: Span<UInt8>) throws(HTTPRefusal) -> Int? {
        let end = Swift.min(bytes.count, self.limits.headBytesMax)
        if let headEnd = try self.scanner.find(in: bytes, to: end) { return headEnd }
        guard end < self.limits.headBytesMax else {
            throw self.scanner.lineStart == 0 ? .targetTooLong : .fieldsTooLarge
        }
        return nil
    }

    /// Parses the complete head in `bytes[range]`, from its request line to the empty line, both included.
    ///
    /// - Returns: The head; its ranges are indices of `bytes`.
    /// - Throws: 400 malformed or ambiguous, 413 declared body too large, 414 target too long, 417 unknown expectation,
    ///   431 too many fields, 501 transfer coding other than `chunked`, or the method CONNECT, 505 version.
    /// - Complexity: O(`range.count`). Allocates only for repeated `Accept` and for `Mcp-Param-*`.
    package static func parse(
        _ bytes: Span<UInt8>,
        in range: Range<Int>,
        limits: HTTPLimits
    ) throws(HTTPRefusal) -> HTTPRequestHead {
        let line = try RequestLine(bytes, in: range, limits: limits)
        var fields = HeadFields(line)
        var lines = FieldLines(line.end..<range.upperBound)
        var fieldCount = 0
        while let field = try lines.next(in: bytes) {
            fieldCount += 1
            guard fieldCount <= limits.fieldCountMax else { throw .tooManyFields }
            try fields.add(field, of: bytes)
        }
        return try fields.finish(line, bytes, limits)
    }
}
