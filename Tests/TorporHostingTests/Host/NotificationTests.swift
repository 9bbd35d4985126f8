import Testing
import Torpor
import TorporJSON
import TorporTesting
import TorporUpstream

@testable import TorporHosting

/// What clients tell hosted servers without asking for an answer.
@Suite(.timeLimit(.minutes(2))) struct NotificationTests {
    private static let roots = "notifications/roots/list_changed"

    private static func acting(_ revision: ProtocolRevision = .v2025_11_25) -> PlayedServer {
        PlayedServer(revision) { _, _, _ in ["content": []] }
    }

    /// The children of calls of these clients, in the order of the clients.
    private static func call(_ clients: [TestClient]) async throws {
        for client in clients { _ = try await client.call("act") }
    }

    /// What a child was sent of a method, when it is known to have got what was sent before.
    private static func count(_ method: String, at child: PlayedChild, after client: TestClient) async throws -> Int {
        _ = try await client.call("act")
        return child.messages(method).count
    }

    @Test func changedRootsAreToldToTheChildOfTheirSessionAlone() async throws {
        let server = Self.acting()
        try await withHosted(server) { client, _ in
            let telling = client.declaring(["roots": ["listChanged": true]])
            let (first, second) = (try await telling.openSession(), try await telling.openSession())
            let silent = try await client.declaring(["roots": [:]]).openSession()
            // One child tells what is offered.
            _ = try await client.request("tools/list")
            try await Self.call([first, second, silent])
            let children = await server.children.first(4)
            let introduction = await children[1].first("initialize")
            #expect(introduction["params"]?["capabilities"]?["roots"] == ["listChanged": true])
            for client in [first, silent] {
                let answer = try await client.notify(Self.roots)
                #expect(answer.status == 202)
            }
            let toFirst = try await Self.count(Self.roots, at: children[1], after: first)
            #expect(toFirst == 1)
            let toSecond = try await Self.count(Self.roots, at: children[2], after: second)
            #expect(toSecond == 0)
            let toSilent = try await Self.count(Self.roots, at: children[3], after: silent)
            #expect(toSilent == 0, "it was not told of changes")
        }
    }

    @Test(arguments: [HostedServerSettings.Scope.shared, .principal])
    func changedRootsAreNotToldToChildrenOfOthersAsWell(_ scope: HostedServerSettings.Scope) async throws {
        let server = Self.acting()
        var testing = TestOptions()
        testing.principals = ["ann"]
        try await withHosted(server, scope: scope, testing: testing) { client, _ in
            let session = try await client.authenticated(as: "ann").declaring(["roots": ["listChanged": true]])
                .openSession()
            try await Self.call([session])
            let child = try #require(server.children.all.last)
            let accepted = try await session.notify(Self.roots)
            #expect(accepted.status == 202)
            let told = try await Self.count(Self.roots, at: child, after: session)
            #expect(told == 0)
        }
    }

    @Test func changedRootsAreNotToldToModernServers() async throws {
        let server = PlayedServer(.v2026_07_28) { _, _, _ in ["content": [], "resultType": "complete"] }
        try await withHosted(server) { client, _ in
            let session = try await client.declaring(["roots": ["listChanged": true]]).openSession()
            try await Self.call([session])
            let child = try #require(server.children.all.last)
            let accepted = try await session.notify(Self.roots)
            #expect(accepted.status == 202)
            let told = try await Self.count(Self.roots, at: child, after: session)
            #expect(told == 0)
            let call = try #require(child.messages("tools/call").last)
            let capabilities = call["params"]?["_meta"]?["io.modelcontextprotocol/clientCapabilities"]
            #expect(capabilities == ["roots": [:]])
        }
    }

    @Test func aCancelledCallIsCancelledAtTheChild() async throws {
        let server = PlayedServer { child, method, _ in
            // The first call is not answered.
            if child.messages("tools/call").count == 1 { throw CancellationError() }
            return ["content": []]
        }
        try await withHosted(server) { client, _ in
            let session = try await client.openSession()
            _ = try await client.request("tools/list")
            var lost = session.makeRequest("tools/call", ["name": "act"], id: "it")
            lost.isCancelled = true
            let sent = lost
            async let cancelled = session.send(sent)
            let child = await server.child(1)
            let call = await child.first("tools/call")
            let unknown = try await session.notify("notifications/cancelled", ["requestId": "other"])
            #expect(unknown.status == 202)
            let known = try await session.notify("notifications/cancelled", ["requestId": "it"])
            #expect(known.status == 202)
            let told = await child.first("notifications/cancelled")
            #expect(told["params"]?["requestId"] == call["id"], "its own id of the same request")
            #expect(child.messages("notifications/cancelled").count == 1)
            _ = try await cancelled
            let next = try await session.call("act")
            #expect(next.isError == false, "the child goes on")
        }
    }
}
