import Testing
import TorporHTTP

struct HTTPRequestStateMachineTests {
    /// Valid streams: each kind of framing, pipelined, and with every tolerated oddity.
    static let validStreams = [
        "GET /mcp HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n{\"id\":\"\r\n\r\n\"}",
        "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        """
        POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a;b=c;d="e\\"; f"\r\nabc\r\n0;last\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n
        """,
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
        """
        POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        DELETE /2 HTTP/1.1\r\nHost: a\r\nMcp-Session-Id: s\r\n\r\n\
        POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\r\n\r\n\
        GET /4 HTTP/1.0\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n
        """,
    ]

    @Test(arguments: validStreams)
    func aStreamCutAnywhereGivesTheSameRequests(stream: String) {
        let bytes = Array(stream.utf8)
        let expected = Outcome(of: [bytes])
        #expect(!expected.requests.isEmpty && expected.refusal == nil)
        for cut in 0...bytes.count {
            #expect(Outcome(of: [bytes[..<cut], bytes[cut...]]) == expected)
        }
        #expect(Outcome(of: bytes.map { [$0] }) == expected)
    }

    @Test(arguments: validStreams.filter { !$0.contains("HTTP/1.0") })
    func aStreamCutShortIsNeverRefused(stream: String) {
        let bytes = Array(stream.utf8)
        for end in 0..<bytes.count {
            #expect(Outcome(of: [bytes[..<end]]).refusal == nil)
        }
    }

    @Test func bodiesAreContiguousAndEndWhereTheyShould() {
        let outcome = Outcome(of: Self.validStreams[8])
        #expect(outcome.requests.map { $0.text($0.head.path) } == ["/1", "/2", "/3", "/4"])
        #expect(outcome.requests.map(\.bodyText) == ["abc", "", "x", ""])
        #expect(outcome.requests.allSatisfy { $0.body.upperBound == $0.bytes.count })
        #expect(outcome.phase == .finished)
    }

    @Test func chunkExtensionsAndTrailersAreTakenOff() {
        #expect(Outcome(of: Self.validStreams[5]).requests.map(\.bodyText) == ["abc"])
    }

    @Test func onlyOneRequestIsTakenAtATime() {
        let first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
        let bytes = Array("\(first)GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var position = 0
        guard case .request(let request) = machine.next(bytes.span, position: &position) else {
            Issue.record("the first request is complete")
            return
        }
        #expect(request.bytes == Array(first.utf8))
        #expect(position == first.utf8.count)
        #expect(machine.phase == .idle)
        #expect(machine.bufferedBytes == 0)
    }

    @Test func nothingIsReadAfterARequestThatCloses() {
        let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        let outcome = Outcome(of: request + request + "\0\0")
        #expect(outcome.requests.count == 1)
        #expect(outcome.refusal == nil)
        #expect(outcome.phase == .finished)
    }

    @Test func thePhaseTellsWhichDeadlineApplies() {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        func feed(_ text: String) -> HTTPRequestStateMachine.Phase {
            var position = 0
            _ = machine.next(Array(text.utf8).span, position: &position)
            return machine.phase
        }
        #expect(machine.phase == .idle)
        #expect(feed("\r") == .idle)
        #expect(feed("\n") == .idle)
        #expect(feed("P") == .head)
        #expect(feed("OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r") == .head)
        #expect(machine.declaredBodyBytes == nil)
        #expect(feed("\n") == .body)
        #expect(machine.declaredBodyBytes == 3)
        #expect(feed("ab") == .body)
        #expect(feed("c") == .idle)
        #expect(machine.declaredBodyBytes == nil)
        #expect(feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") == .body)
        #expect(machine.declaredBodyBytes == nil)
        #expect(feed("0\r\n\r\n") == .idle)
        #expect(feed("\u{1}\r\n\r\n") == .finished)
    }

    @Test(arguments: ["Content-Length: 3", "Transfer-Encoding: chunked"])
    func aClientThatWaitsIsToldToContinueOnce(framing: String) {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\(framing)\r\n\r\n".utf8)
        var position = 0
        #expect(machine.next(head.span, position: &position) == .sendContinue)
        #expect(position == head.count)
        #expect(machine.phase == .body)
        #expect(machine.next(head.span, position: &position) == .needsMoreBytes)
    }

    @Test func aHeadThatArrivesInPiecesIsAlsoToldToContinue() {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n".utf8)
        var position = 0
        #expect(machine.next(head.span.extracting(0..<20), position: &position) == .needsMoreBytes)
        position = 20
        #expect(machine.next(head.span, position: &position) == .sendContinue)
    }

    @Test(arguments: [
        "Expect: 100-continue\r\nContent-Length: 3\r\n\r\na",
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3",
        "Content-Length: 3\r\n\r\n",
    ])
    func aClientThatDoesNotWaitIsNotToldToContinue(rest: String) {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var position = 0
        let bytes = Array("POST / HTTP/1.1\r\nHost: a\r\n\(rest)".utf8)
        #expect(machine.next(bytes.span, position: &position) == .needsMoreBytes)
    }

    @Test(arguments: ["Expect: 100-continue\r\n\r\n", "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"])
    func anExpectationWithoutABodyIsARequest(rest: String) {
        let outcome = Outcome(of: "POST / HTTP/1.1\r\nHost: a\r\n\(rest)")
        #expect(outcome.requests.map(\.head.expectsContinue) == [true])
    }

    /// The largest block that an allocator gives who asks for `count` bytes: jemalloc's sizes lie a quarter apart.
    private static func withRounding(_ count: Int) -> Int { count / 4 * 5 }

    @Test func memoryFollowsWhatArrivesAndNotWhatIsDeclared() {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var arrived = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n".utf8)
        var position = 0
        _ = machine.next(arrived.span, position: &position)
        #expect(machine.bufferedBytes < Self.withRounding(20_000))
        let piece = [UInt8](repeating: 0x78, count: 1_000)
        for _ in 0..<1_000 {
            position = 0
            #expect(machine.next(piece.span, position: &position) == .needsMoreBytes)
            arrived += piece
            #expect(machine.bufferedBytes >= arrived.count)
            #expect(machine.bufferedBytes <= Self.withRounding(2 * arrived.count + 16 * 1024 + 64))
        }
    }

    @Test func memoryNeverExceedsWhatTheRequestCanBecome() {
        let limits = HTTPLimits(bodyBytesMax: 100_000)
        let heads = ["Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186A0\r\n"]
        for head in heads {
            var machine = HTTPRequestStateMachine(limits: limits)
            var position = 0
            _ = machine.next(Array("POST / HTTP/1.1\r\nHost: a\r\n\(head)".utf8).span, position: &position)
            let piece = [UInt8](repeating: 0x78, count: 99)
            for _ in 0..<1_010 {
                position = 0
                _ = machine.next(piece.span, position: &position)
                #expect(machine.bufferedBytes <= Self.withRounding(101_000))
            }
        }
    }

    @Test func aFinishedMachineHoldsNothing() {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var position = 0
        _ = machine.next(Array("GET / HTTP/1.1\r\nHost: a".utf8).span, position: &position)
        #expect(machine.bufferedBytes > 0)
        position = 0
        _ = machine.next(Array("\n".utf8).span, position: &position)
        #expect(machine.phase == .finished)
        #expect(machine.bufferedBytes == 0)
    }

    @Test func aPartialTrailerSectionIsAccountedFor() {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
        var position = 0
        _ = machine.next(Array(text.utf8).span, position: &position)
        let before = machine.bufferedBytes
        position = 0
        _ = machine.next([UInt8](repeating: 0x78, count: 10_000).span, position: &position)
        #expect(machine.bufferedBytes >= before + 9_000)
    }
}
