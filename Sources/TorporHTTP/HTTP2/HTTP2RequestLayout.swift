import NIOCore
import NIOHPACK

/// A request of HTTP/2 that breaks its rules (RFC 9113, 8.1.1): its stream ends with PROTOCOL_ERROR.
struct HTTP2MalformedRequest: Error, Equatable, CustomStringConvertible {
    let description: String

    /// - Parameter reason: One sentence for people. A constant: it never holds bytes of the request.
    init(_ reason: StaticString) { self.description = reason.description }
}

/// Lays one request of HTTP/2 out as the text of HTTP/1.1 that means the same, so that one parser, with one set of
/// checks and limits, reads both.
///
/// What could be read in two ways once it is text is refused here: names and values that would break a line, a length
/// beside the one that the frames have, and fields that speak of a connection. Everything else is left to the parser.
struct HTTP2RequestLayout {
    private enum State {
        /// Waits for the head.
        case head
        /// The body is declared to be this much longer.
        case fixedBody(remaining: Int)
        /// The body has no declared length, so each frame becomes a chunk.
        case chunkedBody
        /// The request is complete.
        case ended
    }

    private var state = State.head

    /// Whether the request is complete.
    var hasEnded: Bool {
        if case .ended = self.state { true } else { false }
    }

    /// Whether the request is a HEAD.
    private(set) var isHead = false

    // MARK: Frames

    /// - Parameter endsStream: Whether there is no body.
    /// - Returns: The request line, the fields and the empty line after them.
    mutating func head(_ headers: HPACKHeaders, endsStream: Bool) throws(HTTP2MalformedRequest) -> ByteBuffer {
        guard case .head = self.state else { return try self.trailers(headers, endsStream: endsStream) }
        let fields = try HTTP2RequestFields(headers)
        self.isHead = fields.method == "HEAD"
        var text = ByteBuffer()
        text.reserveCapacity(minimumWritableBytes: fields.textBytes)
        fields.writeRequestLine(to: &text)
        fields.writeFields(to: &text)
        switch (fields.contentLength, endsStream) {
        case (nil, true), (0, true): self.state = .ended
        case (.some, true): throw HTTP2MalformedRequest("Content-Length differs from the frames.")
        case (let length?, false): self.state = .fixedBody(remaining: length)
        case (nil, false):
            text.writeStaticString("transfer-encoding: chunked\r\n")
            self.state = .chunkedBody
        }
        text.writeStaticString("\r\n")
        return text
    }

    /// - Returns: What of the body the frame brought, perhaps nothing.
    mutating func data(_ bytes: ByteBuffer, endsStream: Bool) throws(HTTP2MalformedRequest) -> ByteBuffer {
        switch self.state {
        case .fixedBody(let remaining):
            let rest = remaining - bytes.readableBytes
            guard rest >= 0, rest == 0 || !endsStream else {
                throw HTTP2MalformedRequest("Content-Length differs from the frames.")
            }
            self.state = endsStream ? .ended : .fixedBody(remaining: rest)
            return bytes
        case .chunkedBody:
            var text = ByteBuffer()
            // An empty chunk would be the last one.
            if bytes.readableBytes > 0 {
                text.reserveCapacity(minimumWritableBytes: bytes.readableBytes + 32)
                text.writeString(String(bytes.readableBytes, radix: 16))
                text.writeStaticString("\r\n")
                text.writeImmutableBuffer(bytes)
                text.writeStaticString("\r\n")
            }
            if endsStream {
                text.writeStaticString("0\r\n\r\n")
                self.state = .ended
            }
            return text
        case .head, .ended: throw HTTP2MalformedRequest("A body stands where none may.")
        }
    }

    /// Fields after the body.
    private mutating func trailers(
        _ headers: HPACKHeaders, endsStream: Bool
    ) throws(HTTP2MalformedRequest) -> ByteBuffer {
        guard endsStream else { throw HTTP2MalformedRequest("Trailers do not end the stream.") }
        var text = ByteBuffer()
        let isChunked: Bool
        switch self.state {
        case .fixedBody(0): isChunked = false
        case .fixedBody: throw HTTP2MalformedRequest("Content-Length differs from the frames.")
        case .chunkedBody: isChunked = true
        case .head, .ended: throw HTTP2MalformedRequest("Trailers stand where none may.")
        }
        self.state = .ended
        text.writeStaticString("0\r\n")
        for (name, value, _) in headers {
            try HTTP2RequestFields.check(name: name, value: value)
            HTTP2RequestFields.write(name: name, value: value, to: &text)
        }
        text.writeStaticString("\r\n")
        // A body of declared length has no room for them in HTTP/1.1, and nobody reads them.
        return isChunked ? text : ByteBuffer()
    }
}

/// The fields of a request's head, checked.
struct HTTP2RequestFields {
    private(set) var method: String?
    private var scheme: String?
    private var path: String?
    private var authority: String?
    private var host: String?
    private var others: [(name: String, value: String)] = []
    private(set) var contentLength: Int?
    /// About as many bytes as the text will have.
    private(set) var textBytes = 64

    init(_ headers: HPACKHeaders) throws(HTTP2MalformedRequest) {
        var isPseudoOver = false
        for (name, value, _) in headers {
            self.textBytes += name.utf8.count + value.utf8.count + 4
            if name.utf8.first == UInt8(ascii: ":") {
                guard !isPseudoOver else { throw HTTP2MalformedRequest("A pseudo-header stands after a field.") }
                try self.addPseudoHeader(name, value)
            } else {
                isPseudoOver = true
                try self.addField(name, value)
            }
        }
        try self.checkTogether()
    }

    private mutating func addPseudoHeader(_ name: String, _ value: String) throws(HTTP2MalformedRequest) {
        // None of them may hold a blank or a byte that ends something in a line of HTTP/1.1.
        guard value.utf8.allSatisfy({ $0 > ASCII.space && $0 != ASCII.delete }) else {
            throw HTTP2MalformedRequest("A pseudo-header holds a blank or a control byte.")
        }
        switch name {
        case ":method": try Self.set(&self.method, value)
        case ":scheme": try Self.set(&self.scheme, value)
        case ":path": try Self.set(&self.path, value)
        case ":authority": try Self.set(&self.authority, value)
        default: throw HTTP2MalformedRequest("A pseudo-header is unknown.")
        }
    }

    private mutating func addField(_ name: String, _ value: String) throws(HTTP2MalformedRequest) {
        try Self.check(name: name, value: value)
        switch name {
        case "host": try Self.set(&self.host, value)
        case "content-length":
            guard self.contentLength == nil else { throw HTTP2MalformedRequest("A field is repeated.") }
            guard value.utf8.count <= 18, value.utf8.allSatisfy({ (ASCII.zero...ASCII.nine).contains($0) }),
                let length = Int(value)
            else { throw HTTP2MalformedRequest("Content-Length is not a decimal number.") }
            self.contentLength = length
            self.others.append((name, value))
        default: self.others.append((name, value))
        }
    }

    private func checkTogether() throws(HTTP2MalformedRequest) {
        guard let method = self.method, !method.isEmpty, method.utf8.allSatisfy({ ASCIISet.token.contains($0) }) else {
            throw HTTP2MalformedRequest(":method is missing or no token.")
        }
        if let authority = self.authority, let host = self.host {
            guard authority.utf8.elementsEqual(host.utf8, by: { Self.lowercased($0) == Self.lowercased($1) }) else {
                throw HTTP2MalformedRequest("Host differs from :authority.")
            }
        }
        if method == "CONNECT" {
            guard self.scheme == nil, self.path == nil, self.authority != nil else {
                throw HTTP2MalformedRequest("CONNECT has an authority and nothing else.")
            }
            return
        }
        guard self.scheme == "http" || self.scheme == "https" else {
            throw HTTP2MalformedRequest(":scheme is missing or unknown.")
        }
        guard let path = self.path, path.utf8.first == ASCII.slash || (path == "*" && method == "OPTIONS") else {
            throw HTTP2MalformedRequest(":path is missing or no path.")
        }
    }

    /// - Precondition: The fields were checked together.
    func writeRequestLine(to text: inout ByteBuffer) {
        guard let method = self.method, let target = self.path ?? self.authority else {
            preconditionFailure("a request has a method and a target")
        }
        text.writeString(method)
        text.writeStaticString(" ")
        text.writeString(target)
        text.writeStaticString(" HTTP/1.1\r\n")
    }

    func writeFields(to text: inout ByteBuffer) {
        if let host = self.authority ?? self.host { Self.write(name: "host", value: host, to: &text) }
        for (name, value) in self.others { Self.write(name: name, value: value, to: &text) }
    }

    /// Checks a field that is no pseudo-header.
    static func check(name: String, value: String) throws(HTTP2MalformedRequest) {
        guard !name.isEmpty,
            name.utf8.allSatisfy({ ASCIISet.token.contains($0) && !(0x41...0x5A).contains($0) })
        else { throw HTTP2MalformedRequest("A field name holds a byte that is not allowed.") }
        guard value.utf8.allSatisfy({ $0 != 0 && $0 != ASCII.carriageReturn && $0 != ASCII.lineFeed }),
            value.utf8.first.map({ $0 != ASCII.space && $0 != ASCII.tab }) ?? true,
            value.utf8.last.map({ $0 != ASCII.space && $0 != ASCII.tab }) ?? true
        else { throw HTTP2MalformedRequest("A field value holds a byte that is not allowed.") }
        switch name {
        case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
            throw HTTP2MalformedRequest("A field speaks of the connection.")
        case "te" where value != "trailers": throw HTTP2MalformedRequest("TE is not trailers.")
        default: break
        }
    }

    static func write(name: String, value: String, to text: inout ByteBuffer) {
        text.writeString(name)
        text.writeStaticString(": ")
        text.writeString(value)
        text.writeStaticString("\r\n")
    }

    private static func set(_ field: inout String?, _ value: String) throws(HTTP2MalformedRequest) {
        guard field == nil else { throw HTTP2MalformedRequest("A field is repeated.") }
        field = value
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
}
