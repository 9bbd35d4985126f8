import NIOCore
import NIOEmbedded
import Synchronization
import Testing
import Torpor
import TorporProtocol

@testable import TorporHTTP

/// Answers that are streams of events: how they begin, go on and end, on a clock of the test's.
@Suite(.timeLimit(.minutes(1))) struct StreamTests {
    private static let accept = "Accept: application/json, text/event-stream"

    private static func server(_ held: HeldCalls) -> MCPServer {
        MCPServer(name: "streams", version: "1", announces: .tools) {
            Tool("says", "Says something, waits, and says more.") { call in
                try await call.log(.info, "first")
                try await held.wait()
                try await call.log(.info, "second")
                return "released"
            }
            Tool("silent", "Waits without a word.") { call in
                try await held.wait()
                return "released"
            }
            Tool("floods", "Says more than anybody may hold.") { call in
                for number in 0..<100 {
                    try await call.log(.info, "\(number) " + String(repeating: "x", count: 4_000))
                }
                return "flooded"
            }
            Tool.inline("changes", "Tells of a change.") { call in
                call.announce(.tools)
                return "told"
            }
        }
    }

    private static func call(
        _ tool: String, id: Int = 1, accept: String = Self.accept, version: String = "1.1"
    ) -> String {
        let meta =
            #"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info"}"#
        return WireRequest.post(
            #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{"name":"\#(tool)","_meta":\#(meta)}}"#,
            fields: ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: \(tool)", accept],
            version: version)
    }

    private static func legacyCall(_ tool: String) -> String {
        WireRequest.post(WireRequest.legacyCall(tool), fields: [Self.accept])
    }

    private static let listen = WireRequest.post(
        #"{"jsonrpc":"2.0","id":"w","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
        fields: ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen", Self.accept])

    @Test func aStreamIsNotKeptBackByAnybody() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(Self.server(held)))
        let client = try await listener.connect()
        try await client.send(Self.call("says") + Self.call("silent", id: 2))
        let head = try await client.text()
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        for field in [
            "Content-Type: text/event-stream", "Cache-Control: no-cache", "X-Accel-Buffering: no",
            "Transfer-Encoding: chunked",
        ] { #expect(head.contains("\r\n\(field)\r\n"), "\(head)") }
        #expect(try await client.event().contains(#""data":"first""#))
        await held.nextBegins()
        held.release()
        #expect(try await client.event().contains(#""data":"second""#))
        #expect(try await client.event().contains(#""id":1,"result""#))
        #expect(try await client.text() == "0\r\n\r\n")
        // What was pipelined comes next, on the same connection.
        await held.nextBegins()
        held.release()
        #expect(try await client.answer().body.contains(#""id":2,"result""#))
        try await client.disconnect()
        try await listener.expectNothingLeft()
    }

    @Test func aClientOfHTTP10GetsAStreamThatEndsWithItsConnection() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(Self.server(held)))
        let client = try await listener.connect()
        try await client.send(Self.call("says", version: "1.0"))
        let head = try await client.text()
        #expect(head.contains("Connection: close\r\n") && !head.contains("Transfer-Encoding"))
        #expect(try await client.text().hasPrefix("data: {"))
        await held.nextBegins()
        held.release()
        #expect(try await client.text().contains("second"))
        #expect(try await client.text().contains(#""id":1,"result""#))
        try await client.finishSending()
        try await client.isClosed()
        try await listener.expectNothingLeft()
    }

    @Test func aCallThatIsSilentForLongIsAnsweredByAStream() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(Self.server(held)) { $0.heartbeatInterval = .seconds(5) })
        let client = try await listener.connect()
        let plain = try await listener.connect()
        try await client.send(Self.call("silent"))
        await held.nextBegins()
        try await plain.send(Self.call("silent", accept: "Accept: application/json"))
        await held.nextBegins()
        await listener.advance(seconds: 6)
        #expect(try await client.text().contains("Content-Type: text/event-stream"))
        await listener.advance(seconds: 6)
        // It is kept alive by comments.
        #expect(try await client.event() == ":\n\n")
        held.release()
        #expect(try await client.event().contains(#""result""#))
        #expect(try await plain.answer().fields["content-type"] == "application/json")
        for client in [client, plain] { try await client.disconnect() }
        try await listener.expectNothingLeft()
    }

    @Test func aListenerIsKeptAliveToldAndForgotten() async throws {
        let listener = try await TestingListener(.sample(Self.server(HeldCalls())))
        let client = try await listener.connect()
        let other = try await listener.connect()
        try await client.send(Self.listen)
        #expect(try await client.text().contains("text/event-stream"))
        #expect(try await client.event().contains("notifications/subscriptions/acknowledged"))
        #expect(listener.state.dispatcher.streamCount == 1)
        await listener.advance(seconds: 16)
        #expect(try await client.event() == ":\n\n")
        try await other.send(Self.call("changes"))
        _ = try await other.answer()
        #expect(try await client.event().contains("notifications/tools/list_changed"))
        try await client.disconnect()
        try await other.disconnect()
        #expect(listener.state.dispatcher.streamCount == 0 && listener.state.dispatcher.streamBytes == 0)
        try await listener.expectNothingLeft()
    }

    @Test func aStopEndsSubscriptionsWithTheirResult() async throws {
        let listener = try await TestingListener(.sample(Self.server(HeldCalls())))
        let client = try await listener.connect()
        try await client.send(Self.listen)
        _ = try await client.text()
        _ = try await client.event()
        let drained = listener.drain()
        let last = try await client.event()
        #expect(
            last.contains(
                #""id":"w","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"w"}}"#))
        #expect(try await client.text() == "0\r\n\r\n")
        try await client.finishSending()
        try await drained.get()
        try await listener.expectNothingLeft()
    }

    @Test func aModernCallThatHasSaidSomethingIsCancelledWithItsStream() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(Self.server(held)))
        for closesHalf in [true, false] {
            let client = try await listener.connect()
            try await client.send(Self.call("says"))
            _ = try await client.text()
            _ = try await client.event()
            await held.nextBegins()
            if closesHalf { try await client.finishSending() } else { try await client.disconnect() }
            #expect(await held.nextEnding() == .cancelled)
            try await client.isClosed()
        }
        try await listener.expectNothingLeft()
    }

    @Test func aLegacyCallThatHasSaidSomethingGoesOnWithoutItsClient() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(Self.server(held)))
        let client = try await listener.connect()
        try await client.send(Self.legacyCall("says"))
        _ = try await client.text()
        _ = try await client.event()
        await held.nextBegins()
        try await client.disconnect()
        #expect(listener.state.dispatcher.runningCallCount == 1)
        held.release()
        #expect(await held.nextEnding() == .released)
        try await listener.expectNothingLeft()
        #expect(listener.state.dispatcher.streamBytes == 0)
    }

    @Test func aClientThatDoesNotReadHoldsLittleAndIsLeft() async throws {
        let listener = try await TestingListener(.sample(Self.server(HeldCalls())))
        let client = try await listener.connect()
        try await client.stopReading()
        try await client.send(Self.call("floods"))
        // The handler waits for the client; nothing piles up beyond the queue of one stream.
        _ = try await client.text()
        #expect(listener.state.dispatcher.streamBytes <= 17 << 10)
        #expect(listener.state.dispatcher.runningCallCount == 1)
        await listener.advance(seconds: 60)
        try await client.isClosed()
        try await listener.expectNothingLeft()
        #expect(listener.state.dispatcher.streamBytes == 0)
    }

    @Test func aCallThatTakesTooLongIsToldSoOnItsStream() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(Self.server(held)) { $0.callTimeout = .seconds(10) })
        let client = try await listener.connect()
        try await client.send(Self.call("says"))
        _ = try await client.text()
        _ = try await client.event()
        await held.nextBegins()
        await listener.advance(seconds: 12)
        #expect(await held.nextEnding() == .cancelled)
        let last = try await client.event()
        #expect(last.contains(#""id":1,"error""#) && last.contains("longer than the limit of 10s"))
        #expect(try await client.text() == "0\r\n\r\n")
        try await client.disconnect()
        try await listener.expectNothingLeft()
    }
}

extension TestingClient {
    /// The next bytes that the server writes, as text.
    func text() async throws -> String {
        while true {
            let buffer = try await self.channel.waitForOutboundWrite(as: ByteBuffer.self)
            if buffer.readableBytes > 0 { return String(buffer: buffer) }
        }
    }

    /// The next event: one chunk.
    func event() async throws -> String {
        let text = try await self.text()
        let parts = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard parts.count == 3, let size = Int(parts[0], radix: 16), parts[1].utf8.count == size else {
            throw WireAnswer.Malformed(text: text)
        }
        return String(parts[1])
    }

    /// From now on what the server writes stays with it.
    func stopReading() async throws {
        let channel = self.channel
        try await channel.testingEventLoop.executeInContext {
            channel.isWritable = false
            channel.pipeline.fireChannelWritabilityChanged()
        }
    }
}
