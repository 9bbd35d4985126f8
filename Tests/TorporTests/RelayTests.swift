import Synchronization
import Testing
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

        init(_ script: @escaping @Sendable (RelayedRequest) async throws -> JSONValue) { self.script = script }

        func untilOffered() async throws {
            guard let catalogue = self.catalogue.withLock({ $0 }) else {
                throw Refusal(503, .internalError, "The server cannot be started.", retryAfterSeconds: 7)
            }
            self.server.withLock { $0 }?.offer(catalogue)
        }

        func answer(_ request: RelayedRequest) async throws -> [UInt8] {
            Array(try await self.script(request).text.utf8)
        }
        func prepareOffer() {}
        func listens(to uris: Set<String>, _ request: RelayedRequest) -> @Sendable () -> Void { {} }
        func sessionEnded(_ session: UInt128) { self.ended.withLock { $0.append(session) } }
    }

    private static let tool: JSONValue = [
        "name": "any tool", "inputSchema": ["type": "object"], "unknown": ["kept": true],
    ]

    private static func relayed(
        _ script: @escaping @Sendable (RelayedRequest) async throws -> JSONValue
    ) -> (MCPServer, ScriptedRelay) {
        let relay = ScriptedRelay(script)
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
}
