import Testing
import TorporCore
import TorporStore
import TorporStoreTestKit

@testable import TorporSQLite

/// Databases as earlier versions left them. What is written here never changes.
@Suite struct SQLiteFormatTests {
    private static let format1 = """
        PRAGMA application_id = 1416589936;
        PRAGMA user_version = 1;
        CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
        INSERT INTO meta VALUES ('identity', x'00112233445566778899aabbccddeeff');
        INSERT INTO meta VALUES ('incarnation', -81985529216486896);
        INSERT INTO meta VALUES ('is_check_due', 0);
        INSERT INTO meta VALUES ('is_open', 0);
        CREATE TABLE objects (
            number INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,
            account BLOB NOT NULL, incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, revision INTEGER NOT NULL,
            commit_id BLOB NOT NULL, value_count INTEGER NOT NULL, byte_count INTEGER NOT NULL,
            stored_bytes INTEGER NOT NULL, created INTEGER NOT NULL, expiry INTEGER NOT NULL,
            is_quarantined INTEGER NOT NULL);
        CREATE UNIQUE INDEX objects_by_id ON objects (id);
        CREATE INDEX objects_by_expiry ON objects (expiry);
        CREATE TABLE object_values (
            number INTEGER PRIMARY KEY, object INTEGER NOT NULL, key BLOB NOT NULL, stored BLOB NOT NULL);
        CREATE UNIQUE INDEX object_values_by_key ON object_values (object, key);
        CREATE TABLE accounts (
            account BLOB PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE totals (
            number INTEGER PRIMARY KEY CHECK (number = 1), objects INTEGER NOT NULL, bytes INTEGER NOT NULL,
            anonymous_objects INTEGER NOT NULL, anonymous_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL);
        CREATE TABLE tombstones (number INTEGER PRIMARY KEY, session BLOB NOT NULL, until INTEGER NOT NULL);
        CREATE TABLE epochs (unit BLOB PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO objects VALUES (
            5, x'00000000000000000000000000000001', 2, 'basket', x'0100000000000000000000000000000007',
            -81985529216486896, 2, 3, x'0000000000000000000000000000002a', 2, 40, 5, 1000, 9000, 0);
        INSERT INTO objects VALUES (
            7, x'ff000000000000000000000000000002', 1, '', x'0200000000000000000000000000000008',
            -81985529216486896, 1, -1, x'0000000000000000000000000000002b', 0, 1, 0, 1000, 9223372036854775807, 1);
        INSERT INTO object_values VALUES (1, 5, x'61', x'0102030405');
        INSERT INTO object_values VALUES (2, 5, x'00ff', x'');
        INSERT INTO accounts VALUES (x'0100000000000000000000000000000007', 1, 40);
        INSERT INTO accounts VALUES (x'0200000000000000000000000000000008', 1, 1);
        INSERT INTO totals VALUES (1, 2, 41, 1, 1, 5);
        INSERT INTO tombstones VALUES (3, x'00000000000000000000000000000009', 5000);
        INSERT INTO tombstones VALUES (4, x'0000000000000000000000000000000a', 6000);
        INSERT INTO epochs VALUES (x'0100000000000000000000000000000007', 2);
        """

    @Test func format1IsReadAndWritten() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try ForeignConnection(factory.path).execute(Self.format1)
            try await factory.withStore { store, trial in
                #expect(store.identity == 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF)
                let fence = Fence(incarnation: UInt64(bitPattern: -81_985_529_216_486_896), epoch: 2)
                let first = RecordHeader(
                    id: StateObjectID(bits: 1), kind: .handle, name: "basket", account: .principal(7), fence: fence,
                    revision: Revision(3), commit: 42, valueCount: 2, byteCount: 40,
                    created: WallTime(milliseconds: 1_000), expiry: WallTime(milliseconds: 9_000))
                let record = try await trial.record(1)
                #expect(record.header == first)
                #expect(record.usage == AccountUsage(objects: 1, bytes: 40))
                try await trial.expectValues([([0, 0xFF], []), ([0x61], [1, 2, 3, 4, 5])], of: 1)
                let second = try #require(try await trial.headers(page: 10).last)
                #expect(second.id.description == "ff000000000000000000000000000002")
                #expect(second.kind == .session && second.isQuarantined && second.expiry == .distantFuture)
                #expect(second.revision == Revision(.max))
                #expect(try await trial.tombstones().map(\.session.bits) == [9, 10])
                let usage = try await store.usage()
                #expect(usage.total == AccountUsage(objects: 2, bytes: 41))
                #expect(usage.anonymous == AccountUsage(objects: 1, bytes: 1))
                #expect(usage.storedBytes == 5)

                var next = try await trial.draft(1, values: [([0x61], nil), ([2], [2])])
                #expect(next.fence == Fence(incarnation: store.incarnation, epoch: 1))
                next.base = Revision(3)
                next.revision = Revision(4)
                try await trial.commit(next)
                try await trial.expectValues([([0, 0xFF], []), ([2], [2])], of: 1)
            }
        }
    }

    /// Whoever changes the schema adds a migration, and a test like the one above.
    @Test func theNewestFormatHasThisSchema() async throws {
        try await withTemporaryFolder { folder in
            let factory = SQLiteStoreFactory(folder: folder)
            try await factory.withStore { _, _ in }
            try ForeignConnection(folder + "/expected.db").execute(Self.format1)
            let schema = """
                SELECT group_concat(line, char(10)) FROM (
                    SELECT replace(replace(replace(sql, char(10), ''), ' ', ''), ';', '') AS line
                    FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name)
                """
            let found = try ForeignConnection(factory.path).text(schema)
            #expect(try found == ForeignConnection(folder + "/expected.db").text(schema))
            #expect(Schema.format == 1)
        }
    }
}
