import Glibc
import Logging
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporStdio

/// One client on two pipes.
@Suite struct StdioTests {
    @Test func bothErasTakeTurnsOnOnePipe() async throws {
        try await withStdioClient { client in
            // Before initialize the legacy era knows only ping.
            try await client.send(#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#)
            #expect(try await client.next() == ["jsonrpc": "2.0", "id": 0, "result": [:]])
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
            #expect(try await client.next()["error"]?["code"] == -32600)
            try await client.send(StdioClient.modern("server/discover", id: "d"))
            #expect(try await client.next()["result"]?["supportedVersions"] == ["2026-07-28"])
            try await client.send(StdioClient.initialize)
            let opened = try await client.next()
            #expect(opened["result"]?["protocolVersion"] == "2025-11-25")
            try await client.send(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            try await client.send(
                #"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"legacy"}}}"#
            )
            #expect(try await client.next()["result"]?["content"]?[0]?["text"] == "legacy")
            try await client.send(
                StdioClient.modern("tools/call", id: 2, params: #""name":"echo","arguments":{"text":"modern"},"#))
            let modern = try await client.next()
            #expect(modern["result"]?["resultType"] == "complete")
            try await client.send(StdioClient.initialize)
            #expect(try await client.next()["error"]?["code"] == -32600)
        }
    }

    @Test func whatIsNoMessageIsAnsweredAndTheNextLineIsRead() async throws {
        try await withStdioClient(lineMax: .kibibytes(1)) { client in
            try await client.send("not json")
            #expect(try await client.next()["error"]?["code"] == -32700)
            try await client.send("")
            try await client.send("  \r")
            try await client.send(String(repeating: "x", count: 5_000))
            let tooLong = try await client.next()
            #expect(tooLong["error"]?["code"] == -32600 && tooLong["id"] == nil)
            try await client.send(#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#)
            #expect(try await client.next()["error"]?["code"] == -32600)
            try await client.send(#"{"jsonrpc":"2.0","id":"\u0061","method":"ping"}"# + "\r")
            #expect(try await client.next()["id"] == "a")
        }
    }

    @Test func aCallThatTakesTooLongIsAnsweredAndCancelled() async throws {
        try await withStdioClient(callTimeout: .milliseconds(1)) { client in
            try await client.send(StdioClient.modern("tools/call", id: 1, params: #""name":"waits","arguments":{},"#))
            let answer = try await client.next()
            #expect(answer["id"] == 1 && answer["error"]?["code"] == -32603, "\(answer)")
            let limit: JSONValue = "The call took longer than the limit of 1ms and was cancelled."
            #expect(answer["error"]?["message"] == limit, "\(answer)")
            // That was all, and the server can end: nothing runs any more.
            client.closeInput()
            #expect(try await client.nextLine() == nil)
        }
    }

    /// A call that nobody would end, and a client that does not read.
    @Test(.timeLimit(.minutes(1))) func aCancelledServerEndsAfterItsFarewell() async throws {
        try await withStdioServer(farewell: .milliseconds(1)) { client, running in
            let call = #""name":"waits","arguments":{},"#
            let meta = #""io.modelcontextprotocol/logLevel":"info","#
            try await client.send(StdioClient.modern("tools/call", id: 1, params: call, meta: meta))
            #expect(try await client.next()["method"] == "notifications/message")
            running.cancel()
            // It ends although the client has not closed its end.
            _ = await running.result
        }
    }

    @Test func aCallThatWaitsForItsTurnForTooLongIsRefused() async throws {
        let limits = CallLimits(callsMax: 1, queueTimeout: .milliseconds(1))
        try await withStdioClient(limits: limits, farewell: .milliseconds(1)) { client in
            for id in [1, 2] as [JSONValue] {
                try await client.send(
                    StdioClient.modern("tools/call", id: id, params: #""name":"waits","arguments":{},"#))
            }
            let refused = try await client.next()
            #expect(refused["id"] == 2 && refused["error"]?["code"] == -32603, "\(refused)")
        }
    }

    @Test(.timeLimit(.minutes(1))) func aServerWithoutMemoryEndsInGoodOrderAndSaysWhy() async throws {
        let now = Atomic<Int64>(1_000_000_000)
        let memory = MemoryGovernor.Environment(
            meter: MemoryMeter(limit: ByteCount(1_000), source: "a test", used: { ByteCount(990) }), trim: { 0 },
            now: { Instant(nanoseconds: now.load(ordering: .relaxed)) },
            sleep: { duration in
                try Task.checkCancellation()
                now.add(Int64(duration.wholeMilliseconds) * 1_000_000, ordering: .relaxed)
                await Task.yield()
            })
        let error = await #expect(throws: StdioError.self) {
            try await withStdioClient(memory: memory) { client in
                // Closed by the server alone.
                let end = try await client.nextLine()
                #expect(end == nil)
            }
        }
        #expect(error?.description.contains("1,000") == true || error?.description.contains("memory") == true)
    }

    @Test func aSessionIsAskedAndAnswersOnTheSamePipe() async throws {
        try await withStdioClient { client in
            try await client.send(StdioClient.initialize)
            _ = try await client.next()
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"roots"}}"#)
            let question = try await client.next()
            #expect(question["method"] == "roots/list")
            let id = try #require(question["id"])
            try await client.send(
                JSONValue.object(["jsonrpc": "2.0", "id": id, "result": ["roots": [["uri": "file:///a"]]]]).text)
            let answer = try await client.next()
            #expect(answer["id"] == 1 && answer["result"]?["content"]?[0]?["text"] == "file:///a")
        }
    }

    @Test func aModernRequestIsNeverAskedByARequest() async throws {
        try await withStdioClient { client in
            try await client.send(
                StdioClient.modern("tools/call", id: 1, params: #""name":"roots","#, capabilities: #"{"roots":{}}"#))
            let result = try await client.next()["result"]
            #expect(result?["resultType"] == "input_required" && result?["inputRequests"]?["roots"] != nil)
        }
    }

    @Test func aCancelledRequestIsNotAnswered() async throws {
        try await withStdioClient { client in
            for id in ["1", "\"two\""] {
                try await client.send(
                    StdioClient.modern(
                        "tools/call", rawID: id, params: #""name":"waits","#,
                        meta: #""io.modelcontextprotocol/logLevel":"info","#))
                // It runs: it has said so.
                let said = try await client.next()
                #expect(said["method"] == "notifications/message")
                try await client.send(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(id)}}"#)
                // Unknown ones are ignored.
                try await client.send(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#)
                try await client.send(#"{"jsonrpc":"2.0","id":"after","method":"ping"}"#)
                let answer = try await client.next()
                #expect(answer["id"] == "after")
            }
        }
    }

    @Test func subscriptionsShareThePipeAndEndOneByOne() async throws {
        try await withStdioClient { client in
            for id in ["a", "b"] {
                try await client.send(
                    StdioClient.modern(
                        "subscriptions/listen", id: .string(id), params: #""notifications":{"toolsListChanged":true},"#)
                )
                let acknowledged = try await client.next()
                #expect(acknowledged["method"] == "notifications/subscriptions/acknowledged")
                #expect(acknowledged["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"] == .string(id))
            }
            try await client.send(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#)
            try await client.send(StdioClient.modern("tools/call", id: 1, params: #""name":"changes","#))
            var told: [JSONValue?] = []
            var answer: JSONValue?
            while told.isEmpty || answer == nil {
                let message = try await client.next()
                if message["id"] == 1 {
                    answer = message
                } else {
                    told.append(message["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"])
                }
            }
            #expect(told == ["b"])
            // The server says that it ends what is still open.
            client.closeInput()
            #expect(try await client.next()["id"] == "b")
            let cancelled = try await client.next()
            #expect(cancelled["method"] == "notifications/cancelled" && cancelled["params"]?["requestId"] == "b")
            let rest = try await client.nextLine()
            #expect(rest == nil)
        }
    }

    @Test func whatRunsAtTheEndOfTheInputMayEnd() async throws {
        try await withStdioClient { client in
            try await client.send(
                StdioClient.modern("tools/call", id: 1, params: #""name":"echo","arguments":{"text":"last"},"#))
            client.closeInput()
            #expect(try await client.next()["result"]?["content"]?[0]?["text"] == "last")
            let rest = try await client.nextLine()
            #expect(rest == nil)
        }
    }

    @Test func answersThatWaitAtTheEndOfTheInputAreStillRead() async throws {
        try await withStdioClient { client in
            let text = String(repeating: "x", count: 8_000)
            for id in 0..<50 {
                try await client.send(
                    StdioClient.modern(
                        "tools/call", id: .number(JSONNumber(id)),
                        params: #""name":"echo","arguments":{"text":"\#(text)"},"#))
            }
            client.closeInput()
            var ids: Set<JSONValue> = []
            while let line = try await client.nextLine() { ids.insert(try JSONValue(parsing: line)["id"] ?? .null) }
            #expect(ids.count == 50)
        }
    }

    @Test func aClientThatDoesNotReadDoesNotKeepTheServerFromEnding() async throws {
        try await withStdioClient(farewell: .milliseconds(50)) { client in
            let text = String(repeating: "x", count: 300_000)
            try await client.send(
                StdioClient.modern("tools/call", id: 1, params: #""name":"echo","arguments":{"text":"\#(text)"},"#))
            // Closes its input, and waits for the server to end.
        }
    }
}

/// The other end of the pipes.
final class StdioClient: Sendable {
    static let initialize =
        #"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"}}}"#

    static func modern(
        _ method: String, id: JSONValue = 1, rawID: String? = nil, params: String = "", capabilities: String = "{}",
        meta: String = ""
    ) -> String {
        #"{"jsonrpc":"2.0","id":\#(rawID ?? id.text),"method":"\#(method)","params":{\#(params)"_meta":{\#(meta)"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":\#(capabilities)}}}"#
    }

    private let input: Mutex<Int32?>
    /// Off the pool where tests run: a full pipe must not hold them up.
    private let bytes: ByteStreams
    private let held = Mutex<[UInt8]>([])

    init(input: Int32, output: Int32) throws {
        self.input = Mutex(input)
        self.bytes = try ByteStreams(input: output, output: input)
    }

    func send(_ line: String) async throws {
        let isWritten = try await self.bytes.write(Array((line + "\n").utf8))
        #expect(isWritten)
    }

    func closeInput() {
        self.input.withLock { input in
            if let open = input { close(open) }
            input = nil
        }
    }

    /// The next line; `nil` when the server has closed its end.
    func nextLine() async throws -> [UInt8]? {
        while true {
            let line = self.held.withLock { held -> [UInt8]? in
                guard let end = held.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
                defer { held.removeFirst(end + 1) }
                return Array(held[..<end])
            }
            if let line { return line }
            guard let chunk = try await self.bytes.read() else { return nil }
            self.held.withLock { $0 += chunk }
        }
    }

    func next() async throws -> JSONValue {
        guard let line = try await self.nextLine() else { throw ServerHasEnded() }
        return try JSONValue(parsing: line)
    }

    func stop() { self.bytes.close() }
}

/// The server closed its end where it had to answer.
struct ServerHasEnded: Error {}

struct EchoedText: ToolInput { var text: String }

/// Serves a client over pipes for the length of `body`; then the client closes its end and the server has to end.
func withStdioClient(
    limits: CallLimits = CallLimits(), lineMax: ByteCount = .mebibytes(1), callTimeout: Duration = .seconds(600),
    memory: MemoryGovernor.Environment = MemoryGovernor.Environment(limit: nil, trim: { 0 }),
    farewell: Duration = .seconds(60), _ body: (StdioClient) async throws -> Void
) async throws {
    try await withStdioServer(
        limits: limits, lineMax: lineMax, callTimeout: callTimeout, memory: memory, farewell: farewell
    ) { client, _ in try await body(client) }
}

/// The same, with the task that runs the server.
func withStdioServer(
    limits: CallLimits = CallLimits(), lineMax: ByteCount = .mebibytes(1), callTimeout: Duration = .seconds(600),
    memory: MemoryGovernor.Environment = MemoryGovernor.Environment(limit: nil, trim: { 0 }),
    farewell: Duration = .seconds(60), _ body: (StdioClient, Task<Void, any Error>) async throws -> Void
) async throws {
    var toServer: [Int32] = [0, 0]
    var fromServer: [Int32] = [0, 0]
    try #require(pipe(&toServer) == 0 && pipe(&fromServer) == 0)
    let ends = (toServer[0], fromServer[1])
    let server = MCPServer(name: "stdio", version: "1", announces: .tools) {
        Tool("echo", "Answers with the text.") { (input: EchoedText, _) in input.text }
        Tool("roots", "Asks for the roots.") { call in
            try await call.ask("roots", .roots).map(\.uri).joined(separator: " ")
        }
        Tool("changes", "Tells of a change.") { call in
            call.announce(.tools)
            return "told"
        }
        Tool("waits", "Says that it waits, and waits to be cancelled.") { call in
            try await call.log(.info, "waiting")
            let (never, _) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            try call.checkCancellation()
            return "not cancelled"
        }
    }
    let stdio = StdioServer(
        server, limits: limits, streams: StreamLimits(), lineMax: lineMax, callTimeout: callTimeout, state: nil,
        environment: DispatcherEnvironment(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }),
        memory: memory, farewell: farewell,
        over: { try ByteStreams(input: ends.0, output: ends.1) })
    let client = try StdioClient(input: toServer[1], output: fromServer[0])
    defer {
        client.stop()
        close(ends.0)
        close(fromServer[0])
    }
    // Awaited on every way out of here.
    let running = Task {
        defer { close(ends.1) }
        try await stdio.run()
    }
    do {
        try await body(client, running)
    } catch {
        client.closeInput()
        _ = await running.result
        throw error
    }
    client.closeInput()
    try await running.value
}
