import Synchronization

/// Opens, checks and ends legacy sessions without keeping any: sealed tokens out, sealed tokens in, and a bounded table
/// of those that were ended early.
package final class SessionAuthority: Sendable {
    private struct State {
        var keys: SealingKeys
        var tombstones: TombstoneTable
    }

    /// How long a token is honoured. Default 24 h.
    private let lifetime: Duration
    private let store: UInt128
    private let state: Mutex<State>

    /// - Parameter store: The random identity of the store that would keep the sessions' state.
    package init(keys: SealingKeys, lifetime: Duration, store: UInt128, tombstoneCapacity: Int = 1_000_000) {
        precondition(lifetime > .zero, "a session lives for some time")
        self.lifetime = lifetime
        self.store = store
        self.state = Mutex(State(keys: keys, tombstones: TombstoneTable(capacity: tombstoneCapacity)))
    }

    /// Uses `keys` from now on. Sessions sealed by a key that is no longer among them are unknown.
    package func replaceKeys(_ keys: SealingKeys) { self.state.withLock { $0.keys = keys } }

    /// The keys in use now.
    var keys: SealingKeys { self.state.withLock { $0.keys } }

    /// Opens a session: its id, for `Mcp-Session-Id`. Nothing is stored.
    package func open(_ handshake: Handshake, principal: Principal?, id: UInt128, now: WallTime) -> String {
        let token = SessionToken(
            id: id, created: now, revision: handshake.revision, capabilities: handshake.capabilities,
            owner: OwnerDigest(principal), store: self.store, expiry: now + self.lifetime)
        return token.sealed(by: self.keys)
    }

    /// The session of an id that a client sent; `nil` when it is unknown, forged, expired, ended, or another
    /// principal's. The cases are not told apart, so that nobody learns whether a session exists.
    package func session(_ text: [UInt8], principal: Principal?, now: WallTime) -> SessionToken? {
        let keys = self.state.withLock { $0.keys }
        guard let token = SessionToken.open(text, with: keys, lifetime: self.lifetime), token.store == self.store,
            token.owner == OwnerDigest(principal), now < token.expiry,
            !self.state.withLock({ $0.tombstones.contains(token.tombstoneName) })
        else { return nil }
        return token
    }

    /// Ends a session before its time. From now on its id is unknown.
    /// - Returns: `false` when another request ended it first.
    package func end(_ token: SessionToken, now: WallTime) -> Bool {
        self.end(token.id, expiry: token.expiry, now: now)
    }

    func end(_ id: UInt128, expiry: WallTime, now: WallTime) -> Bool {
        self.state.withLock { $0.tombstones.insert(SessionToken.tombstoneName(of: id), expiry: expiry, now: now) }
    }

    /// The tombstones held, for metrics.
    package var tombstoneCount: Int { self.state.withLock { $0.tombstones.count } }
}
