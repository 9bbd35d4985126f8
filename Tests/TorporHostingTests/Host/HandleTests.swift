import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// Clients without sessions, who name what is kept for them.
@Suite(.timeLimit(.minutes(5))) struct HandleTests {
    private func handle(_ response: TestResponse) throws -> JSONValue {
        try #require(response.result?["_meta"]?["torpor/handle"])
    }

    @Test func aHandleIsMadeOnceAndToldInTheResult() async throws {
        try await withHosted { hosted in
            let first = try await hosted.client.callTool("who")
            let handle = try self.handle(first)
            #expect(first.result?["content"]?[1]?["text"]?.string.contains("torpor_handle: \(handle.string)\n") == true)
            let second = try await hosted.client.callTool("who", ["torpor_handle": handle])
            #expect(second.text == first.text, "the same child")
            #expect(second.result?["content"]?[1] == nil && second.result?["_meta"]?["torpor/handle"] == nil)
        }
    }

    @Test func whoBringsNoneBeginsAnew() async throws {
        try await withHosted { hosted in
            let (first, second) = (try await hosted.client.callTool("who"), try await hosted.client.callTool("who"))
            #expect(first.text != second.text)
            #expect(try self.handle(first) != self.handle(second))
        }
    }

    @Test func theServerDoesNotSeeIt() async throws {
        try await withHosted { hosted in
            let handle = try self.handle(try await hosted.client.callTool("who"))
            let own: JSONObject = ["own": 1]
            var arguments = own
            arguments["torpor_handle"] = handle
            #expect(try await hosted.client.callTool("who", arguments).result?["structuredContent"] == .object(own))
            let byMeta = try await hosted.client.callTool("who", own, meta: ["torpor/handle": handle])
            #expect(byMeta.result?["structuredContent"] == .object(own) && byMeta.text == "child 2")
        }
    }

    @Test func anUnknownOneIsRefusedWithWhatToDo() async throws {
        try await withHosted { hosted in
            let refused = try await hosted.client.callTool("who", ["torpor_handle": "made up"])
            #expect(refused.result?["isError"] == true)
            #expect(
                refused.text == """
                    torpor_handle "made up" is unknown, or too old. Leave torpor_handle out to begin anew; the result names \
                    a new one.
                    """)
            #expect(hosted.launcher.children(for: .handle).isEmpty)
        }
    }

    @Test func anOldOneIsUnknown() async throws {
        try await withHosted(.init(), { $0.handleLifetime = .zero }) { hosted in
            let handle = try self.handle(try await hosted.client.callTool("who"))
            let refused = try await hosted.client.callTool("who", ["torpor_handle": handle])
            #expect(refused.result?["isError"] == true && refused.text?.contains("too old") == true)
        }
    }

    @Test func thatOfAnotherPrincipalIsUnknown() async throws {
        try await withHosted(scope: .handle, principals: ["ann", "bob"]) { hosted in
            let (ann, bob) = (hosted.client.authenticated(as: "ann"), hosted.client.authenticated(as: "bob"))
            let handle = try self.handle(try await ann.callTool("who"))
            #expect(try await bob.callTool("who", ["torpor_handle": handle]).result?["isError"] == true)
            #expect(try await ann.callTool("who", ["torpor_handle": handle]).result?["isError"] == nil)
        }
    }

    @Test func theOneThatWasMadeBeforeAQuestionIsToldAfterIt() async throws {
        try await withHosted { hosted in
            let done = try await hosted.client(accepting: Recorder()).callTool("asks_twice")
            let handle = try self.handle(done)
            _ = try await hosted.client.callTool("who", ["torpor_handle": handle])
            #expect(hosted.launcher.children(for: .handle).count == 1)
        }
    }

    @Test(arguments: [(HostedServerSettings.Scope.session, false), (.handle, true), (.shared, false)])
    func toolsAreListedWithItForWhoNeedsIt(_ scope: HostedServerSettings.Scope, _ legacyNeedsIt: Bool) async throws {
        try await withHosted(scope: scope) { hosted in
            let modern = try await hosted.client.request("tools/list").result?["tools"]?[0]?["inputSchema"]
            let legacy = try await hosted.client.openSession().request("tools/list").result?["tools"]?[0]?[
                "inputSchema"]
            #expect((modern?["properties"]?["torpor_handle"] != nil) == (scope != .shared))
            #expect((legacy?["properties"]?["torpor_handle"] != nil) == legacyNeedsIt)
        }
    }

    @Test func aRequestThatCannotBeToldOneHasAChildOfItsOwn() async throws {
        var script = Script()
        script.resources = ["test://one"]
        try await withHosted(script) { hosted in
            let read = try await hosted.client.request("resources/read", ["uri": "test://one"])
            #expect(read.result?["contents"]?[0]?["text"] == "child 2")
            try await hosted.launcher.events.until(.stopped(2))
            let handle = try self.handle(try await hosted.client.callTool("who"))
            let kept = try await hosted.client.request(
                "resources/read", ["uri": "test://one", "_meta": ["torpor/handle": handle]])
            #expect(kept.result?["contents"]?[0]?["text"] == "child 3")
        }
    }
}
