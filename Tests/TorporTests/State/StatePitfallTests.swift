import Foundation
import Synchronization
import Testing
import TorporCore
import TorporStorage
import TorporStore
import TorporTesting

@testable import Torpor
@testable import TorporEngine

/// Defects that other servers shipped, tried on state with a real store and, where the wire matters, real HTTP. Their
/// numbers are those of docs/pitfalls.md.
@Suite struct StatePitfallTests {
    private struct Failure: Error {}
    private struct By: ToolInput {
        var by: Int
        var handle: StateHandle?
    }
    private struct Hold: ToolInput {
        var name: String
        var handle: StateHandle?
    }
    private struct Kilobytes: ToolInput { var count: Int }

    /// Keeps a counter and a text for each session or handle, and ends calls in every way.
    private static func keeper(_ gate: Gate = Gate()) -> MCPServer {
        MCPServer(name: "keeper", version: "1") {
            State(Int.self, named: "counter", initially: 0, scope: .session)
            State(String.self, named: "text", initially: "", scope: .session, tools: [])
            State(Int.self, named: "own", initially: 0, scope: .principal)
            Tool("count", "Counts.") { (input: By, call) in
                "\(try await call.state(Int.self, input.handle, named: "counter").update { $0 += input.by; return $0 })"
            }
            Tool("count_own", "Counts for its caller.") { call in
                "\(try await call.state(Int.self, named: "own").update { $0 += 1; return $0 })"
            }
            Tool("fill", "Keeps a long text.") { (input: Kilobytes, call) in
                try await call.state(String.self).set(String(repeating: "x", count: input.count << 10))
                return "kept"
            }
            Tool("hold", "Keeps a long text and holds it until the gate opens.") { (input: Hold, call) in
                try await call.state(String.self).set(String(repeating: "x", count: 14 << 10))
                try await gate.wait(for: input.name)
                return "held"
            }
            Tool("crash", "Changes its state and fails.") { call -> String in
                _ = try await call.state(Int.self, named: "counter").update { $0 += 1 }
                throw Failure()
            }
            Tool("refuse", "Changes its state and refuses.") { call -> String in
                _ = try await call.state(Int.self, named: "counter").update { $0 += 1 }
                throw ToolError("no")
            }
        }
    }

    /// Runs `body` with the path of a store in a folder of its own.
    private func withStorePath(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "torpor-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        // What cannot be removed is the system's to clean up.
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path + "/torpor.db")
    }

    /// Serves the keeper from a store until `body` returns; then everything has to be stored and given back.
    private func serve(
        _ path: String, over transport: TestTransport = .http, gate: Gate = Gate(), limits: StateLimits = StateLimits(),
        options: TestOptions = TestOptions(), _ body: @Sendable (TestClient, StateEngine) async throws -> Void
    ) async throws {
        let service = try await StateService.sqlite(path, limits: limits)
        let end = Mutex<(uncommitted: Int, remainders: [Int])?>(nil)
        service.engine.addObserver { event in
            if case .closed(let uncommitted, let remainders) = event { end.withLock { $0 = (uncommitted, remainders) } }
        }
        var options = options
        options.state = service
        try await withTestClient(Self.keeper(gate), over: transport, options: options) { client in
            try await body(client, service.engine)
        }
        let closed = try #require(end.withLock { $0 })
        #expect(closed.uncommitted == 0 && closed.remainders.isEmpty)
    }

    /// What is in memory of state.
    private struct Resident: Equatable {
        var reserved, live, known, active, accounts: Int

        init(_ engine: StateEngine) {
            let figures = engine.figures
            self.reserved = figures.reservedBytes
            self.live = figures.liveBytes
            self.known = figures.knownObjects
            self.active = figures.activeObjects
            self.accounts = figures.knownAccounts
        }

        static let nothing = Resident(0)
        private init(_ zero: Int) {
            (self.reserved, self.live, self.known, self.active, self.accounts) = (0, 0, 0, 0, 0)
        }
    }

    // 2, 24
    @Test func sessionsThatAreOpenedAndLeftStoreNothing() async throws {
        try await self.withStorePath { path in
            try await self.serve(path, over: .memory) { client, engine in
                let before = try await engine.store.usage()
                for _ in 0..<2_000 { _ = try await client.openSession() }
                let after = try await engine.store.usage()
                // The log may be copied into the file meanwhile; that many sessions would be larger.
                #expect(after.total == AccountUsage() && after.fileBytes <= before.fileBytes + (64 << 10))
                #expect(Resident(engine) == .nothing && engine.figures.committedPageBytes == 0)
            }
        }
    }

    // 3
    @Test func aDeletedSessionLeavesNothingOfItsState() async throws {
        try await self.withStorePath { path in
            try await self.serve(path) { client, engine in
                for _ in 0..<20 {
                    let session = try await client.openSession()
                    _ = try await session.call("count", ["by": 1])
                    _ = try await session.call("fill", ["count": 20])
                    #expect(try await engine.store.usage().total.objects == 1)
                    #expect(try await session.endSession().status == 204)
                    #expect(Resident(engine) == .nothing)
                }
                let usage = try await engine.store.usage()
                #expect(usage.total == AccountUsage() && usage.anonymous == AccountUsage())
                #expect(engine.figures.storedBytes == 0 && engine.figures.storedObjects == 0)
            }
        }
    }

    // 4
    @Test func whatIdlesLeavesNoTraceInMemoryAndComesBack() async throws {
        try await self.withStorePath { path in
            try await self.serve(path) { client, engine in
                let session = try await client.openSession()
                _ = try await session.call("count", ["by": 1])
                _ = try await session.call("fill", ["count": 100])
                #expect(engine.evictAll() == 1)
                engine.giveMemoryBack()
                #expect(Resident(engine) == .nothing && engine.figures.committedPageBytes == 0)
                #expect(try await session.call("count", ["by": 1]).text == "2")
            }
        }
    }

    // 6, 17: `serve` expects that every account reads zero, and that nothing is in use.
    @Test(arguments: TestTransport.allCases)
    func whateverEndsACallItsStateIsLetGo(over transport: TestTransport) async throws {
        try await self.withStorePath { path in
            let gate = Gate()
            try await self.serve(path, over: transport, gate: gate) { client, engine in
                let session = try await client.openSession()
                _ = try await session.call("count", ["by": 1])
                #expect(try await session.call("refuse").isError)
                #expect(try await session.call("crash").isError)
                #expect(try await session.call("count", ["by": 0]).text == "3", "what changed before the end is kept")
                #expect(try await client.call("count", ["by": 1]).isError, "a handle is needed")

                // Cancelled by its client.
                var request = session.makeRequest(
                    "tools/call", ["name": "hold", "arguments": ["name": "cancelled"]], id: 7)
                request.isCancelled = true
                let held = request
                async let cancelled: TestResponse? = try? session.send(held)
                await gate.arrival(of: "cancelled")
                _ = try await session.notify("notifications/cancelled", ["requestId": 7])
                _ = await cancelled

                // Its session ends meanwhile.
                async let ended: TestToolResult? = try? session.call("hold", ["name": "ended"])
                await gate.arrival(of: "ended")
                #expect(try await session.endSession().status == 204)
                gate.open("ended")
                _ = await ended

                // Nobody waits for it any more when the server stops.
                let handle = try #require(try await client.call("create_counter").structured?["handle"])
                let left = Task { try await client.call("count", ["by": 1, "handle": handle]) }
                left.cancel()
                _ = await left.result
            }
        }
    }

    // 8
    @Test func aLargeStateGivesItsMemoryBackWhenItShrinks() async throws {
        try await self.withStorePath { path in
            try await self.serve(path, over: .memory) { client, engine in
                let session = try await client.openSession()
                _ = try await session.call("fill", ["count": 1])
                let before = engine.figures
                _ = try await session.call("fill", ["count": 2_000])
                #expect(engine.figures.committedPageBytes >= 2_000 << 10)
                _ = try await session.call("fill", ["count": 1])
                engine.giveMemoryBack()
                #expect(engine.figures.liveBytes <= before.liveBytes + (1 << 10))
                #expect(engine.figures.committedPageBytes <= before.committedPageBytes + (256 << 10))
                #expect(engine.figures.reservedBytes == before.reservedBytes)
            }
        }
    }

    // 11
    @Test func whereNothingIdlesAClientIsToldToComeBackAndNobodyIsCutOff() async throws {
        try await self.withStorePath { path in
            let gate = Gate()
            let limits = StateLimits(
                memory: MemoryLimits(
                    residentMax: .kibibytes(64), objectMax: .kibibytes(16), accountMax: .kibibytes(48),
                    anonymousMax: .kibibytes(64), dirtyMax: .kibibytes(32)))
            var options = TestOptions()
            options.principals = ["alice", "bob", "carol"]
            try await self.serve(path, gate: gate, limits: limits, options: options) { client, engine in
                let carol = client.authenticated(as: "carol")
                let idle = try await carol.openSession()
                _ = try await idle.call("count", ["by": 1])
                let calls = (0..<4).map { number in
                    Task {
                        let caller = client.authenticated(as: number < 2 ? "alice" : "bob")
                        let session = try await caller.openSession()
                        let name = JSONValue.string("\(number)")
                        #expect(try await session.call("hold", ["name": name]).text == "held")
                        return session
                    }
                }
                for number in 0..<4 { await gate.arrival(of: "\(number)") }
                #expect(engine.figures.reservedBytes <= 64 << 10)

                // The coldest that nobody uses has left memory for them, and is all there is to make room with.
                let fifth = try await carol.openSession()
                let refused = try await fifth.request(
                    "tools/call", ["name": "hold", "arguments": ["name": "fifth"]])
                #expect(refused.status == 503 && refused.headers["retry-after"] == "1" && refused.errorCode == -32603)

                for number in 0..<4 { gate.open("\(number)") }
                for call in calls { _ = try await call.value }
                #expect(try await fifth.call("fill", ["count": 12]).text == "kept")
                #expect(try await idle.call("count", ["by": 1]).text == "2", "the idle one comes back as it was")
            }
        }
    }

    // 12
    @Test(arguments: TestTransport.allCases)
    func stateGoesOnInAnotherServerWhereItWasLeft(over transport: TestTransport) async throws {
        try await self.withStorePath { path in
            var options = TestOptions()
            options.principals = ["alice"]
            options.keys = .perProcess()
            let sessionID = Mutex<String?>(nil)
            let handle = Mutex<JSONValue>(.null)
            for worker in 0..<4 {
                try await self.serve(path, over: transport, options: options) { [options] client, engine in
                    let alice = client.authenticated(as: options.principals[0])
                    if worker == 0 {
                        let opened = try await alice.openSession()
                        sessionID.withLock { $0 = opened.sessionID }
                        let made = try await alice.call("create_counter").structured?["handle"]
                        handle.withLock { $0 = made ?? .null }
                    }
                    let session = alice.under(.v2025_11_25).inSession(sessionID.withLock { $0 })
                    let named = handle.withLock { $0 }
                    for step in 1...3 {
                        let expected = "\(worker * 3 + step)"
                        #expect(try await session.call("count", ["by": 1]).text == expected)
                        #expect(try await alice.call("count", ["by": 1, "handle": named]).text == expected)
                        #expect(try await alice.call("count_own").text == expected)
                        #expect(engine.evictAll() == 3)
                    }
                }
            }
        }
    }

    // 13
    @Test func anEndedSessionStaysEndedInAnotherServer() async throws {
        try await self.withStorePath { path in
            var options = TestOptions()
            options.keys = .perProcess()
            let sessionID = Mutex<String?>(nil)
            for worker in 0..<2 {
                try await self.serve(path, options: options) { client, _ in
                    if worker == 0 {
                        let opened = try await client.openSession()
                        _ = try await opened.call("count", ["by": 1])
                        #expect(try await opened.endSession().status == 204)
                        sessionID.withLock { $0 = opened.sessionID }
                    }
                    let session = client.under(.v2025_11_25).inSession(sessionID.withLock { $0 })
                    let answer = try await session.request("tools/call", ["name": "count", "arguments": ["by": 1]])
                    #expect(answer.status == 404 && answer.errorCode == -32001)
                }
            }
        }
    }

    // 13
    @Test func anExpiredHandleIsAToolErrorWithAdvice() async throws {
        let lead = Mutex(Duration.zero)
        var environment = EngineEnvironment.system
        environment.wallTime = { SystemTime.wallTime() + lead.withLock { $0 } }
        let store = MemoryStore(identity: 1, incarnation: 1)
        let engine = try StateEngine(
            store: store, usage: try await store.usage(),
            codec: RecordValueCodec(compression: NoCompression(), compresses: false), limits: EngineLimits(),
            environment: environment)
        var options = TestOptions()
        options.state = StateService(engine: engine, store: store)
        try await withTestClient(Self.keeper(), over: .http, options: options) { client in
            let handle = try #require(try await client.call("create_counter").structured?["handle"])
            lead.withLock { $0 = .seconds(6 * 86_400) }
            await engine.deleteExpired()
            #expect(try await client.call("count", ["by": 1, "handle": handle]).text == "1")
            lead.withLock { $0 = .seconds(12 * 86_400) }
            await engine.deleteExpired()
            #expect(try await client.call("count", ["by": 1, "handle": handle]).text == "2", "use keeps it")
            lead.withLock { $0 = .seconds(21 * 86_400) }
            await engine.deleteExpired()
            let gone = try await client.call("count", ["by": 1, "handle": handle])
            #expect(gone.isError && gone.text?.contains("Make a new one with create_counter.") == true)
        }
    }

    // 19
    @Test(arguments: TestTransport.allCases)
    func updatesOfOneObjectAtTheSameTimeAllTakeEffect(over transport: TestTransport) async throws {
        try await self.withStorePath { path in
            try await self.serve(path, over: transport) { client, engine in
                let session = try await client.openSession()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<50 {
                        group.addTask { _ = try await session.call("count", ["by": 1]) }
                        group.addTask { _ = engine.evictAll() }
                    }
                    try await group.waitForAll()
                }
                #expect(try await session.call("count", ["by": 0]).text == "50")
            }
        }
    }

    // 20
    @Test(arguments: TestTransport.allCases)
    func whatIsSomebodyElsesLooksLikeWhatNeverWas(over transport: TestTransport) async throws {
        try await self.withStorePath { path in
            var options = TestOptions()
            options.principals = ["alice", "bob"]
            try await self.serve(path, over: transport, options: options) { client, engine in
                let (alice, bob) = (client.authenticated(as: "alice"), client.authenticated(as: "bob"))
                let hers = try await alice.openSession()
                _ = try await hers.call("count", ["by": 1])
                let handle = try #require(try await alice.call("create_counter").structured?["handle"])
                let call: JSONObject = ["name": "count", "arguments": ["by": 1]]

                let id = try #require(hers.sessionID)
                let last = try #require(id.last)
                let unknown = String(id.dropLast()) + (last == "A" ? "B" : "A")
                let answers = try await [id, unknown].asyncMap { id in
                    try await bob.under(.v2025_11_25).inSession(id).request("tools/call", call)
                }
                #expect(answers[0].status == 404 && answers[1].status == 404 && answers[0].body == answers[1].body)

                for isAsleep in [false, true] {
                    if isAsleep { _ = engine.evictAll() }
                    for tool in ["count", "destroy_counter"] {
                        let texts = try await [handle, "counter_00000000000000000000000000"].asyncMap { handle in
                            try await bob.call(tool, ["by": 1, "handle": handle]).text
                        }
                        #expect(texts[0] != nil && texts[0] == texts[1])
                    }
                }
                #expect(try await hers.call("count", ["by": 1]).text == "2")
                #expect(try await alice.call("count", ["by": 1, "handle": handle]).text == "1")
                for caller in [alice, bob] { #expect(try await caller.call("count_own").text == "1") }
            }
        }
    }

    // 21
    @Test func whatIsBroughtBackAgainAndAgainTakesNoMoreThanAtFirst() async throws {
        try await self.withStorePath { path in
            var options = TestOptions()
            options.keys = .perProcess()
            let sessionID = Mutex<String?>(nil)
            let figures = Mutex<[Resident]>([])
            for worker in 0..<4 {
                try await self.serve(path, over: .memory, options: options) { client, engine in
                    if worker == 0 {
                        let opened = try await client.openSession()
                        _ = try await opened.call("fill", ["count": 10])
                        sessionID.withLock { $0 = opened.sessionID }
                    }
                    let session = client.under(.v2025_11_25).inSession(sessionID.withLock { $0 })
                    for _ in 0..<100 {
                        _ = try await session.call("count", ["by": 1])
                        #expect(engine.evictAll() == 1)
                    }
                    #expect(Resident(engine) == .nothing)
                    let count = try await session.call("count", ["by": 0]).text
                    #expect(count == "\((worker + 1) * 100)")
                    figures.withLock { $0.append(Resident(engine)) }
                }
            }
            let all = figures.withLock { $0 }
            #expect(all.count == 4 && all.allSatisfy { $0 == all[0] })
        }
    }
}

/// Compresses nothing: what is kept in memory was never compressed.
private struct NoCompression: ValueCompression {
    func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool { false }
    func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool { false }
}

extension Array where Element: Sendable {
    fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async throws -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
