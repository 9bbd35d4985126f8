import NIOEmbedded
import Testing
import Torpor

@testable import TorporHTTP

/// The transport of 2024-11-05.
@Suite struct OpenChannelTests {
    @Test func subscriptionsOfItsClientsCountByTheirAddress() throws {
        let server = MCPServer(name: "changing", version: "1", announces: .tools) {
            Tool.inline("nothing", "Does nothing.") { _ in "nothing" }
        }
        let listener = EmbeddedListener(.sample(server))
        func listen(_ count: Int, from address: String) throws -> String {
            let stream = try listener.connect(from: address)
            try stream.send(WireRequest.bare("GET", path: "/sse", fields: ["Accept: text/event-stream"]))
            let head = String(decoding: try stream.received(), as: UTF8.self)
            let path = try #require(head.split(separator: "data: ").last?.prefix { $0 != "\n" })
            let poster = try listener.connect(from: address)
            var received = ""
            for id in 0..<count {
                let body =
                    #"{"jsonrpc":"2.0","id":\#(id),"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
                try poster.send(WireRequest.post(body, path: String(path)))
                #expect(try poster.answers().map(\.status) == [202])
                listener.eventLoop.run()
                received = String(decoding: try stream.received(), as: UTF8.self)
            }
            return received
        }
        let limit = StreamLimits().listensMax
        #expect(try listen(limit, from: "192.0.2.1").contains("acknowledged"))
        #expect(try listen(1, from: "192.0.2.2").contains("acknowledged"))
        #expect(try listen(1, from: "192.0.2.1").contains("-32603"))
    }
}
