import Synchronization
import Testing
import TorporCore
import TorporEngine
import TorporStore
import TorporTesting

@testable import Torpor

/// What handlers meet at the edges of state: odd numbers, odd lifetimes, callers that move, sessions that end.
@Suite struct StateEdgeTests {
    private struct Number: ToolInput { var number: Int }
    private struct Lifetime: ToolInput {
        var seconds: Int
        var handle: StateHandle?
    }
    private struct Text: ToolInput { var text: String }

    private static func server(gate: Gate = Gate()) -> MCPServer {
        MCPServer(name: "edges", version: "1") {
            State(String.self, named: "small", initially: "", scope: .session, memory: .kibibytes(1))
            StateMap(String.self, named: "codes", scope: .session)
            StateList(String.self, named: "lines", scope: .session, tools: [])
            Tool("append", "Adds a line.") { (input: Text, call) in
                "\(try await call.stateList(String.self).append(input.text))"
            }
            Tool("line", "Reads a line.") { (input: Number, call) in
                try await call.stateList(String.self).get(input.number) ?? "none"
            }
            Tool("remove_line", "Removes a line.") { (input: Number, call) in
                let lines = try call.stateList(String.self)
                try await lines.remove(input.number)
                return try await lines.elements(from: input.number, limit: input.number).map(\.value)
                    .joined(separator: ",")
            }
            Tool("keep", "Keeps a code for a time.") { (input: Lifetime, call) in
                let codes = try call.stateMap(String.self)
                try await codes.set("code", "1", for: .seconds(input.seconds))
                return try await codes.update("code") { code in
                    code? += "2"
                    return code ?? "none"
                }
            }
            Tool("take", "Takes the code.") { call in
                let taken = try await call.stateMap(String.self).take("code")
                return taken ?? "none"
            }
            Tool("write", "Writes the small text.") { (input: Text, call) in
                try await call.state(String.self, named: "small").set(input.text)
                return "written"
            }
            Tool("write_twice", "Writes the small text before and after the gate opens.") { call in
                let small = try call.state(String.self, named: "small")
                try await small.set("before")
                try await gate.wait(for: "write_twice")
                try await small.set("after")
                return "written"
            }
        }
    }

    private func options(_ service: StateService) -> TestOptions {
        var options = TestOptions()
        options.state = service
        return options
    }

    @Test(arguments: [Int.min, -1, 1, Int.max])
    func aNumberThatNoElementHasIsNone(number: Int) async throws {
        try await withTestClient(Self.server(), over: .memory) { client in
            let session = try await client.openSession()
            #expect(try await session.call("append", ["text": "a"]).text == "0")
            let number = JSONValue.number(JSONNumber(number))
            #expect(try await session.call("line", ["number": number]).text == "none")
            #expect(try await session.call("remove_line", ["number": number]).isError == false)
            #expect(try await session.call("line", ["number": 0]).text == "a")
            #expect(try await session.call("append", ["text": "b"]).text == "1")
        }
    }

    @Test func lifetimesOfAnyLengthAreKept() async throws {
        try await withTestClient(Self.server(), over: .memory) { client in
            let session = try await client.openSession()
            for (seconds, kept) in [(Int.max, "12"), (1_000, "12"), (0, "none"), (-1, "none"), (Int.min, "none")] {
                let seconds = JSONValue.number(JSONNumber(seconds))
                #expect(try await session.call("keep", ["seconds": seconds]).text == kept)
            }
        }
    }

    @Test func aChangedEntryEndsAtTheTimeForWhichItWasSet() async throws {
        let service = StateService.inMemory()
        try await withTestClient(Self.server(), over: .memory, options: self.options(service)) { client in
            let session = try await client.openSession()
            let before = SystemTime.wallTime()
            #expect(try await session.call("keep", ["seconds": 1_000]).text == "12")
            let id = try #require(
                try await service.store.headers(after: nil, matching: RecordFilter(), limit: 1).first?.id)
            let object = try #require(try await service.engine.copy(of: id))
            let expiry = try #require(object.values.values.first?.expiry)
            #expect(expiry >= before + .seconds(1_000) && expiry <= SystemTime.wallTime() + .seconds(1_000))
        }
    }

    @Test func aValueOfASessionHasTheLimitOfItsDeclaration() async throws {
        try await withTestClient(Self.server(), over: .memory) { client in
            let session = try await client.openSession()
            #expect(try await session.call("write", ["text": "short"]).text == "written")
            let refused = try await session.call("write", ["text": .string(String(repeating: "x", count: 1_100))])
            #expect(refused.isError && refused.text?.contains("1 KiB") == true)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func ofManyCallsThatTakeAValueOneGetsIt(over transport: TestTransport) async throws {
        try await withTestClient(Self.server(), over: transport) { client in
            let session = try await client.openSession()
            _ = try await session.call("keep", ["seconds": 1_000])
            let taken = try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<50 { group.addTask { try await session.call("take").text } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(taken.filter { $0 == "12" }.count == 1 && taken.filter { $0 == "none" }.count == 49)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionThatIsEndedDuringACallKeepsNothingOfIt(over transport: TestTransport) async throws {
        let gate = Gate()
        let service = StateService.inMemory()
        try await withTestClient(Self.server(gate: gate), over: transport, options: self.options(service)) { client in
            let session = try await client.openSession()
            async let call: TestResponse? = try? session.request(
                "tools/call", ["name": "write_twice", "arguments": [:]])
            await gate.arrival(of: "write_twice")
            #expect(try await session.endSession().status < 300)
            gate.open("write_twice")
            let answer = await call
            #expect(answer?.result?["isError"] != false || answer?.result?["content"] == nil)
            #expect(try await session.request("tools/list").status == 404)
            #expect(try await service.store.usage().total.objects == 0)
        }
        #expect(service.engine.figures.reservedBytes == 0)
    }

    @Test func aHandleThatCannotBeListedIsNotMade() async throws {
        let service = StateService.inMemory(
            limits: StateLimits(storage: StorageLimits(objectValuesMax: 2)))
        try await withTestClient(Self.server(), over: .memory, options: self.options(service)) { client in
            let session = try await client.openSession()
            for _ in 0..<2 { #expect(try await session.call("create_small").isError == false) }
            #expect(try await session.call("create_small").isError)
            // Two handles and the session, which lists them.
            #expect(try await service.store.usage().total.objects == 3)
        }
    }

    @Test func aRunIsTheSameFromWhateverAddressItsAnonymousCallerComes() {
        let service = StateService.inMemory()
        let home = service.runObject(7, .anonymous(1))
        #expect(home == service.runObject(7, .anonymous(2)))
        #expect(home != service.runObject(8, .anonymous(1)))
        #expect(home != service.runObject(7, .principal(1)))
        #expect(service.runObject(7, .principal(1)) != service.runObject(7, .principal(2)))
    }
}
