/// Runs as long as a server does: it begins before the server listens, and ends when the server has drained and its
/// state is still there.
package protocol ServerCompanion: Sendable {
    /// Runs `serve` once, and returns or throws what that does.
    func run(_ serve: @Sendable () async throws -> Void) async throws

    /// The processes that it keeps, for the governor of memory; `nil` when it keeps none.
    var children: (any GovernedChildren)? { get }
}
