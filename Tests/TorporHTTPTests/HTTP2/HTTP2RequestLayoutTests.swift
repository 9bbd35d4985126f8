import NIOCore
import NIOHPACK
import Testing
import TorporFuzzing

@testable import TorporHTTP
import TorporTestSupport

/// How requests of HTTP/2 are laid out as text, and which are not.
@Suite struct HTTP2RequestLayoutTests {
    private static let post: [(String, String)] = [
        (":method", "POST"), (":scheme", "https"), (":authority", "localhost:8443"), (":path", "/mcp"),
        ("content-type", "application/json"),
    ]

    // MARK: What it becomes

    @Test func aRequestWithoutABodyIsAHead() throws {
        var layout = HTTP2RequestLayout()
        let headers: HPACKHeaders = [":method": "GET", ":path": "/mcp?a=b", ":scheme": "http", ":authority": "h"]
        let text = try layout.head(headers, endsStream: true)
        #expect(String(buffer: text) == "GET /mcp?a=b HTTP/1.1\r\nhost: h\r\n\r\n")
        #expect(layout.hasEnded)
    }

    @Test func aBodyOfDeclaredLengthStaysAsItIs() throws {
        var layout = HTTP2RequestLayout()
        var text = try layout.head(HPACKHeaders(Self.post + [("content-length", "5")]), endsStream: false)
        var rest = try layout.data(ByteBuffer(string: "abc"), endsStream: false)
        text.writeBuffer(&rest)
        rest = try layout.data(ByteBuffer(string: "de"), endsStream: true)
        text.writeBuffer(&rest)
        let head = "POST /mcp HTTP/1.1\r\nhost: localhost:8443\r\ncontent-type: application/json\r\n"
        #expect(String(buffer: text) == head + "content-length: 5\r\n\r\nabcde")
        #expect(layout.hasEnded)
    }

    @Test func aBodyOfUnknownLengthBecomesChunks() throws {
        let request = try Self.request(Self.post, ["hello", "", String(repeating: "x", count: 300)], endsEmpty: true)
        #expect(request?.head.framing == .chunked)
        #expect(
            request.map { String(decoding: $0.bytes[$0.body], as: UTF8.self) } == "hello"
                + String(repeating: "x", count: 300))
    }

    @Test(arguments: [[("content-length", "2")], []])
    func trailersEndABody(length: [(String, String)]) throws {
        var layout = HTTP2RequestLayout()
        var text = try layout.head(HPACKHeaders(Self.post + length), endsStream: false)
        var rest = try layout.data(ByteBuffer(string: "{}"), endsStream: false)
        text.writeBuffer(&rest)
        rest = try layout.head(["x-checksum": "1"], endsStream: true)
        text.writeBuffer(&rest)
        let request = try Self.parse(text)
        #expect(request.map { String(decoding: $0.bytes[$0.body], as: UTF8.self) } == "{}")
        #expect(layout.hasEnded)
    }

    @Test func theFieldsReachTheParser() throws {
        let fields = [
            ("accept", "application/json"), ("authorization", "Bearer t"), ("origin", "https://localhost"),
            ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo"),
            ("mcp-session-id", "s"), ("te", "trailers"), ("x-empty", ""), ("host", "LOCALHOST:8443"),
        ]
        let request = try #require(try Self.request(Self.post + fields, ["{}"]))
        let text = { (range: Range<Int>?) in range.map { String(decoding: request.bytes[$0], as: UTF8.self) } }
        #expect(request.head.method == .post)
        #expect(text(request.head.host) == "localhost:8443")
        #expect(text(request.head.path) == "/mcp")
        #expect(text(request.head.contentType) == "application/json")
        #expect(text(request.head.accept) == "application/json")
        #expect(text(request.head.authorization) == "Bearer t")
        #expect(text(request.head.origin) == "https://localhost")
        #expect(text(request.head.protocolVersion) == "2026-07-28")
        #expect(text(request.head.mcpMethod) == "tools/call")
        #expect(text(request.head.mcpName) == "echo")
        #expect(text(request.head.sessionID) == "s")
    }

    /// They are well-formed, and refused for what they ask.
    @Test(arguments: refused)
    func theParserRefusesWhatItWouldRefuseAsText(headers: [(String, String)], status: Int) throws {
        var layout = HTTP2RequestLayout()
        let text = try layout.head(HPACKHeaders(headers), endsStream: false)
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var position = 0
        guard case .refuse(let refusal) = machine.next(text.readableBytesUInt8Span, position: &position) else {
            Issue.record("it is not refused")
            return
        }
        #expect(refusal.status == status)
    }

    private static let refused: [([(String, String)], Int)] = [
        ([(":method", "CONNECT"), (":authority", "h:1")], 501),
        ([(":method", "POST"), (":scheme", "http"), (":path", "/mcp")], 400),
        ([(":method", "POST"), (":scheme", "http"), (":path", "/mcp"), (":authority", "")], 400),
        ([(":method", "POST"), (":scheme", "http"), (":path", "/mcp"), (":authority", "user@h")], 400),
        ([(":method", "POST"), (":scheme", "http"), (":path", "/\""), (":authority", "h")], 400),
        (post + [("content-length", "99999999")], 413),
        (post + [("x-long", String(repeating: "x", count: 20_000))], 431),
        (post + (0..<120).map { ("x-\($0)", "") }, 431),
        (post + [("expect", "everything")], 417),
        (post + [("x-control", "a\u{1}b")], 400),
        (
            [
                (":method", "POST"), (":scheme", "http"), (":path", "/" + String(repeating: "x", count: 4_000)),
                (":authority", "h"),
            ], 414
        ),
    ]

    // MARK: What is malformed

    private static let malformed: [[(String, String)]] = [
        // Missing, repeated, unknown, late.
        [(":scheme", "http"), (":path", "/")],
        [(":method", "GET"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http")],
        post + [(":path", "/")],
        post.dropLast() + [(":path", "/mcp")],
        post.dropLast() + [(":authority", "localhost:8443")],
        post.dropLast() + [(":protocol", "websocket")],
        post.dropLast() + [(":status", "200")],
        [("content-type", "a")] + post,
        // Values that are none.
        [(":method", ""), (":scheme", "http"), (":path", "/"), (":authority", "h")],
        [(":method", "GET\r\nX: y"), (":scheme", "http"), (":path", "/"), (":authority", "h")],
        [(":method", "GET /x"), (":scheme", "http"), (":path", "/"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "ftp"), (":path", "/"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", "mcp"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", "*"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", "http://evil.example/mcp"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", "/mcp HTTP/1.1"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", "/\r\nHost: evil.example"), (":authority", "h")],
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h\r\nx: y")],
        [(":method", "CONNECT"), (":scheme", "http"), (":path", "/"), (":authority", "h")],
        // Fields.
        post + [("Content-Type", "a")], post + [("", "a")], post + [("a b", "c")], post + [("a:", "b")],
        post + [("x", "a\r\nb: c")], post + [("x", "a\nb")], post + [("x", "a\u{0}b")], post + [("x", " a")],
        post + [("x", "a\t")], post + [("x\r\ny", "a")],
        post + [("connection", "close")], post + [("keep-alive", "1")], post + [("proxy-connection", "close")],
        post + [("transfer-encoding", "chunked")], post + [("upgrade", "h2c")], post + [("te", "gzip")],
        post + [("host", "evil.example")], post + [("host", "localhost:8443"), ("host", "localhost:8443")],
        post + [("content-length", "")], post + [("content-length", "-1")], post + [("content-length", "+1")],
        post + [("content-length", "1,1")], post + [("content-length", "99999999999999999999")],
        post + [("content-length", "1"), ("content-length", "1")],
    ]

    @Test(arguments: malformed)
    func aMalformedHeadIsRefused(headers: [(String, String)]) {
        var layout = HTTP2RequestLayout()
        #expect(throws: HTTP2MalformedRequest.self) { try layout.head(HPACKHeaders(headers), endsStream: false) }
    }

    @Test func aLengthThatTheFramesContradictIsRefused() throws {
        let headers = HPACKHeaders(Self.post + [("content-length", "2")])
        var none = HTTP2RequestLayout()
        #expect(throws: HTTP2MalformedRequest.self) { try none.head(headers, endsStream: true) }
        var short = HTTP2RequestLayout()
        _ = try short.head(headers, endsStream: false)
        #expect(throws: HTTP2MalformedRequest.self) { try short.data(ByteBuffer(string: "{"), endsStream: true) }
        var long = HTTP2RequestLayout()
        _ = try long.head(headers, endsStream: false)
        _ = try long.data(ByteBuffer(string: "{}"), endsStream: false)
        #expect(throws: HTTP2MalformedRequest.self) { try long.data(ByteBuffer(string: " "), endsStream: true) }
        var trailed = HTTP2RequestLayout()
        _ = try trailed.head(headers, endsStream: false)
        #expect(throws: HTTP2MalformedRequest.self) { try trailed.head([:], endsStream: true) }
    }

    @Test func whatStandsWhereNothingMayIsRefused() throws {
        var first = HTTP2RequestLayout()
        #expect(throws: HTTP2MalformedRequest.self) { try first.data(ByteBuffer(), endsStream: true) }
        var ended = HTTP2RequestLayout()
        _ = try ended.head(HPACKHeaders(Self.post), endsStream: true)
        #expect(throws: HTTP2MalformedRequest.self) { try ended.data(ByteBuffer(), endsStream: true) }
        #expect(throws: HTTP2MalformedRequest.self) { try ended.head(["x": "y"], endsStream: true) }
        var open = HTTP2RequestLayout()
        _ = try open.head(HPACKHeaders(Self.post), endsStream: false)
        #expect(throws: HTTP2MalformedRequest.self) { try open.head(["x": "y"], endsStream: false) }
        var pseudo = HTTP2RequestLayout()
        _ = try pseudo.head(HPACKHeaders(Self.post), endsStream: false)
        #expect(throws: HTTP2MalformedRequest.self) { try pseudo.head([":path": "/"], endsStream: true) }
    }

    /// Whatever fields a client makes up, the text is one request with that body, or none.
    @Test func noFieldCanBecomeTwoOrARequestOfItsOwn() throws {
        var random = SeededGenerator(seed: 0x5EED)
        let pieces = [
            "a", "Z", "-", ":", " ", "\t", "\r", "\n", "\r\n", "\u{0}", "é", "/", "host", "content-length", "7",
            "transfer-encoding", "chunked", "POST / HTTP/1.1", "\r\n\r\n", "x: y", "",
        ]
        let make = { (random: inout SeededGenerator) in
            (0..<Int.random(in: 0...3, using: &random)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }
            .joined()
        }
        var accepted = 0
        for _ in 0..<20_000 {
            var headers = Self.post
            for _ in 0..<Int.random(in: 1...2, using: &random) { headers.append((make(&random), make(&random))) }
            if Bool.random(using: &random) { headers[Int.random(in: 0..<4, using: &random)].1 += make(&random) }
            var layout = HTTP2RequestLayout()
            guard var text = try? layout.head(HPACKHeaders(headers), endsStream: false),
                var body = try? layout.data(ByteBuffer(string: "1234567"), endsStream: true)
            else { continue }
            text.writeBuffer(&body)
            var machine = HTTPRequestStateMachine(limits: HTTPLimits())
            var position = 0
            switch machine.next(text.readableBytesUInt8Span, position: &position) {
            case .request(let request):
                accepted += 1
                #expect(request.bytes[request.body].elementsEqual("1234567".utf8), "\(headers)")
                #expect(position == text.readableBytes, "\(headers)")
            case .refuse: break
            case .needsMoreBytes, .sendContinue: Issue.record("it does not end: \(headers)")
            }
        }
        // Otherwise nothing was tried.
        #expect(accepted > 200)
    }

    private static func request(
        _ headers: [(String, String)], _ body: [String], endsEmpty: Bool = false
    ) throws -> HTTPRequest? {
        var layout = HTTP2RequestLayout()
        var text = try layout.head(HPACKHeaders(headers), endsStream: false)
        for (index, part) in body.enumerated() {
            var piece = try layout.data(
                ByteBuffer(string: part), endsStream: !endsEmpty && index == body.count - 1)
            text.writeBuffer(&piece)
        }
        if endsEmpty {
            var piece = try layout.data(ByteBuffer(), endsStream: true)
            text.writeBuffer(&piece)
        }
        #expect(layout.hasEnded)
        return try self.parse(text)
    }

    /// The one request of a text.
    private static func parse(_ text: ByteBuffer) throws -> HTTPRequest? {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var position = 0
        guard case .request(let request) = machine.next(text.readableBytesUInt8Span, position: &position) else {
            return nil
        }
        #expect(position == text.readableBytes)
        return request
    }
}
