package import TorporStore

/// Makes the store that an adapter is tried on.
package protocol StoreFactory: Sendable {
    /// How many tombstones its store keeps. Some hundreds keep the cases fast.
    var tombstonesMax: Int { get }

    /// Opens the store, a new one at the first time; once it was closed, the same again.
    func open() async throws -> any StateStore
}
