import Testing
import Torpor
import TorporTesting

/// Streams of sessions: opened by GET, lost, and found again; and the cancelling of calls.
@Suite struct SessionStreamTests {
    @Test(arguments: TestTransport.allCases)
    func aCallWhoseConnectionIsCutIsGoneOnWithElsewhere(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(talkingServer(gate: gate), over: transport) { client in
            let session = try await client.openSession()
            let seen = try await session.stream(
                session.makeRequest("tools/call", ["name": "waits", "arguments": ["message": "a"]], id: 7)
            ) { stream in
                let priming = try await stream.next()
                #expect(priming?.id != nil && priming?.message == nil && priming?.retryMilliseconds != nil)
                let first = try await stream.next()
                #expect(first?.message?["params"]?["data"] == "waiting a")
                return (priming?.id ?? "", first?.id ?? "")
            }
            await gate.arrival(of: "a")
            gate.open("a")
            let rest = try await session.openStream(after: seen.1) { stream in
                var messages: [JSONValue] = []
                while let event = try await stream.next() {
                    if let message = event.message { messages.append(message) }
                }
                return messages
            }
            #expect(rest.count == 2)
            #expect(rest.first?["params"]?["data"] == "going on")
            #expect(rest.last?["id"] == 7 && rest.last?["result"]?["content"]?[0]?["text"] == "a done")
            // From the beginning, everything comes again.
            let all = try await session.openStream(after: seen.0) { stream in
                var count = 0
                while let event = try await stream.next() { if event.message != nil { count += 1 } }
                return count
            }
            #expect(all == 3)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func placesThatWereNeverGivenOutAreRefused(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(talkingServer(gate: gate), over: transport) { client in
            let session = try await client.openSession()
            let other = try await client.openSession()
            let response = try await session.callRaw("logs")
            let id = response.events.compactMap(\.id).last ?? ""
            let altered = String(id.dropLast()) + (id.last == "A" ? "Q" : "A")
            for (client, place, status) in [
                (session, "made-up", 400), (session, altered, 400), (other, id, 400),
                (session.inSession("made-up"), id, 404), (session, id, 200),
            ] {
                let found = try await client.openStream(after: place) { $0.status }
                #expect(found == status, "\(place)")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aReleasedConnectionIsClosedWithAWordOnWhenToComeBack(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(talkingServer(gate: gate), over: transport) { client in
            let session = try await client.openSession()
            let response = try await session.callRaw("lets_go", ["message": "b"], id: "r")
            #expect(response.events.last?.retryMilliseconds == 100 && response.result == nil)
            let last = response.events.last { $0.id != nil }?.id
            await gate.arrival(of: "b")
            gate.open("b")
            let answer = try await session.openStream(after: last) { try await $0.nextMessage() }
            #expect(answer["id"] == "r" && answer["result"]?["content"]?[0]?["text"] == "after")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aCancelledCallIsNotAnswered(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(talkingServer(gate: gate), over: transport) { client in
            let session = try await client.openSession()
            async let answer = session.callRaw("waits", ["message": "c"], id: "gone")
            await gate.arrival(of: "c")
            // Of another session, or of an id that nobody uses: ignored.
            let other = try await client.openSession()
            for (client, id) in [(other, "gone"), (session, "unknown"), (session, "gone")] {
                let response = try await client.notify(
                    "notifications/cancelled", ["requestId": .string(id), "reason": "enough"])
                #expect(response.status == 202)
            }
            let response = try await answer
            #expect(response.status == 200 && response.result == nil && response.errorCode == nil)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anEndedSessionEndsItsStreamsAndCalls(over transport: TestTransport) async throws {
        let gate = Gate()
        try await withTestClient(talkingServer(gate: gate), over: transport) { client in
            let session = try await client.openSession()
            async let answer = session.callRaw("waits", ["message": "d"])
            await gate.arrival(of: "d")
            try await session.openStream { stream in
                _ = try await stream.next()
                #expect(try await session.endSession().status == 204)
                #expect(try await stream.next() == nil)
            }
            // Nobody cancelled the call, so it has an answer.
            let response = try await answer
            #expect(response.errorCode == -32603)
        }
    }

    // MARK: Changes

    @Test(arguments: TestTransport.allCases)
    func aSessionHearsOfChangesOnOneOfItsStreams(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let session = try await client.openSession()
            let other = try await client.openSession()
            try await session.openStream { stream in
                _ = try await stream.next()
                for change in ["tools", "test://watched"] {
                    _ = try await client.call("announces", ["message": .string(change)])
                }
                #expect(
                    try await stream.nextMessage() == ["jsonrpc": "2.0", "method": "notifications/tools/list_changed"])
                #expect(try await session.request("resources/subscribe", ["uri": "test://watched"]).result == [:])
                #expect(try await other.request("resources/subscribe", ["uri": "test://other"]).result == [:])
                for change in ["test://other", "test://watched"] {
                    _ = try await client.call("announces", ["message": .string(change)])
                }
                let updated = try await stream.nextMessage()
                #expect(updated["method"] == "notifications/resources/updated")
                #expect(updated["params"] == ["uri": "test://watched"])
                #expect(try await session.request("resources/unsubscribe", ["uri": "test://watched"]).result == [:])
                for change in ["test://watched", "prompts"] {
                    _ = try await client.call("announces", ["message": .string(change)])
                }
                #expect(try await stream.nextMessage()["method"] == "notifications/prompts/list_changed")
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aSessionHasABoundedNumberOfStreams(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.streams.streamsMax = 2
        try await withTestClient(talkingServer(), over: transport, options: options) { client in
            let session = try await client.openSession()
            let statuses = try await session.openStream { first in
                _ = try await first.next()
                return try await session.openStream { second in
                    _ = try await second.next()
                    let third = try await session.openStream { $0.status }
                    let other = try await client.openSession().openStream { $0.status }
                    return [first.status, second.status, third, other]
                }
            }
            #expect(statuses == [200, 200, 429, 200])
            // Streams that were left make room for new ones, and so do those of calls that have been answered.
            #expect(try await session.openStream { $0.status } == 200)
            for _ in 0..<5 { #expect(try await session.callRaw("logs").events.contains { $0.id != nil }) }
            #expect(try await session.openStream { $0.status } == 200)
        }
    }
}
