import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

struct RequestTests {
    private func call(
        _ conversation: TestConversation, _ method: String = "tools/call", params: JSONObject = ["name": "t"],
        observer: TestObserver? = nil
    ) async throws -> JSONObject {
        try await conversation.session.request(method, params: params, observer: observer, timeLimit: .seconds(60))
    }

    @Test func aResultIsHandedBackAsItCame() async throws {
        let conversation = try await openLegacy()
        async let result = self.call(conversation)
        let (number, json) = try await conversation.nextRequest()
        #expect(json["method"] == "tools/call")
        #expect(json["params"] == ["name": "t"])
        conversation.transport.say(#"{"id":\#(number), "jsonrpc":"2.0","result":{"content":[1.50],"odd":null}}"#)
        let got = try await result
        #expect(JSONValue.object(got).text == #"{"content":[1.50],"odd":null}"#)
        await conversation.finish()
    }

    @Test func answersFindTheirRequestsInAnyOrder() async throws {
        let conversation = try await openLegacy()
        async let first = self.call(conversation, params: ["name": "first"])
        let (one, _) = try await conversation.nextRequest()
        async let second = self.call(conversation, params: ["name": "second"])
        let (two, _) = try await conversation.nextRequest()
        #expect(one != two)
        conversation.answer(two, ["is": 2])
        #expect(try await second == ["is": 2])
        conversation.answer(one, ["is": 1])
        #expect(try await first == ["is": 1])
        await conversation.finish()
    }

    @Test func anErrorOfTheServerIsPassedOn() async throws {
        let conversation = try await openLegacy()
        async let result = outcome { try await self.call(conversation) }
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(
            #"{"jsonrpc":"2.0","id":\#(number),"error":{"code":-32042,"message":"Open this.","data":{"a":1}}}"#)
        let error = failure(.answered, await result)
        #expect(error?.answer?.code.rawValue == -32042)
        #expect(error?.answer?.message == "Open this.")
        #expect(error?.answer?.data == ["a": 1])
        await conversation.finish()
    }

    @Test func aModernServerIsToldWhoAsksOnEveryRequest() async throws {
        let conversation = try await openModern()
        async let result = self.call(
            conversation,
            params: [
                "name": "t",
                "_meta": [
                    "io.modelcontextprotocol/protocolVersion": "2025-03-26", "progressToken": "theirs",
                    "traceparent": "00-1-2-03",
                ],
            ], observer: TestObserver())
        let (number, json) = try await conversation.nextRequest()
        let meta = json["params"]?["_meta"]
        #expect(meta?["io.modelcontextprotocol/protocolVersion"] == "2026-07-28")
        #expect(meta?["progressToken"] == .integer(number.value))
        #expect(meta?["traceparent"] == "00-1-2-03")
        #expect(meta?["io.modelcontextprotocol/logLevel"] == nil)
        conversation.answer(number, ["resultType": "input_required", "requestState": "s"])
        #expect(try await result == ["resultType": "input_required", "requestState": "s"])
        await conversation.finish()
    }

    @Test func theCapabilitiesOfTheOneWhoseCallItIsCount() async throws {
        let conversation = try await openModern()
        let session = conversation.session
        var request = UpstreamRequest("tools/call", .object(["name": "t"]), timeLimit: .seconds(1))
        request.capabilities = [.elicitationURL]
        request.logLevel = .warning
        async let result = session.request(request)
        let (number, json) = try await conversation.nextRequest()
        let meta = json["params"]?["_meta"]
        #expect(meta?["io.modelcontextprotocol/clientCapabilities"] == ["elicitation": ["url": [:]]])
        #expect(meta?["io.modelcontextprotocol/logLevel"] == "warning")
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    @Test func parametersMayBeTextThatIsNotLookedInto() async throws {
        let conversation = try await openLegacy()
        let session = conversation.session
        let text = #"{ "name" : "t", "_meta":{"io.modelcontextprotocol/clientInfo":{}}, "arguments":{"x":1.0} }"#
        let request = UpstreamRequest("tools/call", .text(Array(text.utf8)), timeLimit: .seconds(1))
        async let answer = session.request(request)
        let (number, json) = try await conversation.nextRequest()
        #expect(json["params"]?.text == #"{"name":"t","arguments":{"x":1.0}}"#)
        conversation.answer(number, ["y": 2])
        let result = try await answer.result
        #expect(String(decoding: result, as: UTF8.self) == #"{"y":2}"#)
        await conversation.finish()
    }

    // MARK: Time

    @Test func aRequestEndsAtItsTimeLimitAndNotBefore() async throws {
        let conversation = try await openLegacy()
        async let result = outcome { try await self.call(conversation) }
        let (number, _) = try await conversation.nextRequest()
        conversation.timer.advance(by: .milliseconds(59_999))
        #expect(conversation.session.requestsUnderWay == 1)
        conversation.timer.advance(by: .milliseconds(1))
        _ = failure(.timedOut, await result)
        let cancelled = try await conversation.next()
        #expect(cancelled["method"] == "notifications/cancelled")
        #expect(cancelled["params"]?["requestId"] == .integer(number.value))
        // What comes too late is dropped, and is no fault.
        conversation.answer(number)
        #expect(conversation.session.faults.total == 0)
        await conversation.finish()
    }

    @Test func aShorterLimitThatComesLaterIsKept() async throws {
        let conversation = try await openLegacy()
        let session = conversation.session
        async let long = session.request("ping", timeLimit: .seconds(60))
        let (number, _) = try await conversation.nextRequest()
        async let short = outcome { try await session.request("ping", timeLimit: .seconds(1)) }
        _ = try await conversation.nextRequest()
        conversation.timer.advance(by: .seconds(1))
        _ = failure(.timedOut, await short)
        _ = try await conversation.next()
        conversation.answer(number)
        _ = try await long
        await conversation.finish()
    }

    // MARK: Cancellation

    @Test func aCancelledRequestEndsAtOnceAndTheServerIsTold() async throws {
        let conversation = try await openLegacy()
        let task = Task { try await self.call(conversation) }
        let (number, _) = try await conversation.nextRequest()
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        let cancelled = try await conversation.next()
        #expect(cancelled["method"] == "notifications/cancelled")
        #expect(cancelled["params"]?["requestId"] == .integer(number.value))
        conversation.answer(number)
        #expect(conversation.session.faults.total == 0)
        await conversation.finish()
    }

    @Test func aModernRequestOverHTTPIsCancelledByTheEndOfItsStream() async throws {
        let conversation = try await openModern(hasStreams: true)
        let task = Task { try await self.call(conversation) }
        let (number, _) = try await conversation.nextRequest()
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        #expect(conversation.transport.closedStreams == [number])
        await conversation.finish()
        #expect(await conversation.transport.next() == nil)
    }

    @Test func aRequestOfACancelledTaskIsNotSent() async throws {
        let conversation = try await openLegacy()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try await self.call(conversation)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        await conversation.finish()
        #expect(await conversation.transport.next() == nil)
    }

    // MARK: Limits

    @Test func requestsBeyondTheLimitAreRefused() async throws {
        var limits = UpstreamLimits()
        limits.requestsMax = 1
        let conversation = try await openLegacy(limits: limits)
        async let first = self.call(conversation)
        let (number, _) = try await conversation.nextRequest()
        _ = await upstreamError(.overloaded) { _ = try await self.call(conversation) }
        conversation.answer(number)
        _ = try await first
        async let second = self.call(conversation)
        conversation.answer(try await conversation.nextRequest().number)
        _ = try await second
        await conversation.finish()
    }

    @Test func aServerThatDoesNotReadIsNotSentMore() async throws {
        let conversation = try await openLegacy()
        conversation.transport.setFull(true)
        _ = await upstreamError(.overloaded) { _ = try await self.call(conversation) }
        #expect(conversation.session.requestsUnderWay == 0)
        conversation.transport.setFull(false)
        async let result = self.call(conversation)
        conversation.answer(try await conversation.nextRequest().number)
        _ = try await result
        await conversation.finish()
    }

    @Test func anAnswerThatIsTooLongFailsItsRequestAlone() async throws {
        let conversation = try await openLegacy()
        async let first = outcome { try await self.call(conversation) }
        let (one, _) = try await conversation.nextRequest()
        async let second = self.call(conversation)
        let (two, _) = try await conversation.nextRequest()
        conversation.transport.sayTooMuch(for: one)
        _ = failure(.tooLarge, await first)
        conversation.answer(two)
        _ = try await second
        #expect(conversation.session.faults[.tooLong] == 1)
        await conversation.finish()
    }

    @Test func readingStopsWhileAnswersAreNotTaken() async throws {
        var limits = UpstreamLimits()
        limits.untakenBytesMax = 1_000
        let conversation = try await openLegacy(limits: limits)
        // The observer keeps the request's task from taking the answer.
        let (entered, enter) = AsyncStream.makeStream(of: Void.self)
        let (released, release) = AsyncStream.makeStream(of: Void.self)
        let observer = SlowObserver {
            enter.yield()
        } until: {
            for await _ in released { return }
        }
        async let result = conversation.session.request(
            "tools/call", params: [:], observer: observer, timeLimit: .seconds(60))
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info"}}"#)
        for await _ in entered { break }
        #expect(conversation.transport.isReading)
        conversation.answer(number, ["text": .string(String(repeating: "x", count: 1_000))])
        #expect(!conversation.transport.isReading)
        release.yield()
        _ = try await result
        #expect(conversation.transport.isReading)
        await conversation.finish()
    }

    // MARK: The end

    @Test func everyRequestHearsOfTheEnd() async throws {
        let conversation = try await openLegacy()
        try await withThrowingTaskGroup(of: UpstreamError?.self) { group in
            for _ in 0..<20 {
                group.addTask { await upstreamError(.ended) { _ = try await self.call(conversation) } }
                _ = try await conversation.nextRequest()
            }
            conversation.transport.end(UpstreamError(.ended, "Killed, being over its memory."))
            for try await error in group { #expect(error?.message == "Killed, being over its memory.") }
        }
        #expect(conversation.events.all == [.ended(UpstreamError(.ended, "Killed, being over its memory."))])
        let error = await upstreamError(.closed) { _ = try await self.call(conversation) }
        #expect(error?.message.contains("over its memory") == true)
        #expect(conversation.session.requestsUnderWay == 0)
    }

    @Test func closingEndsWhatIsUnderWay() async throws {
        let conversation = try await openLegacy()
        async let result = outcome { try await self.call(conversation) }
        _ = try await conversation.nextRequest()
        conversation.session.close()
        _ = failure(.ended, await result)
        #expect(conversation.transport.isClosed)
        #expect(conversation.events.all.isEmpty)
        _ = await upstreamError(.closed) { _ = try await self.call(conversation) }
    }

    // MARK: A session that is lost

    @Test func aForgottenSessionIsBegunAnewAndTheRequestMadeAgain() async throws {
        let conversation = try await openLegacy(hasStreams: true)
        async let first = self.call(conversation)
        let (one, _) = try await conversation.nextRequest()
        async let second = self.call(conversation)
        let (two, _) = try await conversation.nextRequest()
        let lost = UpstreamError(.sessionLost, "The server has forgotten its session.")
        conversation.transport.fail(one, lost)
        conversation.transport.fail(two, lost)
        let initialize = try #require(await conversation.transport.next())
        try answerInitialize(initialize, .v2025_11_25, over: conversation.transport)
        #expect(try await conversation.next()["method"] == "notifications/initialized")
        for _ in 0..<2 { conversation.answer(try await conversation.nextRequest().number, ["again": true]) }
        #expect(try await first == ["again": true])
        #expect(try await second == ["again": true])
        #expect(conversation.events.all == [.renewed])
        await conversation.finish()
    }

    @Test func aSessionThatIsLostAgainIsAnError() async throws {
        let conversation = try await openLegacy(hasStreams: true)
        async let result = outcome { try await self.call(conversation) }
        let lost = UpstreamError(.sessionLost, "The server has forgotten its session.")
        for _ in 0..<2 {
            conversation.transport.fail(try await conversation.nextRequest().number, lost)
            let initialize = try #require(await conversation.transport.next())
            try answerInitialize(initialize, .v2025_11_25, over: conversation.transport)
            _ = try await conversation.next()
        }
        _ = failure(.sessionLost, await result)
        await conversation.finish()
    }
}

/// Takes its time with what it hears.
private struct SlowObserver: UpstreamObserver {
    let party = UpstreamParty("slow")
    let wantsProgress = false
    private let enter: @Sendable () -> Void
    private let wait: @Sendable () async -> Void

    init(_ enter: @escaping @Sendable () -> Void, until wait: @escaping @Sendable () async -> Void) {
        self.enter = enter
        self.wait = wait
    }

    func progress(_ params: JSONObject) async {}
    func log(_ params: JSONObject) async {
        self.enter()
        await self.wait()
    }
    func ask(_ method: String, _ params: JSONObject) async throws -> JSONObject { [:] }
}
