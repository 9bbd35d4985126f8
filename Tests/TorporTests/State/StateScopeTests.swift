import Testing
@testable import Torpor
import TorporEngine
import TorporTesting

/// Whose object a call reaches, and what the limits of the state are in which others lie.
@Suite struct StateScopeTests {
    private struct Put: ToolInput {
        var key: String
        var value: String
        var box: StateHandle?
    }

    private struct Which: ToolInput { var box: StateHandle? }

    private struct Prefix: ToolInput {
        var prefix: String
        var after: String?
    }

    private static func boxes(_ scope: StateScope, memory: ByteCount? = nil) -> MCPServer {
        MCPServer(name: "boxes", version: "1") {
            State(Int.self, named: "box", initially: 0, scope: scope, memory: memory, tools: [], createdBy: "new_box")
            StateMap(String.self, named: "things", scope: scope, within: "box")
            Tool("new_box", "Makes a box.") { call in try await call.createState("box").text }
            Tool("put", "Puts a thing into a box.") { (input: Put, call) in
                try await call.stateMap(String.self, input.box).set(input.key, input.value)
                return "put"
            }
            Tool("things", "Lists things.") { (input: Which, call) in
                try await call.stateMap(String.self, input.box).keys().joined(separator: ",")
            }
            Tool("needs_handle", "Tells whether a handle is needed.") { call in "\(call.needsHandle(of: "things"))" }
            Tool("limits", "Tells a limit.") { call in "\(call.stateLimits.memory.objectMax)" }
            Tool("rename", "Adds an x to the keys of things, and tells what the change sees.") {
                (input: Prefix, call) in
                try await call.stateObject("box").update { box in
                    for (key, value) in try box.entries(String.self, prefix: input.prefix, after: input.after) {
                        try box.setEntry(key, String?.none)
                        try box.setEntry(key + "x", value)
                    }
                    return try box.keys(String.self, limit: 3).joined(separator: ",")
                }
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aPrincipalComesBeforeItsSession(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        try await withTestClient(Self.boxes(.principalOrSession), over: transport, options: options) { client in
            let alice = client.authenticated(as: "alice")
            _ = try await alice.openSession().call("put", ["key": "a", "value": "1"])
            #expect(try await alice.call("things").text == "a")
            #expect(try await client.authenticated(as: "bob").call("things").text == "")
            #expect(try await alice.call("needs_handle").text == "false")
        }
        try await withTestClient(Self.boxes(.principalOrSession), over: transport) { client in
            let (session, other) = (try await client.openSession(), try await client.openSession())
            _ = try await session.call("put", ["key": "a", "value": "1"])
            #expect(try await session.call("things").text == "a")
            #expect(try await other.call("things").text == "")
            #expect(try await session.call("needs_handle").text == "false")
            #expect(try await client.call("needs_handle").text == "true")
            let box = JSONValue.string(try await client.call("new_box").text ?? "")
            _ = try await client.call("put", ["key": "b", "value": "1", "box": box])
            #expect(try await session.call("things", ["box": box]).text == "b")
        }
    }

    @Test func errorsNameTheServersOwnTool() async throws {
        try await withTestClient(Self.boxes(.session), over: .memory) { client in
            for arguments: JSONObject in [[:], ["box": "box_00000000000000000000000000"], ["box": "no"]] {
                let refused = try await client.call("things", arguments)
                #expect(refused.isError && refused.text?.contains("ake a new one with new_box.") == true)
            }
        }
    }

    @Test func whatLiesInAnObjectSharesItsLimit() async throws {
        try await withTestClient(Self.boxes(.handle, memory: .kibibytes(4)), over: .memory) { client in
            let box = JSONValue.string(try await client.call("new_box").text ?? "")
            let text = JSONValue.string(String(repeating: "x", count: 3_000))
            #expect(try await client.call("put", ["key": "a", "value": text, "box": box]).text == "put")
            let refused = try await client.call("put", ["key": "b", "value": text, "box": box])
            #expect(refused.isError && refused.text?.contains("4 KiB") == true)
            #expect(try await client.call("things", ["box": box]).text == "a")
        }
    }

    @Test func aChangeSeesTheEntriesThatItHasChanged() async throws {
        try await withTestClient(Self.boxes(.session), over: .memory) { client in
            let session = try await client.openSession()
            for key in ["a", "b1", "b2", "b3", "c"] {
                _ = try await session.call("put", ["key": .string(key), "value": "v"])
            }
            #expect(try await session.call("rename", ["prefix": "b", "after": "b1"]).text == "a,b1,b2x")
            #expect(try await session.call("things").text == "a,b1,b2x,b3x,c")
        }
    }

    @Test func aCallKnowsTheLimits() async throws {
        var options = TestOptions()
        options.state = .inMemory(limits: StateLimits(memory: MemoryLimits(objectMax: .kibibytes(32))))
        try await withTestClient(Self.boxes(.session), over: .memory, options: options) { client async throws in
            #expect(try await client.call("limits").text == "32 KiB")
        }
    }

    @Test(arguments: TestTransport.allCases, [false, true])
    func stateSleepsBetweenRequestsWhereATestWantsIt(over transport: TestTransport, sleeps: Bool) async throws {
        var options = TestOptions()
        let state = StateService.inMemory()
        options.state = state
        options.sleepsBetweenRequests = sleeps
        try await withTestClient(Self.boxes(.session), over: transport, options: options) { client in
            let session = try await client.openSession()
            _ = try await session.call("put", ["key": "a", "value": "1"])
            #expect(state.engine.evictAll() == (sleeps ? 0 : 1))
            #expect(try await session.call("things").text == "a")
        }
    }
}
