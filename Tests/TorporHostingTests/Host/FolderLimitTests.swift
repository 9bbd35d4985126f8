import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporStore
import TorporTesting

@testable import TorporHosting

/// How large folders may be, and what a reload changes about it.
@Suite(.timeLimit(.minutes(2))) struct FolderLimitTests {
    /// Hosts a server, sets it anew after calls that put two files into its folder, and tells how many pages are stored
    /// at the end.
    private static func storedPages(
        first: JSONObject, then second: JSONObject, isTaken: Bool = true, filling size: Int
    ) async throws -> Int {
        var stored = 0
        try await withTemporaryFolder { path in
            try await FolderTrial.run(MemoryStore()) { trial in
                let (settings, changed) = (try FolderServer.settings(first), try FolderServer.settings(second))
                try await FolderServer.run(trial, in: path, settings: settings, testing: TestOptions()) {
                    client, hosting, server in
                    let session = try await client.openSession()
                    _ = try await session.call("fill", ["size": .number(JSONNumber(size))])
                    _ = try await session.note()
                    let next = try hosting.server(changed)
                    // One that is made and not used changes nothing.
                    if isTaken { hosting.replace([next]) }
                }
                for header in try await trial.storedObjects() where header.name == FolderKey.pageObjectName {
                    stored += 1
                }
            }
        }
        return stored
    }

    @Test func aLimitThatIsRaisedHoldsForChildrenThatRun() async throws {
        let pages = try await Self.storedPages(first: ["folder": "4KiB"], then: ["folder": "1MiB"], filling: 100_000)
        #expect(pages == 1)
    }

    @Test func aLimitThatIsLoweredHoldsForChildrenThatRun() async throws {
        let pages = try await Self.storedPages(first: ["folder": "1MiB"], then: ["folder": "4KiB"], filling: 100_000)
        #expect(pages == 0)
    }

    @Test func settingsThatAreNotTakenChangeNoLimit() async throws {
        let pages = try await Self.storedPages(
            first: ["folder": "4KiB"], then: ["folder": "1MiB"], isTaken: false, filling: 100_000)
        #expect(pages == 0)
    }

    @Test func theNumberOfFilesIsTakenAsWell() async throws {
        let pages = try await Self.storedPages(
            first: ["folderFiles": 10_000], then: ["folderFiles": 1], filling: 4_096)
        #expect(pages == 0, "there are two")
    }
}
