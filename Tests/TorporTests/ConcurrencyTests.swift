import Testing
import Torpor
import TorporTesting

/// Calls that run at the same time: whose answer is whose, and how many there may be.
@Suite struct ConcurrencyTests {
    @Test(arguments: TestTransport.allCases)
    func equalIdsOfTwoClientsNeverMeet(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(fixtureServer(gate: gate), over: transport) { client in
            async let first = client.call("waits", ["message": "first"])
            async let second = client.call("waits", ["message": "second"])
            await gate.arrival(of: "first")
            await gate.arrival(of: "second")
            gate.open("second")
            let secondText = try await second.text
            #expect(secondText == "second done")
            gate.open("first")
            let firstText = try await first.text
            #expect(firstText == "first done")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCallBeyondTheLimitIsToldWhenToComeBack(over transport: TestTransport) async throws {
        let gate = Gate()
        var options = TestOptions()
        options.limits = CallLimits(callsMax: 1, queuedMax: 0)
        try await withTestClient(fixtureServer(gate: gate), over: transport, options: options) { client in
            for round in ["one", "two"] {
                async let running = client.call("waits", ["message": .string(round)])
                await gate.arrival(of: round)
                let refused = try await client.request(
                    "tools/call", ["name": "waits", "arguments": ["message": "late"]])
                #expect(
                    refused.status == 503 && refused.errorCode == -32603 && refused.headers["retry-after"] == "1",
                    "\(refused)")
                // Inline tools and lists need no place.
                #expect(try await client.call("quick", ["message": "hi"]).text == "hi")
                gate.open(round)
                let text = try await running.text
                #expect(text == "\(round) done")
            }
            for message in ["tool", "protocol", "cancelled", "secret"] {
                _ = try await client.request(
                    "tools/call", ["name": "breaks", "arguments": ["message": .string(message)]])
                #expect(
                    try await client.call("who").text == "nobody",
                    "the place of a call that failed with \(message) is free")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func onePrincipalDoesNotTakeThePlacesOfAnother(over transport: TestTransport) async throws {
        let gate = Gate()
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        options.limits = CallLimits(callsMax: 10, principalCallsMax: 1, queuedMax: 0)
        try await withTestClient(fixtureServer(gate: gate), over: transport, options: options) { client in
            let alice = client.authenticated(as: "alice")
            async let running = alice.call("waits", ["message": "alice"])
            await gate.arrival(of: "alice")
            let refused = try await alice.request("tools/call", ["name": "who"])
            #expect(refused.status == 429 && refused.headers["retry-after"] == "1", "\(refused)")
            #expect(try await client.authenticated(as: "bob").call("who").text == "bob")
            gate.open("alice")
            let runningText = try await running.text
            #expect(runningText == "alice done")
            #expect(try await alice.call("who").text == "alice")
        }
    }
}
