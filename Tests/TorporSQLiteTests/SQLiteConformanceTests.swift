import Testing
import TorporStoreTestKit

@Suite struct SQLiteConformanceTests {
    @Test(arguments: StoreConformance.cases + StoreConformance.durableCases)
    func keepsItsPromise(_ promise: StoreConformanceCase) async throws {
        try await withTemporaryFolder { try await promise.check(SQLiteStoreFactory(folder: $0)) }
    }

    @Test(arguments: StoreModelCheck.seeds)
    func doesWhatTheModelDoes(seed: UInt64) async throws {
        try await withTemporaryFolder {
            let factory = SQLiteStoreFactory(folder: $0)
            try await StoreModelCheck.run(factory, seed: seed, reopening: true)
            // What docs/formats/sqlite.md tells operators to look for.
            let database = try ForeignConnection(factory.path)
            for sum in [
                "SELECT (SELECT objects FROM totals) = (SELECT count(*) FROM objects)",
                "SELECT (SELECT bytes FROM totals) = (SELECT ifnull(sum(byte_count), 0) FROM objects)",
                "SELECT (SELECT stored_bytes FROM totals) = (SELECT ifnull(sum(length(stored)), 0) FROM object_values)",
                "SELECT NOT EXISTS (SELECT 1 FROM object_values WHERE object NOT IN (SELECT number FROM objects))",
                "SELECT NOT EXISTS (SELECT 1 FROM accounts WHERE objects = 0)",
                "SELECT count(*) = ifnull(max(number) - min(number) + 1, 0) FROM tombstones",
            ] {
                #expect(try database.integer(sum) == 1, "\(sum)")
            }
            #expect(try database.text("PRAGMA integrity_check") == "ok")
        }
    }
}
