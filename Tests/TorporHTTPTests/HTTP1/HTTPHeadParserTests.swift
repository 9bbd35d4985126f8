import Testing

@testable import TorporHTTP

struct HTTPHeadParserTests {
    private func request(_ text: String) throws -> HTTPRequest {
        let outcome = Outcome(of: text)
        #expect(outcome.refusal == nil)
        return try #require(outcome.requests.first)
    }

    /// The request of `fields`, which end with a line end, and the value that `path` leads to.
    private func value(_ path: KeyPath<HTTPRequestHead, Range<Int>?>, of fields: String) throws -> String? {
        let request = try self.request("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
        return request.text(request.head[keyPath: path])
    }

    @Test func everyKnownFieldIsFound() throws {
        let request = try self.request(
            """
            POST /mcp?trace=1 HTTP/1.1\r
            Host: localhost:8080\r
            Origin: http://localhost\r
            Authorization: Bearer abc\r
            Content-Type: application/json\r
            Accept: application/json\r
            MCP-Protocol-Version: 2026-07-28\r
            Mcp-Method: tools/call\r
            Mcp-Name: echo\r
            Mcp-Session-Id: s1\r
            Last-Event-ID: 7\r
            X-Forwarded-For: 10.0.0.1\r
            Mcp-Param-Region: eu\r
            User-Agent: test\r
            Content-Length: 2\r
            \r
            {}
            """
        )
        let head = request.head
        #expect(head.method == .post)
        #expect(request.text(head.target) == "/mcp?trace=1")
        #expect(request.text(head.path) == "/mcp")
        #expect(head.minorVersion == 1)
        #expect(head.isKeepAlive)
        #expect(!head.expectsContinue)
        #expect(head.framing == .length(2))
        #expect(request.text(head.host) == "localhost:8080")
        #expect(request.text(head.origin) == "http://localhost")
        #expect(request.text(head.authorization) == "Bearer abc")
        #expect(request.text(head.contentType) == "application/json")
        #expect(request.text(head.accept) == "application/json")
        #expect(head.acceptRepeats.isEmpty)
        #expect(request.text(head.protocolVersion) == "2026-07-28")
        #expect(request.text(head.mcpMethod) == "tools/call")
        #expect(request.text(head.mcpName) == "echo")
        #expect(request.text(head.sessionID) == "s1")
        #expect(request.text(head.lastEventID) == "7")
        #expect(request.text(head.forwardedFor) == "10.0.0.1")
        #expect(!head.isForwardedForRepeated)
        #expect(head.parameters.map { request.text($0.name) } == ["Region"])
        #expect(head.parameters.map { request.text($0.value) } == ["eu"])
        #expect(request.bodyText == "{}")
    }

    @Test func absentFieldsAreNil() throws {
        let head = try self.request("GET / HTTP/1.0\r\n\r\n").head
        let fields = [
            head.host, head.origin, head.authorization, head.contentType, head.accept, head.protocolVersion,
            head.mcpMethod, head.mcpName, head.sessionID, head.lastEventID, head.forwardedFor,
        ]
        #expect(fields.allSatisfy { $0 == nil })
        #expect(head.parameters.isEmpty)
        #expect(head.framing == .none)
    }

    @Test(arguments: ["mcp-method", "MCP-METHOD", "Mcp-Method", "mCP-mETHOD"])
    func fieldNamesAreMatchedInAnyCase(name: String) throws {
        #expect(try self.value(\.mcpMethod, of: "\(name): ping\r\n") == "ping")
    }

    @Test(arguments: ["Mcp-Methoe", "Mcp_Method", "Mcp-Metho", "Mcp-Methodx", "Xcp-Method", "Mcp\u{2E}Method"])
    func aNameThatOnlyLooksLikeAKnownOneIsNotIt(name: String) throws {
        #expect(try self.value(\.mcpMethod, of: "\(name): ping\r\n") == nil)
    }

    @Test(arguments: ["echo", "  echo", "echo  ", "\techo\t", " \t echo \t "])
    func blanksAroundAValueAreRemoved(value: String) throws {
        #expect(try self.value(\.mcpName, of: "Mcp-Name:\(value)\r\n") == "echo")
    }

    @Test func blanksWithinAValueStay() throws {
        #expect(try self.value(\.mcpName, of: "Mcp-Name: a \t b\r\n") == "a \t b")
    }

    @Test(arguments: ["", " ", "\t  \t"])
    func anEmptyValueIsNotAnAbsentOne(value: String) throws {
        #expect(try self.value(\.mcpName, of: "Mcp-Name:\(value)\r\n") == "")
    }

    @Test func bytesAboveASCIIStayInValues() throws {
        #expect(try self.value(\.mcpName, of: "Mcp-Name: zürich\r\n") == "zürich")
    }

    @Test func repeatedAcceptFieldsAreAllKept() throws {
        let request = try self.request("GET / HTTP/1.1\r\nHost: a\r\nAccept: x/1\r\naccept: x/2\r\nACCEPT: x/3\r\n\r\n")
        #expect(request.text(request.head.accept) == "x/1")
        #expect(request.head.acceptRepeats.map { request.text($0) } == ["x/2", "x/3"])
    }

    @Test(arguments: 2...4)
    func aRepeatedForwardedForIsNotTrusted(count: Int) throws {
        let fields = String(repeating: "X-Forwarded-For: 10.0.0.1\r\n", count: count)
        let head = try self.request("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").head
        #expect(head.forwardedFor == nil)
        #expect(head.isForwardedForRepeated)
    }

    @Test func parametersKeepTheirOrderAndRepeats() throws {
        let request = try self.request(
            """
            GET / HTTP/1.1\r\nHost: a\r\n\
            Mcp-Param-B: 1\r\nMCP-PARAM-a-long-name: 2\r\nmcp-param-B:\r\nMcp-Param-: 4\r\n\r\n
            """
        )
        #expect(request.head.parameters.map { request.text($0.name) } == ["B", "a-long-name", "B"])
        #expect(request.head.parameters.map { request.text($0.value) } == ["1", "2", ""])
    }

    @Test(arguments: [
        ("GET", HTTPRequestHead.Method.get), ("POST", .post), ("DELETE", .delete), ("OPTIONS", .options),
        ("HEAD", .head), ("PUT", .put), ("PATCH", .patch), ("TRACE", .other), ("get", .other), ("GEt", .other),
        ("POSTS", .other), ("A", .other), ("!#$%&'*+-.^_`|~0", .other),
    ])
    func methodsAreToldApart(text: String, method: HTTPRequestHead.Method) throws {
        let request = try self.request("\(text) / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(request.head.method == method)
        #expect(request.methodText == text)
    }

    @Test(arguments: [
        ("GET", "/", "/", "a"), ("GET", "//x", "//x", "a"), ("GET", "/a?b?c", "/a", "a"), ("GET", "/?", "/", "a"),
        ("GET", "/a%20b/;p=1,2", "/a%20b/;p=1,2", "a"), ("OPTIONS", "*", "*", "a"), ("OPTIONS", "/x", "/x", "a"),
        ("GET", "http://a:80/mcp?x", "/mcp", "a:80"), ("GET", "https://[::1]:8443/", "/", "[::1]:8443"),
    ])
    func theFormsOfATargetAreUnderstood(method: String, target: String, path: String, host: String) throws {
        let request = try self.request("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        #expect(request.text(request.head.target) == target)
        #expect(request.text(request.head.path) == path)
        #expect(request.text(request.head.host) == host)
    }

    @Test func theAuthorityOfATargetStandsInForHostInHTTP10() throws {
        let request = try self.request("GET http://a:1/x HTTP/1.0\r\n\r\n")
        #expect(request.text(request.head.host) == "a:1")
    }

    @Test(arguments: [
        (1, "", true), (0, "", false),
        (1, "Connection: close\r\n", false), (0, "Connection: close\r\n", false),
        (1, "Connection: keep-alive\r\n", true), (0, "Connection: keep-alive\r\n", true),
        (0, "connection: Keep-ALIVE\r\n", true), (1, "CONNECTION: CLOSE\r\n", false),
        (1, "Connection: x,  close ,y\r\n", false), (0, "Connection: ,, keep-alive\r\n", true),
        (0, "Connection: keep-alive, close\r\n", false), (0, "Connection: close\r\nConnection: keep-alive\r\n", false),
        (1, "Connection: closed\r\n", true), (0, "Connection: keep-alived\r\n", false), (1, "Connection:\r\n", true),
        (1, "Connection: upgrade\r\nUpgrade: h2c\r\n", true),
        (1, "Proxy-Connection: close\r\n", false), (0, "Proxy-Connection: keep-alive\r\n", false),
    ])
    func connectionOptionsDecideWhetherTheConnectionStays(minor: Int, fields: String, isKeepAlive: Bool) throws {
        let request = try self.request("GET / HTTP/1.\(minor)\r\nHost: a\r\n\(fields)\r\n")
        #expect(request.head.minorVersion == minor)
        #expect(request.head.isKeepAlive == isKeepAlive)
    }

    @Test(arguments: ["2", "02", "0000000000000000000000000000002", " 2 "])
    func aContentLengthMayHaveLeadingZeros(value: String) throws {
        #expect(try self.request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\(value)\r\n\r\nab").bodyText == "ab")
    }

    @Test func anExpectationIsIgnoredInHTTP10() throws {
        let head = try self.request("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx").head
        #expect(!head.expectsContinue)
    }

    @Test func rangesAreThoseOfTheBytesGiven() throws {
        let bytes = Array("noise GET /x HTTP/1.1\r\nHost: a\r\n\r\nmore".utf8)
        let head = try HTTPHeadParser.parse(bytes.span, in: 6..<bytes.count - 4, limits: HTTPLimits())
        #expect(String(decoding: bytes[head.path], as: UTF8.self) == "/x")
        #expect(head.host.map { String(decoding: bytes[$0], as: UTF8.self) } == "a")
    }

    /// A caller that gives the parser less, or more, than one head gets a refusal and reads nothing out of bounds.
    @Test func aRangeThatIsNotOneHeadIsRefused() {
        let bytes = Array("GET /x HTTP/1.1\r\nHost: a\r\nMcp-Name: b\r\n\r\nmore".utf8)
        let headBytes = bytes.count - 4
        for end in 0...bytes.count where end != headBytes {
            let head = try? HTTPHeadParser.parse(bytes.span, in: 0..<end, limits: HTTPLimits())
            #expect(head == nil)
        }
    }

    @Test func theByteSetsAreThoseOfTheGrammar() {
        let alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        let sets: [(ASCIISet, String)] = [
            (.token, alphanumeric + "!#$%&'*+-.^_`|~"),
            (.target, alphanumeric + "-._~%!$&'()*+,;=:@/?"),
            (.authority, alphanumeric + "-._:[]"),
        ]
        for (set, members) in sets {
            for byte in UInt8.min...UInt8.max { #expect(set.contains(byte) == members.utf8.contains(byte)) }
        }
    }

    /// Searches eight bytes at a time find the same as one at a time, for each byte at each place.
    @Test func theSearchesByWordAgreeWithThoseByByte() {
        var disagreements = 0
        for length in 0...20 {
            for place in 0..<Swift.max(length, 1) {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: 0x61, count: length)
                    if place < length { bytes[place] = byte }
                    // A neighbour that a borrow could make look like a hit.
                    if place + 1 < length { bytes[place + 1] = byte &+ 1 }
                    let span = bytes.span
                    let lineFeed = bytes.firstIndex(of: 0x0A)
                    let textEnd = bytes.firstIndex { !ASCII.isFieldText($0) } ?? length
                    if span.firstIndex(of: ASCII.lineFeed, from: 0, to: length) != lineFeed { disagreements += 1 }
                    if span.endOfFieldText(from: 0, to: length) != textEnd { disagreements += 1 }
                }
            }
        }
        #expect(disagreements == 0)
    }

    /// Names are compared eight bytes at a time, and each byte counts.
    @Test func aNameIsHeldByItselfAloneWhateverItsCase() {
        let names: [StaticString] = [
            "", "a", "accept", "mcp-name", "mcp-method", "application/*", "content-length", "application/json",
            "text/event-stream", "mcp-protocol-version",
        ]
        for name in names {
            let bytes = Array(name.description.utf8)
            let whole = 1..<(bytes.count + 1)
            func holds(_ contents: [UInt8], _ range: Range<Int>? = nil, ignoringCase: Bool) -> Bool {
                let text = [0x20] + contents + [0x20]
                let range = range ?? whole
                return ignoringCase ? text.span.equals(ignoringCase: name, range) : text.span.equals(name, range)
            }
            #expect(holds(bytes, ignoringCase: false) && holds(bytes, ignoringCase: true))
            let shouted = Array(name.description.uppercased().utf8)
            #expect(holds(shouted, ignoringCase: true))
            #expect(holds(shouted, ignoringCase: false) == bytes.isEmpty)
            for isIgnored in [false, true] {
                #expect(!holds(bytes, 0..<bytes.count, ignoringCase: isIgnored) || bytes.isEmpty)
                #expect(!holds(bytes, 1..<(bytes.count + 2), ignoringCase: isIgnored))
                for place in bytes.indices {
                    var other = bytes
                    other[place] = UInt8(ascii: "!")
                    #expect(!holds(other, ignoringCase: isIgnored))
                }
            }
        }
    }
}
