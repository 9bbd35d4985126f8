import Dispatch
import Logging
import Synchronization
import Testing
import TorporCore
import TorporTesting

@testable import Torpor

/// Servers that answer by a relay: what reaches it, and what becomes of its answers.
@Suite(.timeLimit(.minutes(1))) struct RelayTests {
    /// A foreign server that a test scripts.
    private final class ScriptedRelay: Relay {
        let server = Mutex<RelayedServer?>(nil)
        let catalogue = Mutex<Catalogue?>(nil)
        let ended = Mutex<[UInt128]>([])
        private let script: @Sendable (RelayedRequest) async throws -> JSONValue
        /// What holds back what is offered, if anything does.
        private let starting: (@Sendable () async throws -> Void)?

        init(
            starting: (@Sendable () async throws -> Void)? = nil,
            _ script: @escaping @Sendable (RelayedRequest) async throws -> JSONValue
        ) {
            self.starting = starting
            self.script = script
        }

        func untilOffered() async throws {
            try await self.starting?()
            guard let catalogue = self.catalogue.withLock({ $0 }) else {
                throw Refusal(503, .internalError, "The server cannot be started.", retryAfterSeconds: 7)
            }
            self.server.withLock { $0 }?.offer(catalogue)
        }

        func answer(_ request: RelayedRequest) async throws -> [UInt8] {
            Array(try await self.script(request).text.utf8)
        }
        func prepareOffer() {}
        func listens(to uris: Set<String>, _ request: RelayedRequest, as listener: UInt128) -> @Sendable () -> Void {
            {}
        }
        func rootsChanged(in session: UInt128) {}
        func sessionEnded(_ session: UInt128, account: AccountID?) { self.ended.withLock { $0.append(session) } }
    }

    private static let tool: JSONValue = [
        "name": "any tool", "inputSchema": ["type": "object"], "unknown": ["kept": true],
    ]

    private static func relayed(
        starting: (@Sendable () async throws -> Void)? = nil,
        _ script: @escaping @Sendable (RelayedRequest) async throws -> JSONValue
    ) -> (MCPServer, ScriptedRelay) {
        let relay = ScriptedRelay(starting: starting, script)
        let server = RelayedServer(relay, name: "hosted", version: "1")
        relay.server.withLock { $0 = server }
        var catalogue = Catalogue(implementation: Implementation(name: "foreign", version: "7"))
        catalogue.tools = [Catalogue.Entry(name: "any tool", legacy: Self.tool, modern: Self.tool)]
        catalogue.resources = []
        catalogue.prompts = []
        catalogue.hasSubscriptions = true
        relay.catalogue.withLock { $0 = catalogue }
        return (MCPServer(server), relay)
    }

    private static func echo(_ request: RelayedRequest) throws -> JSONValue {
        [
            "content": [], "contents": [], "params": try JSONValue(parsing: request.forwardedParams()),
            "_meta": ["own": 1], "resultType": "complete",
        ]
    }

    @Test(arguments: TestTransport.allCases)
    func whatTheServerOffersReachesClientsAsItWasSaid(over transport: TestTransport) async throws {
        let (server, _) = Self.relayed { try Self.echo($0) }
        try await withTestClient(server, over: transport) { client in
            let list = try await client.request("tools/list", [:])
            #expect(list.result?["tools"] == .array([Self.tool]))
            let session = try await client.openSession(.v2025_11_25)
            let legacy = try await session.request("tools/list", [:])
            #expect(legacy.result?["tools"] == .array([Self.tool]))
            let discovery = try await client.request("server/discover", [:])
            #expect(
                discovery.result?["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "foreign", "\(discovery)")
            #expect(discovery.result?["capabilities"]?["resources"]?["subscribe"] == true)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func resultsPassThroughWithWhatTheErasDemand(over transport: TestTransport) async throws {
        let (server, _) = Self.relayed { try Self.echo($0) }
        try await withTestClient(server, over: transport) { client in
            let params: JSONObject = ["name": "any tool", "arguments": ["a": [1, 2.50]]]
            let modern = try await client.request("tools/call", params)
            #expect(modern.result?["params"] == .object(params), "\(modern)")
            #expect(modern.result?["resultType"] == "complete")
            #expect(modern.result?["_meta"]?["own"] == 1)
            #expect(modern.result?["_meta"]?["io.modelcontextprotocol/serverInfo"]?["version"] == "7")
            let session = try await client.openSession(.v2025_11_25)
            let legacy = try await session.request("tools/call", params)
            #expect(
                legacy.result
                    == .object(["content": [], "contents": [], "params": .object(params), "_meta": ["own": 1]]))
            let read = try await client.request("resources/read", ["uri": "x:y"])
            #expect(read.result?["params"] == ["uri": "x:y"])
            #expect(read.result?["ttlMs"] == 0 && read.result?["cacheScope"] == "private")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aServerThatCannotBeStartedIsAnErrorForWhoeverAsks(over transport: TestTransport) async throws {
        let (server, relay) = Self.relayed { try Self.echo($0) }
        let catalogue = relay.catalogue.withLock { catalogue in
            defer { catalogue = nil }
            return catalogue
        }
        try await withTestClient(server, over: transport) { client in
            let refused = try await client.request("tools/list", [:])
            #expect(refused.status == 503 && refused.headers["retry-after"] == "7", "\(refused)")
            #expect(refused.errorMessage == "The server cannot be started.")
            relay.catalogue.withLock { $0 = catalogue }
            #expect(try await client.request("tools/list", [:]).status == 200)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func refusalsAndErrorsOfTheServerAreItsClients(over transport: TestTransport) async throws {
        let (server, _) = Self.relayed { request in
            switch request.name {
            case "refused": throw Refusal(503, .internalError, "No child is free.", retryAfterSeconds: 2)
            default: throw MCPError(MCPError.Code(rawValue: -31_999), "own code", data: ["why": 1])
            }
        }
        try await withTestClient(server, over: transport) { client in
            let refused = try await client.request("tools/call", ["name": "refused"])
            #expect(refused.status == 503 && refused.headers["retry-after"] == "2")
            let failed = try await client.request("tools/call", ["name": "any tool"])
            #expect(failed.status == 200)
            #expect(failed.body?["error"] == ["code": -31_999, "message": "own code", "data": ["why": 1]])
        }
    }

    @Test(arguments: TestTransport.allCases)
    func questionsOfTheServerReachClientsOfBothEras(over transport: TestTransport) async throws {
        let runs = Atomic<Int>(0)
        let (server, _) = Self.relayed { request in
            runs.add(1, ordering: .relaxed)
            let run = request.kept("run") ?? .number(JSONNumber(runs.load(ordering: .relaxed)))
            request.keep(run, as: "run")
            let answers = try await request.ask([
                .init(
                    key: "1:confirm", method: .elicit,
                    params: [
                        "message": "Sure?", "requestedSchema": ["type": "object", "properties": [:]], "own": true,
                    ])
            ])
            return ["content": [], "answer": answers["1:confirm"] ?? .null, "run": run]
        }
        let answer: JSONObject = ["action": "accept", "content": ["any": "thing"]]
        try await withTestClient(server, over: transport) { client in
            for client in [
                client.declaring(["elicitation": [:]]), try await client.declaring(["elicitation": [:]]).openSession(),
            ] {
                let answering = client.answering { question in
                    #expect(question.params["own"] == true)
                    return answer
                }
                runs.store(0, ordering: .relaxed)
                let done = try await answering.request("tools/call", ["name": "any tool"])
                #expect(done.result?["answer"] == .object(answer), "\(done)")
                #expect(done.result?["run"] == 1, "what was kept came back")
            }
            let refused = try await client.request("tools/call", ["name": "any tool"])
            #expect(refused.errorCode == -32021, "this client shows no forms: \(refused)")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aChangedCatalogueIsServedAndToldOf(over transport: TestTransport) async throws {
        let (server, relay) = Self.relayed { try Self.echo($0) }
        try await withTestClient(server, over: transport) { client in
            _ = try await client.request("tools/list", [:])
            var catalogue = try #require(relay.catalogue.withLock { $0 })
            catalogue.tools = []
            relay.server.withLock { $0 }?.offer(catalogue)
            #expect(try await client.request("tools/list", [:]).result?["tools"] == [])
        }
    }

    @Test func aDeletedSessionIsToldToTheRelay() async throws {
        let (server, relay) = Self.relayed { try Self.echo($0) }
        try await withTestClient(server, over: .http) { client in
            let session = try await client.openSession(.v2025_11_25)
            _ = try await session.endSession()
            #expect(relay.ended.withLock { $0 }.count == 1)
        }
    }

    // MARK: First requests, which wait for what is offered

    /// A server that offers nothing until the gate `offer` is opened, and whose calls talk and wait for `answer`.
    private static func starting(_ gate: Gate) -> MCPServer {
        Self.relayed(starting: { try await gate.wait(for: "offer") }) { request in
            try await request.call.progress(1, total: 2, "half")
            try await request.call.log(.error, "a word")
            try await gate.wait(for: "answer")
            return ["content": [["type": "text", "text": "done"]]]
        }.0
    }

    private static let talkingCall: JSONObject = [
        "name": "any tool", "_meta": ["progressToken": "mine", "io.modelcontextprotocol/logLevel": "debug"],
    ]

    /// Sends a client's first request, and lets the server offer what it has once that waits for it.
    private func first<Result: Sendable>(
        _ gate: Gate, _ send: @Sendable () async throws -> Result
    ) async throws -> Result {
        async let result = send()
        await gate.arrival(of: "offer")
        gate.open("offer")
        return try await result
    }

    @Test(arguments: TestTransport.allCases)
    func aFirstRequestSpeaksBeforeItsAnswer(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(Self.starting(gate), over: transport) { client in
            try await self.first(gate) {
                try await client.stream(client.makeRequest("tools/call", Self.talkingCall)) { stream in
                    #expect(stream.headers["content-type"] == "text/event-stream")
                    let progress = try await stream.nextMessage()
                    #expect(progress["params"]?["progressToken"] == "mine" && progress["params"]?["message"] == "half")
                    let word = try await stream.nextMessage()
                    #expect(word["params"]?["data"] == "a word")
                    await gate.arrival(of: "answer")
                    gate.open("answer")
                    let answer = try await stream.nextMessage()
                    #expect(answer["result"]?["content"]?[0]?["text"] == "done")
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func theFirstRequestOfASessionAfterARestartSpeaksBeforeItsAnswer(over transport: TestTransport) async throws {
        let (keys, gate) = (SealingKeys.perProcess(), Gate())
        var options = TestOptions()
        options.keys = keys
        let id = try await withTestClient(Self.relayed { try Self.echo($0) }.0, over: transport, options: options) {
            try await $0.openSession().sessionID
        }
        try await withTestClient(Self.starting(gate), over: transport, options: options) { client in
            let session = client.under(.v2025_11_25).inSession(id)
            try await self.first(gate) {
                try await session.stream(session.makeRequest("tools/call", Self.talkingCall)) { stream in
                    let said = [try await stream.nextMessage(), try await stream.nextMessage()]
                    #expect(said.map { $0["method"] } == ["notifications/progress", "notifications/message"])
                    await gate.arrival(of: "answer")
                    gate.open("answer")
                    let answer = try await stream.nextMessage()
                    #expect(answer["result"]?["content"]?[0]?["text"] == "done")
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aFirstInitializeKeepsItsSessionID(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(Self.starting(gate), over: transport) { client in
            let session = try await self.first(gate) { try await client.openSession() }
            #expect(session.sessionID != nil)
            #expect(try await session.request("tools/list").result?["tools"] == .array([Self.tool]))
        }
    }

    // MARK: Where it runs

    /// Runs tasks on a queue, and knows whether it does.
    private final class Loop: TaskExecutor {
        private static let key = DispatchSpecificKey<Bool>()
        private let queue = DispatchQueue(label: "loop")

        init() { self.queue.setSpecific(key: Self.key, value: true) }

        static var isCurrent: Bool { DispatchQueue.getSpecific(key: self.key) == true }

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    /// Makes a call of `size` bytes whose result has `resultSize`, on a loop if it may.
    /// - Returns: Whether it may, and whether its answer was written there.
    private static func places(size: Int, resultSize: Int) async throws -> (mayRunOnLoop: Bool, isWrittenThere: Bool) {
        let more = JSONValue.string(String(repeating: "x", count: resultSize))
        let (server, relay) = Self.relayed { _ in ["content": [], "more": more] }
        try await relay.untilOffered()
        let isLastOnLoop = Mutex(false)
        var environment = DispatcherEnvironment(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let clock = environment.monotonicNanoseconds
        // The last look at the clock is when the answer has been written.
        environment.monotonicNanoseconds = {
            isLastOnLoop.withLock { $0 = Loop.isCurrent }
            return clock()
        }
        let dispatcher = Dispatcher(
            server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(60), service: nil),
            environment: environment)
        let text = String(repeating: "x", count: size)
        let request = """
            {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"any tool","arguments":{"a":"\(text)"},"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}
            """
        guard case .call(let call) = dispatcher.dispatch(IncomingMessage(bytes: Array(request.utf8))) else {
            throw MCPError(.internalError, "it is refused")
        }
        guard case .reply(let reply) = await Task(executorPreference: Loop(), operation: { await call.run() }).value,
            reply.body.count > resultSize
        else { throw MCPError(.internalError, "it is not answered") }
        return (call.mayRunOnLoop, isLastOnLoop.withLock { $0 })
    }

    @Test func onlyWhatIsSmallIsCarriedOverOnALoop() async throws {
        let small = try await Self.places(size: 1_000, resultSize: 1_000)
        #expect(small.mayRunOnLoop && small.isWrittenThere)
        let largeRequest = try await Self.places(size: 40_000, resultSize: 1_000)
        #expect(!largeRequest.mayRunOnLoop)
        let largeResult = try await Self.places(size: 1_000, resultSize: 40_000)
        #expect(largeResult.mayRunOnLoop && !largeResult.isWrittenThere)
    }

    /// Dispatches the first request of a server, which has to wait.
    private static func deferred(_ text: String, _ server: MCPServer) throws -> PendingCall {
        let dispatcher = Dispatcher(
            server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(60), service: nil),
            environment: DispatcherEnvironment(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        let message = IncomingMessage(bytes: Array(text.utf8), acceptsStreams: true)
        guard case .call(let call) = dispatcher.dispatch(message) else {
            throw MCPError(.internalError, "it does not wait")
        }
        return call
    }

    @Test func noStreamIsOpenedForWhatMayYetNeedAHeader() async throws {
        let gate = Gate()
        let call = try Self.deferred(
            #"""
            {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
            "clientInfo":{"name":"test","version":"1"}}}
            """#, Self.starting(gate))
        async let end = call.run()
        await gate.arrival(of: "offer")
        call.openStream()
        #expect(call.stream == nil)
        gate.open("offer")
        guard case .reply(let reply) = await end else {
            Issue.record("it is answered by a stream")
            return
        }
        #expect(reply.status == 200 && reply.sessionID != nil)
    }

    /// By which its connection is kept alive while it has nothing to say.
    @Test func aSilentFirstRequestHasAStreamOnceItRuns() async throws {
        let gate = Gate()
        let (server, _) = Self.relayed(starting: { try await gate.wait(for: "offer") }) { _ in
            try await gate.wait(for: "answer")
            return ["content": []]
        }
        let call = try Self.deferred(
            #"""
            {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"any tool","_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}
            """#, server)
        let carrier = KeepingCarrier()
        async let end = call.run(over: carrier, as: 7)
        await gate.arrival(of: "offer")
        call.openStream()
        #expect(call.stream == nil)
        gate.open("offer")
        await gate.arrival(of: "answer")
        call.openStream()
        #expect(call.stream != nil && carrier.opened.withLock { $0 } == [7])
        gate.open("answer")
        guard case .streamed = await end else {
            Issue.record("it is not answered by the stream")
            return
        }
    }

    /// Keeps which calls have opened a stream.
    private final class KeepingCarrier: CallCarrier {
        let opened = Mutex<[UInt64]>([])

        func open(_ stream: MessageStream, of call: UInt64) { self.opened.withLock { $0.append(call) } }
        func cancel(_ call: UInt64) {}
    }

    @Test(arguments: TestTransport.allCases)
    func aFirstRequestWhoseClientHasGoneIsNotCarriedOut(over transport: TestTransport) async throws {
        let gate = Gate()
        let (givenUp, giveUp) = AsyncStream.makeStream(of: Void.self)
        let (server, _) = Self.relayed(
            starting: {
                do {
                    try await gate.wait(for: "offer")
                } catch {
                    giveUp.yield()
                    throw error
                }
            }, { try Self.echo($0) })
        try await withTestClient(server, over: transport) { client in
            let request = Task { try await client.request("tools/call", ["name": "any tool"]) }
            await gate.arrival(of: "offer")
            request.cancel()
            for await _ in givenUp { break }
            // Lets it go on if it was not cancelled after all.
            gate.open("offer")
            _ = await request.result
        }
    }

    /// Also before it is known what the server offers, as after a restart.
    @Test(arguments: TestTransport.allCases, ["offer", "answer"])
    func aFirstRequestOfASessionCanBeCancelled(over transport: TestTransport, whileItWaitsForThe word: String)
        async throws
    {
        let options = TestOptions()
        let (before, _) = Self.relayed { try Self.echo($0) }
        let session = try await withTestClient(before, over: transport, options: options) { client in
            try #require(try await client.openSession().sessionID)
        }
        let gate = Gate()
        let (server, _) = Self.relayed(starting: { try await gate.wait(for: "offer") }) { request in
            try await gate.wait(for: "answer")
            return try Self.echo(request)
        }
        try await withTestClient(server, over: transport, options: options) { client in
            let client = client.under(.v2025_11_25).inSession(session)
            async let answer = client.callRaw("any tool", id: "gone")
            await gate.arrival(of: "offer")
            if word == "answer" {
                gate.open("offer")
                await gate.arrival(of: "answer")
            }
            let cancelled = try await client.notify("notifications/cancelled", ["requestId": "gone"])
            #expect(cancelled.status == 202)
            let response = try await answer
            #expect(response.status == 200 && response.result == nil && response.errorCode == nil)
        }
    }
}
