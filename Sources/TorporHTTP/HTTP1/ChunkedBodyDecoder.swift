/// Takes the chunked framing off a body.
///
/// Feed it bytes as they come; it names the ranges of them that are body. Chunk extensions and trailers are checked
/// against the grammar, counted, and dropped.
package struct ChunkedBodyDecoder: Sendable {
    package enum Step: Equatable, Sendable {
        /// All bytes given were consumed; the body goes on.
        case needsMore
        /// These bytes of the input are body, never empty. Ask again.
        case data(Range<Int>)
        /// The body and its trailers have ended. The bytes from the position on belong to the next request.
        case end
    }

    private enum State {
        /// At the start of a chunk. Next: `size`.
        case sizeStart
        /// Within the digits of a size. Next: `sizeLineFeed` or `extensionName`.
        case size(digitCount: Int)
        /// After `;`. Next: `extensionName`.
        case extensionStart
        /// Next: any of the extension states below, or `sizeLineFeed`.
        case extensionName
        /// After `=`. Next: `extensionToken` or `extensionQuoted`.
        case extensionValueStart
        case extensionToken
        case extensionQuoted
        case extensionEscape
        case extensionQuoteEnd
        /// After the carriage return of a size line. Next: `data`, or `lastChunk` for size 0.
        case sizeLineFeed
        /// Within the bytes of a chunk, `remaining` of which are to come. Next: `dataLineFeed`.
        case data
        /// After the carriage return behind a chunk. Next: `sizeStart`.
        case dataLineFeed
        /// After the size line of the last chunk. Next: `finalLineFeed`, or `trailers` when there are some.
        case lastChunk
        case finalLineFeed
        /// Gathering the trailer section. Next: `ended`.
        case trailers
        case ended
    }

    /// The longest chunk size accepted, leading zeros included.
    private static let sizeDigitsMax = 8

    private let limits: HTTPLimits
    private var state: State = .sizeStart
    /// Bytes of the current chunk that are still to come.
    private var remaining = 0
    /// Bytes of all chunks whose size is known.
    private var bodyBytes = 0
    private var extensionBytes = 0
    private var trailers: [UInt8] = []
    private var trailerScanner = EmptyLineScanner()

    package init(limits: HTTPLimits) {
        self.limits = limits
    }

    /// Memory held for an unfinished trailer section, in bytes.
    package var bufferedBytes: Int { self.trailers.capacity }

    /// Consumes from `bytes[position...]` up to the next piece of body, the end, or all of it.
    ///
    /// - Parameter position: Where to go on; moved behind what was consumed.
    /// - Throws: 400 for malformed framing, 413 when the body exceeds ``HTTPLimits/bodyBytesMax`` or its chunk
    ///   extensions ``HTTPLimits/chunkExtensionBytesMax``, 431 for the trailers. The decoder must not be used after it.
    package mutating func next(_ bytes: Span<UInt8>, from position: inout Int) throws(HTTPRefusal) -> Step {
        while position < bytes.count {
            switch self.state {
            case .data where self.remaining > 0:
                let range = position..<position + Swift.min(self.remaining, bytes.count - position)
                self.remaining -= range.count
                position = range.upperBound
                return .data(range)
            case .lastChunk where bytes[position] != ASCII.carriageReturn:
                self.state = .trailers
            case .trailers:
                try self.gatherTrailers(bytes, &position)
            case .ended:
                return .end
            default:
                try self.consume(bytes[position])
                position += 1
            }
        }
        if case .ended = self.state { return .end }
        return .needsMore
    }

    /// One byte of framing.
    private mutating func consume(_ byte: UInt8) throws(HTTPRefusal) {
        switch self.state {
        case .sizeStart, .size:
            try self.consumeSize(byte)
        case .extensionStart, .extensionName, .extensionValueStart, .extensionToken, .extensionQuoted,
            .extensionEscape, .extensionQuoteEnd:
            try self.consumeExtension(byte)
        case .sizeLineFeed:
            guard byte == ASCII.lineFeed else { throw .malformed("A chunk size line does not end.") }
            self.bodyBytes += self.remaining
            self.state = self.remaining == 0 ? .lastChunk : .data
        case .data:
            guard byte == ASCII.carriageReturn else { throw .malformed("A chunk is longer than its size.") }
            self.state = .dataLineFeed
        case .dataLineFeed:
            guard byte == ASCII.lineFeed else { throw .malformed("A chunk is longer than its size.") }
            self.state = .sizeStart
        case .lastChunk:
            self.state = .finalLineFeed
        case .finalLineFeed:
            guard byte == ASCII.lineFeed else { throw .malformed("A chunked body does not end.") }
            self.state = .ended
        case .trailers, .ended:
            preconditionFailure("trailers are not consumed by bytes, and nothing is consumed after the end")
        }
    }

    private mutating func consumeSize(_ byte: UInt8) throws(HTTPRefusal) {
        var digitCount = 0
        if case .size(let count) = self.state { digitCount = count }
        if let digit = ASCII.hexadecimalValue(byte) {
            guard digitCount < Self.sizeDigitsMax else { throw .malformed("A chunk size has too many digits.") }
            self.remaining = self.remaining * 16 + digit
            guard self.remaining <= self.limits.bodyBytesMax - self.bodyBytes else { throw .bodyTooLarge }
            self.state = .size(digitCount: digitCount + 1)
            return
        }
        guard digitCount > 0 else { throw .malformed("A chunk has no size.") }
        switch byte {
        case ASCII.carriageReturn: self.state = .sizeLineFeed
        case ASCII.semicolon: try self.beginExtension()
        default: throw .malformed("A chunk size is not a hexadecimal number.")
        }
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )`, without the blanks that RFC 9112 tolerates for old senders.
    private mutating func consumeExtension(_ byte: UInt8) throws(HTTPRefusal) {
        switch (self.state, byte) {
        case (.extensionName, ASCII.carriageReturn), (.extensionToken, ASCII.carriageReturn),
            (.extensionQuoteEnd, ASCII.carriageReturn):
            self.state = .sizeLineFeed
            return
        case (.extensionName, ASCII.semicolon), (.extensionToken, ASCII.semicolon),
            (.extensionQuoteEnd, ASCII.semicolon):
            return try self.beginExtension()
        case (.extensionName, ASCII.equals): self.state = .extensionValueStart
        case (.extensionValueStart, ASCII.quote): self.state = .extensionQuoted
        case (.extensionQuoted, ASCII.quote): self.state = .extensionQuoteEnd
        case (.extensionQuoted, ASCII.backslash): self.state = .extensionEscape
        case (.extensionStart, _) where ASCIISet.token.contains(byte): self.state = .extensionName
        case (.extensionValueStart, _) where ASCIISet.token.contains(byte): self.state = .extensionToken
        case (.extensionName, _) where ASCIISet.token.contains(byte): break
        case (.extensionToken, _) where ASCIISet.token.contains(byte): break
        case (.extensionQuoted, _) where ASCII.isFieldText(byte): break
        case (.extensionEscape, _) where ASCII.isFieldText(byte): self.state = .extensionQuoted
        default: throw .malformed("A chunk extension is malformed.")
        }
        try self.countExtensionByte()
    }

    private mutating func beginExtension() throws(HTTPRefusal) {
        self.state = .extensionStart
        try self.countExtensionByte()
    }

    private mutating func countExtensionByte() throws(HTTPRefusal) {
        self.extensionBytes += 1
        guard self.extensionBytes <= self.limits.chunkExtensionBytesMax else {
            throw HTTPRefusal(status: 413, reason: "The chunk extensions are too large.")
        }
    }

    private mutating func gatherTrailers(_ bytes: Span<UInt8>, _ position: inout Int) throws(HTTPRefusal) {
        var trailers = self.trailers
        self.trailers = []  // Held once, so that it grows in place.
        let gathered = trailers.count
        let room = self.limits.headBytesMax - gathered
        trailers.append(bytes.extracting(position..<Swift.min(bytes.count, position + room)))
        if let end = try self.trailerScanner.find(in: trailers.span, to: trailers.count) {
            position += end - gathered
            try self.checkTrailers(trailers.span.extracting(0..<end))
            self.state = .ended
        } else {
            guard trailers.count < self.limits.headBytesMax else { throw .fieldsTooLarge }
            position = bytes.count
            self.trailers = trailers
        }
    }

    private func checkTrailers(_ bytes: Span<UInt8>) throws(HTTPRefusal) {
        var lines = FieldLines(0..<bytes.count)
        var fieldCount = 0
        while let field = try lines.next(in: bytes) {
            fieldCount += 1
            guard fieldCount <= self.limits.fieldCountMax else { throw .tooManyFields }
            guard !FieldName(bytes, field.name).isForbiddenInTrailers else {
                throw .malformed("A trailer holds a field that belongs into the head.")
            }
        }
    }
}

extension [UInt8] {
    /// Appends the bytes of `span` with one copy.
    mutating func append(_ span: Span<UInt8>) {
        span.withUnsafeBufferPointer { self.append(contentsOf: $0) }
    }

    /// Copies the bytes of `span` into an array of exactly their size.
    init(_ span: Span<UInt8>) {
        self = span.withUnsafeBufferPointer { Array($0) }
    }
}
