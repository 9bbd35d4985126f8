import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporStore
import TorporTesting

@testable import TorporHosting

/// What becomes of what is kept for a session when that ends.
@Suite(.timeLimit(.minutes(2))) struct SessionEndTests {
    /// Runs a server in each of the processes, which end one after the other and leave the store to the next.
    /// - Returns: What is stored at the end.
    private static func stored(
        after processes: [@Sendable (TestClient, HostedServer) async throws -> Void]
    ) async throws -> [RecordHeader] {
        var stored: [RecordHeader] = []
        let testing = TestOptions()
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                for (number, process) in processes.enumerated() {
                    try await FolderServer.run(trial, in: "\(path)/\(number)", testing: testing) { client, _, server in
                        try await process(client, server)
                    }
                }
                stored = try await trial.storedObjects()
            }
        }
        return stored
    }

    @Test func aDeletedSessionLeavesNothingInTheStore() async throws {
        let stored = try await Self.stored(after: [
            { client, _ in
                let session = try await client.openSession()
                let (first, second) = (try await session.note(), try await session.note())
                #expect(first == "1" && second == "2")
                let ended = try await session.endSession()
                #expect(ended.status == 204)
            }
        ])
        #expect(stored.isEmpty)
    }

    @Test func whatADeletedSessionLeftInAnEarlierProcessIsRemoved() async throws {
        let session = Log<String>()
        let stored = try await Self.stored(after: [
            { client, _ in
                let opened = try await client.openSession()
                _ = try await opened.note()
                session.add(try #require(opened.sessionID))
            },
            { client, _ in
                let count = try await client.under(.v2025_11_25).inSession(session.all[0]).note()
                #expect(count == "2", "what was left is there")
            },
            { client, _ in
                let ended = try await client.under(.v2025_11_25).inSession(session.all[0]).endSession()
                #expect(ended.status == 204)
            },
        ])
        #expect(stored.isEmpty)
    }

    @Test func aSessionThatExpiresLeavesNothingInTheStore() async throws {
        let stored = try await Self.stored(after: [
            { client, server in
                _ = try await client.openSession().note()
                server.endSessions(by: .distantFuture)
            }
        ])
        #expect(stored.isEmpty)
    }

    @Test func whatASessionLeavesThatOnlyDisconnectsIsKept() async throws {
        let stored = try await Self.stored(after: [
            { client, server in
                _ = try await client.openSession().note()
                let now = WallTime(milliseconds: 0)
                server.endSessions(by: now)
            }
        ])
        #expect(!stored.isEmpty)
    }

    @Test func theFolderOfAHandleOutlivesTheSessionsOfItsClient() async throws {
        let stored = try await Self.stored(after: [
            { client, server in
                _ = try await client.note()
                let session = try await client.openSession()
                _ = try await session.note()
                _ = try await session.endSession()
                server.endSessions(by: .distantFuture)
            }
        ])
        let folders = Set(stored.filter { $0.name != FolderKey.pageObjectName }.map(\.id))
        #expect(folders.count == 1)
    }

    @Test func aBusyChildOfADeletedSessionIsStoppedAndDiscarded() async throws {
        // It never answers.
        let server = PlayedServer { _, _, _ in throw CancellationError() }
        try await withHosted(server) { client, _ in
            let session = try await client.openSession()
            _ = try await session.request("tools/list")
            async let call = session.request("tools/call", ["name": "act"])
            let child = await server.child(1)
            _ = await child.first("tools/call")
            let ended = try await session.endSession()
            #expect(ended.status == 204)
            #expect(await child.discards.first(1) == [true])
            #expect(await server.removals.first(1) == [child.key])
            _ = try await call
        }
    }

    @Test func whatIsSharedOutlivesSessions() async throws {
        let server = PlayedServer { _, _, _ in ["content": []] }
        try await withHosted(server, scope: .shared) { client, hosted in
            let session = try await client.openSession()
            _ = try await session.call("act")
            _ = try await session.endSession()
            hosted.endSessions(by: .distantFuture)
        }
        #expect(server.removals.all.isEmpty)
        #expect(await server.child(0).discards.all == [false])
    }

    @Test func sessionsAreTakenOutWhenTheirTimeIsOverAndNotBefore() {
        var ends = SessionEnds()
        let callers = (1...3).map { HostCaller(HostKey(.session, bits: $0), account: .anonymous(0)) }
        for (number, caller) in callers.enumerated() {
            ends.note(caller, end: WallTime(milliseconds: Int64(1_000 * (number + 1))))
            ends.note(caller, end: .distantFuture)
        }
        #expect(ends.takeEnded(by: WallTime(milliseconds: 999)).isEmpty)
        #expect(ends.takeEnded(by: WallTime(milliseconds: 1_000)).map(\.key) == [callers[0].key])
        #expect(ends.takeEnded(by: WallTime(milliseconds: 1_999)).isEmpty)
        #expect(ends.remove(callers[1].key)?.key == callers[1].key)
        #expect(ends.remove(callers[1].key) == nil)
        #expect(ends.takeEnded(by: WallTime(milliseconds: 3_000)).map(\.key) == [callers[2].key])
        #expect(ends.count == 0)
    }

    @Test func noMoreSessionsAreRememberedThanMayBe() {
        var ends = SessionEnds()
        for number in 0...SessionEnds.countMax {
            ends.note(HostCaller(HostKey(.session, bits: UInt128(number)), account: .anonymous(0)), end: .distantFuture)
        }
        #expect(ends.count == SessionEnds.countMax)
    }
}
