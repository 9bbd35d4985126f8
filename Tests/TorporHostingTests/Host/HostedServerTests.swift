import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// Which call has which child, and what callers hear of one that dies.
@Suite(.timeLimit(.minutes(5))) struct HostedServerTests {
    @Test func aSessionHasOneChildForAllItsCalls() async throws {
        try await withHosted { hosted in
            let session = try await hosted.client.openSession()
            let first = try await session.callTool("who")
            #expect(try await session.callTool("who").text == first.text)
            let other = try await hosted.client.openSession()
            #expect(try await other.callTool("who").text != first.text)
            #expect(hosted.launcher.children(for: .session).count == 2)
        }
    }

    @Test func aChildIsStartedByTheFirstCallThatNeedsIt() async throws {
        try await withHosted { hosted in
            let session = try await hosted.client.openSession()
            _ = try await session.request("tools/list")
            #expect(hosted.launcher.children(for: .session).isEmpty, "lists are Torpor's to tell")
            _ = try await session.callTool("who")
            #expect(hosted.launcher.children(for: .session).count == 1)
        }
    }

    @Test func theChildOfAnEndedSessionStops() async throws {
        try await withHosted { hosted in
            let session = try await hosted.client.openSession()
            _ = try await session.callTool("who")
            let child = hosted.launcher.children(for: .session)[0]
            _ = try await session.endSession()
            try await hosted.launcher.events.until(.stopped(child.number))
        }
    }

    @Test func aPrincipalHasOneChildInAllItsSessions() async throws {
        try await withHosted(scope: .principal, principals: ["ann", "bob"]) { hosted in
            let ann = hosted.client.authenticated(as: "ann")
            let first = try await ann.callTool("who")
            #expect(try await ann.openSession().callTool("who").text == first.text)
            #expect(try await hosted.client.authenticated(as: "bob").callTool("who").text != first.text)
        }
    }

    @Test func allShareTheChildOfASharedServer() async throws {
        try await withHosted(scope: .shared) { hosted in
            let first = try await hosted.client.callTool("who")
            #expect(try await hosted.client.openSession().callTool("who").text == first.text)
            #expect(hosted.launcher.running == [1], "the one that was asked for its lists")
        }
    }

    @Test func theChildOfACallEndsAfterIt() async throws {
        try await withHosted(scope: .call) { hosted in
            let session = try await hosted.client.openSession()
            let (first, second) = (try await session.callTool("who").text, try await session.callTool("who").text)
            #expect(first == "child 2" && second == "child 3")
            for number in 1...3 { try await hosted.launcher.events.until(.stopped(number)) }
        }
    }

    @Test func toolsThatAreLeftOutAreNeitherListedNorCalled() async throws {
        try await withHosted(
            .init(), scope: .session,
            { options in
                options.includedTools = ["who", "waits"]
                options.excludedTools = ["waits"]
            }
        ) { hosted in
            let list = try await hosted.client.request("tools/list")
            #expect(list.result?["tools"]?[0]?["name"] == "who" && list.result?["tools"]?[1] == nil)
            for name in ["waits", "talks", "unknown"] {
                #expect(try await hosted.client.callTool(name, ["word": "never"]).errorCode == -32602)
            }
            #expect(try await hosted.client.callTool("who").text == "child 2")
        }
    }

    @Test func whoseChildDiesHearsWhatHappened() async throws {
        try await withHosted { hosted in
            let session = try await hosted.client.openSession()
            async let call = session.callTool("waits", ["word": "never"])
            try await hosted.launcher.arrival(of: "never")
            let child = hosted.launcher.children(for: .session)[0]
            child.die()
            let failed = try await call
            #expect(
                failed.errorMessage
                    == "The process of hosted exited with status 1, and this call with it. Try again.")
            #expect(failed.body?["error"]?["data"] == ["server": "hosted", "reason": "ended"])
        }
    }

    @Test func whoseChildTookTooMuchMemoryIsToldSo() async throws {
        try await withHosted { hosted in
            let session = try await hosted.client.openSession()
            async let call = session.callTool("waits", ["word": "never"])
            try await hosted.launcher.arrival(of: "never")
            let child = hosted.launcher.children(for: .session)[0]
            child.die(LaunchedEnd(.overMemory, "took more memory than it may", advice: "Do less at once."))
            let failed = try await call
            #expect(failed.body?["error"]?["data"]?["reason"] == "overMemory", "\(failed)")
            try await hosted.launcher.events.until(.stopped(child.number))
            hosted.clock.advance(by: .seconds(60))
            #expect(try await session.callTool("who").text == "child 3", "the next call starts another")
            #expect(hosted.server.host.figures.stops[.overMemory] == 1)
        }
    }

    @Test func whatTheServerRefusesIsPassedOn() async throws {
        var script = Script()
        script.answering = { if $0 == "tools/call" { throw MCPError(MCPError.Code(rawValue: -31_999), "own words") } }
        try await withHosted(script) { hosted in
            let refused = try await hosted.client.openSession().callTool("who")
            #expect(refused.errorCode == -31_999 && refused.errorMessage == "own words")
        }
    }

    @Test func whoGivesUpIsForgottenByTheChildToo() async throws {
        try await withHosted { hosted in
            let call = Task { [client = hosted.client] in try await client.callTool("waits", ["word": "never"]) }
            try await hosted.launcher.arrival(of: "never")
            call.cancel()
            _ = await call.result
            let child = hosted.launcher.children(for: .handle)[0]
            try await hosted.launcher.events.until(.received(child.number, "notifications/cancelled", ""))
            try await hosted.launcher.events.until(.setBusy(child.number, false))
        }
    }

    @Test func aRequestAfterTheEndIsRefused() async throws {
        try await withHosted { hosted in
            await hosted.server.end(grace: .zero)
            let refused = try await hosted.client.request("tools/list")
            #expect(refused.status == 503 && refused.errorMessage == "hosted is being stopped.", "\(refused)")
        }
    }
}
