import InMemoryTracing
import Logging
import Testing
import Torpor
import TorporCore
import TorporJSON
import Tracing

/// What a handler does belongs to the trace that its request names (2026-07-28, `_meta`).
@Suite struct TracingTests {
    @Test(arguments: ["quick", "slow"])
    func aHandlerRunsInASpanOfTheCallersTrace(tool: String) async throws {
        let tracer = InMemoryTracer()
        let server = MCPServer(name: "traced", version: "1") {
            Tool.inline("quick", "Answers on the event loop.") { _ in ServiceContext.current == nil ? "no" : "yes" }
            Tool("slow", "Answers off the event loop.") { _ in ServiceContext.current == nil ? "no" : "yes" }
        }
        let dispatcher = Dispatcher(
            server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(60), store: 0),
            environment: DispatcherEnvironment(
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, tracer: tracer))
        let body = #"""
            {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(tool)","_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},
            "\#(InMemoryTracer.traceIDKey)":"t-1","\#(InMemoryTracer.spanIDKey)":"s-1"}}}
            """#
        let reply: Reply
        switch dispatcher.dispatch(IncomingMessage(bytes: Array(body.utf8))) {
        case .reply(let made): reply = made
        case .call(let call):
            guard case .reply(let made) = await call.run() else {
                Issue.record("the call has no answer")
                return
            }
            reply = made
        case .stream:
            Issue.record("a call is no stream")
            return
        }
        #expect(try JSONValue(parsing: reply.body)["result"]?["content"]?[0]?["text"] == "yes")
        let span = try #require(tracer.finishedSpans.first)
        #expect(tracer.finishedSpans.count == 1 && span.operationName == "tools/call" && span.kind == .server)
        #expect(span.traceID == "t-1" && span.parentSpanID == "s-1")
        #expect(span.attributes.get("gen_ai.tool.name") == .string(tool))
        #expect(span.attributes.get("mcp.protocol.version") == .string("2026-07-28"))
    }

    @Test func aTraceParentIsReadAsItsFormatSays() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736"
        let parent = TraceParent("00-\(id)-00f067aa0ba902b7-01")
        #expect(parent?.traceID == id && parent?.parentID == "00f067aa0ba902b7" && parent?.isSampled == true)
        #expect(TraceParent("cc-\(id)-00f067aa0ba902b7-00-more")?.isSampled == false)
        for wrong in [
            "", "00", "00-\(id)-00f067aa0ba902b7", "ff-\(id)-00f067aa0ba902b7-01", "00-\(id)-00f067aa0ba902b7-01-more",
            "00-\(id.uppercased())-00f067aa0ba902b7-01", "00-\(String(repeating: "0", count: 32))-00f067aa0ba902b7-01",
            "00-\(id)-0000000000000000-01", "00-\(id)-00f067aa0ba902b7-0g",
        ] { #expect(TraceParent(wrong) == nil, "\(wrong)") }
    }
}
