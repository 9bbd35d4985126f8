import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporTesting

@testable import Torpor

/// What lives beside a state object: opened once, closed when the object leaves memory, and opened again.
@Suite(.timeLimit(.minutes(1))) struct StateResourceTests {
    /// A line to somewhere, which may be opened once at a time.
    private final class Line: Sendable {
        let number: Int
        init(number: Int) { self.number = number }
    }

    /// Counts lines, and lets tests wait for what happens to them.
    private final class Exchange: Sendable {
        private struct State {
            var opened = 0
            var open: Set<Int> = []
            var most = 0
            var failures = 0
        }
        private let state = Mutex(State())
        let closed = AsyncStream<Int>.makeStream()

        var openCount: Int { self.state.withLock { $0.open.count } }
        /// How many were open at the same time, at most.
        var most: Int { self.state.withLock { $0.most } }

        func fail(_ times: Int) { self.state.withLock { $0.failures = times } }

        func open() throws -> Line {
            try self.state.withLock { state in
                if state.failures > 0 {
                    state.failures -= 1
                    throw ToolError("the line is down")
                }
                state.opened += 1
                state.open.insert(state.opened)
                state.most = max(state.most, state.open.count)
                return Line(number: state.opened)
            }
        }

        func close(_ line: Line) {
            let wasOpen = self.state.withLock { $0.open.remove(line.number) != nil }
            #expect(wasOpen, "a line is closed once")
            self.closed.continuation.yield(line.number)
        }

        /// Waits until a line is closed.
        func nextClosed() async -> Int? {
            var closed = self.closed.stream.makeAsyncIterator()
            return await closed.next()
        }
    }

    private struct Which: ToolInput { var phone: StateHandle? }

    private static func server(_ exchange: Exchange, scope: StateScope = .handle, cost: ByteCount = .kibibytes(4))
        -> MCPServer
    {
        MCPServer(name: "phones", version: "1") {
            State(Int.self, named: "phone", initially: 0, scope: scope)
            StateResource(Line.self, beside: "phone", cost: cost) { _, _ in
                try exchange.open()
            } closing: { line in
                exchange.close(line)
            }
            Tool("call", "Says which line is used.") { (input: Which, call) in
                "\(try await call.stateResource(Line.self, input.phone).number)"
            }
        }
    }

    private func withPhone(
        _ exchange: Exchange, cost: ByteCount = .kibibytes(4), limits: StateLimits = StateLimits(),
        _ body: @escaping @Sendable (TestClient, StateService, JSONValue) async throws -> Void
    ) async throws {
        let service = StateService.inMemory(limits: limits)
        var options = TestOptions()
        options.state = service
        try await withTestClient(Self.server(exchange, cost: cost), over: .memory, options: options) { client in
            let handle = try await client.call("create_phone").structured?["handle"]
            try await body(client, service, try #require(handle))
        }
    }

    @Test func allCallsShareOneAndAnotherIsOpenedAfterEviction() async throws {
        let exchange = Exchange()
        try await self.withPhone(exchange) { client, service, phone in
            #expect(try await client.call("call", ["phone": phone]).text == "1")
            #expect(try await client.call("call", ["phone": phone]).text == "1")
            #expect(service.engine.evictAll() == 1)
            #expect(await exchange.nextClosed() == 1)
            #expect(try await client.call("call", ["phone": phone]).text == "2")
            let other = try await client.call("create_phone").structured?["handle"] ?? .null
            #expect(try await client.call("call", ["phone": other]).text == "3")
            #expect(exchange.openCount == 2)
        }
        // The server has stopped.
        #expect(exchange.openCount == 0)
    }

    @Test func callsThatComeAtOnceOpenOne() async throws {
        let exchange = Exchange()
        try await self.withPhone(exchange) { client, service, phone in
            for round in 1...5 {
                try await withThrowingTaskGroup(of: String?.self) { group in
                    for _ in 0..<16 { group.addTask { try await client.call("call", ["phone": phone]).text } }
                    for try await text in group { #expect(text == "\(round)") }
                }
                // Whoever comes while it is closed waits for that.
                _ = service.engine.evictAll()
            }
            #expect(exchange.most == 1)
        }
    }

    @Test func deletingTheObjectClosesIt() async throws {
        let exchange = Exchange()
        try await self.withPhone(exchange) { client, service, phone in
            _ = try await client.call("call", ["phone": phone])
            #expect(try await !client.call("destroy_phone", ["handle": phone]).isError)
            #expect(await exchange.nextClosed() == 1)
            #expect(try await client.call("call", ["phone": phone]).isError)
        }
    }

    @Test func whatCannotBeOpenedIsTriedAgainByTheNextCall() async throws {
        let exchange = Exchange()
        try await self.withPhone(exchange) { client, service, phone in
            exchange.fail(2)
            for _ in 0..<2 {
                let answer = try await client.call("call", ["phone": phone])
                #expect(answer.isError && answer.text == "the line is down")
            }
            #expect(service.resources.count == 0)
            #expect(try await client.call("call", ["phone": phone]).text == "1")
        }
    }

    @Test func afterFailuresEachIsCountedAndClosedAsEver() async throws {
        let exchange = Exchange()
        try await self.withPhone(exchange) { client, service, phone in
            for round in 1...20 {
                exchange.fail(round % 4)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 { group.addTask { _ = try await client.call("call", ["phone": phone]) } }
                    try await group.waitForAll()
                }
                exchange.fail(0)
                _ = try await client.call("call", ["phone": phone])
                #expect(exchange.openCount == 1 && service.engine.figures.reservedBytes > 4 << 10)
                #expect(service.engine.evictAll() == 1)
                #expect(await exchange.nextClosed() == round)
                #expect(service.engine.figures.reservedBytes == 0)
            }
        }
        #expect(exchange.openCount == 0 && exchange.most == 1)
    }

    /// As when its changes could not be stored.
    @Test func whatCannotLeaveMemoryIsClosedAtTheEnd() async throws {
        let exchange = Exchange()
        let service = StateService.inMemory()
        try await service.run {
            let use = service.engine.use()
            defer { use.end() }
            let name = ObjectName(StateObjectID(bits: 1), .session, account: .anonymous(1))
            let line = StateResourceDeclaration(
                name: "line", state: "phone", cost: .kibibytes(1), typeID: ObjectIdentifier(Line.self),
                open: { _, _ in try exchange.open() }, close: { line in (line as? Line).map(exchange.close) })
            // Hears of nothing that leaves.
            let resources = OpenResources(Departures())
            _ = try await resources.value(of: line, beside: name, for: use) { try exchange.open() }
            #expect(exchange.openCount == 1)
            resources.stop()
            await resources.run()
            #expect(exchange.openCount == 0 && resources.count == 0)
            await #expect(throws: EngineError.self) {
                try await resources.value(of: line, beside: name, for: use) { try exchange.open() }
            }
        }
    }

    @Test func itsCostIsMemoryOfItsCaller() async throws {
        var limits = StateLimits()
        limits.memory = MemoryLimits(residentMax: .mebibytes(2), objectMax: .kibibytes(400))
        let exchange = Exchange()
        try await self.withPhone(exchange, cost: .kibibytes(300), limits: limits) { client, service, first in
            let before = service.engine.figures.reservedBytes
            #expect(try await client.call("call", ["phone": first]).text == "1")
            #expect(service.engine.figures.reservedBytes >= before + 300 << 10)
            // A second does not fit beside the first in the caller's memory: the colder leaves.
            let second = try await client.call("create_phone").structured?["handle"] ?? .null
            #expect(try await client.call("call", ["phone": second]).text == "2")
            #expect(await exchange.nextClosed() == 1)
            #expect(service.engine.evictAll() >= 1)
            #expect(service.engine.figures.reservedBytes == 0)
        }
    }

    @Test func whatNoMemoryIsLeftForIsNotOpened() async throws {
        var limits = StateLimits()
        limits.memory = MemoryLimits(residentMax: .mebibytes(2), objectMax: .kibibytes(64))
        let exchange = Exchange()
        try await self.withPhone(exchange, cost: .mebibytes(3), limits: limits) { client, service, phone in
            let answer = try await client.call("call", ["phone": phone])
            #expect(answer.isError && answer.text?.contains("3 MiB") == true, "\(answer.text ?? "")")
            #expect(service.resources.count == 0)
        }
        #expect(exchange.most == 0)
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionThatKeepsNothingElseKeepsIt(over transport: TestTransport) async throws {
        let exchange = Exchange()
        try await withTestClient(Self.server(exchange, scope: .session), over: transport) { client in
            let session = try await client.openSession()
            for _ in 0..<2 { #expect(try await session.call("call").text == "1") }
            #expect(try await client.openSession().call("call").text == "2")
            #expect(try await session.call("call").text == "1")
        }
        #expect(exchange.openCount == 0)
    }
}
