import Synchronization
import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// Modern clients of legacy servers: each question ends a run, and the next one goes on where the server waits.
@Suite(.timeLimit(.minutes(5))) struct ExchangeTests {
    private static let gone = "hosted does not wait for this answer any more. Make the request again."

    /// A run that a question has ended.
    private struct Run {
        let client: TestClient
        let tool: String
        /// The question, by the name that the client answers it under.
        let key: String
        let state: JSONValue

        /// Calls a tool that asks, and does not answer yet.
        init(_ tool: String, _ client: TestClient) async throws {
            self.client = client.declaring(["elicitation": [:]])
            self.tool = tool
            let asked = try await self.client.callTool(tool)
            #expect(asked.result?["resultType"] == "input_required", "\(asked)")
            guard case .object(let questions)? = asked.result?["inputRequests"] else {
                throw TestError("nothing is asked: \(asked)")
            }
            self.key = try #require(questions.members.first).name
            self.state = try #require(asked.result?["requestState"])
        }

        /// Makes the request again, with an answer.
        func goOn(_ action: String = "accept", meta: JSONObject = [:]) async throws -> TestResponse {
            var answers = JSONObject()
            answers[self.key] = ["action": .string(action)]
            return try await self.client.request(
                "tools/call",
                [
                    "name": .string(self.tool), "arguments": [:], "requestState": self.state,
                    "inputResponses": .object(answers),
                    "_meta": .object(meta),
                ])
        }
    }

    /// The child that serves clients with handles.
    private func child(_ hosted: Hosted) -> ScriptedChild { hosted.launcher.children(for: .handle)[0] }

    @Test func theNextRunGoesOnWithTheSameCall() async throws {
        try await withHosted { hosted in
            let asked = Recorder<String>()
            let done = try await hosted.client(accepting: asked).callTool("asks_twice")
            #expect(done.text == "accept accept")
            #expect(asked.all == ["Sure?", "Really?"])
            #expect(self.child(hosted).received.count { $0 == "tools/call asks_twice" } == 1)
        }
    }

    @Test func theServerHearsWhatTheUserDid() async throws {
        try await withHosted { hosted in
            let declined = try await Run("asks", hosted.client).goOn("decline")
            #expect(declined.text == "decline")
        }
    }

    @Test func theChildIsBusyWhileItWaitsForAnAnswer() async throws {
        try await withHosted { hosted in
            let run = try await Run("asks", hosted.client)
            let child = self.child(hosted).number
            hosted.clock.advance(by: .seconds(400))
            #expect(hosted.launcher.events.count(of: .setBusy(child, false)) == 0)
            _ = try await run.goOn()
            try await hosted.launcher.events.until(.setBusy(child, false))
        }
    }

    @Test func whatTheClientCannotDoIsAnsweredAtOnce() async throws {
        try await withHosted { hosted in
            let text = try await hosted.client.declaring(["roots": [:]]).callTool("asks").text
            #expect(text?.hasPrefix("The client does not offer what this needs") == true, "\(text ?? "")")
        }
    }

    @Test func anAnswerCountsOnce() async throws {
        try await withHosted { hosted in
            let run = try await Run("asks", hosted.client)
            #expect(try await run.goOn().text == "accept")
            let again = try await run.goOn()
            #expect(again.errorMessage == Self.gone && again.errorCode == -32602, "\(again)")
        }
    }

    @Test func aCallThatNobodyComesBackForIsGivenUp() async throws {
        try await withHosted { hosted in
            let run = try await Run("asks", hosted.client)
            hosted.clock.advance(by: .seconds(600))
            let child = self.child(hosted).number
            try await hosted.launcher.events.until(.received(child, "notifications/cancelled", ""))
            #expect(try await run.goOn().errorMessage == Self.gone)
            #expect(hosted.server.host.figures.failures == [.heldTooLong: 1])
        }
    }

    @Test func theDeathOfTheChildEndsWhatItWaitedFor() async throws {
        try await withHosted { hosted in
            let run = try await Run("asks", hosted.client)
            let child = self.child(hosted)
            child.die()
            try await hosted.launcher.events.until(.stopped(child.number))
            #expect(hosted.server.state.withLock { $0.exchanges.isEmpty })
            #expect(try await run.goOn().errorMessage == Self.gone)
        }
    }

    @Test func nobodyElseGoesOnWithIt() async throws {
        try await withHosted { hosted in
            let run = try await Run("asks", hosted.client)
            let other = try await hosted.client.callTool("who")
            let handle = try #require(other.result?["_meta"]?["torpor/handle"])
            #expect(try await run.goOn(meta: ["torpor/handle": handle]).errorMessage == Self.gone)
            #expect(try await run.goOn().text == "accept", "it is still there for who began it")
        }
    }

    @Test func noMoreIsHeldThanMayBe() async throws {
        try await withHosted(.init(), { $0.limits = HostLimits(heldMax: 1, accountHeldMax: 1) }) { hosted in
            let run = try await Run("asks", hosted.client)
            let refused = try await hosted.client(accepting: Recorder()).callTool("asks")
            #expect(refused.errorMessage?.contains("wait for answers of their clients") == true, "\(refused)")
            let other = hosted.launcher.children(for: .handle)[1]
            try await hosted.launcher.events.until(.received(other.number, "notifications/cancelled", ""))
            #expect(try await run.goOn().text == "accept")
        }
    }

    @Test func theChildOfACallIsKeptUntilItsAnswer() async throws {
        try await withHosted(scope: .call) { hosted in
            let run = try await Run("asks", hosted.client)
            #expect(hosted.launcher.running.contains(2))
            #expect(try await run.goOn().text == "accept")
            try await hosted.launcher.events.until(.stopped(2))
        }
    }

    @Test func theEndEndsWhatIsHeld() async throws {
        try await withHosted { hosted in
            _ = try await Run("asks", hosted.client)
            await hosted.server.end(grace: .zero)
            expectNothingLeft(of: hosted.server, hosted.launcher)
            #expect(hosted.server.host.figures.failures == [.drained: 1])
        }
    }

    @Test func aLegacyClientOfAModernServerIsAskedOnItsStream() async throws {
        var script = Script()
        script.era = .modern
        try await withHosted(script) { hosted in
            let asked = Recorder<String>()
            let client = hosted.client(accepting: asked)
            let session = try await client.openSession()
            #expect(try await session.callTool("asks").text == "accept")
            #expect(try await client.callTool("asks").text == "accept", "and a modern one by its result")
            #expect(asked.all == ["Sure?", "Sure?"])
        }
    }
}

/// Why a test cannot go on.
struct TestError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
