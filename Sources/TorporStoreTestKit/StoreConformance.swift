package import TorporStore

/// One promise of the port ``StateStore``, and how to find out whether a store keeps it.
package struct StoreConformanceCase: Sendable, CustomStringConvertible {
    /// The promise, as a sentence.
    package let name: String
    private let body: @Sendable (StoreTrial) async throws -> Void

    init(_ name: String, _ body: @escaping @Sendable (StoreTrial) async throws -> Void) {
        self.name = name
        self.body = body
    }

    package var description: String { self.name }

    /// Tries the promise on a new store, and closes it.
    /// - Throws: ``StoreConformanceFailure`` when it is not kept; whatever the store throws beside it.
    package func check(_ factory: some StoreFactory) async throws {
        let store = try await factory.open()
        let trial = StoreTrial(store, of: factory)
        do {
            try await self.body(trial)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}

/// The promises of the port ``StateStore``. Every adapter keeps ``cases``, every durable one ``durableCases`` too; see
/// ``StoreModelCheck`` for the rest of its test.
package enum StoreConformance {
    package static let cases: [StoreConformanceCase] =
        Self.loading + Self.committing + Self.deleting + Self.fences + Self.accounts + Self.values + Self.listing
        + Self.tombstones + Self.concurrency + Self.closing
}

/// A promise that was not kept.
package struct StoreConformanceFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

package func expect(_ condition: Bool, _ what: @autoclosure () -> String) throws(StoreConformanceFailure) {
    guard condition else { throw StoreConformanceFailure(what()) }
}

package func expectEqual<Value: Equatable>(
    _ found: Value, _ expected: Value, _ what: @autoclosure () -> String
) throws(StoreConformanceFailure) {
    guard found != expected else { return }
    throw StoreConformanceFailure("\(what()): found \(found), expected \(expected)")
}

package func expectStoreError<Value>(
    _ code: StoreError.Code, _ what: String, _ body: () async throws(StoreError) -> Value
) async throws(StoreConformanceFailure) {
    let found: StoreError.Code
    do throws(StoreError) {
        _ = try await body()
    } catch {
        found = error.code
        try expectEqual(found, code, what)
        return
    }
    throw StoreConformanceFailure("\(what): nothing was thrown, expected \(code)")
}
