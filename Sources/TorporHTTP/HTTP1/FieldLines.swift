/// Finds the empty line that ends a block of lines, in bytes that arrive piece by piece.
struct EmptyLineScanner: Sendable {
    /// Bytes already searched.
    private(set) var scannedBytes = 0
    /// Where the line being searched begins.
    private(set) var lineStart = 0

    /// Searches on in `bytes[..<end]`, which begins as it did at the last call.
    /// - Returns: The index after the empty line, or nil if there is none yet.
    /// - Throws: 400 for a line feed without a carriage return before it.
    mutating func find(in bytes: Span<UInt8>, to end: Int) throws(HTTPRefusal) -> Int? {
        while let lineFeed = bytes.firstIndex(of: ASCII.lineFeed, from: self.scannedBytes, to: end) {
            guard lineFeed > self.lineStart, bytes[lineFeed - 1] == ASCII.carriageReturn else {
                throw .malformed("A line ends without a carriage return.")
            }
            let isEmpty = lineFeed == self.lineStart + 1
            self.scannedBytes = lineFeed + 1
            self.lineStart = lineFeed + 1
            if isEmpty { return lineFeed + 1 }
        }
        self.scannedBytes = end
        return nil
    }
}

/// Walks over complete field lines and the empty line after them.
struct FieldLines: Sendable {
    /// The index of the next line.
    private var cursor: Int
    private let end: Int

    /// - Parameter range: Lines that end with an empty one, as ``EmptyLineScanner`` finds them.
    init(_ range: Range<Int>) {
        self.cursor = range.lowerBound
        self.end = range.upperBound
    }

    /// The next field, or nil at the empty line.
    /// - Throws: 400 for whatever is not `token ":" OWS value OWS CRLF`.
    @inline(__always)
    mutating func next(in bytes: Span<UInt8>) throws(HTTPRefusal) -> HTTPField? {
        let nameEnd = bytes.end(of: .token, from: self.cursor, to: self.end)
        let name = self.cursor..<nameEnd
        guard !name.isEmpty, nameEnd < self.end, bytes[nameEnd] == ASCII.colon else {
            guard self.isAtEmptyLine(bytes) else { throw self.lineRefusal(bytes, nameEnd) }
            return nil
        }
        let lineEnd = bytes.endOfFieldText(from: nameEnd + 1, to: self.end)
        guard lineEnd + 1 < self.end, bytes[lineEnd] == ASCII.carriageReturn, bytes[lineEnd + 1] == ASCII.lineFeed
        else {
            throw .malformed("A field value holds a control byte.")
        }
        self.cursor = lineEnd + 2
        return HTTPField(name: name, value: bytes.trimmed(nameEnd + 1..<lineEnd))
    }

    private func isAtEmptyLine(_ bytes: Span<UInt8>) -> Bool {
        self.cursor + 2 == self.end && bytes[self.cursor] == ASCII.carriageReturn
            && bytes[self.cursor + 1] == ASCII.lineFeed
    }

    private func lineRefusal(_ bytes: Span<UInt8>, _ nameEnd: Int) -> HTTPRefusal {
        guard nameEnd < self.end else { return .malformed("A field line has no end.") }
        switch bytes[nameEnd] {
        case ASCII.space, ASCII.tab:
            return nameEnd == self.cursor
                ? .malformed("A field line begins with a blank.") : .malformed("A blank stands before a colon.")
        case ASCII.colon: return .malformed("A field has no name.")
        default: return .malformed("A field name holds a byte that is not allowed.")
        }
    }
}
