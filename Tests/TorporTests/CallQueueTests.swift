import Testing
import Torpor
import TorporTesting

/// Calls that wait for their turns, and callers that send more than they may.
@Suite struct CallQueueTests {
    @Test(arguments: TestTransport.allCases)
    func aCallBeyondTheLimitWaitsForItsTurn(over transport: TestTransport) async throws {
        let gate = Gate()
        var options = TestOptions()
        options.limits = CallLimits(callsMax: 1, queuedMax: 1)
        try await withTestClient(fixtureServer(gate: gate), over: transport, options: options) { client in
            let first = Task { try await client.call("waits", ["message": "first"]).text }
            await gate.arrival(of: "first")
            try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        try await client.request("tools/call", ["name": "waits", "arguments": ["message": "next"]])
                    }
                }
                // One waits; the other is told at once that no more may.
                let refused = try await group.next()
                #expect(
                    refused?.status == 503 && refused?.headers["retry-after"] == "1", "\(String(describing: refused))")
                gate.open("first")
                let firstText = try await first.value
                #expect(firstText == "first done")
                await gate.arrival(of: "next")
                gate.open("next")
                let waited = try await group.next()
                #expect(waited?.status == 200)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aWaitingCallThatIsCancelledGivesItsPlaceBack(over transport: TestTransport) async throws {
        let gate = Gate()
        var options = TestOptions()
        options.limits = CallLimits(callsMax: 1, queuedMax: 1)
        try await withTestClient(fixtureServer(gate: gate), over: transport, options: options) { client in
            let first = Task { try await client.call("waits", ["message": "first"]).text }
            await gate.arrival(of: "first")
            for _ in 0..<3 {
                // As often as one likes: were a place lost, the second would be refused with 503 for good.
                try await withThrowingTaskGroup(of: TestResponse.self) { group in
                    for _ in 0..<2 {
                        group.addTask {
                            try await client.request("tools/call", ["name": "waits", "arguments": ["message": "next"]])
                        }
                    }
                    let refused = try await group.next()
                    #expect(refused?.status == 503, "\(String(describing: refused))")
                    group.cancelAll()
                    while let _ = await group.nextResult() {}
                }
            }
            gate.open("first")
            let firstText = try await first.value
            #expect(firstText == "first done")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCallerThatFloodsWaitsForItselfAndNobodyElseDoes(over transport: TestTransport) async throws {
        let gate = Gate()
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        options.limits = CallLimits(callsMax: 10, principalCallsMax: 1, queuedMax: 8, principalQueuedMax: 1)
        try await withTestClient(fixtureServer(gate: gate), over: transport, options: options) { client in
            let alice = client.authenticated(as: "alice")
            let running = Task { try await alice.call("waits", ["message": "running"]).text }
            await gate.arrival(of: "running")
            let answers = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for _ in 0..<4 { group.addTask { try await alice.request("tools/call", ["name": "who"]) } }
                var answers: [TestResponse] = []
                // One waits; the others are told at once that too many do.
                while answers.count < 3, let answer = try await group.next() { answers.append(answer) }
                #expect(answers.allSatisfy { $0.status == 429 && $0.headers["retry-after"] == "1" }, "\(answers)")
                #expect(try await client.authenticated(as: "bob").call("who").text == "bob")
                gate.open("running")
                while let answer = try await group.next() { answers.append(answer) }
                return answers
            }
            #expect(answers.last?.status == 200)
            let text = try await running.value
            #expect(text == "running done")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCallerThatSendsTooFastIsToldWhenToComeBack(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        options.limits = CallLimits(principalRate: CallRate(perSecond: 0.001, burst: 3))
        try await withTestClient(fixtureServer(), over: transport, options: options) { client in
            let alice = client.authenticated(as: "alice")
            for _ in 0..<3 { #expect(try await alice.request("tools/call", ["name": "who"]).status == 200) }
            let refused = try await alice.request("tools/call", ["name": "who"])
            #expect(refused.status == 429 && refused.errorCode == -32603, "\(refused)")
            #expect(refused.headers["retry-after"].flatMap(Int.init).map { $0 > 900 && $0 <= 1_000 } == true)
            #expect(try await client.authenticated(as: "bob").request("tools/call", ["name": "who"]).status == 200)
        }
    }
}
