import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

struct NoticeTests {
    @Test func progressComesBeforeTheAnswerAndWithoutOurToken() async throws {
        let conversation = try await openLegacy()
        let observer = TestObserver()
        async let result = conversation.session.request(
            "tools/call", params: ["name": "t", "_meta": ["progressToken": "theirs"]], observer: observer,
            timeLimit: .seconds(60))
        let (number, json) = try await conversation.nextRequest()
        #expect(json["params"]?["_meta"] == ["progressToken": .integer(number.value)])
        for step in 1...3 {
            let progress: JSONValue = [
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": ["progressToken": .integer(number.value), "progress": .integer(step)],
            ]
            conversation.transport.say(progress.text)
        }
        conversation.answer(number)
        _ = try await result
        #expect(observer.heard.all == (1...3).map { .progress(["progress": .integer($0)]) })
        await conversation.finish()
    }

    @Test func progressThatIsNotWantedIsNotAskedForNorHeard() async throws {
        let conversation = try await openLegacy()
        let observer = TestObserver(wantsProgress: false)
        async let result = conversation.session.request(
            "tools/call", params: ["name": "t", "_meta": ["progressToken": "theirs"]], observer: observer,
            timeLimit: .seconds(60))
        let (number, json) = try await conversation.nextRequest()
        #expect(json["params"] == ["name": "t"])
        conversation.transport.say(
            #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":\#(number),"progress":1}}"#)
        conversation.answer(number)
        _ = try await result
        #expect(observer.heard.all.isEmpty)
        await conversation.finish()
    }

    @Test func logsGoToTheCallAndToTheEventsWithoutOne() async throws {
        let conversation = try await openLegacy()
        let observer = TestObserver()
        async let result = conversation.session.request(
            "tools/call", observer: observer, timeLimit: .seconds(60))
        let (number, _) = try await conversation.nextRequest()
        conversation.transport.say(#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}"#)
        conversation.answer(number)
        _ = try await result
        conversation.transport.say(#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":2}}"#)
        #expect(observer.heard.all == [.log(["data": 1])])
        #expect(conversation.events.all == [.log(["data": 2])])
        await conversation.finish()
    }

    @Test func changesAreEvents() async throws {
        let conversation = try await openLegacy()
        for method in [
            "tools/list_changed", "prompts/list_changed", "resources/list_changed", "elicitation/complete",
        ] {
            conversation.transport.say(#"{"jsonrpc":"2.0","method":"notifications/\#(method)"}"#)
        }
        conversation.transport.say(
            #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#)
        #expect(
            conversation.events.all == [
                .listChanged(.tools), .listChanged(.prompts), .listChanged(.resources),
                .listChanged(.resourceTemplates), .notification("notifications/elicitation/complete", [:]),
                .updated(uri: "a:b"),
            ])
        await conversation.finish()
    }

    @Test func ofTooMuchProgressTheNewestIsKept() {
        var queue = NoticeQueue(noticesMax: 2, bytesMax: 100)
        queue.add(.log(["n": 0]), bytes: 1)
        for step in 1...5 { queue.add(.progress(["n": .integer(step)]), bytes: 1) }
        #expect(queue.dropped == 4)
        #expect(queue.next() == .notice(.log(["n": 0])))
        #expect(queue.next() == .notice(.progress(["n": 5])))
        #expect(queue.next() == nil)
    }

    @Test func logsBeyondTheLimitAreDroppedAndQuestionsAreNot() {
        var queue = NoticeQueue(noticesMax: 2, bytesMax: 100)
        for number in 1...4 { queue.add(.log(["n": .integer(number)]), bytes: 1) }
        let ask = Ask(number: AskNumber(1), method: "ping", params: [:])
        queue.add(ask)
        #expect(queue.dropped == 2)
        #expect(queue.next() == .notice(.log(["n": 1])))
        queue.add(.log(["n": 5]), bytes: 1)
        #expect(queue.next() == .notice(.log(["n": 2])))
        #expect(queue.next() == .ask(ask))
        #expect(queue.next() == .notice(.log(["n": 5])))
    }

    @Test func noticesAreBoundedInBytes() {
        var queue = NoticeQueue(noticesMax: 10, bytesMax: 100)
        // One alone may be longer.
        queue.add(.log(["n": 1]), bytes: 101)
        queue.add(.log(["n": 2]), bytes: 1)
        #expect(queue.dropped == 1)
        #expect(queue.next() == .notice(.log(["n": 1])))
        queue.add(.progress(["n": 3]), bytes: 60)
        queue.add(.log(["n": 4]), bytes: 40)
        queue.add(.log(["n": 5]), bytes: 1)
        // What the older report leaves is enough for the newer one, or for neither.
        queue.add(.progress(["n": 6]), bytes: 60)
        #expect(queue.dropped == 3)
        #expect(queue.next() == .notice(.log(["n": 4])))
        #expect(queue.next() == .notice(.progress(["n": 6])))
        #expect(queue.next() == nil)
    }
}
