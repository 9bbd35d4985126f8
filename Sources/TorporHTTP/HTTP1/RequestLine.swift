/// The first line of a request: `method SP target SP version CRLF`.
struct RequestLine {
    var method: HTTPRequestHead.Method
    var target: Range<Int>
    var path: Range<Int>
    /// The authority of an absolute target.
    var authority: Range<Int>?
    var minorVersion: Int
    /// The index after the line.
    var end: Int

    /// - Throws: 400 malformed, 414 target too long, 501 CONNECT, 505 version.
    init(_ bytes: Span<UInt8>, in range: Range<Int>, limits: HTTPLimits) throws(HTTPRefusal) {
        let methodEnd = bytes.end(of: .token, from: range.lowerBound, to: range.upperBound)
        guard methodEnd > range.lowerBound, methodEnd < range.upperBound, bytes[methodEnd] == ASCII.space else {
            throw .malformed("The request line does not begin with a method and a space.")
        }
        self.method = try Self.method(bytes, range.lowerBound..<methodEnd)

        let targetStart = methodEnd + 1
        var pathStart = targetStart
        self.authority = nil
        if let authorityStart = Self.authorityStart(bytes, targetStart, range.upperBound) {
            pathStart = bytes.end(of: .authority, from: authorityStart, to: range.upperBound)
            guard pathStart > authorityStart else { throw .malformed("The request target names no host.") }
            self.authority = authorityStart..<pathStart
        }
        let targetEnd = bytes.end(of: .target, from: pathStart, to: range.upperBound)
        guard targetEnd > pathStart, targetEnd < range.upperBound, bytes[targetEnd] == ASCII.space else {
            throw .malformed("The request target is empty or holds a byte that is not allowed.")
        }
        guard targetEnd - targetStart <= limits.targetBytesMax else { throw .targetTooLong }
        self.target = targetStart..<targetEnd
        let isAsterisk = self.method == .options && bytes.equals("*", self.target)
        guard bytes[pathStart] == ASCII.slash || isAsterisk else {
            throw .malformed("The request target is neither a path nor an http URI with one.")
        }
        var pathEnd = pathStart
        while pathEnd < targetEnd, bytes[pathEnd] != ASCII.question { pathEnd += 1 }
        self.path = pathStart..<pathEnd

        self.minorVersion = try Self.minorVersion(bytes, from: targetEnd + 1, to: range.upperBound)
        self.end = targetEnd + 1 + Self.versionLineBytes
    }

    private static func method(
        _ bytes: Span<UInt8>,
        _ range: Range<Int>
    ) throws(HTTPRefusal) -> HTTPRequestHead.Method {
        switch range.count {
        case 3: return bytes.equals("GET", range) ? .get : bytes.equals("PUT", range) ? .put : .other
        case 4: return bytes.equals("POST", range) ? .post : bytes.equals("HEAD", range) ? .head : .other
        case 5: return bytes.equals("PATCH", range) ? .patch : .other
        case 6: return bytes.equals("DELETE", range) ? .delete : .other
        case 7:
            // What follows CONNECT is no HTTP, so its bytes must not be read as the next request.
            if bytes.equals("CONNECT", range) { throw HTTPRefusal(status: 501, reason: "CONNECT is not supported.") }
            return bytes.equals("OPTIONS", range) ? .options : .other
        default: return .other
        }
    }

    /// Where the authority of an absolute target begins; nil for other targets.
    private static func authorityStart(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        if start + 7 <= end, bytes.equals("http://", start..<start + 7) { return start + 7 }
        if start + 8 <= end, bytes.equals("https://", start..<start + 8) { return start + 8 }
        return nil
    }

    /// Bytes of `HTTP/1.1` and the line end.
    private static let versionLineBytes = 10

    private static func minorVersion(_ bytes: Span<UInt8>, from start: Int, to end: Int) throws(HTTPRefusal) -> Int {
        let digits = ASCII.zero...ASCII.nine
        guard
            start + Self.versionLineBytes <= end, bytes.equals("HTTP/", start..<start + 5),
            digits.contains(bytes[start + 5]), bytes.equals(".", start + 6..<start + 7),
            digits.contains(bytes[start + 7]), bytes.equals("\r\n", start + 8..<start + 10)
        else { throw .malformed("The request line does not end with a version.") }
        guard bytes[start + 5] == ASCII.zero + 1, bytes[start + 7] <= ASCII.zero + 1 else {
            throw HTTPRefusal(status: 505, reason: "The version is neither HTTP/1.0 nor HTTP/1.1.")
        }
        return Int(bytes[start + 7] - ASCII.zero)
    }
}
