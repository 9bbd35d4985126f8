import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTesting

@testable import TorporHosting

/// How what a server offers is found out, and how often.
@Suite(.timeLimit(.minutes(5))) struct ListTests {
    /// Lets a script read lists when the test says so, and fail while it says so.
    private final class Lists: Sendable {
        let readings = Recorder<String>()
        let words = Recorder<String>()

        var script: Script {
            var script = Script()
            script.answering = { method in
                guard method == "tools/list" else { return }
                let reading = self.readings.all.count + 1
                self.readings.add("begun")
                try await self.words.until { $0.contains("go \(reading)") || $0.contains("fail \(reading)") }
                if self.words.all.contains("fail \(reading)") { throw MCPError(.internalError, "no lists today") }
            }
            return script
        }

        /// Waits for the `number`-th reading.
        func reading(_ number: Int) async throws { try await self.readings.until("begun", count: number) }
    }

    /// Five who wait for what is offered, and what they hear.
    private func waiters(_ server: HostedServer) -> [Task<String?, Never>] {
        (0..<5).map { _ in
            Task.immediate {
                do {
                    try await server.untilOffered()
                    return nil
                } catch {
                    return (error as? Refusal)?.error.message ?? "\(error)"
                }
            }
        }
    }

    @Test func listsAreReadOnceForAllWhoWait() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            let waiters = self.waiters(hosted.server)
            lists.words.add("go 1")
            for waiter in waiters { #expect(await waiter.value == nil) }
            #expect(hosted.server.catalogue?.tools?.count == 5)
            try await hosted.server.untilOffered()
            #expect(lists.readings.all.count == 1 && hosted.launcher.running.count <= 1)
            try await hosted.launcher.events.until(.stopped(1))
        }
    }

    @Test func aFailureReachesAllWhoWaitAndTheNextTriesAgain() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            let waiters = self.waiters(hosted.server)
            lists.words.add("fail 1")
            for waiter in waiters {
                #expect(await waiter.value == "hosted does not say what it offers: no lists today.")
            }
            lists.words.add("go 2")
            try await hosted.server.untilOffered()
            #expect(lists.readings.all.count == 2)
        }
    }

    @Test func aFailureIsTriedAgainWithoutAnybody() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            hosted.server.prepareOffer()
            lists.words.add("fail 1")
            lists.words.add("fail 2")
            lists.words.add("go 3")
            try await hosted.clock.sleeps.until { $0 == [.seconds(5)] }
            hosted.clock.wake(0)
            try await hosted.clock.sleeps.until { $0 == [.seconds(5), .seconds(10)] }
            hosted.clock.wake(1)
            try await lists.reading(3)
            try await hosted.server.untilOffered()
        }
    }

    @Test func whoGivesUpWaitingDoesNotEndTheReading() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            let waiters = self.waiters(hosted.server)
            waiters[0].cancel()
            #expect(await waiters[0].value == "CancellationError()")
            lists.words.add("go 1")
            #expect(await waiters[1].value == nil)
        }
    }

    @Test func aChangeIsReadButNotAllTheTime() async throws {
        let lists = Lists()
        try await withHosted(lists.script, scope: .shared) { hosted in
            lists.words.add("go 1")
            try await hosted.server.untilOffered()
            hosted.clock.advance(by: .milliseconds(500))
            for _ in 0..<10 { hosted.launcher.child(1).server.tell("notifications/tools/list_changed") }
            try await hosted.clock.sleeps.until { !$0.isEmpty }
            #expect(hosted.clock.sleeps.all == [.milliseconds(1_500)], "once for all ten")
            hosted.clock.wake(0)
            try await lists.reading(2)
            // One that is heard of meanwhile is read after this one.
            hosted.launcher.child(1).server.tell("notifications/tools/list_changed")
            lists.words.add("go 2")
            try await hosted.clock.sleeps.until { $0.count == 2 }
            #expect(hosted.clock.sleeps.all.last == .seconds(2))
            hosted.clock.wake(1)
            lists.words.add("go 3")
            try await lists.reading(3)
        }
    }

    @Test func aLateChangeIsReadAtOnce() async throws {
        let lists = Lists()
        try await withHosted(lists.script, scope: .shared) { hosted in
            lists.words.add("go 1")
            try await hosted.server.untilOffered()
            hosted.clock.advance(by: .seconds(3))
            hosted.launcher.child(1).server.tell("notifications/tools/list_changed")
            try await hosted.clock.sleeps.until { $0 == [.zero] }
        }
    }

    @Test func aChildThatStartsLateHasOldListsReadAgain() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            lists.words.add("go 1")
            let session = try await hosted.client.openSession()
            _ = try await session.callTool("who")
            #expect(lists.readings.all.count == 1)
            hosted.clock.advance(by: .seconds(299))
            _ = try await hosted.client.openSession().callTool("who")
            #expect(lists.readings.all.count == 1)
            hosted.clock.advance(by: .seconds(2))
            _ = try await hosted.client.openSession().callTool("who")
            try await lists.reading(2)
            lists.words.add("go 2")
        }
    }

    @Test func whoListensIsToldWhatIsOffered() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            lists.words.add("go 1")
            let heard = Recorder<Int>()
            hosted.server.listen(
                HostedServer.Listener(offered: { heard.add($0.tools?.count ?? 0) }, updated: { _, _ in }))
            try await hosted.server.untilOffered()
            #expect(heard.all == [5])
            hosted.server.listen(
                HostedServer.Listener(offered: { heard.add(-($0.tools?.count ?? 0)) }, updated: { _, _ in }))
            #expect(heard.all == [5, -5], "who comes late is told at once")
        }
    }

    @Test func whoWaitsGoesOnWhenAllWhoListenHaveBeenTold() async throws {
        try await withHosted { hosted in
            let (server, events) = (hosted.server, Recorder<String>())
            server.listen(
                HostedServer.Listener(
                    offered: { _ in
                        Task.immediate {
                            try await server.untilOffered()
                            events.add("goes on")
                        }
                        events.add("told")
                    }, updated: { _, _ in }))
            server.prepareOffer()
            try await events.until("goes on")
            #expect(events.all == ["told", "goes on"])
        }
    }

    @Test func theEndEndsAReading() async throws {
        let lists = Lists()
        try await withHosted(lists.script) { hosted in
            let waiters = self.waiters(hosted.server)
            try await lists.reading(1)
            await hosted.server.end(grace: .zero)
            for waiter in waiters { #expect(await waiter.value == "hosted is being stopped.") }
        }
    }
}
