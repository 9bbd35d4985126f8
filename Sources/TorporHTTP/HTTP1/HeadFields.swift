/// Gathers what the fields of a head say, and decides on framing and connection when all are known.
struct HeadFields {
    private var head: HTTPRequestHead
    private var contentLength: Int?
    private var isChunked = false
    private var hasClose = false
    private var hasKeepAlive = false
    private var hasExpect = false

    init(_ line: RequestLine) {
        self.head = HTTPRequestHead(
            method: line.method,
            target: line.target,
            path: line.path,
            minorVersion: line.minorVersion,
            isKeepAlive: false,
            expectsContinue: false,
            framing: .none,
            acceptRepeats: [],
            isForwardedForRepeated: false,
            parameters: []
        )
    }

    /// - Throws: 400 for a field repeated that may not be, or with a malformed value; 417; 501.
    @inline(__always)
    mutating func add(_ field: HTTPField, of bytes: Span<UInt8>) throws(HTTPRefusal) {
        let value = field.value
        switch FieldName(bytes, field.name) {
        case .host:
            guard !value.isEmpty, bytes.consists(of: .authority, value) else {
                throw .malformed("Host is empty or holds a byte that is not allowed.")
            }
            try Self.set(&self.head.host, value)
        case .origin: try Self.set(&self.head.origin, value)
        case .authorization: try Self.set(&self.head.authorization, value)
        case .contentType: try Self.set(&self.head.contentType, value)
        case .protocolVersion: try Self.set(&self.head.protocolVersion, value)
        case .mcpMethod: try Self.set(&self.head.mcpMethod, value)
        case .mcpName: try Self.set(&self.head.mcpName, value)
        case .sessionID: try Self.set(&self.head.sessionID, value)
        case .lastEventID: try Self.set(&self.head.lastEventID, value)
        case .accept:
            if self.head.accept == nil { self.head.accept = value } else { self.head.acceptRepeats.append(value) }
        case .forwardedFor:
            self.head.isForwardedForRepeated = self.head.isForwardedForRepeated || self.head.forwardedFor != nil
            self.head.forwardedFor = self.head.isForwardedForRepeated ? nil : value
        case .parameter:
            let name = field.name.dropFirst(FieldName.parameterPrefixBytes)
            self.head.parameters.append(HTTPField(name: name, value: value))
        case .contentLength:
            try Self.refuseTabs(field, bytes)
            let length = try Self.contentLength(bytes, value)
            guard self.contentLength == nil else { throw .malformed("Content-Length is repeated.") }
            self.contentLength = length
        case .transferEncoding:
            try Self.refuseTabs(field, bytes)
            try self.addTransferEncoding(value, bytes)
        case .connection:
            try Self.refuseTabs(field, bytes)
            try self.addConnection(value, bytes, keepAliveCounts: true)
        case .proxyConnection:
            // Obsolete. Its close is heeded, as other parsers do; it never keeps a connection open (RFC 9112, C.2.2).
            try Self.refuseTabs(field, bytes)
            try self.addConnection(value, bytes, keepAliveCounts: false)
        case .expect: try self.addExpect(value, bytes)
        case .other: break
        }
    }

    /// - Throws: 400 for fields that contradict each other, or the version; 413.
    func finish(
        _ line: RequestLine,
        _ bytes: Span<UInt8>,
        _ limits: HTTPLimits
    ) throws(HTTPRefusal) -> HTTPRequestHead {
        var head = self.head
        if let authority = line.authority {
            // RFC 9112, 3.2.2 lets the target win; one that differs from Host is refused, so nobody can be misled.
            if let host = head.host, !Self.areEqual(bytes, host, authority) {
                throw .malformed("Host differs from the request target.")
            }
        }
        if head.minorVersion == 1 {
            guard head.host != nil else { throw .malformed("Host is missing.") }
            head.isKeepAlive = !self.hasClose
            head.expectsContinue = self.hasExpect
        } else {
            guard !self.isChunked else { throw .malformed("HTTP/1.0 has no Transfer-Encoding.") }
            head.host = head.host ?? line.authority
            head.isKeepAlive = self.hasKeepAlive && !self.hasClose
        }
        if self.isChunked {
            guard self.contentLength == nil else { throw .malformed("Both Transfer-Encoding and Content-Length.") }
            head.framing = .chunked
        } else if let contentLength = self.contentLength {
            guard contentLength <= limits.bodyBytesMax else { throw .bodyTooLarge }
            head.framing = .length(contentLength)
        }
        return head
    }

    @inline(__always)
    private static func set(_ field: inout Range<Int>?, _ value: Range<Int>) throws(HTTPRefusal) {
        guard field == nil else { throw .malformed("A field is repeated that may appear once.") }
        field = value
    }

    /// Refuses tabs around and in a value that decides where a message or its connection ends: the grammar allows them
    /// as blanks, but widely used parsers do not take them for such everywhere, and so would read another value.
    private static func refuseTabs(_ field: HTTPField, _ bytes: Span<UInt8>) throws(HTTPRefusal) {
        var index = field.name.upperBound + 1
        while bytes[index] != ASCII.carriageReturn {
            guard bytes[index] != ASCII.tab else { throw .malformed("A tab stands in a field that frames.") }
            index += 1
        }
    }

    private static func contentLength(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(HTTPRefusal) -> Int {
        guard !range.isEmpty else { throw .malformed("Content-Length is empty.") }
        var length = 0
        for index in range {
            guard (ASCII.zero...ASCII.nine).contains(bytes[index]) else {
                throw .malformed("Content-Length is not a decimal number.")
            }
            let (tenfold, overflow) = length.multipliedReportingOverflow(by: 10)
            let (sum, overflowOfSum) = tenfold.addingReportingOverflow(Int(bytes[index] - ASCII.zero))
            guard !overflow, !overflowOfSum else { throw .malformed("Content-Length is beyond any number.") }
            length = sum
        }
        return length
    }

    private mutating func addTransferEncoding(_ value: Range<Int>, _ bytes: Span<UInt8>) throws(HTTPRefusal) {
        guard !self.isChunked else { throw .malformed("Transfer-Encoding is repeated.") }
        guard !bytes.equals(ignoringCase: "chunked", value) else {
            self.isChunked = true
            return
        }
        guard !value.isEmpty, bytes.consists(of: .token, value) else {
            throw .malformed("Transfer-Encoding is not one coding.")
        }
        throw HTTPRefusal(status: 501, reason: "The transfer coding is not supported.")
    }

    private mutating func addConnection(
        _ value: Range<Int>,
        _ bytes: Span<UInt8>,
        keepAliveCounts: Bool
    ) throws(HTTPRefusal) {
        var start = value.lowerBound
        while true {
            var end = start
            while end < value.upperBound, bytes[end] != ASCII.comma { end += 1 }
            let option = bytes.trimmed(start..<end)
            guard bytes.consists(of: .token, option) else {
                throw .malformed("Connection is not a list of tokens.")
            }
            if bytes.equals(ignoringCase: "close", option) {
                self.hasClose = true
            } else if keepAliveCounts, bytes.equals(ignoringCase: "keep-alive", option) {
                self.hasKeepAlive = true
            }
            guard end < value.upperBound else { return }
            start = end + 1
        }
    }

    private mutating func addExpect(_ value: Range<Int>, _ bytes: Span<UInt8>) throws(HTTPRefusal) {
        guard !self.hasExpect else { throw .malformed("Expect is repeated.") }
        guard bytes.equals(ignoringCase: "100-continue", value) else {
            throw HTTPRefusal(status: 417, reason: "The expectation is not 100-continue.")
        }
        self.hasExpect = true
    }

    private static func areEqual(_ bytes: Span<UInt8>, _ first: Range<Int>, _ second: Range<Int>) -> Bool {
        guard first.count == second.count else { return false }
        for offset in 0..<first.count
        where bytes[first.lowerBound + offset] != bytes[second.lowerBound + offset] {
            return false
        }
        return true
    }
}
