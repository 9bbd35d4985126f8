import InMemoryLogging
import Logging
import Synchronization
import Testing
import TorporEngine
import TorporMetrics
import TorporStore
import TorporTesting

@testable import Torpor

@Suite struct StateOperationsTests {
    private struct Missing: Error {}

    /// A basket of two lines, and who looks after it.
    private struct Basket: Sendable {
        let client: TestClient
        let handle: JSONValue
        let id: StateObjectID
        let operations: StateOperations
    }

    private func withBasket(_ body: @escaping @Sendable (Basket) async throws -> Void) async throws {
        let service = StateService.inMemory()
        var options = TestOptions()
        options.state = service
        try await withTestClient(shop(), over: .memory, options: options) { client in
            guard let handle = try await client.call("create_basket").structured?["handle"] else { throw Missing() }
            for sku in ["pear", "fig"] {
                _ = try await client.call("add_item", ["basket": handle, "sku": .string(sku), "count": 2])
            }
            let operations = StateOperations(service)
            guard case .string(let text)? = try await operations.list(.init())["objects"]?[0]?["id"],
                let id = StateObjectID(text)
            else { throw Missing() }
            try await body(Basket(client: client, handle: handle, id: id, operations: operations))
        }
    }

    private func export(_ id: StateObjectID, _ operations: StateOperations) async throws -> [UInt8] {
        var lines = try await operations.export(id)
        var text: [UInt8] = []
        while let line = lines.nextLine() { text += line }
        return text
    }

    @Test func anExportIsReadableAndComesBack() async throws {
        try await self.withBasket { basket in
            let (client, handle, id, operations) = (basket.client, basket.handle, basket.id, basket.operations)
            let text = try await self.export(id, operations)
            let lines = try text.split(separator: 0x0A).map { try JSONValue(parsing: Array($0)) }
            #expect(lines.count == 2)
            #expect(lines[0]["kind"] == "handle" && lines[0]["name"] == "basket" && lines[0]["values"] == 1)
            #expect(lines[1]["key"] == "basket" && lines[1]["type_version"] == 1)
            #expect(lines[1]["json"]?["lines"]?[1]?["sku"] == "fig")
            try await operations.delete(id)
            #expect(try await client.call("show_basket", ["basket": handle]).isError)
            #expect(try await operations.restore(text, replaces: false) == id)
            #expect(try await client.call("show_basket", ["basket": handle]).text == "2 pear, 2 fig")
            let error = await #expect(throws: StateOperationError.self) {
                try await operations.restore(text, replaces: false)
            }
            #expect(error?.code == .conflict)
        }
    }

    @Test func whatIsNoExportIsRefusedWithItsLine() async throws {
        try await self.withBasket { basket in
            let (id, operations) = (basket.id, basket.operations)
            let text = String(decoding: try await self.export(id, operations), as: UTF8.self)
            let second = try #require(text.split(separator: "\n").last).description + "\n"
            let cases: [(String, String)] = [
                ("", "there is nothing"), ("x", "Line 1"),
                (text.replacing("torpor state object", with: "cat"), "Line 1"),
                (text.replacing(#""version":1"#, with: #""version":2"#), "version 1"),
                (text.replacing("\(id)", with: "12"), "32 hexadecimal"),
                (text.replacing(#""handle""#, with: #""cat""#), "kind"),
                (text.replacing("anonymous:", with: "nobody:"), "account"),
                (text.replacing(#""name":"basket""#, with: #""name":"A b""#), "name"),
                (
                    text.replacing(#""kind":"handle","name":"basket""#, with: #""kind":"principal","name":"""#),
                    "principal"
                ),
                (text.replacing(#""values":1"#, with: #""values":-1"#), "whole numbers"),
                (text.replacing(#""values":1"#, with: #""values":0"#), "Line 2"),
                (text.replacing(#""values":1"#, with: #""values":2"#), "cut short"),
                (text.replacing(#""values":1"#, with: #""values":2"#) + second, "same key twice"),
                (text + second, "Line 3"), (String(text.dropLast(5)), "Line 2"),
                (text.replacing(#""encoded":""#, with: #""encoded":"*"#), "base64"),
                (text.replacing(#""key":"basket""#, with: #""key":"""#), "key"),
                (text.replacing(#""key":"basket""#, with: #""key":{"$bytes":"?"}"#), "key"),
                (text.replacing(#""key":"basket""#, with: #""key":"basket","expiry":1"#), "is over"),
            ]
            for (text, reason) in cases {
                let error = await #expect(throws: StateOperationError.self) {
                    try await operations.restore(Array(text.utf8), replaces: true)
                }
                #expect(error?.code == .malformed)
                #expect(error?.message.contains(reason) == true, "\(error?.message ?? "none") for \(reason)")
            }
            #expect(try await self.export(id, operations) == Array(text.utf8), "nothing has changed")
        }
    }

    @Test func anExportCutAtAnyByteChangesNothing() async throws {
        try await self.withBasket { basket in
            let (id, operations) = (basket.id, basket.operations)
            let text = try await self.export(id, operations)
            // Without its last line feed it is whole.
            for count in 0..<text.count - 1 {
                await #expect(throws: StateOperationError.self) {
                    try await operations.restore(Array(text.prefix(count)), replaces: true)
                }
            }
            #expect(try await self.export(id, operations) == text)
        }
    }

    @Test func keysThatAreNoTextAndValuesOfTheServersOwnComeBack() async throws {
        try await self.withBasket { basket in
            let (client, operations) = (basket.client, basket.operations)
            let session = try await client.openSession()
            for text in ["a", "b"] { _ = try await session.call("log", ["text": .string(text)]) }
            var listing = StateOperations.Listing()
            listing.kind = .session
            guard case .string(let text)? = try await operations.list(listing)["objects"]?[0]?["id"],
                let id = StateObjectID(text)
            else { throw Missing() }
            let export = try await self.export(id, operations)
            #expect(String(decoding: export, as: UTF8.self).contains(#""key":{"$bytes":"#))
            _ = try await session.call("log", ["text": "c"])
            _ = try await operations.restore(export, replaces: true)
            #expect(try await session.call("log", ["text": "d"]).text == "0 a, 1 b, 2 d")
        }
    }

    // MARK: Metrics

    private static func batch(_ count: Int) -> CommitBatch {
        let objects = (0..<count).map { number in
            ObjectChange(
                header: RecordHeader(
                    id: StateObjectID(bits: UInt128(number)), kind: .session, name: "", account: .anonymous(1),
                    fence: Fence(incarnation: 1, epoch: 1), revision: .zero, commit: 0, valueCount: 1, byteCount: 100,
                    created: WallTime(milliseconds: 0), expiry: WallTime(milliseconds: 0)),
                base: .zero, action: .write(0..<0))
        }
        return CommitBatch(
            id: 1, time: WallTime(milliseconds: 0), objects: objects, bytes: [UInt8](repeating: 0, count: 40))
    }

    @Test func everythingThatHappensIsCounted() {
        let registry = MetricsRegistry()
        let metrics = StateMetrics(factory: registry)
        let failure = StoreError(.unavailable, "away")
        let outcomes: [CommitOutcome] = [.committed, .refused(CommitRefusal(.full, "full")), .unknown]
        let events: [EngineEvent] = [
            .loaded(.found(bytes: 70), after: .milliseconds(2)), .loaded(.missing, after: .milliseconds(1)),
            .loaded(.unreadable, after: .milliseconds(1)),
            .committed(Self.batch(3), rawBytes: 90, .success(outcomes), after: .milliseconds(3)),
            .committed(Self.batch(2), rawBytes: 90, .failure(failure), after: .seconds(10)),
            .evicted(.room, count: 5), .evicted(.idle, count: 2), .deleted(.client), .storeFailed(.commit, failure),
            .deletionFailed(StateObjectID(bits: 1)), .refused(.overLimit), .refused(.lost), .refused(.lost),
        ]
        for event in events { metrics.record(event) }
        let text = registry.text()
        for line in [
            #"torpor_loads_total{origin="store",result="found"} 1"#,
            #"torpor_loads_total{origin="store",result="missing"} 1"#,
            #"torpor_loads_total{origin="store",result="unreadable"} 1"#, "torpor_load_duration_seconds_count 3",
            "torpor_commit_duration_seconds_count 2", "torpor_commit_objects_sum 5",
            #"torpor_commit_bytes_total{form="raw"} 90"#, #"torpor_commit_bytes_total{form="stored"} 40"#,
            #"torpor_commit_outcomes_total{outcome="committed"} 1"#, #"torpor_commit_outcomes_total{outcome="full"} 1"#,
            #"torpor_commit_outcomes_total{outcome="unknown"} 1"#,
            #"torpor_commit_outcomes_total{outcome="unavailable"} 2"#, #"torpor_evictions_total{reason="room"} 5"#,
            #"torpor_evictions_total{reason="idle"} 2"#, #"torpor_evictions_total{reason="operator"} 0"#,
            #"torpor_deletions_total{reason="client"} 1"#, #"torpor_store_failures_total{task="commit"} 1"#,
            #"torpor_store_failures_total{task="delete"} 1"#, "torpor_object_bytes_sum 170",
            #"torpor_state_refusals_total{reason="over_limit"} 1"#, #"torpor_state_refusals_total{reason="lost"} 2"#,
            #"torpor_state_refusals_total{reason="no_room"} 0"#,
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)")
        }
    }

    // MARK: Log

    private func log(_ events: [(seconds: Int, event: EngineEvent)]) -> [InMemoryLogHandler.Entry] {
        let handler = InMemoryLogHandler()
        let logger = Logger(label: "test") { _ in handler }
        let now = Mutex(Instant(nanoseconds: 0))
        let log = StateLog(logger) { now.withLock { $0 } }
        for (seconds, event) in events {
            now.withLock { $0 = Instant(nanoseconds: Int64(seconds) * 1_000_000_000) }
            log.note(event)
        }
        return handler.entries
    }

    @Test func aStoreThatIsAwayIsNotToldOfAtEveryAttempt() {
        let failed = EngineEvent.storeFailed(.commit, StoreError(.unavailable, "locked"))
        let entries = self.log([
            (0, failed), (1, failed), (29, failed), (30, failed), (31, .storeRecovered(after: .seconds(31))),
            (32, failed),
        ])
        #expect(entries.map(\.level) == [.warning, .warning, .info, .warning])
        #expect(entries[0].metadata["reason"] == "locked" && entries[0].metadata["repeated"] == nil)
        #expect(entries[1].metadata["repeated"] == "2")
        #expect(entries[2].metadata["milliseconds"] == "31000")
    }

    @Test func whatCannotBeReadIsAnErrorWithItsID() {
        let ids = [StateObjectID(bits: 1), StateObjectID(bits: 2)]
        let entries = self.log(
            ids.map { (0, .loadFailed($0, StoreError(.corruptRecord, "torn"))) }
                + [
                    (1, .loadFailed(ids[0], StoreError(.newerFormat, "newer"))),
                    (1, .loadFailed(ids[0], StoreError(.unavailable, "away"))),
                ])
        #expect(entries.map(\.level) == [.error, .error, .warning])
        #expect(entries.map { $0.metadata["object"] } == ["\(ids[0])", "\(ids[1])", nil])
    }

    @Test func changesThatWereDroppedAreErrors() {
        let refused = CommitOutcome.refused(CommitRefusal(.full, "the disk is full"))
        let entries = self.log([
            (0, .committed(Self.batch(3), rawBytes: 1, .success([.committed, refused, refused]), after: .zero)),
            (0, .committed(Self.batch(1), rawBytes: 1, .success([.unknown]), after: .zero)),
            (0, .committed(Self.batch(1), rawBytes: 1, .success([.committed]), after: .zero)),
            (0, .committed(Self.batch(4), rawBytes: 1, .failure(StoreError(.unavailable, "away")), after: .zero)),
        ])
        #expect(entries.map(\.level) == [.error, .warning, .error])
        #expect(entries.map { $0.metadata["objects"] } == ["2", "1", "4"])
        #expect(entries[0].metadata["reason"] == "the disk is full")
    }

    @Test func theEndIsSummedUp() {
        let entries = self.log([
            (0, .started(storedObjects: 3, storedBytes: 4)), (1, .closed(uncommittedObjects: 0, remainders: [])),
            (1, .closed(uncommittedObjects: 2, remainders: [5, 6])),
        ])
        #expect(entries.map(\.level) == [.info, .info, .error])
        #expect(entries[2].metadata == ["objects": "2", "accounts": "2", "bytes": "11"])
    }
}
