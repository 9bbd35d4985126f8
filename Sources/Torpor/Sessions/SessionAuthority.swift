import Synchronization
import TorporEngine
import TorporStore

/// Opens, checks and ends legacy sessions without keeping any: sealed tokens out, sealed tokens in, and a bounded table
/// of those that were ended early.
package final class SessionAuthority: Sendable {
    private struct State {
        var keys: SealingKeys
        var tombstones: TombstoneTable
        /// Sessions beyond their lifetime whose objects were found, until when they need not be looked for again.
        var lasting: [UInt128: WallTime] = [:]
    }

    /// What an id is that a client sent.
    enum Standing {
        case honoured(SessionToken)
        /// Older than its lifetime: honoured if it keeps state, which has to be looked for.
        case old(SessionToken)
        /// Unknown, forged, expired, ended, or another principal's. The cases are not told apart, so that nobody learns
        /// whether a session exists.
        case unknown
    }

    /// How long a token is honoured. Default 24 h.
    private let lifetime: Duration
    private let store: UInt128
    private let service: StateService?
    private let state: Mutex<State>

    /// How many sessions beyond their lifetime are remembered to keep state, and for how long.
    private static let lastingMax = 10_000
    private static let lastingTime = Duration.seconds(3_600)

    /// - Parameters:
    ///   - store: The identity of the store that sessions are at home in; that of `service`, if there is one. Without
    ///     state nothing outlives a session but its id, and tokens of any process with the same keys are at home here.
    ///   - service: Keeps the sessions' state.
    ///   - salt: Tells the servers of one store apart whose sessions are not each other's.
    package init(
        keys: SealingKeys, lifetime: Duration, store: UInt128 = 0, service: StateService? = nil,
        salt: UInt128 = 0, tombstoneCapacity: Int = 1_000_000
    ) {
        precondition(lifetime > .zero, "a session lives for some time")
        self.lifetime = lifetime
        self.service = service
        self.store = (service?.store.identity ?? store) ^ salt
        self.state = Mutex(State(keys: keys, tombstones: TombstoneTable(capacity: tombstoneCapacity)))
    }

    /// Uses `keys` from now on. Sessions sealed by a key that is no longer among them are unknown.
    package func replaceKeys(_ keys: SealingKeys) { self.state.withLock { $0.keys = keys } }

    /// The keys in use now.
    package var keys: SealingKeys { self.state.withLock { $0.keys } }

    /// Opens a session: its id, for `Mcp-Session-Id`. Nothing is stored.
    package func open(_ handshake: Handshake, principal: Principal?, id: UInt128, now: WallTime) -> String {
        let token = SessionToken(
            id: id, created: now, revision: handshake.revision, capabilities: handshake.capabilities,
            owner: OwnerDigest(principal), store: self.store, expiry: now + self.lifetime)
        return token.sealed(by: self.keys)
    }

    /// What an id is that a client sent.
    func standing(_ text: [UInt8], principal: Principal?, now: WallTime) -> Standing {
        let keys = self.state.withLock { $0.keys }
        guard let token = SessionToken.open(text, with: keys, lifetime: self.lifetime), token.store == self.store,
            token.owner == OwnerDigest(principal)
        else { return .unknown }
        let (hasEnded, isLasting) = self.state.withLock { state in
            (state.tombstones.contains(token.tombstoneName), state.lasting[token.id].map { now < $0 } ?? false)
        }
        guard !hasEnded, !(self.service?.engine.hasEnded(StateObjectID(bits: token.id)) ?? false) else {
            return .unknown
        }
        if now < token.expiry || isLasting { return .honoured(token) }
        return self.service == nil ? .unknown : .old(token)
    }

    /// The session of an id that a client sent; `nil` unless it is honoured without looking for its state.
    package func session(_ text: [UInt8], principal: Principal?, now: WallTime) -> SessionToken? {
        guard case .honoured(let token) = self.standing(text, principal: principal, now: now) else { return nil }
        return token
    }

    /// A session beyond its lifetime keeps state: it is honoured for a while without looking again.
    func keepsState(_ token: SessionToken, now: WallTime) {
        self.state.withLock { state in
            if state.lasting.count >= Self.lastingMax { state.lasting = state.lasting.filter { now < $0.value } }
            if state.lasting.count >= Self.lastingMax { state.lasting = [:] }
            state.lasting[token.id] = now + Self.lastingTime
        }
    }

    /// Ends a session before its time. From now on its id is unknown.
    /// - Returns: `false` when another request ended it first.
    package func end(_ token: SessionToken, now: WallTime) -> Bool {
        self.end(token.id, expiry: token.expiry, now: now)
    }

    func end(_ id: UInt128, expiry: WallTime, now: WallTime) -> Bool {
        self.state.withLock { state in
            state.lasting[id] = nil
            return state.tombstones.insert(SessionToken.tombstoneName(of: id), expiry: max(expiry, now), now: now)
        }
    }

    /// The tombstones held, for metrics.
    package var tombstoneCount: Int { self.state.withLock { $0.tombstones.count } }
}
