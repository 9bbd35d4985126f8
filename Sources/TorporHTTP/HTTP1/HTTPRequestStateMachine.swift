/// Splits the bytes of one connection into requests.
///
/// Holds at most one partial request. Pipelined requests stay in the caller's buffer until it asks for them, so a
/// caller that asks again only when it has answered keeps the order of answers and the memory bounded.
package struct HTTPRequestStateMachine: Sendable {
    package enum Action: Equatable, Sendable {
        /// Everything given was consumed; call again with the bytes that arrive next.
        case needsMoreBytes
        /// Write `HTTP/1.1 100 Continue` and an empty line, then ask again; or answer with a refusal and close.
        /// The phase is `body`.
        case sendContinue
        /// A complete request. Bytes from the position on belong to the next one.
        case request(HTTPRequest)
        /// Answer and close. The machine is finished, and what was given is consumed.
        case refuse(HTTPRefusal)
    }

    /// Which deadline applies.
    package enum Phase: Equatable, Sendable {
        /// No byte of a next request has arrived.
        case idle
        /// A head has begun.
        case head
        /// A head is complete, its body is not.
        case body
        /// Refused, or the last request asked to close: whatever arrives is consumed and ignored.
        case finished
    }

    /// The payloads are boxed, because most connections are idle at any time, and should be small then.
    private enum State {
        /// Nothing held. Next: any other state.
        case idle
        /// After one carriage return where a request should begin. Next: `afterEmptyLine`.
        case afterCarriageReturn
        /// After one empty line, which RFC 9112, 2.2 asks to ignore. Next: any but the two before.
        case afterEmptyLine
        /// `buffer` holds a partial head. Next: `fixedBody`, `chunkedBody`, `idle`, `finished`.
        indirect case head(HTTPHeadParser)
        /// `buffer` holds a head and all of its body but `remaining` bytes, at least 1. Next: `idle`, `finished`.
        indirect case fixedBody(HTTPRequestHead, headBytes: Int, remaining: Int)
        /// `buffer` holds a head and the body decoded so far. Next: `idle`, `finished`.
        indirect case chunkedBody(HTTPRequestHead, headBytes: Int, ChunkedBodyDecoder)
        /// Takes no more requests.
        case finished
    }

    /// Room made for a body on the word of its head alone; beyond it, memory grows as bytes arrive.
    private static let unseenBodyBytesMax = 16 * 1024

    private let limits: HTTPLimits
    private var state: State = .idle
    private var buffer: [UInt8] = []

    package init(limits: HTTPLimits) {
        self.limits = limits
    }

    package var phase: Phase {
        switch self.state {
        case .idle, .afterCarriageReturn, .afterEmptyLine: .idle
        case .head: .head
        case .fixedBody, .chunkedBody: .body
        case .finished: .finished
        }
    }

    /// Memory held for the partial request, in bytes: what was allocated, at most twice what arrived plus 16 KiB.
    package var bufferedBytes: Int {
        if case .chunkedBody(_, _, let decoder) = self.state { return self.buffer.capacity + decoder.bufferedBytes }
        return self.buffer.capacity
    }

    /// The `Content-Length` of the request whose body is arriving; nil in other phases, and for a chunked body.
    package var declaredBodyBytes: Int? {
        if case .fixedBody(let head, _, _) = self.state, case .length(let length) = head.framing { return length }
        return nil
    }

    /// Consumes from `bytes[position...]` up to the end of one request, or all of it.
    ///
    /// A request that lies complete in `bytes` costs one allocation and one copy.
    /// - Parameter position: Where to go on; moved behind what was consumed.
    package mutating func next(_ bytes: Span<UInt8>, position: inout Int) -> Action {
        do throws(HTTPRefusal) {
            return try self.advance(bytes, &position)
        } catch {
            position = bytes.count
            self.buffer = []
            self.state = .finished
            return .refuse(error)
        }
    }

    private mutating func advance(_ bytes: Span<UInt8>, _ position: inout Int) throws(HTTPRefusal) -> Action {
        while position < bytes.count {
            switch self.state {
            case .idle where bytes[position] == ASCII.carriageReturn:
                position += 1
                self.state = .afterCarriageReturn
            case .afterCarriageReturn:
                guard bytes[position] == ASCII.lineFeed else { throw .malformed("A line does not end.") }
                position += 1
                self.state = .afterEmptyLine
            case .idle, .afterEmptyLine:
                if let action = try self.begin(bytes, &position) { return action }
            case .head(let parser):
                if let action = try self.continueHead(parser, bytes, &position) { return action }
            case .fixedBody(let head, let headBytes, let remaining):
                let taken = Swift.min(remaining, bytes.count - position)
                self.append(bytes.extracting(position..<position + taken), finalBytesMax: self.buffer.count + remaining)
                position += taken
                if taken == remaining { return self.complete(head, headBytes) }
                self.state = .fixedBody(head, headBytes: headBytes, remaining: remaining - taken)
            case .chunkedBody(let head, let headBytes, var decoder):
                self.state = .finished  // The decoder is held once, so it changes in place.
                let hasEnded = try self.decode(&decoder, headBytes, bytes, &position)
                if hasEnded { return self.complete(head, headBytes) }
                self.state = .chunkedBody(head, headBytes: headBytes, decoder)
            case .finished:
                position = bytes.count
            }
        }
        return .needsMoreBytes
    }

    /// The first bytes of a request.
    private mutating func begin(_ bytes: Span<UInt8>, _ position: inout Int) throws(HTTPRefusal) -> Action? {
        let rest = bytes.extracting(position..<bytes.count)
        var parser = HTTPHeadParser(limits: self.limits)
        guard let headEnd = try parser.headEnd(in: rest) else {
            self.buffer = Array(rest)
            self.state = .head(parser)
            position = bytes.count
            return nil
        }
        let head = try HTTPHeadParser.parse(rest, in: 0..<headEnd, limits: self.limits)
        if let end = Self.requestEnd(head, headEnd), end <= rest.count {
            position += end
            self.state = head.isKeepAlive ? .idle : .finished
            return .request(HTTPRequest(bytes: Array(rest.extracting(0..<end)), head: head, body: headEnd..<end))
        }
        self.buffer = Array(rest.extracting(0..<headEnd))
        position += headEnd
        return self.beginBody(head, isBodyInSight: position < bytes.count)
    }

    private mutating func continueHead(
        _ parser: HTTPHeadParser,
        _ bytes: Span<UInt8>,
        _ position: inout Int
    ) throws(HTTPRefusal) -> Action? {
        var parser = parser
        let held = self.buffer.count
        let room = self.limits.headBytesMax - held
        self.buffer.append(bytes.extracting(position..<Swift.min(bytes.count, position + room)))
        guard let headEnd = try parser.headEnd(in: self.buffer.span) else {
            self.state = .head(parser)
            position = bytes.count
            return nil
        }
        position += headEnd - held
        self.buffer.removeLast(self.buffer.count - headEnd)
        let head = try HTTPHeadParser.parse(self.buffer.span, in: 0..<headEnd, limits: self.limits)
        if Self.requestEnd(head, headEnd) == headEnd { return self.complete(head, headEnd) }
        return self.beginBody(head, isBodyInSight: position < bytes.count)
    }

    /// - Precondition: `buffer` holds the head and nothing else; the body is chunked or not empty.
    private mutating func beginBody(_ head: HTTPRequestHead, isBodyInSight: Bool) -> Action? {
        let headBytes = self.buffer.count
        if case .length(let length) = head.framing {
            self.buffer.reserveCapacity(headBytes + Swift.min(length, Self.unseenBodyBytesMax))
            self.state = .fixedBody(head, headBytes: headBytes, remaining: length)
        } else {
            self.state = .chunkedBody(head, headBytes: headBytes, ChunkedBodyDecoder(limits: self.limits))
        }
        // A client that sends the body without waiting needs no invitation.
        return head.expectsContinue && !isBodyInSight ? .sendContinue : nil
    }

    /// - Returns: Whether the body has ended.
    private mutating func decode(
        _ decoder: inout ChunkedBodyDecoder,
        _ headBytes: Int,
        _ bytes: Span<UInt8>,
        _ position: inout Int
    ) throws(HTTPRefusal) -> Bool {
        while true {
            switch try decoder.next(bytes, from: &position) {
            case .needsMore: return false
            case .data(let range):
                self.append(bytes.extracting(range), finalBytesMax: headBytes + self.limits.bodyBytesMax)
            case .end: return true
            }
        }
    }

    /// Appends to the buffer, doubling it when it is full, but not beyond what the request can become.
    private mutating func append(_ span: Span<UInt8>, finalBytesMax: Int) {
        let count = self.buffer.count + span.count
        if count > self.buffer.capacity {
            self.buffer.reserveCapacity(Swift.max(count, Swift.min(2 * self.buffer.capacity, finalBytesMax)))
        }
        self.buffer.append(span)
    }

    private mutating func complete(_ head: HTTPRequestHead, _ headBytes: Int) -> Action {
        let bytes = self.buffer
        self.buffer = []
        self.state = head.isKeepAlive ? .idle : .finished
        return .request(HTTPRequest(bytes: bytes, head: head, body: headBytes..<bytes.count))
    }

    /// Where the request ends when its head ends at `headEnd`; nil for a chunked body, which does not tell.
    private static func requestEnd(_ head: HTTPRequestHead, _ headEnd: Int) -> Int? {
        switch head.framing {
        case .none: headEnd
        case .length(let length): headEnd + length
        case .chunked: nil
        }
    }
}
