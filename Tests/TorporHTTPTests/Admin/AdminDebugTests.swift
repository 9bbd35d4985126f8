import Glibc
import NIOPosix
import Testing
import Torpor
import TorporCore
import TorporEngine
import TorporJSON

@testable import TorporHTTP

/// A client that blocks none of the threads on which these pages are carried out.
private struct DebugClient: Sendable {
    let client: LoopbackClient

    func request(
        _ method: String, _ target: String, host: String = "localhost", fields: [String] = [], body: String? = nil
    ) async throws -> LoopbackClient.Response {
        try await NIOThreadPool.singleton.runIfActive {
            try self.client.request(method, target, host: host, fields: fields, body: body)
        }
    }

    /// Sends a request and expects an answer with this status.
    func expect(
        _ status: Int, _ method: String, _ target: String, host: String = "localhost", fields: [String] = [],
        body: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let response = try await self.request(method, target, host: host, fields: fields, body: body)
        #expect(response.status == status, "\(method) \(target): \(response.body)", sourceLocation: sourceLocation)
    }
}

/// The pages below `/debug`, over the real listener and an engine that keeps state in memory.
@Suite struct AdminDebugTests {
    private static let session = StateObjectID(bits: 0xA1)
    private static let idText = "000000000000000000000000000000a1"

    /// Runs a listener with the state of one session in it.
    private func withState<Result: Sendable>(
        configuration: AdminConfiguration = AdminConfiguration(port: 0),
        _ body: @Sendable (DebugClient, StateService) async throws -> Result
    ) async throws -> Result {
        let service = StateService.inMemory()
        var sources = AdminSources.healthy
        sources.operations = AdminOperations(
            process: { ["process": ["threads": 3]] }, state: StateOperations(service))
        return try await service.run { [sources] in
            try await Self.set("counter", 7, of: Self.session, service)
            return try await withAdminListener(configuration: configuration, sources: sources) { port in
                try await body(DebugClient(client: try LoopbackClient(port: port)), service)
            }
        }
    }

    private static func set(_ key: String, _ value: UInt8, of id: StateObjectID, _ service: StateService) async throws {
        let use = service.engine.use()
        defer { use.end() }
        try await use.update(ObjectName(id, .session, account: .anonymous(5))) {
            $0.set(Array(key.utf8), [0, 1, value])
        }
        try await use.durable()
    }

    private func json(_ response: LoopbackClient.Response) throws -> JSONValue {
        #expect(response.fields["content-type"] == "application/json")
        return try JSONValue(parsing: response.body)
    }

    @Test func memoryIsToldByLevelWithLimits() async throws {
        try await self.withState { client, _ in
            let page = try self.json(try await client.request("GET", "/debug/memory"))
            #expect(page["process"]?["threads"] == 3)
            let state = page["state"]
            #expect(state?["resident"]?["limit_bytes"] == .number(JSONNumber(256 << 20)))
            #expect(state?["largest_accounts"]?[0]?["account"] == "anonymous:000000000000")
            #expect(state?["objects"]?["at_rest"] == 1 && state?["stored"]?["objects"] == 1)
            #expect(state?["ended_sessions"]?["limit"] == 1_000_000)
        }
    }

    @Test func stateIsListedShownEvictedAndDeleted() async throws {
        try await self.withState { client, service in
            let list = try self.json(try await client.request("GET", "/debug/sessions"))
            #expect(list["next"] == .null && list["objects"]?[1] == nil)
            let object = list["objects"]?[0]
            #expect(
                object?["id"] == .string(Self.idText) && object?["kind"] == "session" && object?["memory"] == "resident"
            )
            #expect(object?["values"] == 1 && object?["bytes"] == 10 && object?["is_quarantined"] == false)
            let shown = try self.json(try await client.request("GET", "/debug/sessions/\(Self.idText)"))
            #expect(shown["resident"]?["standing"] == "at_rest")
            let evicted = try self.json(try await client.request("POST", "/debug/sessions/\(Self.idText)/evict"))
            #expect(evicted == ["evicted": true])
            #expect(service.engine.snapshot().objects.atRest == 0)
            let again = try self.json(try await client.request("POST", "/debug/sessions/\(Self.idText)/evict"))
            #expect(again == ["evicted": false])
            let asleep = try self.json(try await client.request("GET", "/debug/sessions/\(Self.idText)"))
            #expect(asleep["resident"] == .null && asleep["memory"] == "asleep")
            try await client.expect(200, "POST", "/debug/sessions/\(Self.idText)/delete")
            #expect(service.engine.hasEnded(Self.session))
            for (method, action) in [("GET", ""), ("POST", "/delete"), ("POST", "/evict"), ("GET", "/export")] {
                let answer = try await client.request(method, "/debug/sessions/\(Self.idText)\(action)")
                #expect(answer.status == 404)
                #expect(try self.json(answer)["error"] == "unknown")
            }
        }
    }

    @Test func whatIsUsedStaysInMemory() async throws {
        try await self.withState { client, service in
            let use = service.engine.use()
            defer { use.end() }
            try await use.open(ObjectName(Self.session, .session, account: .anonymous(5)))
            let answer = try await client.request("POST", "/debug/sessions/\(Self.idText)/evict")
            #expect(answer.status == 409)
            #expect(try self.json(answer)["error"] == "busy")
        }
    }

    @Test func everythingAtRestIsEvictedAtOnce() async throws {
        try await self.withState { client, service in
            let first = try self.json(try await client.request("POST", "/debug/sessions/evict"))
            #expect(first == ["evicted": 1] && service.engine.resident(Self.session) == nil)
            #expect(try self.json(try await client.request("POST", "/debug/sessions/evict")) == ["evicted": 0])
        }
    }

    @Test func pagesFollowOneAnother() async throws {
        try await self.withState { client, service in
            for number in 1...4 { try await Self.set("a", 1, of: StateObjectID(bits: UInt128(number)), service) }
            var ids: [String] = []
            var next = ""
            var pages = 0
            while true {
                let page = try self.json(try await client.request("GET", "/debug/sessions?limit=2" + next))
                guard case .array(let objects)? = page["objects"] else { break }
                pages += 1
                for case .string(let id)? in objects.map({ $0["id"] }) { ids.append(id) }
                guard case .string(let last)? = page["next"] else { break }
                next = "&after=\(last)"
            }
            #expect(ids.count == 5 && ids == ids.sorted() && pages == 3)
            let handles = try self.json(try await client.request("GET", "/debug/sessions?kind=handle&name=basket"))
            #expect(handles["objects"] == [])
        }
    }

    @Test func anExportIsImportedAgain() async throws {
        try await self.withState { client, service in
            let target = "/debug/sessions/\(Self.idText)/export"
            let export = try await client.request("GET", target)
            #expect(export.status == 200 && export.fields["content-type"] == "application/jsonl")
            let lines = export.body.split(separator: "\n")
            #expect(lines.count == 2)
            #expect(try JSONValue(parsing: String(lines[1]))["key"] == "counter")
            let refused = try await client.request("POST", "/debug/sessions/import", body: export.body)
            #expect(refused.status == 409)
            try await Self.set("other", 1, of: Self.session, service)
            let replaced = try await client.request("POST", "/debug/sessions/import?replace=true", body: export.body)
            #expect(try self.json(replaced) == ["id": .string(Self.idText)])
            let again = try await client.request("GET", target)
            #expect(again.body.split(separator: "\n").dropFirst() == lines.dropFirst())
            let malformed = try await client.request(
                "POST", "/debug/sessions/import", body: String(export.body.dropLast(20)))
            #expect(malformed.status == 400)
        }
    }

    @Test func anImportIsReadUpToItsLimit() async throws {
        try await self.withState { client, _ in
            let body = String(repeating: "x", count: AdminDebug.importMax)
            try await client.expect(400, "POST", "/debug/sessions/import", body: body)
            try await client.expect(413, "POST", "/debug/sessions/import", body: body + "x")
            try await client.expect(200, "GET", "/livez")
        }
    }

    @Test func aFewObjectsAreTransferredAtOnceAndNoMore() {
        let slots = TransferSlots(max: 2)
        let first = slots.take()
        var second = slots.take()
        #expect(first != nil && second != nil && slots.take() == nil)
        first?.giveBack()
        first?.giveBack()
        let third = slots.take()
        #expect(third != nil && slots.take() == nil)
        // Nobody refers to it any more.
        second = nil
        #expect(slots.take() != nil)
        withExtendedLifetime((third, second)) {}
    }

    @Test(arguments: [
        ("GET", "/debug/sessions/xyz", 400), ("GET", "/debug/sessions?limit=0", 400),
        ("GET", "/debug/sessions?limit=1001", 400), ("GET", "/debug/sessions?kind=cat", 400),
        ("GET", "/debug/sessions?after=1", 400), ("GET", "/debug/sessions?what=1", 400),
        ("GET", "/debug/sessions?limit=1&limit=2", 400), ("POST", "/debug/sessions/import?replace=perhaps", 400),
        ("GET", "/debug/nothing", 404), ("GET", "/debug/", 404), ("GET", "/debug/sessions/a/b/c", 404),
        ("GET", "/debug/sessions/import", 405), ("GET", "/debug/sessions/evict", 405),
        ("GET", "/debug/sessions/\(idText)/delete", 405),
        ("GET", "/debug/sessions/\(idText)/evict", 405), ("POST", "/debug/sessions/\(idText)", 405),
        ("POST", "/debug/memory", 405), ("POST", "/debug/overview", 405), ("GET", "/debug/overview?a=b", 400),
        ("GET", "/debug/overview/", 404), ("GET", "/debug/overview", 200), ("DELETE", "/debug/sessions/\(idText)", 405),
        ("GET", "/debug/sessions?limit=1000", 200), ("GET", "/debug/state", 200),
    ])
    func onlyWhatIsAskedForWellIsAnswered(method: String, target: String, status: Int) async throws {
        try await self.withState { client, service in
            let answer = try await client.request(method, target, body: method == "GET" ? nil : "")
            #expect(answer.status == status)
            if status == 405 { #expect(answer.fields["allow"] == (method == "GET" ? "POST" : "GET")) }
            #expect(service.engine.snapshot().storedObjects == 1)
        }
    }

    @Test func pagesOfOtherSitesAreRefused() async throws {
        try await self.withState { client, service in
            let target = "/debug/sessions/\(Self.idText)/delete"
            for field in [
                "Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site",
                "Sec-Fetch-Site: same-site",
            ] {
                try await client.expect(403, "POST", target, fields: [field], body: "")
            }
            try await client.expect(403, "POST", target, host: "evil.example", body: "")
            try await client.expect(403, "GET", "/debug/sessions", fields: ["Sec-Fetch-Site: cross-site"])
            #expect(!service.engine.hasEnded(Self.session))
            let own = ["Origin: http://localhost", "Sec-Fetch-Site: same-origin"]
            try await client.expect(200, "POST", target, fields: own, body: "")
        }
    }

    @Test func beyondLoopbackNothingOfThisIsThereWithoutATokenFile() async throws {
        try await self.withState(configuration: AdminConfiguration(host: "0.0.0.0", port: 0)) { client, service in
            for target in [
                "/debug/overview", "/debug/memory", "/debug/state", "/debug/sessions",
                "/debug/sessions/\(Self.idText)/export", "/dashboard.js", "/dashboard.css",
            ] {
                try await client.expect(404, "GET", target)
            }
            #expect(try await client.request("POST", "/debug/sessions/\(Self.idText)/delete", body: "").status != 200)
            #expect(!service.engine.hasEnded(Self.session))
            #expect(try await client.request("GET", "/").body.contains("debug") == false)
            try await client.expect(200, "GET", "/metrics")
        }
    }

    @Test(arguments: ["127.0.0.1", "0.0.0.0"])
    func withATokenFileATokenIsNeededForStateAndNotForHealth(host: String) async throws {
        let path = "/tmp/torpor-admin-tokens-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try PrivateFile.write("ops 0123456789abcdef0123\n", to: path, mayReplace: false)
        defer { unlink(path) }
        let tokens = try TokenFile(path: path)
        try await self.withState(configuration: AdminConfiguration(host: host, port: 0, tokens: tokens)) { client, _ in
            for fields in [
                [], ["Authorization: Bearer 0123456789abcdef0124"], ["Authorization: Basic 0123456789abcdef0123"],
                ["Authorization: Bearer 0123456789abcdef0123", "Authorization: Bearer 0123456789abcdef0123"],
            ] {
                let answer = try await client.request("GET", "/debug/sessions", fields: fields)
                #expect(answer.status == 401 && answer.fields["www-authenticate"] == "Bearer")
                try await client.expect(401, "GET", "/debug/overview", fields: fields)
            }
            let authorized = ["Authorization: Bearer 0123456789abcdef0123"]
            try await client.expect(200, "GET", "/debug/sessions", fields: authorized)
            for page in ["/livez", "/readyz", "/metrics"] { try await client.expect(200, "GET", page) }
            try PrivateFile.write("ops another-token-0123456789\n", to: path, mayReplace: true)
            try tokens.reload()
            try await client.expect(401, "GET", "/debug/sessions", fields: authorized)
        }
    }

    @Test func aServerWithoutStateTellsOfItsMemoryAlone() async throws {
        var sources = AdminSources.healthy
        sources.operations = AdminOperations(process: { ["process": [:]] }, state: nil)
        try await withAdminListener(sources: sources) { port in
            let client = DebugClient(client: try LoopbackClient(port: port))
            #expect(
                try self.json(try await client.request("GET", "/debug/memory"))
                    == ["process": [:], "state": .null, "governor": .null])
            #expect(try self.json(try await client.request("GET", "/debug/overview"))["state"] == .null)
            try await client.expect(404, "GET", "/debug/sessions")
        }
    }
}
