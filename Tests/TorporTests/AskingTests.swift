import Testing
import Torpor
import TorporTesting

/// Questions to the client: the same handler in both eras.
@Suite struct AskingTests {
    /// Answers every question that the fixture asks.
    private static let answer: @Sendable (TestQuestion) async throws -> JSONObject = { question in
        switch (question.method, question.key) {
        case ("sampling/createMessage", _):
            ["role": "assistant", "content": ["type": "text", "text": "Hi"], "model": "m"]
        case ("roots/list", _): ["roots": [["uri": "file:///work", "name": "work"]]]
        default:
            question.params["message"] == "Which?"
                ? ["action": "accept", "content": ["colour": "blue"]]
                : ["action": "accept", "content": ["name": "Alice"]]
        }
    }

    @Test(arguments: everyWay)
    func aFormIsAskedAndAnswered(over transport: TestTransport, era: ProtocolRevision.Era) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let client = try await client.offeringAll.answering(Self.answer).ofEra(era)
            #expect(try await client.callRaw("asks").text == "Hello, \"Alice\"!")
            #expect(
                try await client.callRaw("asks_twice").text
                    == "Alice likes \"blue\"")
            #expect(
                try await client.callRaw("asks_all").text
                    == "Alice Hi file:///work")
        }
    }

    @Test(arguments: everyWay)
    func aPersonMayDeclineOrCancel(over transport: TestTransport, era: ProtocolRevision.Era) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            for (action, text) in [("decline", "declined"), ("cancel", "cancelled")] {
                let client = try await client.offeringAll.answering { _ in ["action": .string(action)] }.ofEra(era)
                #expect(try await client.callRaw("asks").text == text)
            }
        }
    }

    @Test(arguments: everyWay)
    func anAnswerThatDoesNotFitIsNotTakenForOne(over transport: TestTransport, era: ProtocolRevision.Era) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let wrong: [JSONObject] = [
                ["action": "accept", "content": ["name": "much longer than ten"]],
                ["action": "accept", "content": [:]],
                ["action": "perhaps"], [:],
            ]
            for answer in wrong {
                let client = try await client.offeringAll.answering { _ in answer }.ofEra(era)
                let response = try await client.callRaw("asks")
                let isRefused = era == .modern ? response.errorCode == -32602 : response.result?["isError"] == true
                #expect(isRefused, "\(answer): \(response)")
            }
        }
    }

    @Test(arguments: everyWay)
    func nothingIsAskedThatTheClientDidNotDeclare(over transport: TestTransport, era: ProtocolRevision.Era)
        async throws
    {
        try await withTestClient(talkingServer(), over: transport) { client in
            let client = try await client.declaring(["sampling": [:]]).answering(Self.answer).ofEra(era)
            let response = try await client.callRaw("asks")
            if era == .modern {
                #expect(response.status == 400 && response.errorCode == -32021)
                #expect(response.body?["error"]?["data"] == ["requiredCapabilities": ["elicitation": ["form": [:]]]])
            } else {
                #expect(response.result?["isError"] == true)
            }
            #expect(try await client.callRaw("needs_sampling").text == "sampled")
        }
        try await withTestClient(talkingServer(), over: transport) { client in
            let response = try await client.ofEra(era).callRaw("needs_sampling")
            let data: JSONValue = ["requiredCapabilities": ["sampling": [:]]]
            #expect(
                era == .modern
                    ? response.status == 400 && response.body?["error"]?["data"] == data
                    : response.result?["isError"] == true)
        }
    }

    @Test(arguments: everyWay)
    func aQuestionAfterSomethingUnrepeatableFails(over transport: TestTransport, era: ProtocolRevision.Era)
        async throws
    {
        try await withTestClient(talkingServer(), over: transport) { client in
            let client = try await client.offeringAll.answering(Self.answer).ofEra(era)
            let response = try await client.callRaw("asks_late")
            #expect(response.result?["isError"] == true && response.result?["resultType"] != "input_required")
        }
    }

    // MARK: 2026-07-28

    @Test(arguments: TestTransport.allCases)
    func allQuestionsOfARunComeTogether(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let result = try await client.offeringAll.callRaw("asks_all").result
            #expect(result?["resultType"] == "input_required")
            #expect(result?["ttlMs"] == nil && result?["content"] == nil)
            let asked = result?["inputRequests"]
            #expect(asked?["name"]?["method"] == "elicitation/create")
            #expect(asked?["said"]?["method"] == "sampling/createMessage")
            #expect(asked?["roots"] == ["method": "roots/list", "params": [:]])
            #expect(asked?["name"]?["params"]?["requestedSchema"]?["properties"]?["name"] == ["type": "string"])
        }
    }

    @Test(arguments: TestTransport.allCases)
    func promptsAndResourcesAskToo(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let client = client.offeringAll.answering(Self.answer)
            let prompt = try await client.request("prompts/get", ["name": "asks"])
            #expect(prompt.result?["messages"]?[0]?["content"]?["text"] == "I am Alice.")
            let resource = try await client.request("resources/read", ["uri": "test://asks"])
            #expect(resource.result?["contents"]?[0]?["text"] == "Alice")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aStateThatIsAlteredForeignOrForAnotherRequestIsRefused(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.principals = ["alice", "bob"]
        try await withTestClient(talkingServer(), over: transport, options: options) { client in
            let alice = client.authenticated(as: "alice").offeringAll
            guard case .string(let state)? = try await alice.callRaw("asks").result?["requestState"] else {
                Issue.record("there is no requestState")
                return
            }
            let answers: JSONValue = ["name": ["action": "accept", "content": ["name": "Eve"]]]
            func retry(_ client: TestClient, _ state: String, tool: String = "asks") async throws -> TestResponse {
                try await client.request(
                    "tools/call",
                    ["name": .string(tool), "inputResponses": answers, "requestState": .string(state)])
            }
            #expect(try await retry(alice, state).text == "Hello, \"Eve\"!")
            let bob = client.authenticated(as: "bob").offeringAll
            for refused in [
                try await retry(alice, state + "-TAMPERED"), try await retry(alice, String(state.dropLast())),
                try await retry(alice, ""), try await retry(bob, state),
                try await retry(alice, state, tool: "asks_twice"),
                try await retry(alice, state, tool: "progress"),
            ] { #expect(refused.errorCode == -32602 && refused.result == nil, "\(refused)") }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aStateExpires(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.streams.answerWithin = .zero
        try await withTestClient(talkingServer(), over: transport, options: options) { client in
            let response = try await client.offeringAll.answering(Self.answer).callRaw("asks")
            #expect(response.errorCode == -32602)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func answersThatAreNoneAreRefusedAndStrangeOnesIgnored(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            func call(_ answers: JSONValue) async throws -> TestResponse {
                try await client.offeringAll.request("tools/call", ["name": "asks", "inputResponses": answers])
            }
            let name: JSONValue = ["action": "accept", "content": ["name": "Alice"]]
            #expect(try await call(["name": name, "other": name]).text == "Hello, \"Alice\"!")
            #expect(try await call(["other": name]).result?["resultType"] == "input_required")
            for wrong: JSONValue in [.null, 7, ["name": 7], ["name": name, "other": []]] {
                let refused = try await call(wrong)
                #expect(refused.errorCode == -32602)
            }
        }
    }

    // MARK: Sessions

    @Test(arguments: TestTransport.allCases)
    func aQuestionNeedsASessionToBeAnsweredIn(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let response = try await client.under(.v2025_11_25).callRaw("asks")
            #expect(response.result?["isError"] == true)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anAnswerFromAnotherSessionIsNone(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let asked = try await client.offeringAll.openSession()
            let other = try await client.offeringAll.openSession()
            let text = try await asked.stream(asked.makeRequest("tools/call", ["name": "asks"])) { stream in
                let question = try await stream.nextMessage()
                let id = try #require(question["id"])
                func answer(_ client: TestClient, _ name: String, _ id: JSONValue) async throws {
                    let message: JSONObject = [
                        "jsonrpc": "2.0", "id": id,
                        "result": ["action": "accept", "content": ["name": .string(name)]],
                    ]
                    let response = try await client.send(TestRequest(body: JSONValue.object(message).text, of: client))
                    #expect(response.status == 202)
                }
                try await answer(other, "Eve", id)
                try await answer(asked, "Eve", 1)
                try await answer(asked, "Alice", id)
                return try await stream.nextMessage()["result"]?["content"]?[0]?["text"]
            }
            #expect(text == "Hello, \"Alice\"!")
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aQuestionIsTakenBackWhenItsCallEnds(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let session = try await client.offeringAll.openSession()
            try await session.stream(session.makeRequest("tools/call", ["name": "asks"], id: "c")) { stream in
                let question = try await stream.nextMessage()
                _ = try await session.notify("notifications/cancelled", ["requestId": "c"])
                let taken = try await stream.nextMessage()
                #expect(taken["method"] == "notifications/cancelled")
                #expect(taken["params"]?["requestId"] == question["id"])
                #expect(try await stream.next() == nil)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aClientThatAnswersWithAnErrorIsUnderstood(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            // Without an answerer the test client says that it has no such method.
            let response = try await client.offeringAll.openSession().callRaw("asks")
            #expect(response.result?["isError"] == true)
            #expect(response.text?.contains("This client answers nothing") == true)
        }
    }
}
