import NIOCore
import NIOEmbedded
import Testing
import Torpor

@testable import TorporHTTP

/// Streams of events whose clients read slowly.
@Suite struct SlowStreamTests {
    @Test func aClientThatReadsSlowlyButReadsKeepsItsStream() throws {
        let server = MCPServer(name: "changing", version: "1", announces: [.tools, .prompts]) {
            Tool.inline("nothing", "Does nothing.") { _ in "nothing" }
            Prompt("nothing", "Says nothing.") { _, _ in PromptResult([.user("nothing")]) }
        }
        let listener = EmbeddedListener(.sample(server))
        let opened = try listener.answer(
            to: WireRequest.post(
                #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
            ))
        let session = try #require(opened.fields["mcp-session-id"])
        let client = try listener.connect()
        try client.channel.pipeline.syncOperations.addHandler(NarrowSocket(), position: .first)
        try client.send(
            WireRequest.bare("GET", fields: ["Accept: text/event-stream", "Mcp-Session-Id: \(session)"]))
        server.announce(.tools)
        server.announce(.prompts)
        listener.eventLoop.run()
        var sent = 0
        for second in 0..<60 {
            listener.advance(seconds: 1)
            #expect(client.isOpen, "after \(second) seconds")
            client.readOn()
            let received = String(decoding: try client.received(), as: UTF8.self)
            if received.contains("list_changed") { sent += 1 }
            // There is always more.
            server.announce(.tools)
            server.announce(.prompts)
            listener.eventLoop.run()
        }
        #expect(sent > 50)
        // Then it stops.
        listener.advance(seconds: 40)
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }
}

/// Has no room any more after each write.
private final class NarrowSocket: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        (context.channel as? EmbeddedChannel)?.isWritable = false
        context.write(data, promise: promise)
    }
}
