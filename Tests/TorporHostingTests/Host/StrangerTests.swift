import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// Callers that share a child and do not know each other.
@Suite(.timeLimit(.minutes(5))) struct StrangerTests {
    private static let refused = "No call is under way that this request could belong to."

    /// Two sessions of a shared server.
    private struct Pair: Sendable {
        let hosted: Hosted
        let ann, bob: TestClient
        /// What the users of each have been asked.
        let annAsked = Recorder<String>()
        let bobAsked = Recorder<String>()

        init(_ hosted: Hosted) async throws {
            self.hosted = hosted
            self.ann = try await hosted.client(accepting: self.annAsked).openSession()
            self.bob = try await hosted.client(accepting: self.bobAsked).openSession()
        }

        var child: ScriptedChild { self.hosted.launcher.child(1) }

        /// Runs `body` while a call of each waits.
        func whileBothCall(_ body: () async throws -> Void) async throws -> (TestResponse, TestResponse) {
            async let annCall = self.ann.callTool("waits", ["word": "ann"])
            async let bobCall = self.bob.callTool("waits", ["word": "bob"])
            try await self.hosted.launcher.arrival(of: "ann")
            try await self.hosted.launcher.arrival(of: "bob")
            try await body()
            for word in ["ann", "bob"] { self.hosted.launcher.say(word) }
            return try await (annCall, bobCall)
        }
    }

    @Test func aQuestionDuringACallReachesItsCallerAlone() async throws {
        try await withHosted(scope: .shared) { hosted in
            let pair = try await Pair(hosted)
            #expect(try await pair.ann.callTool("asks").text == "accept")
            #expect(pair.annAsked.all == ["Sure?"] && pair.bobAsked.all == [])
        }
    }

    @Test func aQuestionThatMayBeAnyonesReachesNobody() async throws {
        try await withHosted(scope: .shared) { hosted in
            let pair = try await Pair(hosted)
            _ = try await pair.whileBothCall {
                let answer = try await pair.child.server.askForm("Whose?")
                #expect(answer == Self.refused)
            }
            #expect(pair.annAsked.all == [] && pair.bobAsked.all == [])
        }
    }

    @Test func aQuestionOutsideOfAnyCallIsRefused() async throws {
        try await withHosted(scope: .shared) { hosted in
            let pair = try await Pair(hosted)
            _ = try await pair.ann.callTool("who")
            #expect(try await pair.child.server.askForm("Anyone?") == Self.refused)
            #expect(pair.annAsked.all == [] && pair.bobAsked.all == [])
        }
    }

    @Test func callsOfOneSessionMayAnswerEachOther() async throws {
        try await withHosted(scope: .shared) { hosted in
            let pair = try await Pair(hosted)
            async let first = pair.ann.callTool("waits", ["word": "one"])
            async let second = pair.ann.callTool("waits", ["word": "two"])
            for word in ["one", "two"] { try await hosted.launcher.arrival(of: word) }
            #expect(try await pair.child.server.askForm("Which?") == "accept")
            for word in ["one", "two"] { hosted.launcher.say(word) }
            _ = try await (first, second)
            #expect(pair.annAsked.all == ["Which?"])
        }
    }

    @Test func progressAndLogReachTheirCallerAlone() async throws {
        try await withHosted(scope: .shared) { hosted in
            let pair = try await Pair(hosted)
            let talk = try await pair.ann.callTool("talks", meta: ["progressToken": "mine"])
            #expect(
                talk.messages.map { $0["params"] } == [
                    ["progressToken": "mine", "progress": 1, "message": "half"], ["level": "error", "data": "a word"],
                ], "\(talk.messages)")
        }
    }

    @Test func progressGoesByItsToken() async throws {
        try await withHosted(scope: .shared) { hosted in
            let pair = try await Pair(hosted)
            let (ann, bob) = try await pair.whileBothCall {
                let talk = try await pair.ann.callTool("talks", meta: ["progressToken": "mine"])
                #expect(talk.messages.map { $0["params"]?["progressToken"] } == ["mine"], "a log could be anyone's")
            }
            #expect(ann.messages == [] && bob.messages == [])
        }
    }

    @Test func whoCannotBeToldApartIsNobodyElse() async throws {
        try await withHosted(scope: .shared) { hosted in
            // Two requests without a session could be of one client, or of two.
            let (client, launcher) = (hosted.client, hosted.launcher)
            async let first = client.callTool("waits", ["word": "one"])
            async let second = client.callTool("waits", ["word": "two"])
            for word in ["one", "two"] { try await launcher.arrival(of: word) }
            #expect(try await launcher.child(1).server.askForm("Whose?") == Self.refused)
            for word in ["one", "two"] { launcher.say(word) }
            _ = try await (first, second)
        }
    }
}
