import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

struct FeatureTests {
    // MARK: Lists

    @Test func aListIsReadToItsEnd() async throws {
        let conversation = try await openLegacy()
        async let list = conversation.session.list(.tools, timeLimit: .seconds(5))
        let (first, json) = try await conversation.nextRequest()
        #expect(json["method"] == "tools/list")
        #expect(json["params"] == nil)
        conversation.answer(first, ["tools": [["name": "a"]], "nextCursor": ""])
        let (second, next) = try await conversation.nextRequest()
        #expect(next["params"] == ["cursor": ""])
        conversation.answer(second, ["tools": [["name": "b"]]])
        #expect(try await list == [["name": "a"], ["name": "b"]])
        await conversation.finish()
    }

    @Test(arguments: UpstreamList.allCases)
    func everyListHasItsMember(_ list: UpstreamList) async throws {
        let conversation = try await openLegacy()
        async let entries = conversation.session.list(list, timeLimit: .seconds(5))
        let (number, json) = try await conversation.nextRequest()
        let method: JSONValue =
            switch list {
            case .tools: "tools/list"
            case .prompts: "prompts/list"
            case .resources: "resources/list"
            case .resourceTemplates: "resources/templates/list"
            }
        #expect(json["method"] == method)
        conversation.answer(number, ["tools": [1], "prompts": [2], "resources": [3], "resourceTemplates": [4]])
        #expect(try await entries.count == 1)
        await conversation.finish()
    }

    @Test func pagesThatComeAgainAreRefused() async throws {
        let conversation = try await openLegacy()
        async let list = outcome { try await conversation.session.list(.prompts, timeLimit: .seconds(5)) }
        for cursor in ["a", "b", "a"] {
            conversation.answer(
                try await conversation.nextRequest().number, ["prompts": [], "nextCursor": .string(cursor)])
        }
        _ = failure(.protocolFault, await list)
        await conversation.finish()
    }

    @Test func pagesWithoutEndAreRefused() async throws {
        let conversation = try await openLegacy()
        async let list = outcome { try await conversation.session.list(.resources, timeLimit: .seconds(5)) }
        for page in 0..<1_000 {
            conversation.answer(
                try await conversation.nextRequest().number, ["resources": [], "nextCursor": .string("\(page)")])
        }
        _ = failure(.protocolFault, await list)
        await conversation.finish()
    }

    @Test func aListHasNoMoreEntriesAndBytesThanItMay() async throws {
        var limits = UpstreamLimits()
        limits.listEntriesMax = 3
        limits.listBytesMax = 60
        let conversation = try await openLegacy(limits: limits)
        let pages: [(page: JSONValue, fits: Bool)] = [
            ([1, 2, 3], true), ([1, 2, 3, 4], false), ([.string(String(repeating: "x", count: 60))], false),
        ]
        for (page, fits) in pages {
            async let list = outcome { try await conversation.session.list(.tools, timeLimit: .seconds(5)) }
            conversation.answer(try await conversation.nextRequest().number, ["tools": page])
            if fits {
                #expect(try await list.get() == [1, 2, 3])
            } else {
                _ = failure(.tooLarge, await list)
            }
        }
        await conversation.finish()
    }

    @Test func aPageWithoutEntriesIsNone() async throws {
        let conversation = try await openLegacy()
        async let list = outcome { try await conversation.session.list(.tools, timeLimit: .seconds(5)) }
        conversation.answer(try await conversation.nextRequest().number, ["prompts": []])
        _ = failure(.protocolFault, await list)
        await conversation.finish()
    }

    // MARK: Levels

    @Test func aLegacyServerIsToldTheLevelOnce() async throws {
        let conversation = try await openLegacy()
        async let done: Void = conversation.session.setLevel(.error, timeLimit: .seconds(5))
        let (number, json) = try await conversation.nextRequest()
        #expect(json["method"] == "logging/setLevel")
        #expect(json["params"] == ["level": "error"])
        conversation.answer(number)
        try await done
        await conversation.finish()
    }

    @Test func aModernServerIsToldTheLevelWithEachRequest() async throws {
        let conversation = try await openModern()
        try await conversation.session.setLevel(.debug, timeLimit: .seconds(5))
        async let result = conversation.session.request("tools/call", timeLimit: .seconds(5))
        let (number, json) = try await conversation.nextRequest()
        #expect(json["params"]?["_meta"]?["io.modelcontextprotocol/logLevel"] == "debug")
        conversation.answer(number)
        _ = try await result
        await conversation.finish()
    }

    // MARK: Subscriptions

    @Test func aLegacyServerHasMethodsForSubscriptions() async throws {
        let conversation = try await openLegacy()
        async let subscribed: Void = conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5))
        let (one, json) = try await conversation.nextRequest()
        #expect(json["method"] == "resources/subscribe")
        #expect(json["params"] == ["uri": "a:b"])
        conversation.answer(one)
        try await subscribed
        async let unsubscribed: Void = conversation.session.unsubscribe(from: "a:b", timeLimit: .seconds(5))
        let (two, other) = try await conversation.nextRequest()
        #expect(other["method"] == "resources/unsubscribe")
        conversation.answer(two)
        try await unsubscribed
        await conversation.finish()
    }

    private func acknowledge(_ listen: (number: RequestNumber, json: JSONValue), in conversation: TestConversation) {
        let message: JSONValue = [
            "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            "params": [
                "_meta": ["io.modelcontextprotocol/subscriptionId": .integer(listen.number.value)],
                "notifications": listen.json["params"]?["notifications"] ?? [:],
            ],
        ]
        conversation.transport.say(message.text)
    }

    @Test func aModernServerIsListenedToForWhatItTellsOf() async throws {
        let conversation = try await openModern(
            capabilities: ["tools": ["listChanged": true], "resources": ["subscribe": true]])
        let listen = try await conversation.nextRequest()
        #expect(listen.json["method"] == "subscriptions/listen")
        #expect(listen.json["params"]?["notifications"] == ["toolsListChanged": true])
        self.acknowledge(listen, in: conversation)
        // It may stay open for as long as it likes.
        conversation.timer.advance(by: .seconds(86_400))
        let change: JSONValue = [
            "jsonrpc": "2.0", "method": "notifications/tools/list_changed",
            "params": ["_meta": ["io.modelcontextprotocol/subscriptionId": .integer(listen.number.value)]],
        ]
        conversation.transport.say(change.text)
        #expect(conversation.events.all == [.listChanged(.tools)])
        await conversation.finish()
        #expect(await conversation.transport.next() == nil)
    }

    @Test func aSubscriptionTakesThePlaceOfTheOneBefore() async throws {
        let conversation = try await openModern(capabilities: ["tools": ["listChanged": true]])
        let first = try await conversation.nextRequest()
        self.acknowledge(first, in: conversation)
        async let subscribed: Void = conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5))
        let second = try await conversation.nextRequest()
        #expect(
            second.json["params"]?["notifications"] == ["toolsListChanged": true, "resourceSubscriptions": ["a:b"]])
        self.acknowledge(second, in: conversation)
        try await subscribed
        let cancelled = try await conversation.next()
        #expect(cancelled["method"] == "notifications/cancelled")
        #expect(cancelled["params"]?["requestId"] == .integer(first.number.value))
        // A second one for the same resource has nothing to wait for.
        try await conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5))
        try await conversation.session.unsubscribe(from: "a:b", timeLimit: .seconds(5))
        let third = try await conversation.nextRequest()
        #expect(third.json["params"]?["notifications"] == ["toolsListChanged": true])
        await conversation.finish()
    }

    @Test func theLastSubscriptionEndsTheListening() async throws {
        let conversation = try await openModern(hasStreams: true)
        async let subscribed: Void = conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5))
        let listen = try await conversation.nextRequest()
        self.acknowledge(listen, in: conversation)
        try await subscribed
        try await conversation.session.unsubscribe(from: "a:b", timeLimit: .seconds(5))
        #expect(conversation.transport.closedStreams == [listen.number])
        await conversation.finish()
    }

    @Test func aResourceThatIsNotHonouredIsAnError() async throws {
        let conversation = try await openModern()
        async let subscribed = outcome { try await conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5)) }
        let listen = try await conversation.nextRequest()
        self.acknowledge((listen.number, [:]), in: conversation)
        _ = failure(.refused, await subscribed)
        // Nothing is wanted any more.
        #expect(try await conversation.next()["method"] == "notifications/cancelled")
        await conversation.finish()
    }

    @Test func aServerWithoutListeningSaysSoOnce() async throws {
        let conversation = try await openModern()
        async let subscribed = outcome { try await conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5)) }
        let listen = try await conversation.nextRequest()
        conversation.transport.say(
            #"{"jsonrpc":"2.0","id":\#(listen.number),"error":{"code":-32601,"message":"no such method"}}"#)
        _ = failure(.answered, await subscribed)
        _ = await upstreamError(.refused) {
            try await conversation.session.subscribe(to: "c:d", timeLimit: .seconds(5))
        }
        await conversation.finish()
        #expect(await conversation.transport.next() == nil)
    }

    @Test func listeningBeginsAnewAndTellsWhatMayHaveBeenMissed() async throws {
        let conversation = try await openModern(capabilities: ["prompts": ["listChanged": true]])
        let first = try await conversation.nextRequest()
        self.acknowledge(first, in: conversation)
        conversation.answer(first.number)
        // On a stdio server both endings come.
        conversation.transport.say(
            #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(first.number)}}"#)
        conversation.timer.advance(by: .milliseconds(999))
        #expect(conversation.events.all.isEmpty)
        conversation.timer.advance(by: .milliseconds(1))
        let second = try await conversation.nextRequest()
        #expect(second.json["method"] == "subscriptions/listen")
        self.acknowledge(second, in: conversation)
        #expect(conversation.events.all == [.listChanged(.prompts)])
        #expect(conversation.session.faults.total == 0)
        await conversation.finish()
    }

    @Test func listeningThatKeepsFailingIsTriedMoreAndMoreRarely() async throws {
        let conversation = try await openModern(capabilities: ["prompts": ["listChanged": true]])
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            let listen = try await conversation.nextRequest()
            conversation.answer(listen.number)
            conversation.timer.advance(by: .seconds(wait) - .milliseconds(1))
            async let sentinel = conversation.session.request("ping", timeLimit: .seconds(5))
            let (ping, json) = try await conversation.nextRequest()
            #expect(json["method"] == "ping")
            conversation.answer(ping)
            _ = try await sentinel
            conversation.timer.advance(by: .milliseconds(1))
        }
        await conversation.finish()
    }

    @Test func subscriptionsHaveALimit() async throws {
        var limits = UpstreamLimits()
        limits.subscriptionsMax = 1
        let conversation = try await openModern(limits: limits)
        async let subscribed: Void = conversation.session.subscribe(to: "a:b", timeLimit: .seconds(5))
        self.acknowledge(try await conversation.nextRequest(), in: conversation)
        try await subscribed
        _ = await upstreamError(.overloaded) {
            try await conversation.session.subscribe(to: "c:d", timeLimit: .seconds(5))
        }
        await conversation.finish()
    }

    @Test func notificationsOfTheClientAreSent() async throws {
        let conversation = try await openLegacy()
        #expect(conversation.session.notify("notifications/roots/list_changed"))
        #expect(
            try await conversation.next() == ["jsonrpc": "2.0", "method": "notifications/roots/list_changed"])
        await conversation.finish()
        #expect(!conversation.session.notify("notifications/roots/list_changed"))
    }
}
