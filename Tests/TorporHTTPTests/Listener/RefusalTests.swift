import Testing
import Torpor

@testable import TorporHTTP

/// What the listener refuses before a message is looked at.
@Suite struct RefusalTests {
    @Test(arguments: ["/", "/mcp/", "/MCP", "/mcp2", "/%6Dcp", "//mcp", "*"])
    func otherPathsAreNotFound(path: String) throws {
        let listener = EmbeddedListener()
        let answer = try listener.answer(to: WireRequest.post(WireRequest.ping(), path: path))
        #expect(answer.status == (path == "*" ? 400 : 404))
        listener.expectNothingLeft()
    }

    @Test func aQueryIsNoPartOfThePath() throws {
        #expect(try EmbeddedListener().answer(to: WireRequest.post(WireRequest.ping(), path: "/mcp?x=1")).status == 200)
        #expect(
            try EmbeddedListener().answer(to: WireRequest.post(WireRequest.ping(), path: "http://localhost/mcp")).status
                == 200)
    }

    @Test func theEndpointMayHaveAnotherPath() throws {
        let listener = EmbeddedListener(.sample { $0.path = "/tools/mcp" })
        #expect(try listener.answer(to: WireRequest.post(WireRequest.ping(), path: "/tools/mcp")).status == 200)
        #expect(try listener.answer(to: WireRequest.post(WireRequest.ping())).status == 404)
    }

    @Test(arguments: ["GET", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW", "post"])
    func otherMethodsAreRefusedAndTheAllowedOnesNamed(method: String) throws {
        let answer = try EmbeddedListener().answer(to: WireRequest.bare(method))
        #expect(answer.status == 405)
        #expect(answer.fields["allow"] == "POST, GET, DELETE")
    }

    @Test(arguments: [
        (nil, 415), ("text/plain", 415), ("application/jsonp", 415), ("application/json-patch+json", 415), ("", 415),
        ("application/json", 200), ("Application/JSON; charset=utf-8", 200), ("application/json;x", 200),
        ("application/json , x", 415),
    ])
    func onlyJSONIsTaken(contentType: String?, status: Int) throws {
        let answer = try EmbeddedListener().answer(to: WireRequest.post(WireRequest.ping(), contentType: contentType))
        #expect(answer.status == status)
    }

    @Test(arguments: [
        (["text/event-stream"], 406), (["text/html, image/*"], 406), ([""], 406), (["application/jsonx"], 406),
        (["application/json"], 200), (["application/json, text/event-stream"], 200), (["*/*"], 200),
        (["text/html, application/*;q=0.1"], 200),
        (["text/event-stream", "APPLICATION/JSON;q=1"], 200), (["text/html", "image/png"], 406), ([], 200),
    ])
    func onlyClientsThatTakeJSONAreServed(accepts: [String], status: Int) throws {
        let request = WireRequest.post(WireRequest.ping(), fields: accepts.map { "Accept: \($0)" })
        #expect(try EmbeddedListener().answer(to: request).status == status)
    }

    @Test(arguments: [(0, 200), (1, 413)])
    func theBodyMayBeAsLargeAsTheLimitAndNoLarger(excess: Int, status: Int) throws {
        let listener = EmbeddedListener(.sample { $0.requestMax = .kibibytes(8) })
        let ping = WireRequest.ping()
        let body = ping + String(repeating: " ", count: (8 << 10) + excess - ping.utf8.count)
        for request in [WireRequest.post(body), Self.chunked(body)] {
            let client = try listener.connect()
            try client.send(request)
            let answers = try client.answers()
            #expect(answers.map(\.status) == [status])
            #expect(client.isOpen == (status == 200))
            #expect(answers.allSatisfy { $0.closes == (status != 200) })
            try client.disconnect()
        }
        listener.expectNothingLeft()
    }

    @Test(arguments: [(0, 200), (1, 431)])
    func theHeadMayBeAsLargeAsTheLimitAndNoLarger(excess: Int, status: Int) throws {
        let listener = EmbeddedListener(.sample { $0.headMax = .kibibytes(4) })
        let body = WireRequest.ping()
        let plain = WireRequest.post(body, fields: ["X-Filler: "]).utf8.count - body.utf8.count
        let filler = String(repeating: "x", count: (4 << 10) + excess - plain)
        let client = try listener.connect()
        try client.send(WireRequest.post(body, fields: ["X-Filler: \(filler)"]))
        #expect(try client.answers().map(\.status) == [status])
        #expect(client.isOpen == (status == 200))
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test(arguments: [(2_048, 404), (2_049, 414)])
    func theTargetMayBeAsLongAsTheLimitAndNoLonger(count: Int, status: Int) throws {
        let path = "/" + String(repeating: "x", count: count - 1)
        #expect(try EmbeddedListener().answer(to: WireRequest.post(WireRequest.ping(), path: path)).status == status)
    }

    /// Two readings of one request are what smuggling lives on: whatever allows them is refused, and nothing behind it
    /// is looked at.
    @Test(arguments: [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
        "Content-Length : 5\r\n",
        " Content-Length: 5\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "Content-Length: 5\n",
        "Content-Length: 5\r",
        "X: a\rContent-Length: 5\r\n",
        "X: a\0b\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: \u{B}chunked\r\n",
        "Transfer_Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Host: localhost\r\nContent-Length: 5\r\n",
        "Host: evil.example\r\nContent-Length: 5\r\n",
        "X\r\nContent-Length: 5\r\n",
        ": x\r\nContent-Length: 5\r\n",
    ])
    func whatCouldBeReadInTwoWaysClosesTheConnection(fields: String) throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        let smuggled = WireRequest.post(WireRequest.ping(id: 666))
        try client.send(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(fields)\r\n0\r\n\r\n\(smuggled)"
        )
        let answers = try client.answers()
        #expect(answers.count == 1)
        #expect([400, 501].contains(answers.first?.status))
        #expect(answers.first?.closes == true)
        #expect(!client.isOpen)
        #expect(!answers.contains { $0.body.contains("666") })
        listener.expectNothingLeft()
    }

    @Test(arguments: [
        "5 \r\n", "0x5\r\n", "-5\r\n", "5\n", "5\r\nabcdefg\r\n", "ffffffffffffffff1\r\n", "\r\n", "5;a\rb\r\n",
    ])
    func aFaultyChunkClosesTheConnection(chunk: String) throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        let smuggled = WireRequest.post(WireRequest.ping(id: 666))
        let head =
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        try client.send("\(head)\(chunk)abcde\r\n0\r\n\r\n\(smuggled)")
        let answers = try client.answers()
        #expect(answers.count == 1)
        #expect([400, 413].contains(answers.first?.status))
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    /// Nothing of a request but an allowed `Origin` is ever echoed in a head, and that cannot end a line.
    @Test func nothingOfARequestCanBecomeAFieldOfItsAnswer() throws {
        let listener = EmbeddedListener(.sample { $0.allowedOrigins = ["https://app.example.com"] })
        for origin in [
            "https://app.example.com\r X-Evil: 1", "https://app.example.com%0d%0aX-Evil: 1",
            "http://localhost\nX-Evil: 1",
        ] {
            let client = try listener.connect()
            try client.send(WireRequest.post(WireRequest.ping(), fields: ["Origin: \(origin)"]))
            for answer in try client.answers() {
                #expect([400, 403].contains(answer.status))
                #expect(answer.fields["x-evil"] == nil)
                #expect(answer.fields["access-control-allow-origin"] == nil)
            }
            try client.disconnect()
        }
        listener.expectNothingLeft()
    }

    @Test func aThousandRefusedRequestsLeaveNothingAndHandOutNoSession() throws {
        let listener = EmbeddedListener()
        for _ in 0..<200 {
            for request in [
                WireRequest.bare("GET"), WireRequest.bare("OPTIONS"), WireRequest.post("{"),
                WireRequest.post("{}", host: "evil.example"),
                WireRequest.post(WireRequest.ping(), fields: ["Accept: text/html"]),
            ] {
                let answer = try listener.answer(to: request)
                #expect(answer.status >= 400)
                #expect(answer.fields["mcp-session-id"] == nil)
            }
        }
        listener.expectNothingLeft()
    }

    private static func chunked(_ body: String) -> String {
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
    }
}
