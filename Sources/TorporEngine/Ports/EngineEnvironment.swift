package import TorporCore

/// What the engine takes from outside: time and randomness.
package struct EngineEnvironment: Sendable {
    /// A clock that never goes back.
    package var now: @Sendable () -> Instant
    package var wallTime: @Sendable () -> WallTime
    /// Suspends for so long on that clock; throws `CancellationError`.
    package var sleep: @Sendable (Duration) async throws -> Void
    package var randomBits: @Sendable () -> UInt128

    package init(
        now: @escaping @Sendable () -> Instant, wallTime: @escaping @Sendable () -> WallTime,
        sleep: @escaping @Sendable (Duration) async throws -> Void, randomBits: @escaping @Sendable () -> UInt128
    ) {
        self.now = now
        self.wallTime = wallTime
        self.sleep = sleep
        self.randomBits = randomBits
    }
}
