import Testing
import TorporFuzzing
import TorporHTTP

/// A stream that is refused, and with which status.
struct RefusalCase: Sendable, CustomTestStringConvertible {
    let name: String
    let status: Int
    let bytes: [UInt8]

    /// - Parameter text: One byte for each scalar, so that "\u{FF}" is the byte FF.
    init(_ name: String, _ status: Int, _ text: String) {
        self.name = name
        self.status = status
        self.bytes = latin1(text)
    }

    /// A request with these field lines added to `Host`.
    static func fields(_ name: String, _ status: Int, _ lines: String) -> RefusalCase {
        RefusalCase(name, status, "POST /mcp HTTP/1.1\r\nHost: a\r\n\(lines)\r\n\r\n")
    }

    /// A request with this first line.
    static func line(_ name: String, _ status: Int, _ line: String) -> RefusalCase {
        RefusalCase(name, status, "\(line)\r\nHost: a\r\n\r\n")
    }

    /// A request with this chunked body.
    static func chunked(_ name: String, _ status: Int, _ body: String) -> RefusalCase {
        RefusalCase(name, status, "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)")
    }

    var testDescription: String { self.name }

    static let all = Self.lines + Self.names + Self.values + Self.framings + Self.chunks

    static let lines = [
        line("no method", 400, " /mcp HTTP/1.1"),
        line("method with a slash", 400, "PO/ST /mcp HTTP/1.1"),
        line("method with a byte above ASCII", 400, "P\u{D6}ST /mcp HTTP/1.1"),
        line("CONNECT", 501, "CONNECT /mcp HTTP/1.1"),
        line("tab after the method", 400, "POST\t/mcp HTTP/1.1"),
        line("two spaces after the method", 400, "POST  /mcp HTTP/1.1"),
        line("two spaces before the version", 400, "POST /mcp  HTTP/1.1"),
        line("space after the version", 400, "POST /mcp HTTP/1.1 "),
        line("space before the method", 400, " POST /mcp HTTP/1.1"),
        line("no target", 400, "POST HTTP/1.1"),
        line("no version, as HTTP/0.9", 400, "GET /mcp"),
        line("no target and no version", 400, "GET"),
        line("target without a slash", 400, "GET mcp HTTP/1.1"),
        line("target of an authority", 400, "GET example.com:80 HTTP/1.1"),
        line("asterisk for GET", 400, "GET * HTTP/1.1"),
        line("asterisk and more", 400, "OPTIONS *x HTTP/1.1"),
        line("target with a fragment", 400, "GET /mcp#top HTTP/1.1"),
        line("target with a NUL", 400, "GET /m\u{0}cp HTTP/1.1"),
        line("target with a control byte", 400, "GET /m\u{1}cp HTTP/1.1"),
        line("target with DEL", 400, "GET /m\u{7F}cp HTTP/1.1"),
        line("target with a byte above ASCII", 400, "GET /m\u{FC}cp HTTP/1.1"),
        line("target with a backslash", 400, "GET /m\\cp HTTP/1.1"),
        line("target with a tab", 400, "GET /m\tcp HTTP/1.1"),
        line("absolute target with user information", 400, "GET http://me@a/mcp HTTP/1.1"),
        line("absolute target without host", 400, "GET http:///mcp HTTP/1.1"),
        line("absolute target without path", 400, "GET http://a HTTP/1.1"),
        line("absolute target of another scheme", 400, "GET ftp://a/mcp HTTP/1.1"),
        line("absolute target that differs from Host", 400, "GET http://b/mcp HTTP/1.1"),
        line("version in lower case", 400, "GET /mcp http/1.1"),
        line("version of two digits", 400, "GET /mcp HTTP/1.10"),
        line("version without minor", 400, "GET /mcp HTTP/1"),
        line("version with a comma", 400, "GET /mcp HTTP/1,1"),
        line("version 0.9", 505, "GET /mcp HTTP/0.9"),
        line("version 1.2", 505, "GET /mcp HTTP/1.2"),
        line("version 2.0", 505, "GET /mcp HTTP/2.0"),
        RefusalCase("two empty lines before the request", 400, "\r\n\r\nGET /mcp HTTP/1.1\r\nHost: a\r\n\r\n"),
        RefusalCase("line feed before the request", 400, "\nGET /mcp HTTP/1.1\r\nHost: a\r\n\r\n"),
        RefusalCase("carriage return before the request", 400, "\rGET /mcp HTTP/1.1\r\nHost: a\r\n\r\n"),
        RefusalCase("carriage return twice before the request", 400, "\r\r\nGET /mcp HTTP/1.1\r\nHost: a\r\n\r\n"),
        RefusalCase("request line ends with a line feed", 400, "GET /mcp HTTP/1.1\nHost: a\r\n\r\n"),
        RefusalCase("request line ends with a carriage return", 400, "GET /mcp HTTP/1.1\rHost: a\r\n\r\n"),
    ]

    static let names = [
        fields("space before the colon", 400, "Content-Length : 0"),
        fields("tab before the colon", 400, "Content-Length\t: 0"),
        fields("empty name", 400, ": x"),
        fields("no colon", 400, "Content-Length"),
        fields("name with a space", 400, "Content Length: 0"),
        fields("name with a NUL", 400, "X\u{0}: x"),
        fields("name with a byte above ASCII", 400, "X\u{E9}: x"),
        fields("name with a slash", 400, "X/Y: x"),
        fields("name in quotes", 400, "\"Host\": b"),
        fields("folded line", 400, "X: a\r\n b"),
        fields("folded line with a tab", 400, "X: a\r\n\tb"),
        RefusalCase("blank before the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ]

    static let values = [
        fields("value with a NUL", 400, "X: a\u{0}b"),
        fields("value with a control byte", 400, "X: a\u{1F}b"),
        fields("value with a DEL", 400, "X: a\u{7F}b"),
        fields("value with a carriage return", 400, "X: a\rb"),
        fields("value that ends with two carriage returns", 400, "X: a\r"),
        fields("line that ends with a line feed", 400, "X: a\nY: b"),
        fields("line feed hidden before a length", 400, "X: a\n\nContent-Length: 5"),
        RefusalCase("head that ends with line feeds", 400, "GET / HTTP/1.1\r\nHost: a\n\n"),
        RefusalCase("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
        RefusalCase("no Host for an absolute target", 400, "GET http://a/ HTTP/1.1\r\n\r\n"),
        fields("second Host", 400, "Host: b"),
        fields("second Host that is equal", 400, "hOST: a"),
        RefusalCase("empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        RefusalCase("Host with a comma", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        RefusalCase("Host with user information", 400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        RefusalCase("Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        fields("Origin twice", 400, "Origin: http://a\r\nOrigin: http://b"),
        fields("Authorization twice", 400, "Authorization: Bearer a\r\nauthorization: Bearer a"),
        fields("Content-Type twice", 400, "Content-Type: a\r\nContent-Type: b"),
        fields("MCP-Protocol-Version twice", 400, "MCP-Protocol-Version: 1\r\nMcp-Protocol-Version: 1"),
        fields("Mcp-Method twice", 400, "Mcp-Method: a\r\nMcp-Method: b"),
        fields("Mcp-Name twice", 400, "Mcp-Name: a\r\nMcp-Name: b"),
        fields("Mcp-Session-Id twice", 400, "Mcp-Session-Id: a\r\nMCP-Session-Id: b"),
        fields("Last-Event-ID twice", 400, "Last-Event-ID: a\r\nLast-Event-ID: b"),
        fields("Connection that is no list", 400, "Connection: close now"),
        fields("Connection with quotes", 400, "Connection: \"close\""),
        fields("Connection with a tab", 400, "Connection: x,\tclose"),
        fields("Proxy-Connection with a tab", 400, "Proxy-Connection:\tclose"),
        fields("unknown expectation", 417, "Expect: 200-ok"),
        fields("expectation with parameter", 417, "Expect: 100-continue;x=1"),
        fields("empty expectation", 417, "Expect:"),
        fields("expectation twice", 400, "Expect: 100-continue\r\nExpect: 100-continue"),
    ]

    static let framings = [
        fields("both framings", 400, "Content-Length: 3\r\nTransfer-Encoding: chunked"),
        fields("both framings, the other way", 400, "Transfer-Encoding: chunked\r\nContent-Length: 3"),
        fields("both framings, length 0", 400, "Transfer-Encoding: chunked\r\nContent-Length: 0"),
        fields("Content-Length twice", 400, "Content-Length: 3\r\nContent-Length: 4"),
        fields("Content-Length twice and equal", 400, "Content-Length: 3\r\nContent-Length: 3"),
        fields("Content-Length as a list", 400, "Content-Length: 3, 3"),
        fields("Content-Length with plus", 400, "Content-Length: +3"),
        fields("Content-Length with minus", 400, "Content-Length: -3"),
        fields("Content-Length with a space", 400, "Content-Length: 1 3"),
        fields("Content-Length with a tab", 400, "Content-Length: 1\t3"),
        fields("Content-Length with a tab before", 400, "Content-Length:\t3"),
        fields("Content-Length with a tab after", 400, "Content-Length: 3 \t"),
        fields("Transfer-Encoding with a tab after", 400, "Transfer-Encoding: chunked\t"),
        fields("Content-Length in hexadecimal", 400, "Content-Length: 0x3"),
        fields("Content-Length with a letter", 400, "Content-Length: 3a"),
        fields("Content-Length with a fraction", 400, "Content-Length: 3.0"),
        fields("Content-Length with underscore", 400, "Content-Length: 1_0"),
        fields("empty Content-Length", 400, "Content-Length:"),
        fields("Content-Length beyond 64 bits", 400, "Content-Length: 18446744073709551617"),
        fields("Content-Length beyond 63 bits", 400, "Content-Length: 9223372036854775808"),
        fields("Content-Length of 63 bits", 413, "Content-Length: 9223372036854775807"),
        fields("Content-Length above the limit", 413, "Content-Length: 4194305"),
        fields("Transfer-Encoding twice", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        fields("chunked and another", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        fields("codings as a list", 400, "Transfer-Encoding: gzip, chunked"),
        fields("chunked as a list", 400, "Transfer-Encoding: chunked, chunked"),
        fields("chunked and a comma", 400, "Transfer-Encoding: chunked,"),
        fields("chunked with parameter", 400, "Transfer-Encoding: chunked;q=1"),
        fields("chunked in quotes", 400, "Transfer-Encoding: \"chunked\""),
        fields("empty Transfer-Encoding", 400, "Transfer-Encoding:"),
        fields("vertical tab before chunked", 400, "Transfer-Encoding: \u{B}chunked"),
        fields("other coding", 501, "Transfer-Encoding: gzip"),
        fields("identity", 501, "Transfer-Encoding: identity"),
        fields("almost chunked", 501, "Transfer-Encoding: xchunked"),
        RefusalCase("chunked on HTTP/1.0", 400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ]

    static let chunks = [
        chunked("no size", 400, "\r\nx\r\n0\r\n\r\n"),
        chunked("size with 0x", 400, "0x1\r\nx\r\n0\r\n\r\n"),
        chunked("size with plus", 400, "+1\r\nx\r\n0\r\n\r\n"),
        chunked("size with minus", 400, "-1\r\nx\r\n0\r\n\r\n"),
        chunked("size with a space before", 400, " 1\r\nx\r\n0\r\n\r\n"),
        chunked("size with a space after", 400, "1 \r\nx\r\n0\r\n\r\n"),
        chunked("size with underscore", 400, "1_0\r\nx\r\n0\r\n\r\n"),
        chunked("size of nine digits", 400, "000000001\r\nx\r\n0\r\n\r\n"),
        chunked("size above the limit", 413, "400001\r\n"),
        chunked("size that would overflow", 413, "FFFFFFFFFFFFFFFFF\r\n"),
        chunked("size line ends with a line feed", 400, "1\nx\r\n0\r\n\r\n"),
        chunked("size line ends with a carriage return", 400, "1\rx\r\n0\r\n\r\n"),
        chunked("chunk longer than its size", 400, "1\r\nxy\r\n0\r\n\r\n"),
        chunked("chunk ends with a line feed", 400, "1\r\nx\n0\r\n\r\n"),
        chunked("chunk ends with a carriage return", 400, "1\r\nx\r0\r\n\r\n"),
        chunked("no line end behind a chunk", 400, "1\r\nx0\r\n\r\n"),
        chunked("extension without name", 400, "1;\r\nx\r\n0\r\n\r\n"),
        chunked("extension with a line feed", 400, "1;a=b\nx\r\n0\r\n\r\n"),
        chunked("extension with a carriage return", 400, "1;a\rb\r\nx\r\n0\r\n\r\n"),
        chunked("extension with a NUL", 400, "1;a=\"\u{0}\"\r\nx\r\n0\r\n\r\n"),
        chunked("extension with blanks", 400, "1 ; a = b\r\nx\r\n0\r\n\r\n"),
        chunked("extension without value", 400, "1;a=\r\nx\r\n0\r\n\r\n"),
        chunked("extension with an open quote", 400, "1;a=\"b\r\nx\r\n0\r\n\r\n"),
        chunked("extension with text behind a quote", 400, "1;a=\"b\"c\r\nx\r\n0\r\n\r\n"),
        chunked("final line ends with a line feed", 400, "0\r\n\n"),
        chunked("final carriage return alone", 400, "0\r\n\rG"),
        chunked("trailer without colon", 400, "0\r\nX\r\n\r\n"),
        chunked("trailer with a NUL", 400, "0\r\nX: \u{0}\r\n\r\n"),
        chunked("trailer with a line feed", 400, "0\r\nX: a\nY: b\r\n\r\n"),
        chunked("folded trailer", 400, "0\r\nX: a\r\n b\r\n\r\n"),
        chunked("Content-Length as trailer", 400, "0\r\nContent-Length: 3\r\n\r\n"),
        chunked("Transfer-Encoding as trailer", 400, "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        chunked("Connection as trailer", 400, "0\r\nX: a\r\nConnection: close\r\n\r\n"),
        chunked("Host as trailer", 400, "0\r\nhost: a\r\n\r\n"),
    ]
}

struct HTTPRefusalTests {
    @Test(arguments: RefusalCase.all)
    func aMalformedRequestIsRefused(_ refused: RefusalCase) {
        let outcome = Outcome(of: [refused.bytes])
        #expect(outcome.refusal?.status == refused.status)
        #expect(outcome.requests.isEmpty)
        #expect(outcome.phase == .finished)
    }

    /// Whatever the reads were, the answer is the same; and no request comes of what follows.
    @Test(arguments: RefusalCase.all)
    func aMalformedRequestIsRefusedAlikeHoweverItArrives(_ refused: RefusalCase) {
        let expected = Outcome(of: [refused.bytes])
        for cut in 0...refused.bytes.count {
            #expect(Outcome(of: [refused.bytes[..<cut], refused.bytes[cut...]]) == expected)
        }
        #expect(Outcome(of: refused.bytes.map { [$0] }) == expected)
    }

    @Test func nothingIsReadAfterARefusal() {
        let outcome = Outcome(of: "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(outcome.requests.isEmpty)
        #expect(outcome.refusal?.status == 400)
    }

    @Test func aRefusalNeverShowsTheRequest() {
        for refused in RefusalCase.all {
            let reason = Outcome(of: [refused.bytes]).refusal?.reason ?? ""
            #expect(reason.hasSuffix(".") && reason.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
        }
    }
}
