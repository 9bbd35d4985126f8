import Synchronization
import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// Several hosted servers as one.
@Suite(.timeLimit(.minutes(5))) struct MergedRelayTests {
    /// Two servers behind one relay, called `left` and `right`.
    private struct Merged: Sendable {
        let relay: MergedRelay
        let servers: [HostedServer]
        let launchers: [ScriptedLauncher]
        let tasks: TaskScope
        let client: TestClient

        func tools() async throws -> [String] {
            guard case .array(let tools)? = try await self.client.request("tools/list").result?["tools"] else {
                return []
            }
            return tools.map { $0["name"]?.string ?? "" }
        }
    }

    private func withMerged(
        _ left: Script = Script(), _ right: Script = Script(), _ body: @Sendable (Merged) async throws -> Void
    ) async throws {
        let (tasks, clock) = (TaskScope(), ManualClock())
        let launchers = [ScriptedLauncher(left), ScriptedLauncher(right)]
        var options = HostedServer.Options()
        options.scope = .shared
        let servers = zip(["left", "right"], launchers).map { [options] name, launcher in
            HostedServer(
                name, launcher, options: options, logger: .none, now: { clock.now },
                sleep: { try await clock.sleep($0) })
        }
        for server in servers { server.begin() }
        let relay = MergedRelay(version: "1", tasks: tasks)
        let server = relay.relayedServer()
        relay.replace(servers.map { MergedRelay.Part($0, prefix: "\($0.name)_") })
        let result: Result<Void, any Error>
        do {
            var test = TestOptions()
            test.principals = ["ann"]
            try await withTestClient(MCPServer(server), over: .memory, options: test) { client in
                let client = client.authenticated(as: "ann")
                try await body(
                    Merged(relay: relay, servers: servers, launchers: launchers, tasks: tasks, client: client))
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await tasks.end()
        for (server, launcher) in zip(servers, launchers) {
            await server.end(grace: .zero)
            expectNothingLeft(of: server, launcher)
        }
        try result.get()
    }

    private func script(
        tools: [String] = [], prompts: [String] = [], resources: [String] = [], templates: [String] = []
    ) -> Script {
        var script = Script()
        (script.tools, script.prompts, script.resources, script.templates) = (tools, prompts, resources, templates)
        return script
    }

    /// Waits until both servers have said what they offer.
    private func untilAllOffer(_ merged: Merged) async throws {
        for server in merged.servers { try await server.untilOffered() }
    }

    @Test func toolsHaveThePrefixOfTheirServer() async throws {
        try await self.withMerged(self.script(tools: ["who"]), self.script(tools: ["who"])) { merged in
            try await self.untilAllOffer(merged)
            #expect(try await merged.tools() == ["left_who", "right_who"])
            _ = try await merged.client.callTool("right_who")
            #expect(merged.launchers[1].child(1).received.last == "tools/call who")
            #expect(!merged.launchers[0].child(1).received.contains("tools/call who"))
            for name in ["who", "left_other", "middle_who"] {
                #expect(try await merged.client.callTool(name).errorCode == -32602, "\(name)")
            }
        }
    }

    @Test func promptsHaveThePrefixOfTheirServer() async throws {
        try await self.withMerged(self.script(prompts: ["greet"]), self.script(prompts: ["greet"])) { merged in
            try await self.untilAllOffer(merged)
            let prompt = try await merged.client.request("prompts/get", ["name": "right_greet"])
            #expect(prompt.result?["description"] == "greet of 1")
            #expect(merged.launchers[1].child(1).received.last == "prompts/get greet")
            let completion = try await merged.client.request(
                "completion/complete",
                ["ref": ["type": "ref/prompt", "name": "left_greet"], "argument": ["name": "a", "value": ""]])
            #expect(completion.result?["completion"]?["values"] == ["greet"], "\(completion)")
        }
    }

    @Test func aResourceIsOfWhoListsItThenOfWhoHasItsTemplate() async throws {
        let left = self.script(resources: ["test://left"], templates: ["item://{id}"])
        let right = self.script(resources: ["test://right", "item://special"])
        try await self.withMerged(left, right) { merged in
            try await self.untilAllOffer(merged)
            for (uri, owner) in [("test://left", 0), ("test://right", 1), ("item://special", 1), ("item://7", 0)] {
                _ = try await merged.client.request("resources/read", ["uri": .string(uri)])
                #expect(merged.launchers[owner].child(1).received.last == "resources/read \(uri)")
            }
            let unknown = try await merged.client.request("resources/read", ["uri": "else://where"])
            #expect(unknown.errorCode == -32602, "\(unknown)")
            #expect(merged.launchers.allSatisfy { !$0.child(1).received.contains("resources/read else://where") })
        }
    }

    @Test func anUnknownResourceIsOfTheOnlyOneWithResources() async throws {
        try await self.withMerged(self.script(tools: ["who"]), self.script(resources: ["test://right"])) { merged in
            try await self.untilAllOffer(merged)
            _ = try await merged.client.request("resources/read", ["uri": "not://listed"])
            #expect(merged.launchers[1].child(1).received.last == "resources/read not://listed")
        }
    }

    @Test func aServerThatFailsIsLeftOutUntilItDoesNot() async throws {
        let words = Recorder<String>()
        var broken = self.script(tools: ["who"])
        broken.answering = { method in
            guard method == "tools/list", !words.all.contains("mended") else { return }
            throw MCPError(.internalError, "broken")
        }
        try await self.withMerged(self.script(tools: ["who"]), broken) { merged in
            #expect(try await merged.tools() == ["left_who"])
            words.add("mended")
            try await merged.servers[1].untilOffered()
            #expect(try await merged.tools() == ["left_who", "right_who"])
        }
    }

    @Test func whenAllFailTheClientHearsWhy() async throws {
        var broken = Script()
        broken.start = { _ in throw LaunchError("it is broken") }
        try await self.withMerged(broken, broken) { merged in
            let refused = try await merged.client.request("tools/list")
            #expect(refused.status == 503 && refused.errorMessage?.contains("it is broken") == true, "\(refused)")
        }
    }

    @Test func theEndOfASessionReachesAllServers() async throws {
        try await self.withMerged(
            self.script(resources: ["test://left"]), self.script(resources: ["test://right"])
        ) { merged in
            try await self.untilAllOffer(merged)
            let session = try await merged.client.openSession()
            for uri in ["test://left", "test://right"] {
                _ = try await session.request("resources/subscribe", ["uri": .string(uri)])
            }
            #expect(merged.servers.map { $0.subscribed } == [["test://left"], ["test://right"]])
            _ = try await session.endSession()
            #expect(merged.servers.map { $0.subscribed } == [[], []])
        }
    }

    @Test func whoListensIsToldByTheServerOfEachResource() async throws {
        try await self.withMerged(
            self.script(resources: ["test://left"]), self.script(resources: ["test://right"])
        ) { merged in
            try await self.untilAllOffer(merged)
            let request = try await self.anyRequest()
            let farewell = merged.relay.listens(to: ["test://left", "test://right"], request, as: 1)
            for (launcher, uri) in zip(merged.launchers, ["test://left", "test://right"]) {
                try await launcher.events.until(.received(1, "resources/subscribe", uri))
            }
            await merged.tasks.finish()
            for server in merged.servers { await server.chores.finish() }
            #expect(merged.servers.map { $0.subscribed } == [["test://left"], ["test://right"]])
            farewell()
            #expect(merged.servers.map { $0.subscribed } == [[], []])
        }
    }

    @Test func aFarewellBeforeTheBeginningIsDoneHolds() async throws {
        let words = Recorder<String>()
        var slow = self.script(resources: ["test://left"])
        slow.answering = { if $0 == "tools/list" { try await words.until("go") } }
        try await self.withMerged(slow, slow) { merged in
            let request = try await self.anyRequest()
            let farewell = merged.relay.listens(to: ["test://left"], request, as: 1)
            farewell()
            words.add("go")
            await merged.tasks.finish()
            for server in merged.servers {
                await server.chores.finish()
                #expect(server.subscribed == [])
            }
            for launcher in merged.launchers {
                #expect(
                    !launcher.children(for: .shared).contains {
                        $0.received.contains("resources/subscribe test://left")
                    })
            }
        }
    }

    /// A request of a client as relays get them.
    private func anyRequest() async throws -> RelayedRequest {
        let relay = KeepingRelay()
        let server = RelayedServer(relay, name: "any", version: "1")
        var catalogue = Catalogue(implementation: Implementation(name: "any", version: "1"))
        catalogue.resources = []
        server.offer(catalogue)
        try await withTestClient(MCPServer(server), over: .memory) { client in
            _ = try await client.request("resources/read", ["uri": "any"])
        }
        return try #require(relay.request.withLock { $0 })
    }
}

/// Keeps the last request that it was to carry.
private final class KeepingRelay: Relay {
    let request = Mutex<RelayedRequest?>(nil)

    func untilOffered() async throws {}
    func answer(_ request: RelayedRequest) async throws -> [UInt8] {
        self.request.withLock { $0 = request }
        return Array(#"{"contents":[]}"#.utf8)
    }
    func prepareOffer() {}
    func listens(to uris: Set<String>, _ request: RelayedRequest, as listener: UInt128) -> @Sendable () -> Void { {} }
    func rootsChanged(in session: UInt128) {}
    func sessionEnded(_ session: UInt128, account: AccountID?) {}
}

extension HostedServer {
    /// The resources that somebody who shares its child is subscribed to.
    fileprivate var subscribed: [String] { self.state.withLock { $0.subscriptions.uris(of: .shared) } }
}
