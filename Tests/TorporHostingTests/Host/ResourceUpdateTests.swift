import Testing
import Torpor
import TorporJSON
import TorporTesting
import TorporUpstream

@testable import TorporHosting

/// Whom a child's word that a resource has changed reaches: those whose child it is, and nobody else.
@Suite(.timeLimit(.minutes(2))) struct ResourceUpdateTests {
    private static let uri = "file:///a"
    private static let updated = "notifications/resources/updated"

    private static func server() -> PlayedServer {
        PlayedServer(capabilities: ["resources": ["subscribe": true], "tools": [:]]) { _, _, _ in ["content": []] }
    }

    /// A child says that a resource has changed. On return whoever hears of it has been told.
    private static func change(_ uri: String = Self.uri, at child: PlayedChild) {
        child.notify(self.updated, ["uri": .string(uri)])
    }

    /// A further resource that all are subscribed to, to be told of after the one that is of interest.
    private static let mark = "file:///mark"

    /// Has a session's client subscribe to both, and gives `body` what it is told from then on.
    private static func listening(
        _ session: TestClient, _ body: (inout TestStream) async throws -> Void
    ) async throws {
        try await session.openStream { stream in
            for uri in [self.uri, self.mark] {
                let answer = try await session.request("resources/subscribe", ["uri": .string(uri)])
                #expect(answer.result == [:], "\(answer)")
            }
            try await body(&stream)
        }
    }

    /// The resource that the next message tells of.
    private static func next(_ stream: inout TestStream) async throws -> JSONValue? {
        let message = try await stream.nextMessage()
        #expect(message["method"] == .string(self.updated))
        return message["params"]?["uri"]
    }

    @Test func sessionsHearOfTheirOwnChildAlone() async throws {
        let server = Self.server()
        try await withHosted(server) { client, _ in
            _ = try await client.request("tools/list")
            let (first, second) = (try await client.openSession(), try await client.openSession())
            try await Self.listening(first) { firstStream in
                try await Self.listening(second) { secondStream in
                    let children = await server.children.first(3)
                    Self.change(at: children[2])
                    Self.change(Self.mark, at: children[1])
                    let toFirst = try await Self.next(&firstStream)
                    #expect(toFirst == .string(Self.mark), "not what the other's child has said before")
                    Self.change(Self.mark, at: children[2])
                    for uri in [Self.uri, Self.mark] {
                        let toSecond = try await Self.next(&secondStream)
                        #expect(toSecond == .string(uri))
                    }
                }
            }
            for child in server.children.all.dropFirst() { #expect(child.messages("resources/subscribe").count == 2) }
        }
    }

    @Test func whatIsSharedReachesAll() async throws {
        let server = Self.server()
        try await withHosted(server, scope: .shared) { client, _ in
            let (first, second) = (try await client.openSession(), try await client.openSession())
            try await Self.listening(first) { firstStream in
                try await Self.listening(second) { secondStream in
                    Self.change(at: await server.child(0))
                    let (toFirst, toSecond) = (try await Self.next(&firstStream), try await Self.next(&secondStream))
                    #expect(toFirst == .string(Self.uri) && toSecond == .string(Self.uri))
                }
            }
        }
    }

    @Test func whoListensWithoutASessionHearsOfItsOwnChildAlone() async throws {
        let server = Self.server()
        try await withHosted(server) { client, _ in
            _ = try await client.request("tools/list")
            var handles: [JSONValue] = []
            for _ in 0..<2 {
                let result = try await client.call("act")
                handles.append(try #require(result.result["_meta"]?["torpor/handle"]))
            }
            let listen = { (handle: JSONValue, id: Int) in
                client.makeRequest(
                    "subscriptions/listen",
                    [
                        "notifications": ["resourceSubscriptions": [.string(Self.uri), .string(Self.mark)]],
                        "_meta": ["torpor/handle": handle],
                    ],
                    id: .number(JSONNumber(id)))
            }
            try await client.stream(listen(handles[0], 1)) { firstStream in
                try await client.stream(listen(handles[1], 2)) { secondStream in
                    for stream in [try await firstStream.nextMessage(), try await secondStream.nextMessage()] {
                        #expect(stream["method"] == "notifications/subscriptions/acknowledged")
                    }
                    let children = await server.children.first(3)
                    for child in children[1...] { await child.received(2, "resources/subscribe") }
                    Self.change(at: children[2])
                    Self.change(Self.mark, at: children[1])
                    let toFirst = try await Self.next(&firstStream)
                    #expect(toFirst == .string(Self.mark), "not what the other's child has said before")
                    let toSecond = try await Self.next(&secondStream)
                    #expect(toSecond == .string(Self.uri))
                }
            }
        }
    }

    @Test func anUnsubscribedSessionHearsNothingAnyMore() async throws {
        let server = Self.server()
        try await withHosted(server) { client, hosted in
            _ = try await client.request("tools/list")
            let session = try await client.openSession()
            try await Self.listening(session) { stream in
                let child = await server.child(1)
                _ = try await session.request("resources/unsubscribe", ["uri": .string(Self.uri)])
                Self.change(at: child)
                Self.change(Self.mark, at: child)
                let next = try await Self.next(&stream)
                #expect(next == .string(Self.mark))
            }
        }
    }
}
