import Testing
@testable import Torpor
import TorporTesting

/// State as tools and clients see it, in both eras.
@Suite struct StateTests {
    private func create(_ client: TestClient, _ tool: String = "create_basket") async throws -> JSONValue {
        let made = try await client.call(tool)
        guard let handle = made.structured?["handle"] else { throw Failure(text: "\(made)") }
        return handle
    }

    private struct Failure: Error { let text: String }

    @Test(arguments: TestTransport.allCases)
    func aBasketIsFilledInBothEras(over transport: TestTransport) async throws {
        try await withTestClient(shop(), over: transport) { client in
            for client in [client, try await client.openSession()] {
                let handle = try await self.create(client)
                _ = try await client.call("add_item", ["basket": handle, "sku": "pear", "count": 2])
                let added = try await client.call("add_item", ["basket": handle, "sku": "fig", "count": 1])
                #expect(added.text == "fig added")
                #expect(try await client.call("show_basket", ["basket": handle]).text == "2 pear, 1 fig")
            }
        }
    }

    @Test func aHandleOfOneEraIsGoodInTheOther() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let handle = try await self.create(client)
            let session = try await client.openSession()
            _ = try await session.call("add_item", ["basket": handle, "sku": "pear", "count": 2])
            #expect(try await client.call("show_basket", ["basket": handle]).text == "2 pear")
        }
    }

    @Test func anUnknownHandleIsAToolErrorWithAdvice() async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        try await withTestClient(shop(), over: .memory, options: options) { client in
            let alice = client.authenticated(as: "alice")
            let handle = try await self.create(alice)
            let answers = [
                try await alice.call("show_basket", ["basket": "basket_00000000000000000000000000"]),
                try await alice.call("show_basket", ["basket": "no handle"]),
                try await alice.call("show_basket", ["basket": "counter_00000000000000000000000000"]),
                try await client.authenticated(as: "bob").call("show_basket", ["basket": handle]),
            ]
            for answer in answers {
                #expect(answer.isError && answer.text?.contains("create_basket") == true)
                #expect(answer.text == answers[0].text, "a stranger's handle is answered as an unknown one")
            }
            let missing = try await alice.call("show_basket")
            #expect(missing.isError && missing.text?.contains("create_basket") == true)
        }
    }

    @Test func aDestroyedBasketIsGone() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let handle = try await self.create(client)
            let destroyed = try await client.call("destroy_basket", ["handle": handle])
            let shown = try await client.call("show_basket", ["basket": handle])
            let destroyedAgain = try await client.call("destroy_basket", ["handle": handle])
            #expect([destroyed, shown, destroyedAgain].map(\.isError) == [false, true, true])
        }
    }

    @Test func listsShowTheCallersOwnHandles() async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        try await withTestClient(shop(), over: .memory, options: options) { client in
            let alice = client.authenticated(as: "alice")
            let (first, second) = (try await self.create(alice), try await self.create(alice))
            _ = try await self.create(client.authenticated(as: "bob"))
            let listed = try await alice.call("list_baskets")
            guard case .array(let handles)? = listed.structured?["handles"] else { throw Failure(text: "\(listed)") }
            #expect(handles.count == 2 && handles.contains(first) && handles.contains(second))
        }
        try await withTestClient(shop(), over: .memory) { client in
            let refused = try await client.call("list_baskets")
            #expect(refused.isError)
            let session = try await client.openSession()
            let other = try await client.openSession()
            let handle = try await self.create(session)
            #expect(try await session.call("list_baskets").structured?["handles"] == [handle])
            #expect(try await other.call("list_baskets").structured?["handles"] == [])
            _ = try await session.call("destroy_basket", ["handle": handle])
            #expect(try await session.call("list_baskets").structured?["handles"] == [])
        }
    }

    @Test func aSessionHasItsOwnCounterAndAModernClientAHandle() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let session = try await client.openSession()
            let other = try await client.openSession()
            _ = try await session.call("count", ["by": 2])
            #expect(try await session.call("count", ["by": 3]).text == "5")
            #expect(try await other.call("count", ["by": 1]).text == "1")
            let refused = try await client.call("count", ["by": 1])
            #expect(refused.isError && refused.text?.contains("create_counter") == true)
            let handle = try await self.create(client, "create_counter")
            #expect(try await client.call("count", ["by": 7, "handle": handle]).text == "7")
            #expect(try await session.call("count", ["by": 1, "handle": handle]).text == "8")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anEndedSessionTakesItsStateWithIt(over transport: TestTransport) async throws {
        try await withTestClient(shop(), over: transport) { client in
            let session = try await client.openSession()
            _ = try await session.call("count", ["by": 2])
            #expect(try await session.endSession().status == 204)
            #expect(try await session.request("ping").status == 404)
            #expect(try await session.endSession().status == 404)
        }
    }

    @Test func aUserHasOneOfItsOwnInBothEras() async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        try await withTestClient(shop(), over: .memory, options: options) { client in
            let alice = client.authenticated(as: "alice")
            #expect(try await alice.call("greet").text == "hello")
            _ = try await alice.call("greet", ["text": "hi"])
            #expect(try await alice.openSession().call("greet").text == "hi")
            #expect(try await client.authenticated(as: "bob").call("greet").text == "hello")
        }
        try await withTestClient(shop(), over: .memory) { client in
            let refused = try await client.call("greet")
            #expect(refused.isError)
        }
    }

    @Test func anUpdateOfSeveralValuesIsAllOrNothing() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let handle = try await self.create(client)
            _ = try await client.call("add_item", ["basket": handle, "sku": "pear", "count": 2])
            _ = try await client.call("add_item", ["basket": handle, "sku": "fig", "count": 2])
            let failed = try await client.call("move", ["basket": handle, "fails": true])
            #expect(failed.isError)
            #expect(try await client.call("show_basket", ["basket": handle]).text == "2 pear, 2 fig")
            #expect(try await client.call("move", ["basket": handle, "fails": false]).text == "fig,pear")
            #expect(try await client.call("show_basket", ["basket": handle]).text == "")
        }
    }

    @Test func aListKeepsItsOrder() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let session = try await client.openSession()
            _ = try await session.call("log", ["text": "a"])
            #expect(try await session.call("log", ["text": "b"]).text == "0 a, 1 b")
        }
    }

    @Test func tooLargeAStateIsAToolErrorThatSaysTheLimit() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let handle = try await self.create(client)
            _ = try await client.call("add_item", ["basket": handle, "sku": "pear", "count": 2])
            let refused = try await client.call(
                "add_item", ["basket": handle, "sku": .string(String(repeating: "x", count: 5_000)), "count": 1])
            #expect(refused.isError && refused.text?.contains("4 KiB") == true)
            #expect(try await client.call("show_basket", ["basket": handle]).text == "2 pear")
        }
    }

    @Test(arguments: [true, false])
    func aQuestionAfterAChangeIsRefusedInBothEras(isModern: Bool) async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let handle = try await self.create(client, "create_counter")
            let asked = client.declaring(["roots": [:]])
            let caller = isModern ? asked : try await asked.openSession()
            let answer = try await caller.callRaw("change_then_ask", ["by": 1, "handle": handle])
            #expect(answer.result?["resultType"] != "input_required")
            #expect(answer.errorCode != nil || answer.result?["isError"] == true)
        }
    }

    @Test func concurrentCallsOnOneBasketAllTakeEffect() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let handle = try await self.create(client, "create_counter")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask { _ = try await client.call("count", ["by": 1, "handle": handle]) }
                }
                try await group.waitForAll()
            }
            #expect(try await client.call("count", ["by": 0, "handle": handle]).text == "50")
        }
    }

    @Test func whatIsSaidBeforeTheAnswerIsDurableToo() async throws {
        try await withTestClient(shop(), over: .memory) { client in
            let session = try await client.openSession()
            let answer = try await session.callRaw("say_then_count", ["by": 3])
            #expect(answer.messages.count == 1 && answer.result?["content"]?[0]?["text"] == "3")
        }
    }

    @Test func handlesReadTheSameInUpperCaseAndHaveOneName() {
        let id = StateObjectID(bits: 0xFEDC_BA98_7654_3210_0123_4567_89AB_CDEF)
        let handle = StateHandle("basket", id)
        #expect(handle.text.utf8.count == "basket_".utf8.count + 26)
        #expect(handle.id(of: "basket") == id)
        #expect(StateHandle("basket_" + handle.text.dropFirst(7).uppercased()).id(of: "basket") == id)
        #expect(handle.id(of: "counter") == nil)
        #expect(StateHandle(handle.text + "0").id(of: "basket") == nil)
        #expect(StateHandle("basket_zzzzzzzzzzzzzzzzzzzzzzzzzz").id(of: "basket") == nil, "more than 128 bits")
    }
}
