import Testing
import Torpor
import TorporTesting

/// What clients get to see of downstreams.
@Suite struct DownstreamCallTests {
    @Test(arguments: TestTransport.allCases)
    func aClientIsToldWhenADownstreamCanBeTriedAgain(over transport: TestTransport) async throws {
        try await withTestClient(server(), over: transport) { client in
            let failed = try await client.call("fails")
            #expect(failed.isError, "\(failed.result)")
            let legacy = try await client.openSession()
            for (client, method, params) in [
                (client, "tools/call", ["name": "fails"]), (legacy, "tools/call", ["name": "fails"]),
                (client, "resources/read", ["uri": "crm://all"]), (client, "prompts/get", ["name": "ask"]),
            ] as [(TestClient, String, JSONObject)] {
                let response = try await client.request(method, params)
                let data = response.body?["error"]?["data"]
                #expect(response.status == 503 && response.headers["retry-after"] == "60", "\(method): \(response)")
                #expect(
                    data?["downstream"] == "crm" && data?["reason"] == "open" && data?["retryAfterSeconds"] == 60,
                    "\(response)")
                #expect(response.errorMessage?.contains("Try again in 1m") == true, "\(response)")
            }
            // One place that fails closes no other.
            #expect(try await client.call("works").text == "done")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func theModelIsToldWhatCannotBeTriedAgainBlindly(over transport: TestTransport) async throws {
        let time = ManualTime()
        let gate = Gate()
        let server = MCPServer(name: "slow", version: "1") {
            Downstream("crm", limits: DownstreamLimits(durationMax: .seconds(3)), time: time.time)
            Tool("waits", "Waits.") { call in
                try await call.downstream("crm").run {
                    try await gate.wait(for: "crm")
                    return "never"
                }
            }
        }
        try await withTestClient(server, over: transport) { client in
            let answer = Task { try await client.call("waits") }
            await gate.arrival(of: "crm")
            await time.sleepers(for: .seconds(3))
            time.advance(by: .seconds(3))
            let result = try await answer.value
            #expect(
                result.isError && result.text?.hasPrefix("crm did not answer within 3s.") == true, "\(result.result)")
        }
    }

    @Test func anErrorOfABodyReachesTheHandlerAsItIs() async throws {
        let server = MCPServer(name: "s", version: "1") {
            Downstream("crm")
            Tool("asks", "Asks.") { call -> String in
                do {
                    return try await call.downstream("crm").run { throw ToolError("Nobody has this name.") }
                } catch let error as ToolError {
                    return "caught: \(error.message)"
                }
            }
        }
        try await withTestClient(server, over: .memory) { client in
            let text = try await client.call("asks").text
            #expect(text == "caught: Nobody has this name.")
        }
    }

    @Test func oneGateServesAllCallsOfAServer() async throws {
        let gate = Gate()
        let server = MCPServer(name: "s", version: "1") {
            Downstream("crm", limits: DownstreamLimits(runningMax: 1, waitingMax: 0))
            Tool("waits", "Waits.") { call in
                try await call.downstream("crm").run {
                    try await gate.wait(for: "crm")
                    return "done"
                }
            }
        }
        try await withTestClient(server, over: .memory) { client in
            let first = Task { try await client.call("waits").text }
            await gate.arrival(of: "crm")
            let refused = try await client.request("tools/call", ["name": "waits"])
            #expect(refused.status == 503 && refused.body?["error"]?["data"]?["reason"] == "busy", "\(refused)")
            gate.open("crm")
            #expect(try await first.value == "done")
        }
    }

    @Test func whatIsNotDeclaredOrDeclaredTwiceIsTheAuthorsFault() async {
        await #expect(processExitsWith: .failure) {
            _ = MCPServer(name: "s", version: "1") {
                Downstream("crm")
                Downstream("crm")
            }
        }
        await #expect(processExitsWith: .failure) { _ = Downstream("Not a name") }
        await #expect(processExitsWith: .failure) {
            let server = MCPServer(name: "s", version: "1") {
                Tool("asks", "Asks.") { call in call.downstream("crm").name }
            }
            _ = try await withTestClient(server, over: .memory) { try await $0.call("asks").text }
        }
    }
}

/// Its downstream `crm` fails and is left alone for a minute then; `mail` works.
private func server() -> MCPServer {
    MCPServer(name: "sales", version: "1") {
        Downstream(
            "crm", limits: DownstreamLimits(breaker: .init(failuresMax: 1, openMin: .seconds(60))),
            time: ManualTime().time)
        Downstream("mail")
        Tool("fails", "Fails.") { call -> String in try await call.downstream("crm").run { throw SecretError() } }
        Tool("works", "Works.") { call in try await call.downstream("mail").run { "done" } }
        Resource("crm://all", name: "all", description: "All.") { call in
            try await call.downstream("crm").run { [.text("all", uri: "crm://all")] }
        }
        Prompt("ask", "Asks.") { _, call in try await call.downstream("crm").run { PromptResult([.user("Ask.")]) } }
    }
}
