import Testing
import TorporStore
import TorporStoreTestKit

@Suite struct MemoryStoreTests {
    /// A store of its own for each case; what is closed is forgotten.
    private struct Factory: StoreFactory {
        let tombstonesMax = 300

        func open() async throws -> any StateStore { MemoryStore(tombstonesMax: self.tombstonesMax) }
    }

    @Test(arguments: StoreConformance.cases)
    func keepsItsPromise(_ promise: StoreConformanceCase) async throws {
        try await promise.check(Factory())
    }

    @Test(arguments: StoreModelCheck.seeds)
    func doesWhatTheModelDoes(seed: UInt64) async throws {
        try await StoreModelCheck.run(Factory(), seed: seed)
    }
}
