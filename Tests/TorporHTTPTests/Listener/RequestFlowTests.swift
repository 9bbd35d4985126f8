import NIOCore
import NIOEmbedded
import Testing
import Torpor

@testable import TorporHTTP

/// Requests and answers of one connection, as far as they are handled on the event loop.
@Suite struct RequestFlowTests {
    @Test func manyPipelinedRequestsAreAnsweredInOrder() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send((1...500).map { WireRequest.post(WireRequest.ping(id: $0)) }.joined())
        let answers = try client.answers()
        #expect(answers.map(\.body) == (1...500).map { #"{"jsonrpc":"2.0","id":\#($0),"result":{}}"# })
        #expect(
            answers.allSatisfy { $0.status == 200 && !$0.closes && $0.fields["content-type"] == "application/json" })
        #expect(client.isOpen)
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aConnectionIsKeptForFurtherRequestsAndRefusals() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        for (body, status) in [
            (WireRequest.ping(), 200), ("no JSON", 400), (WireRequest.legacyCall("nowhere"), 200), ("[]", 400),
        ] {
            try client.send(WireRequest.post(body))
            #expect(try client.answers().map(\.status) == [status])
        }
        try client.send(WireRequest.post(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#))
        let accepted = try client.answers()
        #expect(accepted.map(\.status) == [202])
        #expect(accepted.map(\.body) == [""])
        #expect(client.isOpen)
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func requestsMayArriveSplitAtAnyByte() throws {
        let listener = EmbeddedListener()
        let chunked = """
            POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
            14;x=y\r\n{"jsonrpc":"2.0","id\r\n1a\r\n":2,"method":"tools/list"}\r\n0\r\nTrailer: t\r\n\r\n
            """
        let requests = Array((WireRequest.post(WireRequest.ping()) + chunked + WireRequest.bare("GET")).utf8)
        let whole = try listener.connect()
        try whole.send(requests)
        let expected = try whole.answers()
        try #require(expected.map(\.status) == [200, 200, 405])
        try whole.disconnect()
        for cut in requests.indices {
            let client = try listener.connect()
            try client.send(Array(requests[..<cut]))
            try client.send(Array(requests[cut...]))
            #expect(try client.answers() == expected, "cut at \(cut)")
            try client.disconnect()
        }
        let client = try listener.connect()
        for byte in requests { try client.send([byte]) }
        #expect(try client.answers() == expected, "byte by byte")
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func closeIsHeededAndWhatFollowsItIsNot() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send(
            WireRequest.post(WireRequest.ping(), fields: ["Connection: close"])
                + WireRequest.post(WireRequest.ping(id: 2)))
        let answers = try client.answers()
        #expect(answers.map(\.body) == [#"{"jsonrpc":"2.0","id":1,"result":{}}"#])
        #expect(answers.allSatisfy { $0.closes })
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test(arguments: [[], ["Connection: keep-alive"]])
    func aClientOfHTTP10GetsOneAnswerAndAClosedConnection(fields: [String]) throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send(WireRequest.post(WireRequest.ping(), fields: fields, version: "1.0"))
        let answers = try client.answers()
        #expect(answers.map(\.status) == [200])
        #expect(answers.allSatisfy { $0.closes })
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func aClientThatAsksFirstIsInvitedToSendItsBody() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        let request = WireRequest.post(WireRequest.ping(), fields: ["Expect: 100-continue"])
        let body = WireRequest.ping()
        try client.send(String(request.dropLast(body.count)))
        #expect(try client.answers().map(\.status) == [100])
        try client.send(body)
        #expect(try client.answers().map(\.status) == [200])
        // One that sends the body anyway needs no invitation.
        try client.send(request)
        #expect(try client.answers().map(\.status) == [200])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aClientThatAnnouncesTooMuchIsNotInvited() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: \((4 << 20) + 1)\r\n\r\n")
        #expect(try client.answers().map(\.status) == [413])
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test(arguments: ["/mcp", "/missing"])
    func anAnswerToHEADHasNoBody(path: String) throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send(WireRequest.bare("HEAD", path: path) + WireRequest.post(WireRequest.ping()))
        var bytes = try client.received()
        let head = try WireAnswer.take(from: &bytes, isBodyless: true)
        #expect(head?.status == (path == "/mcp" ? 405 : 404))
        // A body after all would be read as the head of the next answer.
        #expect(try WireAnswer.all(in: bytes).map(\.status) == [200])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func everyAnswerIsDated() throws {
        let answer = try EmbeddedListener().answer(to: WireRequest.post(WireRequest.ping()))
        #expect(answer.fields["date"]?.hasSuffix(" GMT") == true)
    }

    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 GMT"),
    ])
    func datesHaveTheFormOfRFC9110(seconds: Int, text: String) {
        #expect(String(decoding: HTTPDate.field(secondsSince1970: seconds), as: UTF8.self) == "Date: \(text)\r\n")
    }

    @Test func halfAClosedConnectionIsClosedWhenAllItAskedIsAnswered() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send(WireRequest.post(WireRequest.ping()) + "POST /mcp HT")
        #expect(try client.answers().count == 1)
        client.finishSending()
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func whatAHalfClosedClientLeftUnreadIsStillAnsweredInFull() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        client.stopReading()
        try client.send((1...3).map { WireRequest.post(WireRequest.ping(id: $0)) }.joined())
        // The first answer waits for the client to read, the others for the first.
        #expect(try client.answers().count == 1)
        client.finishSending()
        #expect(client.isOpen)
        client.readOn()
        #expect(try client.answers().count == 2)
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func aClientThatDoesNotReadIsNotReadFrom() throws {
        let reads = ReadCounter()
        let listener = EmbeddedListener()
        let channel = EmbeddedChannel(
            handlers: [reads, MCPConnection(listener: listener.state, loop: listener.loop)], loop: listener.eventLoop)
        channel.connect(to: try SocketAddress(ipAddress: "192.0.2.1", port: 1), promise: nil)
        let client = EmbeddedClient(channel: channel)
        client.stopReading()
        let request = WireRequest.post(WireRequest.ping())
        let many = String(repeating: request, count: (64 << 10) / request.utf8.count + 1)
        try client.send(request + many)
        let before = reads.count
        channel.read()
        #expect(reads.count == before, "more than 64 KiB wait")
        client.readOn()
        #expect(reads.count == before + 1, "the read that was held back is made up for")
        #expect(try client.answers().count == (64 << 10) / request.utf8.count + 2)
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func whatIsHeldStaysBoundedEvenWhenItComesUnasked() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        client.stopReading()
        let request = WireRequest.post(WireRequest.ping())
        let read = String(repeating: request, count: (60 << 10) / request.utf8.count)
        // A client that closes its half makes everything arrive that the kernel holds for it.
        for _ in 0..<50 { try client.send(read) }
        client.finishSending()
        client.readOn()
        let answers = try client.answers()
        #expect(answers.count * request.utf8.count <= 192 << 10)
        #expect(answers.allSatisfy { $0.status == 200 })
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }
}

/// Counts what goes down to the socket.
private final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    var count = 0

    func read(context: ChannelHandlerContext) {
        self.count += 1
        context.read()
    }
}
