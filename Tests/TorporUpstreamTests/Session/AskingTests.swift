import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

struct AskingTests {
    private static func ask(_ id: String, _ method: String = "sampling/createMessage", params: String = "{}") -> String
    {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":\#(params)}"#
    }

    private func call(
        _ conversation: TestConversation, _ observer: TestObserver?
    ) async throws -> JSONObject {
        try await conversation.session.request(
            "tools/call", params: ["name": "t"], observer: observer, timeLimit: .seconds(60))
    }

    @Test func aQuestionIsAnsweredByTheOnlyCall() async throws {
        let conversation = try await openLegacy()
        let observer = TestObserver { _, params in ["said": params["x"] ?? .null] }
        async let result = self.call(conversation, observer)
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask(#""q-1""#, params: #"{"x":5}"#))
        #expect(try await conversation.next() == ["jsonrpc": "2.0", "id": "q-1", "result": ["said": 5]])
        conversation.answer(number)
        _ = try await result
        #expect(observer.asked.all.map(\.method) == ["sampling/createMessage"])
        await conversation.finish()
    }

    @Test func aQuestionWithoutACallIsAnsweredWithAnError() async throws {
        let conversation = try await openLegacy()
        conversation.transport.say(Self.ask("1", "roots/list"))
        let answer = try await conversation.next()
        #expect(answer["id"] == 1)
        #expect(answer["error"]?["code"] == -32603)
        await conversation.finish()
    }

    @Test func aQuestionAmongCallsOfOnePartyGoesToTheNewest() async throws {
        let conversation = try await openLegacy()
        let (older, newer) = (TestObserver("same"), TestObserver("same"))
        async let first = self.call(conversation, older)
        let (one, _) = try await conversation.nextRequest()
        async let second = self.call(conversation, newer)
        let (two, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"))
        #expect(try await conversation.next()["result"] == [:])
        conversation.answer(one)
        conversation.answer(two)
        _ = try await (first, second)
        #expect(older.asked.all.isEmpty)
        #expect(newer.asked.all.count == 1)
        await conversation.finish()
    }

    @Test func aQuestionNeverReachesAStranger() async throws {
        let conversation = try await openLegacy()
        let (one, other) = (TestObserver("one"), TestObserver("other"))
        async let first = self.call(conversation, one)
        let (firstNumber, _) = try await conversation.nextRequest()
        async let second = self.call(conversation, other)
        let (secondNumber, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1", "elicitation/create"))
        #expect(try await conversation.next()["error"]?["code"] == -32603)
        // Log messages take the same way.
        conversation.transport.say(#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}"#)
        #expect(conversation.events.all == [.log(["data": 1])])
        conversation.answer(firstNumber)
        conversation.answer(secondNumber)
        _ = try await (first, second)
        #expect(one.asked.all.isEmpty && other.asked.all.isEmpty)
        #expect(one.heard.all.isEmpty && other.heard.all.isEmpty)
        await conversation.finish()
    }

    @Test func aRequestThatNobodyTakesPartInIsAskedNothing() async throws {
        let conversation = try await openLegacy()
        async let listed = self.call(conversation, nil)
        let (listing, _) = try await conversation.nextRequest()
        async let called = self.call(conversation, TestObserver())
        let (calling, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"))
        #expect(try await conversation.next()["error"]?["code"] == -32603)
        conversation.answer(listing)
        conversation.answer(calling)
        _ = try await (listed, called)
        await conversation.finish()
    }

    @Test func theStreamOfAQuestionSaysWhoseItIs() async throws {
        let conversation = try await openLegacy(hasStreams: true)
        let (one, other) = (TestObserver("one"), TestObserver("other"))
        async let first = self.call(conversation, one)
        let (firstNumber, _) = try await conversation.nextRequest()
        async let second = self.call(conversation, other)
        let (secondNumber, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"), stream: firstNumber)
        #expect(try await conversation.next()["result"] == [:])
        conversation.answer(firstNumber)
        conversation.answer(secondNumber)
        _ = try await (first, second)
        #expect(one.asked.all.count == 1)
        #expect(other.asked.all.isEmpty)
        await conversation.finish()
    }

    @Test(arguments: [("tools/call", -32601), ("tasks/list", -32601), ("no/such", -32601)])
    func methodsThatClientsDoNotServeAreRefused(_ method: String, _ code: Int) async throws {
        let conversation = try await openLegacy()
        conversation.transport.say(Self.ask("9", method))
        #expect(try await conversation.next()["error"]?["code"] == .integer(code))
        await conversation.finish()
    }

    @Test func aModeThatTheClientDoesNotOfferIsRefused() async throws {
        let conversation = try await openLegacy()
        conversation.transport.say(Self.ask("9", "elicitation/create", params: #"{"mode":"url"}"#))
        #expect(try await conversation.next()["error"]?["code"] == -32602)
        await conversation.finish()
    }

    @Test func pingIsAnsweredHere() async throws {
        let conversation = try await openLegacy()
        conversation.transport.say(Self.ask("9", "ping"))
        #expect(try await conversation.next() == ["jsonrpc": "2.0", "id": 9, "result": [:]])
        await conversation.finish()
    }

    @Test func anErrorOfTheClientIsPassedOn() async throws {
        let conversation = try await openLegacy()
        let observer = TestObserver { method, _ in
            if method == "roots/list" { throw ClientFailure() }
            throw MCPError(.init(rawValue: -1), "The user said no.", data: ["why": "late"])
        }
        async let result = self.call(conversation, observer)
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"))
        #expect(
            try await conversation.next()["error"] == [
                "code": -1, "message": "The user said no.", "data": ["why": "late"],
            ])
        conversation.transport.say(Self.ask("2", "roots/list"))
        #expect(try await conversation.next()["error"]?["code"] == -32603)
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    @Test func whileTheClientIsAskedTheServersTimeDoesNotRun() async throws {
        let conversation = try await openLegacy()
        let (released, release) = AsyncStream.makeStream(of: Void.self)
        let observer = TestObserver { _, _ in
            for await _ in released { break }
            return [:]
        }
        async let result = self.call(conversation, observer)
        let (number, _) = try await conversation.nextRequest()
        conversation.timer.advance(by: .seconds(50))
        conversation.transport.say(Self.ask("1"))
        conversation.timer.advance(by: .seconds(600))
        #expect(conversation.session.requestsUnderWay == 1)
        release.yield()
        #expect(try await conversation.next()["result"] == [:])
        // Ten of its sixty seconds are left.
        conversation.timer.advance(by: .milliseconds(9_999))
        #expect(conversation.session.requestsUnderWay == 1)
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    @Test func theTimeOfQuestionsHasALimitToo() async throws {
        let conversation = try await openLegacy()
        let observer = TestObserver { _, _ in
            try await untilCancelled()
            return [:]
        }
        async let result = outcome { try await self.call(conversation, observer) }
        _ = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"))
        conversation.timer.advance(by: UpstreamLimits().askedTimeMax)
        _ = failure(.timedOut, await result)
        #expect(try await conversation.next()["error"]?["code"] == -32603)
        #expect(try await conversation.next()["method"] == "notifications/cancelled")
        await conversation.finish()
    }

    @Test func aQuestionThatIsTakenBackIsNotAnswered() async throws {
        let conversation = try await openLegacy()
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let (cancelled, cancel) = AsyncStream.makeStream(of: Void.self)
        let observer = TestObserver { _, _ in
            ask.yield()
            defer { cancel.yield() }
            try await untilCancelled()
            return [:]
        }
        async let result = self.call(conversation, observer)
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("7"))
        for await _ in asked { break }
        conversation.transport.say(
            #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"never mind"}}"#)
        for await _ in cancelled { break }
        conversation.transport.say(Self.ask("8", "ping"))
        #expect(try await conversation.next()["id"] == 8)
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    @Test func aCallThatEndsTakesItsQuestionsWithIt() async throws {
        let conversation = try await openLegacy()
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let observer = TestObserver { _, _ in
            ask.yield()
            try await untilCancelled()
            return [:]
        }
        async let result = self.call(conversation, observer)
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("7"))
        for await _ in asked { break }
        conversation.answer(number, ["early": true])
        #expect(try await result == ["early": true])
        #expect(try await conversation.next()["error"]?["code"] == -32603)
        await conversation.finish()
        #expect(await conversation.transport.next() == nil)
    }

    @Test func aCancelledCallTakesItsQuestionsWithIt() async throws {
        let conversation = try await openLegacy()
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let observer = TestObserver { _, _ in
            ask.yield()
            try await untilCancelled()
            return [:]
        }
        let task = Task { try await self.call(conversation, observer) }
        _ = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("7"))
        for await _ in asked { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        #expect(try await conversation.next()["error"]?["code"] == -32603)
        #expect(try await conversation.next()["method"] == "notifications/cancelled")
        await conversation.finish()
    }

    @Test func questionsBeyondTheLimitAreRefused() async throws {
        var limits = UpstreamLimits()
        limits.asksMax = 1
        let conversation = try await openLegacy(limits: limits)
        let (released, release) = AsyncStream.makeStream(of: Void.self)
        let observer = TestObserver { _, _ in
            for await _ in released { break }
            return [:]
        }
        async let result = self.call(conversation, observer)
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"))
        conversation.transport.say(Self.ask("2"))
        let refusal = try await conversation.next()
        #expect(refusal["id"] == 2)
        #expect(refusal["error"]?["code"] == -32603)
        release.yield()
        #expect(try await conversation.next()["id"] == 1)
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    @Test func questionsAreBoundedInBytes() async throws {
        var limits = UpstreamLimits()
        limits.askBytesMax = 1_000
        let conversation = try await openLegacy(limits: limits)
        async let result = self.call(conversation, TestObserver())
        let (number, _) = try await conversation.nextRequest()
        let frame = Self.ask("1", params: #"{"x":""}"#).utf8.count
        for (size, code) in [(1_000, nil), (1_001, -32603)] as [(Int, Int?)] {
            let text = String(repeating: "x", count: size - frame)
            conversation.transport.say(Self.ask("1", params: #"{"x":"\#(text)"}"#))
            #expect(try await conversation.next()["error"]?["code"] == code.map(JSONValue.integer))
        }
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    @Test func aModernServerMayNotAsk() async throws {
        let conversation = try await openModern()
        async let result = self.call(conversation, TestObserver())
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(Self.ask("1"))
        conversation.answer(number)
        _ = try await result
        #expect(conversation.session.faults[.unexpectedRequest] == 1)
        await conversation.finish()
        #expect(await conversation.transport.next() == nil)
    }
}

private struct ClientFailure: Error {}

/// Returns, with an error, when the task is cancelled.
private func untilCancelled() async throws {
    let (stream, _) = AsyncStream.makeStream(of: Void.self)
    for await _ in stream {}
    try Task.checkCancellation()
}
