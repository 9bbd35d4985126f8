import Logging
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting
import TorporUpstream

@testable import TorporHosting

// MARK: Time and events

/// Keeps what happens, in order, for tests that wait for it.
final class Recorder<Event: Sendable & Equatable>: Sendable {
    private struct Waiter {
        let isReady: @Sendable ([Event]) -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var events: [Event] = []
        var waiters: [UInt64: Waiter] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state = Mutex(State())

    var all: [Event] { self.state.withLock { $0.events } }

    func add(_ event: Event) {
        let ready = self.state.withLock { state in
            state.events.append(event)
            let events = state.events
            let ready = state.waiters.filter { $0.value.isReady(events) }
            for number in ready.keys { state.waiters[number] = nil }
            return ready.values
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    func count(of event: Event) -> Int { self.all.count { $0 == event } }

    /// Returns when what has happened is as wanted.
    /// - Throws: `CancellationError`.
    func until(_ isReady: @escaping @Sendable ([Event]) -> Bool) async throws {
        let number = self.state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if Task.isCancelled || isReady(state.events) { return true }
                    state.waiters[number] = Waiter(isReady: isReady, continuation: continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiters.removeValue(forKey: number) }?.continuation.resume()
        }
        try Task.checkCancellation()
    }

    /// Returns when it has happened, so many times.
    func until(_ event: Event, count: Int = 1) async throws {
        try await self.until { $0.count { $0 == event } >= count }
    }
}

/// Time that passes when a test says so, for whoever asks for it or sleeps.
final class ManualClock: UpstreamTimer {
    private let instant = Mutex(Instant(nanoseconds: 1_000_000_000))
    /// How long was to be slept.
    let sleeps = Recorder<Duration>()
    /// The sleeps, by their place, that have come to their end.
    private let woken = Recorder<Int>()
    private let count = Atomic<Int>(0)

    var now: Instant { self.instant.withLock { $0 } }

    func advance(by duration: Duration) { self.instant.withLock { $0 = $0 + duration } }

    /// Sleeps until the test wakes it.
    func sleep(_ duration: Duration) async throws {
        let place = self.count.add(1, ordering: .relaxed).oldValue
        self.sleeps.add(duration)
        try await self.woken.until(place)
    }

    /// Ends the sleep that was the `place`-th to begin.
    func wake(_ place: Int) { self.woken.add(place) }

    // What is upstream takes no time here.
    func wake(at instant: Instant, _ body: @escaping @Sendable () -> Void) {}
}

// MARK: The server

/// What a scripted server is like, and what its children do.
struct Script: Sendable {
    var era = ProtocolRevision.Era.legacy
    var tools = ["who", "waits", "asks", "asks_twice", "talks"]
    var prompts: [String] = []
    var resources: [String] = []
    var templates: [String] = []
    /// What happens before a child is up; what it throws, the start throws.
    var start: @Sendable (LaunchOrder) async throws -> Void = { _ in }
    /// What happens before a child answers a request; what it throws, the request is answered.
    var answering: @Sendable (String) async throws -> Void = { _ in }

    var capabilities: JSONObject {
        if self.era == .modern { return ["tools": [:]] }
        var capabilities: JSONObject = ["tools": ["listChanged": true], "logging": [:], "completions": [:]]
        if !self.prompts.isEmpty { capabilities["prompts"] = [:] }
        if !self.resources.isEmpty || !self.templates.isEmpty {
            capabilities["resources"] = ["subscribe": true, "listChanged": true]
        }
        return capabilities
    }
}

/// Starts scripted children, and tells what becomes of them.
final class ScriptedLauncher: Launcher {
    enum Event: Sendable, Hashable {
        case started(Int, HostKey?)
        case stopped(Int)
        case setBusy(Int, Bool)
        /// The child was sent a request or notification: its method, and what its parameters name.
        case received(Int, String, String)
    }

    let script: Script
    let events = Recorder<Event>()
    /// What lets children go on that wait for a word, and the words that they wait for.
    let words = Recorder<String>()
    let waiting = Recorder<String>()
    private let children = Mutex<(last: Int, byNumber: [Int: ScriptedChild])>((0, [:]))

    init(_ script: Script = Script()) { self.script = script }

    var description: String { "a script" }
    var startsProcesses: Bool { true }

    func launch(_ order: LaunchOrder) async throws -> any Launched {
        try await self.script.start(order)
        let transport = MemoryTransport()
        let number = self.children.withLock { children in
            children.last += 1
            return children.last
        }
        let server = ScriptedServer(number: number, transport: transport, launcher: self)
        let serving = Task { await server.run() }
        let session = try await UpstreamSession.open(
            over: transport, as: .torpor(capabilities: order.caller?.capabilities ?? .carried), known: self.script.era,
            timeLimit: .seconds(60), timer: ManualClock(), events: order.events)
        let child = ScriptedChild(server, session, serving)
        self.children.withLock { $0.byNumber[number] = child }
        self.events.add(.started(number, order.caller?.key))
        return child
    }

    func begin() {}

    func remove(_ caller: HostCaller) async {}

    func child(_ number: Int) -> ScriptedChild {
        guard let child = self.children.withLock({ $0.byNumber[number] }) else { preconditionFailure("it is up") }
        return child
    }

    /// The children that were started for keys of a kind, oldest first.
    func children(for kind: HostKey.Kind?) -> [ScriptedChild] {
        self.events.all.compactMap { event in
            guard case .started(let number, let key) = event, key?.kind == kind else { return nil }
            return self.child(number)
        }
    }

    /// The children that have not been stopped.
    var running: [Int] {
        self.events.all.reduce(into: []) { running, event in
            if case .started(let number, _) = event { running.append(number) }
            if case .stopped(let number) = event { running.removeAll { $0 == number } }
        }
    }

    /// Lets the children go on that wait for a word, now or later.
    func say(_ word: String) { self.words.add(word) }

    func arrival(of word: String) async throws { try await self.waiting.until(word) }
}

/// A scripted child, as the host sees it.
final class ScriptedChild: Launched {
    let server: ScriptedServer
    let session: UpstreamSession
    private let serving: Task<Void, Never>
    private let end = Mutex(LaunchedEnd(.unexpected, "exited with status 1", advice: "Try again."))

    init(_ server: ScriptedServer, _ session: UpstreamSession, _ serving: Task<Void, Never>) {
        self.server = server
        self.session = session
        self.serving = serving
    }

    var number: Int { self.server.number }
    var pid: Int32? { Int32(self.number) }
    func memory() -> ByteCount? { nil }
    func setBusy(_ isBusy: Bool) { self.server.launcher.events.add(.setBusy(self.number, isBusy)) }

    func stop(discards: Bool) async -> Bool {
        self.session.close()
        await self.session.closed()
        await self.serving.value
        self.server.launcher.events.add(.stopped(self.number))
        return true
    }

    func untilEnded() async -> LaunchedEnd {
        await self.serving.value
        return self.end.withLock { $0 }
    }

    /// Ends by itself.
    func die(_ end: LaunchedEnd? = nil) {
        if let end { self.end.withLock { $0 = end } }
        self.server.transport.end()
    }

    /// What it was asked for, as `method name`, oldest first.
    var received: [String] {
        self.server.launcher.events.all.compactMap { event in
            guard case .received(self.number, let method, let name) = event else { return nil }
            return name.isEmpty ? method : "\(method) \(name)"
        }
    }
}

/// Plays the server in a scripted child.
final class ScriptedServer: Sendable {
    let number: Int
    let transport: MemoryTransport
    let launcher: ScriptedLauncher
    /// The answers to what it asked, by id.
    private let answers = Recorder<JSONValue>()
    private let lastQuestion = Atomic<Int>(0)

    init(number: Int, transport: MemoryTransport, launcher: ScriptedLauncher) {
        self.number = number
        self.transport = transport
        self.launcher = launcher
    }

    private var script: Script { self.launcher.script }

    /// Serves until the conversation ends.
    func run() async {
        await withDiscardingTaskGroup { group in
            while let message = await self.transport.next() {
                guard let json = try? JSONValue(parsing: message.body) else { continue }
                if message.kind == .answer {
                    self.answers.add(json)
                    continue
                }
                let params = json["params"] ?? [:]
                let name = params["name"] ?? params["uri"] ?? params["level"] ?? ""
                self.launcher.events.add(.received(self.number, message.method, name.string))
                guard case .request(let id) = message.kind else { continue }
                group.addTask { await self.answer(id, message.method, params) }
            }
            group.cancelAll()
        }
    }

    private func answer(_ id: RequestNumber, _ method: String, _ params: JSONValue) async {
        var answer: JSONObject = ["jsonrpc": "2.0", "id": .number(JSONNumber(id.value))]
        do {
            try await self.script.answering(method)
            answer["result"] = .object(try await self.result(method, params))
        } catch let error as MCPError {
            answer["error"] = ["code": .number(JSONNumber(error.code.rawValue)), "message": .string(error.message)]
        } catch {
            // The conversation has ended.
            return
        }
        self.transport.say(JSONValue.object(answer).text)
    }

    private func result(_ method: String, _ params: JSONValue) async throws -> JSONObject {
        switch method {
        case "initialize":
            return [
                "protocolVersion": .string(ProtocolRevision.newestLegacy.rawValue),
                "capabilities": .object(self.script.capabilities), "serverInfo": ["name": "scripted", "version": "1"],
            ]
        case "server/discover":
            return [
                "resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": .object(self.script.capabilities), "ttlMs": 0, "cacheScope": "private",
            ]
        case "tools/list":
            return [
                "tools": .array(self.script.tools.map { ["name": .string($0), "inputSchema": ["type": "object"]] })
            ]
        case "prompts/list": return ["prompts": .array(self.script.prompts.map { ["name": .string($0)] })]
        case "prompts/get":
            return ["messages": [], "description": .string("\(params["name"]?.string ?? "") of \(self.number)")]
        case "resources/list":
            return ["resources": .array(self.script.resources.map { ["name": .string($0), "uri": .string($0)] })]
        case "resources/templates/list":
            return [
                "resourceTemplates": .array(
                    self.script.templates.map { ["name": .string($0), "uriTemplate": .string($0)] })
            ]
        case "resources/read":
            let uri = params["uri"] ?? ""
            return ["contents": [["uri": uri, "text": .string("child \(self.number)")]]]
        case "completion/complete":
            return ["completion": ["values": [params["ref"]?["name"] ?? params["ref"]?["uri"] ?? ""]]]
        case "tools/call": return try await self.call(params)
        default: return [:]
        }
    }

    private func call(_ params: JSONValue) async throws -> JSONObject {
        let arguments = params["arguments"] ?? [:]
        switch params["name"]?.string ?? "" {
        case "waits":
            let word = arguments["word"]?.string ?? ""
            self.launcher.waiting.add(word)
            try await self.launcher.words.until(word)
        case "asks" where self.script.era == .modern:
            guard let answer = params["inputResponses"]?["sure"] else {
                return [
                    "resultType": "input_required", "requestState": "state",
                    "inputRequests": ["sure": ["method": "elicitation/create", "params": .object(Self.form("Sure?"))]],
                ]
            }
            return Self.text(answer["action"]?.string ?? "")
        case "asks": return Self.text(try await self.askForm("Sure?"))
        case "asks_twice": return Self.text("\(try await self.askForm("Sure?")) \(try await self.askForm("Really?"))")
        case "talks":
            if let token = params["_meta"]?["progressToken"] {
                self.tell("notifications/progress", ["progressToken": token, "progress": 1, "message": "half"])
            }
            self.tell("notifications/message", ["level": "error", "data": "a word"])
        default: break
        }
        var result = Self.text("child \(self.number)")
        result["structuredContent"] = arguments
        return result
    }

    private static func text(_ text: String) -> JSONObject { ["content": [["type": "text", "text": .string(text)]]] }

    private static func form(_ message: String) -> JSONObject {
        ["message": .string(message), "requestedSchema": ["type": "object", "properties": [:]]]
    }

    // MARK: What it says

    func tell(_ method: String, _ params: JSONObject = [:]) {
        let message: JSONObject = ["jsonrpc": "2.0", "method": .string(method), "params": .object(params)]
        self.transport.say(JSONValue.object(message).text)
    }

    /// Asks the client to show a form.
    /// - Returns: What the user did, or why nobody was asked.
    func askForm(_ message: String) async throws -> String {
        let id: JSONValue = .string("q\(self.lastQuestion.add(1, ordering: .relaxed).newValue)")
        let question: JSONValue = [
            "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": .object(Self.form(message)),
        ]
        self.transport.say(question.text)
        try await self.answers.until { $0.contains { $0["id"] == id } }
        let answer = self.answers.all.first { $0["id"] == id }
        return answer?["result"]?["action"]?.string ?? answer?["error"]?["message"]?.string ?? ""
    }
}

extension JSONValue {
    /// The text of a string; empty for anything else.
    var string: String { if case .string(let text) = self { text } else { "" } }
}

// MARK: The host

/// What a test has of a hosted server.
struct Hosted: Sendable {
    let server: HostedServer
    let launcher: ScriptedLauncher
    let clock: ManualClock
    /// Of no session, under 2026-07-28.
    let client: TestClient

    /// A client that shows forms, and what it answers to them: by their messages.
    func client(
        accepting accepted: Recorder<String> = Recorder(), as principal: String? = nil
    ) -> TestClient {
        self.client.authenticated(as: principal).declaring(["elicitation": [:]]).answering { question in
            accepted.add(question.params["message"]?.string ?? "")
            return ["action": "accept", "content": [:]]
        }
    }
}

/// Hosts a scripted server for clients in memory while `body` runs, and checks that nothing is left of it.
func withHosted(
    _ script: Script = Script(), scope: HostedServerSettings.Scope = .session, principals: [String] = [],
    _ change: (inout HostedServer.Options) -> Void = { _ in },
    _ body: @Sendable (Hosted) async throws -> Void
) async throws {
    let (launcher, clock) = (ScriptedLauncher(script), ManualClock())
    var options = HostedServer.Options()
    options.scope = scope
    options.hasPrincipals = !principals.isEmpty
    change(&options)
    let server = HostedServer(
        "hosted", launcher, options: options, logger: .none, now: { clock.now }, sleep: { try await clock.sleep($0) })
    server.begin()
    var testOptions = TestOptions()
    testOptions.principals = principals
    let result: Result<Void, any Error>
    do {
        try await withTestClient(MCPServer(server.relayedServer(version: "1")), over: .memory, options: testOptions) {
            try await body(Hosted(server: server, launcher: launcher, clock: clock, client: $0))
        }
        result = .success(())
    } catch {
        result = .failure(error)
    }
    await server.end(grace: .zero)
    expectNothingLeft(of: server, launcher)
    try result.get()
}

/// Checks that a server that was ended has no child, no call, no exchange and no task.
func expectNothingLeft(
    of server: HostedServer, _ launcher: ScriptedLauncher, sourceLocation: SourceLocation = #_sourceLocation
) {
    let figures = server.host.figures
    #expect(launcher.running == [], sourceLocation: sourceLocation)
    #expect(figures.children == 0 && server.host.children.isEmpty, "\(figures)", sourceLocation: sourceLocation)
    #expect(
        figures.running == 0 && figures.held == 0 && figures.waiting == 0, "\(figures)", sourceLocation: sourceLocation)
    #expect(server.state.withLock { $0.exchanges.isEmpty }, "exchanges", sourceLocation: sourceLocation)
    for tasks in [server.chores, server.exchanging] {
        #expect(tasks.begin {} == nil, "tasks begin", sourceLocation: sourceLocation)
    }
}

extension Logger {
    static var none: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

extension TestClient {
    /// Calls a tool, and returns the whole response.
    func callTool(_ name: String, _ arguments: JSONObject = [:], meta: JSONObject = [:]) async throws -> TestResponse {
        var params: JSONObject = ["name": .string(name), "arguments": .object(arguments)]
        if !meta.isEmpty { params["_meta"] = .object(meta) }
        return try await self.request("tools/call", params)
    }
}

extension TestResponse {
    /// The text of a result's first block.
    var text: String? { self.result?["content"]?[0]?["text"]?.string }
}
