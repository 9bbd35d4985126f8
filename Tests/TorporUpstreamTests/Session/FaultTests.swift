import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

struct FaultTests {
    /// What each line counts as, and that a call beside it is not harmed.
    @Test(arguments: [
        ("hello", Fault.notJSON), ("{\"jsonrpc\":\"2.0\"", .notJSON), ("\"text\"", .notMessage), ("{}", .notMessage),
        ("[1]", .notMessage), (#"{"jsonrpc":"2.0","id":99,"result":{}}"#, .unknownAnswer),
        (#"{"jsonrpc":"2.0","id":"1","result":{}}"#, .unknownAnswer),
        (#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#, .notMessage),
        (#"{"jsonrpc":"2.0","method":"notifications/resources/updated"}"#, .badNotification),
        (#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#, .badNotification),
        (#"{"jsonrpc":"1.0","id":99,"result":{}}"#, .notMessage), (#"{"jsonrpc":"2.0","id":5}"#, .notMessage),
    ])
    func oddMessagesAreCountedAndHarmNobody(_ line: String, _ fault: Fault) async throws {
        let conversation = try await openLegacy()
        async let result = conversation.session.request("tools/call", timeLimit: .seconds(60))
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(line)
        conversation.answer(number)
        _ = try await result
        #expect(conversation.session.faults[fault] == 1)
        #expect(conversation.session.faults.total == 1)
        await conversation.finish()
    }

    @Test(arguments: [
        #""result":[]"#, #""result":null"#, #""error":"no""#, #""error":{"code":"x"}"#, #""error":null"#,
    ])
    func anAnswerThatIsNoneFailsItsRequest(_ answer: String) async throws {
        let conversation = try await openLegacy()
        async let result = outcome { try await conversation.session.request("tools/call", timeLimit: .seconds(60)) }
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(#"{"jsonrpc":"2.0","id":\#(number),\#(answer)}"#)
        _ = failure(.protocolFault, await result)
        #expect(conversation.session.faults[.badAnswer] == 1)
        await conversation.finish()
    }

    @Test func anAnswerCountsOnce() async throws {
        let conversation = try await openLegacy()
        async let result = conversation.session.request("tools/call", timeLimit: .seconds(60))
        let (number, _) = try await conversation.nextRequest()
        conversation.answer(number, ["first": true])
        #expect(try await result == ["first": true])
        conversation.answer(number, ["second": true])
        #expect(conversation.session.faults[.unknownAnswer] == 1)
        await conversation.finish()
    }

    @Test func tooManyFaultsInARowEndTheConversation() async throws {
        let conversation = try await openLegacy()
        async let result = outcome { try await conversation.session.request("tools/call", timeLimit: .seconds(60)) }
        _ = try await conversation.nextRequest()
        for _ in 0..<99 { conversation.transport.say("junk") }
        // One good message, and counting begins anew.
        conversation.transport.say(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
        for _ in 0..<99 { conversation.transport.say("junk") }
        #expect(!conversation.transport.isClosed)
        conversation.transport.say("junk")
        _ = failure(.protocolFault, await result)
        #expect(conversation.transport.isClosed)
        #expect(conversation.session.faults[.notJSON] == 199)
        guard case .ended? = conversation.events.all.last else {
            Issue.record("no event tells of the end")
            return
        }
    }

    @Test func aBatchIsTakenApartWhereTheRevisionHasThem() async throws {
        let conversation = try await openLegacy(.v2025_03_26)
        async let first = conversation.session.request("a", timeLimit: .seconds(60))
        let (one, _) = try await conversation.nextRequest()
        async let second = conversation.session.request("b", timeLimit: .seconds(60))
        let (two, _) = try await conversation.nextRequest()
        conversation.transport.say(
            """
            [{"jsonrpc":"2.0","id":\(two),"result":{"is":2}}, 7,
             {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}, {"jsonrpc":"2.0","id":\(one),"result":{}}]
            """)
        #expect(try await second == ["is": 2])
        #expect(try await first == [:])
        #expect(conversation.events.all == [.listChanged(.tools)])
        #expect(conversation.session.faults[.notMessage] == 1)
        await conversation.finish()
    }

    @Test func aMessageBeyondTheLimitIsNotTaken() async throws {
        var limits = UpstreamLimits()
        limits.messageMax = 400
        let conversation = try await openLegacy(limits: limits)
        for (size, fits) in [(300, true), (400, false)] {
            async let result = outcome { try await conversation.session.request("a", timeLimit: .seconds(60)) }
            let (number, _) = try await conversation.nextRequest()
            conversation.answer(number, ["text": .string(String(repeating: "x", count: size))])
            if fits {
                _ = try await result.get()
            } else {
                _ = failure(.tooLarge, await result)
            }
        }
        await conversation.finish()
    }
}
