import Synchronization
import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// Who is subscribed to what, and who tells the children.
@Suite(.timeLimit(.minutes(5))) struct HostedSubscriptionTests {
    private static let uri = "test://one"
    private static let subscribing = "resources/subscribe test://one"

    private static var script: Script {
        var script = Script()
        script.resources = [Self.uri]
        return script
    }

    private func subscribe(_ client: TestClient, _ method: String = "resources/subscribe") async throws -> TestResponse
    {
        try await client.request(method, ["uri": .string(Self.uri)])
    }

    /// Ends a child, and waits until the next may be started.
    private func lose(_ child: ScriptedChild, _ hosted: Hosted) async throws {
        child.die()
        try await hosted.launcher.events.until(.stopped(child.number))
        hosted.clock.advance(by: .seconds(60))
    }

    @Test func theNextChildIsToldBeforeItsFirstCall() async throws {
        try await withHosted(Self.script) { hosted in
            let session = try await hosted.client.openSession()
            #expect(try await self.subscribe(session).result == [:])
            try await self.lose(hosted.launcher.children(for: .session)[0], hosted)
            _ = try await session.callTool("who")
            #expect(
                hosted.launcher.children(for: .session)[1].received == [
                    "initialize", "notifications/initialized", Self.subscribing, "tools/call who",
                ])
        }
    }

    @Test func aChangeIsToldToWhoSubscribed() async throws {
        try await withHosted(Self.script) { hosted in
            let session = try await hosted.client.openSession()
            _ = try await self.subscribe(session)
            let child = hosted.launcher.children(for: .session)[0]
            let told = try await session.openStream { stream in
                child.server.tell("notifications/resources/updated", ["uri": .string(Self.uri)])
                return try await stream.nextMessage()
            }
            #expect(told["method"] == "notifications/resources/updated" && told["params"]?["uri"]?.string == Self.uri)
        }
    }

    @Test func theLastWhoUnsubscribesIsToldToTheChild() async throws {
        try await withHosted(Self.script, scope: .shared) { hosted in
            let (ann, bob) = (try await hosted.client.openSession(), try await hosted.client.openSession())
            for session in [ann, bob] { _ = try await self.subscribe(session) }
            _ = try await self.subscribe(ann, "resources/unsubscribe")
            #expect(!hosted.launcher.child(1).received.contains("resources/unsubscribe \(Self.uri)"))
            _ = try await self.subscribe(bob, "resources/unsubscribe")
            #expect(hosted.launcher.child(1).received.last == "resources/unsubscribe \(Self.uri)")
            try await self.lose(hosted.launcher.child(1), hosted)
            _ = try await ann.callTool("who")
            #expect(!hosted.launcher.child(2).received.contains(Self.subscribing))
        }
    }

    @Test func theSubscriptionsOfAnEndedSessionAreRemoved() async throws {
        try await withHosted(Self.script, scope: .shared) { hosted in
            let session = try await hosted.client.openSession()
            _ = try await self.subscribe(session)
            #expect(hosted.server.state.withLock { $0.subscriptions.uris(of: .shared) } == [Self.uri])
            _ = try await session.endSession()
            #expect(hosted.server.state.withLock { $0.subscriptions.uris(of: .shared) } == [])
            try await hosted.launcher.events.until(.received(1, "resources/unsubscribe", Self.uri))
        }
    }

    @Test func oneOfTwoSessionsThatEndsLeavesTheOther() async throws {
        try await withHosted(Self.script, scope: .shared) { hosted in
            let (ann, bob) = (try await hosted.client.openSession(), try await hosted.client.openSession())
            for session in [ann, bob] { _ = try await self.subscribe(session) }
            _ = try await ann.endSession()
            _ = try await bob.callTool("who")
            #expect(hosted.launcher.child(1).received.last == "tools/call who")
            _ = try await bob.endSession()
            try await hosted.launcher.events.until(.received(1, "resources/unsubscribe", Self.uri))
            #expect(hosted.launcher.child(1).received.count { $0.hasPrefix("resources/unsubscribe") } == 1)
        }
    }

    /// Of two requests under way at once the child may take either first.
    @Test func whoSubscribesWhileTheChildIsToldOfNobodyIsToldOfAgain() async throws {
        let words = Recorder<String>()
        var script = Self.script
        script.answering = { method in
            guard method == "resources/unsubscribe" else { return }
            words.add("told")
            try await words.until("go on")
        }
        try await withHosted(script, scope: .shared) { hosted in
            let ann = try await hosted.client.openSession()
            _ = try await self.subscribe(ann)
            _ = try await ann.endSession()
            try await words.until("told")
            _ = try await self.subscribe(try await hosted.client.openSession())
            words.add("go on")
            try await hosted.launcher.events.until(.received(1, "resources/subscribe", Self.uri), count: 3)
        }
    }

    @Test func aChildThatRefusesOneIsToldOfTheOthers() async throws {
        var script = Self.script
        script.resources = ["test://one", "test://two"]
        script.answering = { if $0 == "resources/unsubscribe" { throw MCPError(.invalidParams, "not this one") } }
        try await withHosted(script, scope: .shared) { hosted in
            let session = try await hosted.client.openSession()
            for uri in ["test://one", "test://two"] {
                _ = try await session.request("resources/subscribe", ["uri": .string(uri)])
            }
            _ = try await session.endSession()
            for uri in ["test://one", "test://two"] {
                try await hosted.launcher.events.until(.received(1, "resources/unsubscribe", uri))
            }
        }
    }

    /// Most clients never say that they end.
    @Test func theSubscriptionsOfASessionEndWithItsTime() async throws {
        try await withHosted(Self.script, scope: .shared) { hosted in
            _ = try await self.subscribe(try await hosted.client.openSession())
            hosted.server.endSessions(by: SystemTime.wallTime())
            #expect(hosted.server.state.withLock { $0.subscriptions.uris(of: .shared) } == [Self.uri])
            hosted.server.endSessions(by: .distantFuture)
            #expect(hosted.server.state.withLock { $0.subscriptions.uris(of: .shared) } == [])
            try await hosted.launcher.events.until(.received(1, "resources/unsubscribe", Self.uri))
        }
    }

    @Test func aRefusedSubscriptionIsNone() async throws {
        var script = Self.script
        script.answering = { if $0 == "resources/subscribe" { throw MCPError(.invalidParams, "not this one") } }
        try await withHosted(script, scope: .shared) { hosted in
            let refused = try await self.subscribe(try await hosted.client.openSession())
            #expect(refused.errorMessage == "not this one")
            #expect(hosted.server.state.withLock { $0.subscriptions.uris(of: .shared) } == [])
        }
    }

    @Test func whoHasNoChildThatLastsCannotSubscribe() async throws {
        try await withHosted(Self.script, scope: .call) { hosted in
            let refused = try await self.subscribe(try await hosted.client.openSession())
            #expect(refused.errorMessage?.contains("belongs to a session") == true, "\(refused)")
        }
    }

    @Test func oneMoreThanMayBeIsRefused() async throws {
        try await withHosted(Self.script, scope: .shared) { hosted in
            hosted.server.state.withLock { state in
                for number in 0..<1_000 {
                    state.subscriptions.add(StateObjectID(bits: 1), to: "\(number)", of: .shared)
                }
            }
            let refused = try await self.subscribe(try await hosted.client.openSession())
            #expect(refused.errorMessage == "hosted has as many subscriptions as it may.")
            #expect(!hosted.launcher.child(1).received.contains(Self.subscribing))
        }
    }

    @Test func aModernClientThatListensIsToldOfItsPrincipalsChild() async throws {
        try await withHosted(Self.script, scope: .principal, principals: ["ann"]) { hosted in
            let ann = hosted.client.authenticated(as: "ann")
            let listening = ann.makeRequest(
                "subscriptions/listen", ["notifications": ["resourceSubscriptions": [.string(Self.uri)]]])
            let told = try await ann.stream(listening) { stream in
                _ = try await stream.nextMessage()
                try await hosted.launcher.events.until { events in
                    events.contains {
                        if case .received(_, "resources/subscribe", Self.uri) = $0 { true } else { false }
                    }
                }
                let child = hosted.launcher.children(for: .principal)[0]
                child.server.tell("notifications/resources/updated", ["uri": .string(Self.uri)])
                return try await stream.nextMessage()
            }
            #expect(told["params"]?["uri"]?.string == Self.uri)
            // It has gone, and its child need not tell of it any more.
            let child = hosted.launcher.children(for: .principal)[0]
            try await hosted.launcher.events.until(.received(child.number, "resources/unsubscribe", Self.uri))
        }
    }
}

/// The table of subscriptions, and its limits.
@Suite struct ResourceSubscriptionsTests {
    private let ann = StateObjectID(bits: 1)
    private let bob = StateObjectID(bits: 2)
    private let other = HostKey(.session, bits: 7)

    @Test func aResourceIsNamedOnceForAllWhoSubscribe() {
        var subscriptions = ResourceSubscriptions()
        for subscriber in [self.ann, self.bob, self.ann] { subscriptions.add(subscriber, to: "b", of: .shared) }
        subscriptions.add(self.ann, to: "a", of: .shared)
        #expect(subscriptions.uris(of: .shared) == ["a", "b"] && subscriptions.uris(of: self.other) == [])
        #expect(subscriptions.isLast(self.ann, of: "a", .shared) && !subscriptions.isLast(self.ann, of: "b", .shared))
        subscriptions.release(self.ann)
        #expect(subscriptions.uris(of: .shared) == ["b"] && subscriptions.isLast(self.bob, of: "b", .shared))
    }

    @Test func whatIsLeftToNobodyIsReleasedOnce() {
        var subscriptions = ResourceSubscriptions()
        for subscriber in [self.ann, self.bob] { subscriptions.add(subscriber, to: "a", of: .shared) }
        for key in [.shared, self.other] { subscriptions.add(self.ann, to: "b", of: key) }
        subscriptions.release(self.ann, from: "b", of: .shared)
        #expect(subscriptions.takeReleased() == .init(key: .shared, uri: "b") && !subscriptions.hasReleased)
        subscriptions.release(self.ann)
        #expect(subscriptions.takeReleased() == .init(key: self.other, uri: "b") && !subscriptions.hasReleased)
        subscriptions.release(self.bob)
        subscriptions.release(self.bob)
        // Somebody has come back to it.
        subscriptions.add(self.ann, to: "a", of: .shared)
        #expect(subscriptions.takeReleased() == nil && !subscriptions.hasReleased)
        subscriptions.release(self.ann)
        #expect(subscriptions.hasReleased)
        subscriptions.forgetReleased(of: .shared)
        #expect(subscriptions.takeReleased() == nil)
    }

    @Test func tenThousandAreReleasedAtATime() {
        var subscriptions = ResourceSubscriptions()
        for key in 0..<11 {
            for number in 0..<1_000 {
                subscriptions.add(self.ann, to: "\(number)", of: HostKey(.session, bits: UInt128(key)))
            }
        }
        subscriptions.release(self.ann)
        var released = 0
        while subscriptions.takeReleased() != nil { released += 1 }
        #expect(released == 10_000 && subscriptions.hasRoom(for: "a", of: self.other))
    }

    @Test func aKeyHasAThousandResources() {
        var subscriptions = ResourceSubscriptions()
        for number in 0..<1_000 { subscriptions.add(self.ann, to: "\(number)", of: .shared) }
        #expect(!subscriptions.hasRoom(for: "another", of: .shared))
        #expect(subscriptions.hasRoom(for: "7", of: .shared), "one that is there already")
        #expect(subscriptions.hasRoom(for: "another", of: self.other))
        subscriptions.remove(self.ann, from: "7", of: .shared)
        #expect(subscriptions.hasRoom(for: "another", of: .shared))
    }

    @Test func allKeysHaveAHundredThousand() {
        var subscriptions = ResourceSubscriptions()
        for key in 0..<100 {
            for number in 0..<1_000 {
                subscriptions.add(self.ann, to: "\(number)", of: HostKey(.session, bits: UInt128(key)))
            }
        }
        #expect(!subscriptions.hasRoom(for: "0", of: .shared))
        subscriptions.remove(self.ann, from: "0", of: self.other)
        #expect(subscriptions.hasRoom(for: "0", of: .shared))
        subscriptions.remove(self.ann, from: "0", of: self.other)
        subscriptions.add(self.bob, to: "0", of: .shared)
        #expect(!subscriptions.hasRoom(for: "0", of: .shared), "what is not there counts nothing when it is removed")
        subscriptions.release(self.ann)
        #expect(subscriptions.hasRoom(for: "0", of: .shared) && subscriptions.uris(of: .shared) == ["0"])
    }
}
